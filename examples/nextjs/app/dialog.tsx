"use client";

import { useMutation } from "@tanstack/react-query";
import { type ReactNode, useLayoutEffect, useRef } from "react";
import { Failure } from "./failure";

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

type Question = Props & {
  act: string;
  failure: string;
  onConfirm: (form: FormData) => Promise<unknown>;
};

/** Asks before something is done for good, and stays open if that fails. */
export function Confirm({ title, act, failure, onConfirm, onClose, children }: Question) {
  const confirmed = useMutation({ mutationFn: onConfirm, onSuccess: onClose });
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        className="fields"
        onInput={() => confirmed.error && confirmed.reset()}
        onSubmit={(event) => {
          event.preventDefault();
          confirmed.mutate(new FormData(event.currentTarget));
        }}
      >
        {children}
        <Failure action={failure} error={confirmed.error} />
        <div className="buttons">
          <button className="danger" disabled={confirmed.isPending}>
            {act}
          </button>
          <button type="button" className="plain" onClick={onClose}>
            Cancel
          </button>
        </div>
      </form>
    </Dialog>
  );
}
