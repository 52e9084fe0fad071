"use client";

import { useEffect, useState } from "react";
import type { Task } from "../lib/api";
import { dueText } from "../lib/due";
import { askToNotify, notify, setShown, useNotShown, usePermission } from "../lib/reminders";
import { Icon } from "./icons";

const A_MINUTE = 60_000;
const timeOf = ({ remind_at }: Task) => Date.parse(remind_at!);

type Props = {
  /** All that are open and have a reminder. */
  tasks: Task[];
  readAgain: () => Promise<unknown>;
  onDismiss: () => void;
};

/** Shows each reminder when its time has come: as a notification, or in a list where none may be. */
export function Reminders({ tasks, readAgain, onDismiss }: Props) {
  const [now, setNow] = useState(Date.now);
  const [canNotify, setCanNotify] = useState(true);
  const permission = usePermission();
  const notShown = useNotShown(tasks);
  const due = notShown
    .filter((task) => timeOf(task) <= now)
    .sort((one, other) => timeOf(one) - timeOf(other));
  const next = Math.min(...notShown.map(timeOf).filter((time) => time > now));

  useEffect(() => {
    if (next === Infinity) return;
    // A timer sleeps with the machine, and is no longer than 24 days: a short one sees the clock.
    const timer = setTimeout(
      async () => {
        // Another device may have completed the task meanwhile.
        if (next <= Date.now()) await readAgain();
        setNow(Date.now());
      },
      Math.min(Math.max(next - Date.now(), 0), A_MINUTE),
    );
    return () => clearTimeout(timer);
  }, [next, now, readAgain]);

  useEffect(() => {
    if (permission !== "granted") return;
    for (const task of due) notify(task).catch(() => setCanNotify(false));
  }, [due, permission]);

  return (
    <div aria-live="polite">
      {due.length > 0 && !(permission === "granted" && canNotify) && (
        <section className="card reminders" aria-label="Reminders">
          <h2>
            <Icon of="reminder" /> Reminders
          </h2>
          <ul>
            {due.map((task) => (
              <li key={task.id}>
                {task.title} <time dateTime={task.remind_at!}>{dueText(task.remind_at!)}</time>
              </li>
            ))}
          </ul>
          <div className="buttons">
            {permission === "default" && (
              <button type="button" className="plain" onClick={askToNotify}>
                Turn on notifications
              </button>
            )}
            <button
              type="button"
              onClick={() => {
                setShown(due);
                onDismiss();
              }}
            >
              Dismiss
            </button>
          </div>
        </section>
      )}
    </div>
  );
}
