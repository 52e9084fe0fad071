"use client";

import {
  type InfiniteData,
  keepPreviousData,
  useInfiniteQuery,
  useMutation,
  useMutationState,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { useState } from "react";
import { type Answer, ApiError, type Changes, type NewTask, type Task, tasksOf } from "../lib/api";
import { dueText } from "../lib/due";
import { keepShown } from "../lib/reminders";
import {
  listKey,
  listsKey,
  narrowed,
  PAGE_SIZE,
  remindersKey,
  statsKey,
  tasksKey,
  type View,
} from "../lib/view";

const A_MINUTE = 60_000;

type Pages = InfiniteData<Answer<"list_tasks">>;
type Answered = { data: Task | null; message: string; next_task?: Task | null };
/** A request for one task, what is shown until its answer comes, and what is said if it fails. */
type Change = {
  task: Task;
  send: () => Promise<Answered>;
  shown?: Task;
  failure: string;
};

/** A task may have gone meanwhile: with the completion that it followed, for example. */
function ifGone(error: unknown): Answered {
  if (error instanceof ApiError && error.status === 404)
    return { data: null, message: "Task deleted" };
  throw error;
}

/** A user's tasks as this view shows them, their counts, and all that can be done with them. */
export function useTasks(userId: string, view: View) {
  const tasks = tasksOf(userId);
  const queryClient = useQueryClient();
  const [message, setMessage] = useState("");

  const list = useInfiniteQuery({
    queryKey: listKey(userId, view),
    queryFn: ({ pageParam, signal }) =>
      tasks.list({ ...view, limit: PAGE_SIZE, cursor: pageParam }, signal),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor,
    placeholderData: keepPreviousData,
  });
  const stats = useQuery({
    queryKey: statsKey(userId, view),
    queryFn: ({ signal }) => tasks.stats(narrowed(view), signal),
    placeholderData: keepPreviousData,
  });
  const reminders = useQuery({
    queryKey: remindersKey(userId),
    queryFn: async ({ signal }) => {
      const { data } = await tasks.list({ filter: "pending" }, signal);
      const reminding = data.filter(({ remind_at }) => remind_at);
      keepShown(userId, reminding);
      return reminding;
    },
    // Nobody waits for it: what fails is not told, but tried again.
    refetchInterval: ({ state }) => state.status === "error" && A_MINUTE,
    refetchIntervalInBackground: true,
  });
  /** Reads these again, and what is not on the page, or was being read, or could not be. */
  const readAgain = (kinds = ["list", "stats"]) =>
    queryClient.invalidateQueries({
      queryKey: tasksKey(userId),
      predicate: (query) =>
        kinds.some((kind) => query.queryKey.includes(kind)) ||
        !query.isActive() ||
        query.state.fetchStatus === "fetching" ||
        query.state.status === "error",
    });

  /** Says what was answered, and keeps its reminders, so that not all tasks are read again. */
  function hear({ data, message, next_task }: Answered, id = data?.id) {
    const heard = [data, next_task].filter((task) => task != null);
    queryClient.setQueryData<Task[]>(
      remindersKey(userId),
      (read) =>
        read && [
          ...read.filter((task) => task.id !== id && task.id !== next_task?.id),
          ...heard.filter(({ completed, remind_at }) => remind_at && !completed),
        ],
    );
    setMessage(
      next_task?.due_date
        ? `${message}. The next one is due ${dueText(next_task.due_date)}`
        : message,
    );
  }

  /** Puts the answer into what was read, so that one change does not read all pages again. */
  function keep(id: number, answer: Task | null) {
    queryClient.setQueriesData<Pages>({ queryKey: listsKey(userId) }, (read) => {
      const changed = ({ data, ...page }: Pages["pages"][number]) => ({
        ...page,
        data: data.flatMap((one) => (one.id === id ? (answer ?? []) : one)),
      });
      return read && { ...read, pages: read.pages.map(changed) };
    });
  }

  /** Whether a successor may have gone when this task was opened again: the answer does not say. */
  function mayHaveTakenBack(id: number) {
    const onPage = queryClient.getQueriesData<Pages>({
      queryKey: listsKey(userId),
      type: "active",
    });
    const read = [
      ...onPage.flatMap(([, list]) => list?.pages ?? []).flatMap((page) => page.data),
      ...(queryClient.getQueryData<Task[]>(remindersKey(userId)) ?? []),
    ];
    const completedAt = read.find((task) => task.id === id)?.completed_at;
    return read.some(
      ({ completed, created_at, updated_at }) =>
        completedAt &&
        !completed &&
        created_at === updated_at &&
        new Date(created_at) >= new Date(completedAt),
    );
  }

  const mutationKey = [...tasksKey(userId), "change"];
  const change = useMutation({
    mutationKey,
    mutationFn: (one: Change) => one.send(),
    onSuccess: (answer, { task }) => {
      const isOpened = answer.data?.completed === false;
      const isTakenBack = isOpened && mayHaveTakenBack(task.id);
      keep(task.id, answer.data);
      hear(answer, task.id);
      const others = isTakenBack ? ["list", "reminders"] : answer.next_task ? ["list"] : [];
      void readAgain(["stats", ...others]);
    },
    onError: (error) => {
      if (error instanceof ApiError && !error.isTemporary) void readAgain();
    },
  });
  const changes = useMutationState({
    filters: { mutationKey },
    select: ({ state }) => ({ ...(state.variables as Change), ...state }),
  });
  const lastChanges = new Map(changes.map((one) => [one.task.id, one]));

  const wanted = { pending: false, completed: true }[view.filter as string];
  const shown = list.data?.pages
    .flatMap((page) => page.data)
    .filter(({ completed }) => wanted === undefined || completed === wanted)
    .flatMap((task) => {
      const last = lastChanges.get(task.id);
      return last?.status === "pending" ? (last.shown ?? []) : task;
    });
  const failures = [...lastChanges.values()].filter(({ status }) => status === "error");

  const removal = (task: Task): Change => ({
    task,
    send: () => tasks.delete(task.id).catch(ifGone),
    failure: "Not deleted",
  });

  return {
    list,
    stats,
    reminders,
    shown,
    readAgain: () => readAgain(),
    failures,
    /** For those who do not see the page. */
    message,
    setMessage,
    tryAgain: ({ task, send, shown, failure }: Change) =>
      change.mutate({ task, send, shown, failure }),
    setCompleted: (task: Task, completed: boolean) =>
      change.mutate({
        task,
        send: () => tasks.setCompleted(task.id, completed),
        shown: { ...task, completed },
        failure: completed ? "Not completed" : "Not reopened",
      }),
    remove: (task: Task) => change.mutate(removal(task)),
    /** Waits for the answer, and rejects if there is none. */
    removeNow: (task: Task) => change.mutateAsync(removal(task)),
    /** For a page that is being left: it is sent, and nobody waits for the answer. */
    removeOnLeave: (task: Task) => tasks.delete(task.id, true).catch(() => undefined),
    async create(task: NewTask, key: string) {
      hear(await tasks.create(task, key));
      void readAgain();
    },
    async update(id: number, fields: Changes) {
      hear(await tasks.update(id, fields));
      void readAgain();
    },
    async clearCompleted() {
      setMessage((await tasks.deleteAll({ ...narrowed(view), filter: "completed" })).message);
      void readAgain();
    },
  };
}
