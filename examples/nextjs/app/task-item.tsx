"use client";

import type { Task } from "../lib/api";
import { dueText, isOverdue } from "../lib/due";
import { useInBrowser } from "../lib/in-browser";

type Props = {
  task: Task;
  onToggle: () => void;
  onEdit: () => void;
  onDelete: () => void;
  onTag: (tag: string) => void;
};

export function TaskItem({ task, onToggle, onEdit, onDelete, onTag }: Props) {
  return (
    <li className={`task ${task.priority}`}>
      <label className="title">
        <input type="checkbox" checked={task.completed} onChange={onToggle} />
        <span>{task.title}</span>
      </label>
      {task.description && <p className="description">{task.description}</p>}
      <p className="meta">
        {task.priority !== "medium" && <span>{task.priority} priority</span>}
        {task.due_date && <Due due={task.due_date} isOpen={!task.completed} />}
        {task.tags.map((tag) => (
          <button type="button" className="tag" key={tag} onClick={() => onTag(tag)}>
            <span className="hidden">Only tasks tagged </span>
            {tag}
          </button>
        ))}
      </p>
      <div className="buttons">
        <button type="button" className="plain" onClick={onEdit} aria-label={`Edit ${task.title}`}>
          Edit
        </button>
        <button
          type="button"
          className="plain"
          onClick={onDelete}
          aria-label={`Delete ${task.title}`}
        >
          Delete
        </button>
      </div>
    </li>
  );
}

function Due({ due, isOpen }: { due: string; isOpen: boolean }) {
  // The server knows neither the reader's time zone nor language.
  const isInBrowser = useInBrowser();
  const isLate = isInBrowser && isOpen && isOverdue(due);
  return (
    <time dateTime={due} className={isLate ? "late" : undefined}>
      {isLate ? "overdue: " : "due "}
      {isInBrowser ? dueText(due) : due}
    </time>
  );
}
