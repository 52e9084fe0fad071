import { ALL_FIELDS } from "./expected.js";
import type { Changes, ErrorCode, NewTask, Priority, Same, Task } from "./expected.js";
import * as api from "./generated/react-query.js";

true satisfies Same<api.Task, Task>;
true satisfies Same<api.TaskCreate, NewTask>;
true satisfies Same<api.TaskUpdate, Changes>;
true satisfies Same<api.ErrorCode, ErrorCode>;
true satisfies Same<api.Priority, Priority>;

export function useTasks(userId: string, token: string) {
  const options = { fetch: { headers: { Authorization: `Bearer ${token}` } } };
  const { data: listed } = api.useListTasks(userId, { filter: "pending" }, options);
  const { mutate: create } = api.useCreateTask(options);
  const { mutate: patch } = api.usePatchTask(options);
  const { mutate: toggle } = api.useToggleTaskCompletion(options);

  // @ts-expect-error: no such code
  if (listed && listed.status !== 200 && listed.data.code === "GONE") throw new Error();
  const expired = listed && listed.status !== 200 && listed.data.code === "UNAUTHORIZED";

  return {
    tasks: listed?.status === 200 ? listed.data.data : [],
    expired,
    add: () => create({ userId, data: { title: "Buy groceries" } }),
    addComplete: () => create({ userId, data: ALL_FIELDS }),
    // @ts-expect-error: no such priority
    addWrong: () => create({ userId, data: { title: "Buy groceries", priority: "urgent" } }),
    complete: (taskId: number) => patch({ userId, taskId, data: { completed: true } }),
    toggle: (taskId: number) => toggle({ userId, taskId }),
  };
}
