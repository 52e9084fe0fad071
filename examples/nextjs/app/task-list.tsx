"use client";

import {
  type InfiniteData,
  keepPreviousData,
  useInfiniteQuery,
  useMutation,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { useSearchParams } from "next/navigation";
import { useMemo, useRef, useState } from "react";
import { type Answer, ApiError, type Changes, type NewTask, type Task, tasksOf } from "../lib/api";
import { localDay } from "../lib/due";
import { listKey, PAGE_SIZE, statsKey, tasksKey, viewOf } from "../lib/view";
import { Dialog } from "./dialog";
import { TaskForm } from "./task-form";
import { TaskItem } from "./task-item";
import { Undo } from "./undo";
import { ViewForm } from "./view-form";

type Pages = InfiniteData<Answer<"list_tasks">>;
/** A request, and what the lists show until it is answered. */
type Change = { send: () => Promise<{ message: string }>; show: (tasks: Task[]) => Task[] };

export function TaskList({ userId }: { userId: string }) {
  const tasks = useMemo(() => tasksOf(userId), [userId]);
  const queryClient = useQueryClient();
  const parameters = useSearchParams();
  const view = viewOf(parameters);
  const heading = useRef<HTMLHeadingElement>(null);
  const [message, setMessage] = useState("");
  const [failed, setFailed] = useState<{ error: Error; change: Change }>();
  const [edited, setEdited] = useState<Task>();
  const [deleted, setDeleted] = useState<Task>();

  const list = useInfiniteQuery({
    queryKey: listKey(userId, view),
    queryFn: ({ pageParam, signal }) =>
      tasks.list({ ...view, limit: PAGE_SIZE, cursor: pageParam }, signal),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
    placeholderData: keepPreviousData,
  });
  const stats = useQuery({
    queryKey: statsKey(userId),
    queryFn: ({ signal }) => tasks.stats({}, signal),
  });
  const readAgain = () => queryClient.invalidateQueries({ queryKey: tasksKey(userId) });

  const change = useMutation({
    mutationFn: (change: Change) => change.send(),
    onMutate: async ({ show }) => {
      setFailed(undefined);
      await queryClient.cancelQueries({ queryKey: tasksKey(userId) });
      queryClient.setQueriesData<Pages>(
        { queryKey: [...tasksKey(userId), "list"] },
        (lists) =>
          lists && {
            ...lists,
            pages: lists.pages.map((page) => ({ ...page, data: show(page.data) })),
          },
      );
    },
    onSuccess: ({ message }) => setMessage(message),
    onError: (error, change) => setFailed({ error, change }),
    onSettled: readAgain,
  });

  function setCompleted({ id, completed }: Task) {
    change.mutate({
      send: () => tasks.setCompleted(id, !completed),
      show: (shown) =>
        shown.map((one) => (one.id === id ? { ...one, completed: !completed } : one)),
    });
  }

  function remove({ id }: Task) {
    setDeleted(undefined);
    change.mutate({
      send: () => tasks.delete(id),
      show: (shown) => shown.filter((one) => one.id !== id),
    });
  }

  function startToRemove(task: Task) {
    if (deleted) remove(deleted);
    setDeleted(task);
    setMessage(`Deleted: ${task.title}`);
  }

  function clearCompleted() {
    if (!window.confirm("Delete all completed tasks?")) return;
    change.mutate({
      send: () => tasks.deleteAll({ filter: "completed" }),
      show: (shown) => shown.filter((one) => !one.completed),
    });
  }

  async function create(task: NewTask, key: string) {
    setMessage((await tasks.create(task, key)).message);
    void readAgain();
  }

  async function update(task: Task, filledIn: NewTask) {
    setMessage((await tasks.update(task.id, differences(task, filledIn))).message);
    setEdited(undefined);
    void readAgain();
  }

  function setView(changes: Record<string, string>) {
    const next = new URLSearchParams(window.location.search); // `parameters` may lag behind it
    for (const [name, value] of Object.entries(changes)) next.set(name, value);
    for (const [name, value] of [...next]) if (!value) next.delete(name);
    window.history.replaceState(null, "", next.size ? `?${next}` : window.location.pathname);
  }

  const shown = list.data?.pages
    .flatMap((page) => page.data)
    .filter(({ id }) => id !== deleted?.id);
  return (
    <>
      <section className="card" aria-label="New task">
        <TaskForm send={create} />
      </section>
      <ViewForm view={view} onChange={setView} />
      <div className="heading">
        <h2 ref={heading} tabIndex={-1}>
          {stats.data
            ? `${stats.data.data.pending} open, ${stats.data.data.completed} completed`
            : "Tasks"}
        </h2>
        {!!stats.data?.data.completed && (
          <button type="button" className="plain" onClick={clearCompleted}>
            Clear completed
          </button>
        )}
      </div>
      <p role="status" className="hidden">
        {message}
      </p>
      {failed && <Failure error={failed.error} onTryAgain={() => change.mutate(failed.change)} />}
      {list.error && <Failure error={list.error} onTryAgain={() => list.refetch()} />}
      {shown?.length === 0 && <p className="quiet">Nothing here.</p>}
      <ul className="tasks" aria-label="Tasks" aria-busy={list.isFetching}>
        {shown?.map((task) => (
          <TaskItem
            key={task.id}
            task={task}
            onToggle={() => setCompleted(task)}
            onEdit={() => setEdited(task)}
            onDelete={() => startToRemove(task)}
            onTag={(tag) => setView({ tag })}
          />
        ))}
      </ul>
      {list.hasNextPage && (
        <button type="button" disabled={list.isFetching} onClick={() => list.fetchNextPage()}>
          More
        </button>
      )}
      {deleted && (
        <Undo
          key={deleted.id}
          task={deleted}
          onUndo={() => {
            setDeleted(undefined);
            setMessage(`Kept: ${deleted.title}`);
            heading.current?.focus();
          }}
          onOver={() => remove(deleted)}
          onLeave={() => {
            setDeleted(undefined);
            void tasks.delete(deleted.id, true);
          }}
        />
      )}
      {edited && (
        <Dialog title="Edit the task" onClose={() => setEdited(undefined)}>
          <TaskForm task={edited} send={(filledIn) => update(edited, filledIn)}>
            <button type="button" className="plain" onClick={() => setEdited(undefined)}>
              Cancel
            </button>
          </TaskForm>
        </Dialog>
      )}
    </>
  );
}

/** What was changed in the form, so that it does not undo what another device changed. */
function differences(task: Task, filledIn: NewTask): Changes {
  const before: Record<string, unknown> = { ...task, due_date: localDay(task.due_date) || null };
  return Object.fromEntries(
    Object.entries(filledIn).filter(([name, value]) => `${value}` !== `${before[name]}`),
  );
}

function Failure({ error, onTryAgain }: { error: Error; onTryAgain: () => void }) {
  return (
    <p role="alert" className="error">
      {error.message}
      {error instanceof ApiError && error.isTemporary && (
        <button type="button" onClick={onTryAgain}>
          Try again
        </button>
      )}
    </p>
  );
}
