"use client";

import { type ReactNode, useLayoutEffect, useRef } from "react";

type Props = { title: string; onClose: () => void; children: (close: () => void) => ReactNode };

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
    <dialog ref={dialog} aria-label={title} onClose={onClose}>
      <h2>{title}</h2>
      {children(() => dialog.current?.close())}
    </dialog>
  );
}
