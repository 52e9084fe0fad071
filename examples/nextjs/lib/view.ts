import type { Query } from "./api";

/** What a list shows. Its page's URL says it, in the API's own parameters. */
export type View = Pick<Query<"list_tasks">, "filter" | "search" | "priority" | "tag" | "sort">;

/** The values go to the API as they are, which judges them. */
export function viewOf(parameters: URLSearchParams): View {
  const names = ["filter", "search", "priority", "tag", "sort"];
  const given = names.filter((name) => parameters.get(name));
  return Object.fromEntries(given.map((name) => [name, parameters.get(name)]));
}

export const PAGE_SIZE = 20;

export const tasksKey = (userId: string) => ["tasks", userId];
export const listKey = (userId: string, view: View) => [...tasksKey(userId), "list", view];
export const statsKey = (userId: string) => [...tasksKey(userId), "stats"];
