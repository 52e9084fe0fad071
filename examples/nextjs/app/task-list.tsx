"use client";

import { useSearchParams } from "next/navigation";
import { useRef, useState } from "react";
import type { Changes, NewTask, Task } from "../lib/api";
import { useInBrowser } from "../lib/in-browser";
import { narrowed, type View, viewOf } from "../lib/view";
import { DeleteAccount, SignOut } from "./account";
import { Confirm, Dialog } from "./dialog";
import { Failure } from "./failure";
import { Icon, Logo } from "./icons";
import { Reminders } from "./reminders";
import { TaskForm } from "./task-form";
import { TaskItem } from "./task-item";
import { Undo } from "./undo";
import { useTasks } from "./use-tasks";
import { ViewForm } from "./view-form";

export function TaskList({ userId, name }: { userId: string; name: string }) {
  const view = viewOf(useSearchParams());
  const tasks = useTasks(userId, view);
  const { list, stats, reminders, setMessage } = tasks;
  // To a browser whose clock is ahead, what the server has just read is old.
  const isReading = useInBrowser() && list.isFetching;
  const heading = useRef<HTMLHeadingElement>(null);
  const newTask = useRef<HTMLElement>(null);
  const [edited, setEdited] = useState<Task>();
  const [deleted, setDeleted] = useState<Task>();
  const [isClearing, setIsClearing] = useState(false);

  function startToRemove(task: Task) {
    if (deleted) tasks.remove(deleted);
    setDeleted(task);
    setMessage(`Deleted: ${task.title}`);
  }

  /** The deletion that waits is sent, in case somebody may still take it back. */
  async function removeNow() {
    setDeleted(undefined);
    if (deleted) await tasks.removeNow(deleted);
  }

  const isKept = ({ id }: Task) => id !== deleted?.id;
  const shown = tasks.shown?.filter(isKept);
  const isRead = !list.error && !stats.error;
  const completed = stats.data?.data.completed ?? 0;
  // A failure stands with its task, or here, if the task is not in this list.
  const elsewhere = tasks.failures.filter(({ task }) => !shown?.some(({ id }) => id === task.id));
  return (
    <>
      <div className="who">
        <h1>{name}’s tasks</h1>
        <SignOut sendRest={removeNow} />
      </div>
      <section className="card" aria-label="New task" ref={newTask}>
        <TaskForm send={tasks.create} />
      </section>
      <Reminders
        tasks={reminders.data?.filter(isKept) ?? []}
        readAgain={reminders.refetch}
        onDismiss={() => heading.current?.focus()}
      />
      <ViewForm view={view} onChange={setView} />
      <div className="heading">
        <h2 ref={heading} tabIndex={-1}>
          {stats.data ? counts(view, stats.data.data) : "Tasks"}
        </h2>
        {completed > 0 && (
          <button type="button" className="plain" onClick={() => setIsClearing(true)}>
            Clear completed
          </button>
        )}
      </div>
      <p role="status" className="hidden">
        {tasks.message}
      </p>
      {elsewhere.map((failed) => (
        <Failure
          key={failed.task.id}
          action={`${failed.failure}: ${failed.task.title}`}
          error={failed.error}
          onTryAgain={() => tasks.tryAgain(failed)}
        />
      ))}
      {!list.isFetchNextPageError && (
        <Failure
          action={shown ? "Not up to date" : "Tasks not loaded"}
          error={list.error ?? stats.error}
          onTryAgain={tasks.readAgain}
        />
      )}
      {shown?.length === 0 && isRead && !list.hasNextPage && (
        <Empty
          isNarrowed={Object.values(narrowed(view)).some(Boolean)}
          onAdd={() => newTask.current?.querySelector("input")?.focus()}
        />
      )}
      <ul className="tasks" aria-label="Tasks" aria-busy={isReading}>
        {shown?.map((task) => {
          const failed = tasks.failures.find((failure) => failure.task.id === task.id);
          return (
            <TaskItem
              key={task.id}
              task={task}
              onToggle={() => tasks.setCompleted(task, !task.completed)}
              onEdit={() => setEdited(task)}
              onDelete={() => startToRemove(task)}
              onTag={(tag) => setView({ tag })}
            >
              {failed && (
                <Failure
                  action={failed.failure}
                  error={failed.error}
                  onTryAgain={() => tasks.tryAgain(failed)}
                />
              )}
            </TaskItem>
          );
        })}
      </ul>
      {list.isFetchNextPageError && <Failure action="No more tasks loaded" error={list.error} />}
      {list.hasNextPage && (
        <button
          type="button"
          className="more"
          disabled={isReading}
          onClick={async () => {
            const { data } = await list.fetchNextPage();
            setParameters({ pages: `${data?.pages.length}` }, "replaceState");
          }}
        >
          {list.isFetchNextPageError ? "Try again" : "More"}
        </button>
      )}
      <DeleteAccount />
      {deleted && (
        <Undo
          key={deleted.id}
          task={deleted}
          onUndo={() => {
            setDeleted(undefined);
            setMessage(`Kept: ${deleted.title}`);
            heading.current?.focus();
          }}
          onOver={() => {
            setDeleted(undefined);
            tasks.remove(deleted);
          }}
          onLeave={() => {
            setDeleted(undefined);
            void tasks.removeOnLeave(deleted);
          }}
        />
      )}
      {edited && (
        <Dialog title="Edit the task" onClose={() => setEdited(undefined)}>
          <TaskForm
            task={edited}
            send={async (filledIn, _, untouched) => {
              await tasks.update(edited.id, differences(untouched, filledIn));
              setEdited(undefined);
            }}
          >
            <button type="button" className="plain" onClick={() => setEdited(undefined)}>
              Cancel
            </button>
          </TaskForm>
        </Dialog>
      )}
      {isClearing && (
        <Confirm
          title={`Delete ${completed} completed ${completed === 1 ? "task" : "tasks"}?`}
          act="Delete"
          failure="Not deleted"
          onConfirm={tasks.clearCompleted}
          onClose={() => setIsClearing(false)}
        >
          <p>This cannot be undone.</p>
        </Confirm>
      )}
    </>
  );
}

function Empty({ isNarrowed, onAdd }: { isNarrowed: boolean; onAdd: () => void }) {
  const nothing = Object.fromEntries(["filter", "search", "priority", "tag"].map((n) => [n, ""]));
  return isNarrowed ? (
    <div className="empty">
      <Icon of="search" />
      <p>No task matches.</p>
      <button type="button" className="plain" onClick={() => setView(nothing)}>
        Show all tasks
      </button>
    </div>
  ) : (
    <div className="empty">
      <Logo />
      <p>No tasks yet: add your first one.</p>
      <button type="button" className="plain" onClick={onAdd}>
        Add a task
      </button>
    </div>
  );
}

/** How many of what is shown. */
function counts({ filter }: View, { pending, completed }: { pending: number; completed: number }) {
  const open = filter !== "completed" && `${pending} open`;
  const done = filter !== "pending" && `${completed} completed`;
  return [open, done].filter(Boolean).join(", ");
}

/** Back leads to the view before; letters that are typed one after the other are one view. */
function setView(changes: Record<string, string>) {
  const isTyped = changes.search && new URLSearchParams(window.location.search).has("search");
  setParameters({ ...changes, pages: "" }, isTyped ? "replaceState" : "pushState");
}

function setParameters(changes: Record<string, string>, act: "pushState" | "replaceState") {
  const next = new URLSearchParams(window.location.search); // what React has may lag behind it
  for (const [name, value] of Object.entries(changes)) next.set(name, value);
  for (const [name, value] of [...next]) if (!value) next.delete(name);
  window.history[act](null, "", next.size ? `?${next}` : window.location.pathname);
}

/** What was changed in the form, so that an edit neither undoes what another device changed, nor
 * alters what the form shows in its own way: a comma in a tag.
 */
function differences(untouched: NewTask, filledIn: NewTask): Changes {
  return Object.fromEntries(
    Object.entries(filledIn).filter(
      ([name, value]) =>
        JSON.stringify(value) !== JSON.stringify(untouched[name as keyof NewTask]),
    ),
  );
}
