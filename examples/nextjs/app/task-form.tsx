"use client";

import { type FormEvent, type ReactNode, useRef, useState } from "react";
import { ApiError, type NewTask, type Task } from "../lib/api";
import { localDay } from "../lib/due";
import { useInBrowser } from "../lib/in-browser";

type Props = {
  task?: Task;
  /** Sends what was filled in. The key is the same as long as the same is sent. */
  send: (filledIn: NewTask, key: string) => Promise<unknown>;
  children?: ReactNode;
};

/** The fields of a new task, or of one that is there. */
export function TaskForm({ task, send, children }: Props) {
  const [error, setError] = useState<ApiError>();
  const [isSending, setIsSending] = useState(false);
  const isInBrowser = useInBrowser();
  const sent = useRef({ text: "", key: "" });

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    const filledIn = valuesOf(form);
    const text = JSON.stringify(filledIn);
    if (sent.current.text !== text) sent.current = { text, key: crypto.randomUUID() };
    setIsSending(true);
    setError(undefined);
    try {
      await send(filledIn, sent.current.key);
      sent.current = { text: "", key: "" };
      form.reset();
      form.querySelector("input")?.focus();
    } catch (failure) {
      if (!(failure instanceof ApiError)) throw failure;
      setError(failure);
    } finally {
      setIsSending(false);
    }
  }

  const act = task ? "Save" : "Add task";
  return (
    <form className="fields" onSubmit={submit}>
      <label className="wide">
        Title
        <input name="title" defaultValue={task?.title} required autoComplete="off" />
      </label>
      <details className="wide" open={task !== undefined}>
        <summary>Details</summary>
        <div className="fields">
          <label className="wide">
            Description
            <textarea name="description" rows={2} defaultValue={task?.description ?? ""} />
          </label>
          <label>
            Priority
            <select name="priority" defaultValue={task?.priority ?? "medium"}>
              <option value="high">High</option>
              <option value="medium">Medium</option>
              <option value="low">Low</option>
            </select>
          </label>
          <label>
            Due date
            <input name="due_date" type="date" defaultValue={localDay(task?.due_date)} />
          </label>
          <label className="wide">
            Tags, with commas between them
            <input name="tags" defaultValue={task?.tags.join(", ")} autoComplete="off" />
          </label>
        </div>
      </details>
      {error && (
        <p role="alert" className="error wide">
          {error.message}
        </p>
      )}
      <div className="buttons wide">
        <button disabled={!isInBrowser || isSending}>
          {error?.isTemporary ? "Try again" : act}
        </button>
        {children}
      </div>
    </form>
  );
}

function valuesOf(form: HTMLFormElement): NewTask {
  const { title, description, priority, due_date, tags } = Object.fromEntries(
    new FormData(form) as unknown as Iterable<[string, string]>,
  ) as Record<string, string>;
  return {
    title: title!,
    description: description || null,
    priority: priority as NewTask["priority"],
    due_date: due_date || null,
    tags: tags!
      .split(",")
      .map((tag) => tag.trim())
      .filter(Boolean),
  };
}
