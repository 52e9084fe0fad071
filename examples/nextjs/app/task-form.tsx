"use client";

import { useMutation } from "@tanstack/react-query";
import { type ReactNode, useRef, useState } from "react";
import { ApiError, type NewTask, type Task } from "../lib/api";
import { instantOf, localDay, localTime } from "../lib/due";
import { useInBrowser } from "../lib/in-browser";
import { type Recurrence, UNITS } from "../lib/recurrence";
import { askToNotify } from "../lib/reminders";
import { Failure } from "./failure";

type Props = {
  task?: Task;
  /** Sends what was filled in; `untouched` is what the form held when it opened. The key is the
   * same as long as the same is sent.
   */
  send: (filledIn: NewTask, key: string, untouched: NewTask) => Promise<unknown>;
  children?: ReactNode;
};

/** The fields of a new task, or of one that is there. */
export function TaskForm({ task, send, children }: Props) {
  const isInBrowser = useInBrowser();
  const patternBefore = task?.recurrence?.pattern ?? "";
  const [pattern, setPattern] = useState<Recurrence["pattern"] | "">(patternBefore);
  const sent = useRef({ text: "", key: "" });
  const untouched = useRef<NewTask>(undefined);
  const sending = useMutation({
    mutationFn: (form: HTMLFormElement) => {
      const filledIn = valuesOf(form);
      const text = JSON.stringify(filledIn);
      if (sent.current.text !== text) sent.current = { text, key: crypto.randomUUID() };
      return send(filledIn, sent.current.key, untouched.current!);
    },
    onSuccess: (_, form) => {
      const isUntouched = JSON.stringify(valuesOf(form)) === sent.current.text;
      sent.current = { text: "", key: "" };
      if (isUntouched) form.reset(); // else the next one is being typed
      form.querySelector("input")?.focus();
    },
  });
  const isTemporary = sending.error instanceof ApiError && sending.error.isTemporary;

  return (
    <form
      ref={(form) => {
        if (form) untouched.current ??= valuesOf(form);
      }}
      className={task ? "fields" : "fields composer"}
      onInput={() => sending.error && sending.reset()}
      onReset={() => setPattern(patternBefore)}
      onSubmit={(event) => {
        event.preventDefault();
        const reminder = event.currentTarget.querySelector<HTMLInputElement>("[name=remind_at]")!;
        if (reminder.value && reminder.value !== reminder.defaultValue) askToNotify();
        sending.mutate(event.currentTarget);
      }}
    >
      <label className="wide">
        <span className={task ? undefined : "hidden"}>Title</span>
        <input
          name="title"
          defaultValue={task?.title}
          placeholder="What is to be done?"
          required
          autoComplete="off"
        />
      </label>
      <Failure action={task ? "Not saved" : "Not added"} error={sending.error} />
      <details
        className="wide"
        open={task !== undefined}
        // What the browser refuses to send it points at, which must not be hidden.
        onInvalidCapture={({ currentTarget }) => (currentTarget.open = true)}
      >
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
          <label>
            Reminder
            <input
              name="remind_at"
              type="datetime-local"
              max="9999-12-31T23:59"
              defaultValue={localTime(task?.remind_at)}
            />
          </label>
          <label>
            Repeats
            <select
              name="pattern"
              defaultValue={patternBefore}
              onChange={({ target }) => setPattern(target.value as Recurrence["pattern"])}
            >
              <option value="">Never</option>
              <option value="daily">Daily</option>
              <option value="weekly">Weekly</option>
              <option value="monthly">Monthly</option>
              <option value="yearly">Yearly</option>
            </select>
          </label>
          {pattern && (
            <>
              <label>
                Every how many {UNITS[pattern]}
                <input
                  name="interval"
                  type="number"
                  min={1}
                  max={365}
                  required
                  defaultValue={task?.recurrence?.interval ?? 1}
                />
              </label>
              <label>
                Until
                <input
                  name="end_date"
                  type="date"
                  defaultValue={task?.recurrence?.end_date ?? undefined}
                />
              </label>
            </>
          )}
          <label className="wide">
            Tags, with commas between them
            <input name="tags" defaultValue={task?.tags.join(", ")} autoComplete="off" />
          </label>
        </div>
      </details>
      <div className="buttons">
        <button disabled={!isInBrowser || sending.isPending}>
          {isTemporary ? "Try again" : task ? "Save" : "Add task"}
        </button>
        {children}
      </div>
    </form>
  );
}

function valuesOf(form: HTMLFormElement): NewTask {
  const { title, description, priority, due_date, pattern, interval, end_date, remind_at, tags } =
    Object.fromEntries(new FormData(form) as unknown as Iterable<[string, string]>) as Record<
      string,
      string
    >;
  return {
    title: title!,
    description: description || null,
    priority: priority as NewTask["priority"],
    due_date: due_date || null,
    recurrence: pattern
      ? {
          pattern: pattern as Recurrence["pattern"],
          interval: Number(interval),
          end_date: end_date || null,
        }
      : null,
    remind_at: instantOf(remind_at!),
    tags: tags!
      .split(",")
      .map((tag) => tag.trim())
      .filter(Boolean),
  };
}
