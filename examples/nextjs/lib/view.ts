import type { Query } from "./api";

/** What narrows a list, and its order. Its page's URL says both, in the API's own parameters. */
export type View = Pick<Query<"list_tasks">, "filter" | "search" | "priority" | "tag" | "sort">;

/** The values go to the API as they are, which judges them. */
export function viewOf(parameters: URLSearchParams): View {
  const names = ["filter", "search", "priority", "tag", "sort"];
  const given = names.filter((name) => parameters.get(name));
  return Object.fromEntries(given.map((name) => [name, parameters.get(name)]));
}

/** The view without its order: what is counted, and what a change of many tasks reaches. */
export const narrowed = (view: View): View => ({ ...view, sort: undefined });

export const PAGE_SIZE = 50;
const MOST_PAGES = 20;

/** How many pages were loaded: the URL says that, too, for a reload. */
export function pagesOf(parameters: URLSearchParams) {
  return Math.min(Math.max(Math.trunc(Number(parameters.get("pages"))) || 1, 1), MOST_PAGES);
}

export const tasksKey = (userId: string) => ["tasks", userId];
export const remindersKey = (userId: string) => [...tasksKey(userId), "reminders"];
export const listsKey = (userId: string) => [...tasksKey(userId), "list"];
export const listKey = (userId: string, view: View) => [...listsKey(userId), view];
export const statsKey = (userId: string, view: View) => [
  ...tasksKey(userId),
  "stats",
  narrowed(view),
];
