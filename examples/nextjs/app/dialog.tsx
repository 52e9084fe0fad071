"use client";

import { type ReactNode, useLayoutEffect, useRef } from "react";

type Props = { title: string; onClose: () => void; children: ReactNode };

/** The browser's own: it keeps the focus inside, closes on Escape, and gives the focus back. */
export function Dialog({ title, onClose, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  // An effect of the layout closes it while it still stands in the page, where focus can go back.
  useLayoutEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    return () => shown?.close();
  }, []);
  return (
    // In Strict Mode the effect runs twice; the news of its first end comes when it is open again.
    <dialog
      ref={dialog}
      aria-label={title}
      onClose={({ currentTarget }) => currentTarget.open || onClose()}
    >
      <h2>{title}</h2>
      {children}
    </dialog>
  );
}
