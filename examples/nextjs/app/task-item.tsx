"use client";

import type { ReactNode } from "react";
import type { Task } from "../lib/api";
import { dueText, isOverdue } from "../lib/due";
import { type Recurrence, recurrenceText } from "../lib/recurrence";
import { useInBrowser } from "../lib/in-browser";
import { Icon, PriorityIcon } from "./icons";

type Props = {
  task: Task;
  onToggle: () => void;
  onEdit: () => void;
  onDelete: () => void;
  onTag: (tag: string) => void;
  /** What failed. */
  children: ReactNode;
};

export function TaskItem({ task, onToggle, onEdit, onDelete, onTag, children }: Props) {
  const reminder = !task.completed && task.remind_at;
  return (
    <li className="task">
      <label className="title">
        <input type="checkbox" checked={task.completed} onChange={onToggle} />
        <span>{task.title}</span>
      </label>
      <div className="buttons">
        <PriorityIcon priority={task.priority} />
        <button
          type="button"
          className="quiet-icon"
          title="Edit"
          aria-label={`Edit ${task.title}`}
          onClick={onEdit}
        >
          <Icon of="edit" />
        </button>
        <button
          type="button"
          className="quiet-icon"
          title="Delete"
          aria-label={`Delete ${task.title}`}
          onClick={onDelete}
        >
          <Icon of="delete" />
        </button>
      </div>
      {task.description && <p className="description">{task.description}</p>}
      {(task.due_date || task.recurrence || reminder || task.tags.length > 0) && (
        <p className="meta">
          {task.due_date && <Due due={task.due_date} isOpen={!task.completed} />}
          {task.recurrence && <Repeats recurrence={task.recurrence} />}
          {reminder && <Reminder time={reminder} />}
          {task.tags.map((tag) => (
            <button type="button" className="tag" key={tag} onClick={() => onTag(tag)}>
              <span className="hidden">Only tasks tagged </span>
              {tag}
            </button>
          ))}
        </p>
      )}
      {children}
    </li>
  );
}

function Due({ due, isOpen }: { due: string; isOpen: boolean }) {
  // The server knows neither the reader's time zone nor language.
  const isInBrowser = useInBrowser();
  const isLate = isInBrowser && isOpen && isOverdue(due);
  return (
    <time dateTime={due} className={isLate ? "late" : undefined}>
      <Icon of="due" />
      {isLate ? "overdue: " : "due "}
      {isInBrowser ? dueText(due) : due}
    </time>
  );
}

function Repeats({ recurrence }: { recurrence: Recurrence }) {
  const isInBrowser = useInBrowser();
  return (
    <span>
      <Icon of="repeat" />
      repeats {recurrenceText(recurrence, isInBrowser ? dueText : String)}
    </span>
  );
}

function Reminder({ time }: { time: string }) {
  const isInBrowser = useInBrowser();
  return (
    <time dateTime={time}>
      <Icon of="reminder" />
      reminder {isInBrowser ? dueText(time) : time}
    </time>
  );
}
