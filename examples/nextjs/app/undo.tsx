"use client";

import { useEffect, useEffectEvent, useRef } from "react";
import type { Task } from "../lib/api";

const SECONDS = 6;

type Props = { task: Task; onUndo: () => void; onOver: () => void; onLeave: () => void };

/** Holds a deletion back for a moment; as long as the pointer or the keyboard's focus is on it. */
export function Undo({ task, onUndo, onOver, onLeave }: Props) {
  const bar = useRef<HTMLDivElement>(null);
  const over = useEffectEvent(onOver);
  const leave = useEffectEvent(onLeave);
  useEffect(() => {
    bar.current?.querySelector("button")?.focus();
    const timer = setInterval(() => {
      if (!bar.current?.matches(":hover, :has(:focus-visible)")) over();
    }, SECONDS * 1000);
    const onPageHide = () => leave();
    window.addEventListener("pagehide", onPageHide);
    return () => {
      clearInterval(timer);
      window.removeEventListener("pagehide", onPageHide);
    };
  }, []);
  return (
    <div className="undo" ref={bar}>
      <span>Deleted: {task.title}</span>
      <button type="button" onClick={onUndo}>
        Undo
      </button>
      <button type="button" className="plain" onClick={onOver}>
        Close
      </button>
    </div>
  );
}
