import { ALL_FIELDS } from "./expected.js";
import type { Answers, Changes, ErrorCode, NewTask, Priority, Same, Task } from "./expected.js";
import * as api from "./generated/fetch.js";

true satisfies Same<api.Task, Task>;
true satisfies Same<api.TaskCreate, NewTask>;
true satisfies Same<api.TaskUpdate, Changes>;
true satisfies Same<api.ErrorCode, ErrorCode>;
true satisfies Same<api.Priority, Priority>;

// @ts-expect-error: no such priority
export const wrong: api.TaskCreate = { title: "Buy groceries", priority: "urgent" };

export async function use(_: string, userId: string, token: string): Promise<Answers> {
  const options = { headers: { Authorization: `Bearer ${token}` } };

  const created = await api.createTask(userId, { title: "Buy groceries" }, options);
  if (created.status !== 201) throw new Error(created.data.error);
  const complete = await api.createTask(userId, ALL_FIELDS, options);
  if (complete.status !== 201) throw new Error(complete.data.error);
  const { id } = created.data.data;
  const patched = await api.patchTask(userId, id, { completed: true }, options);
  if (patched.status !== 200) throw new Error(patched.data.error);
  const toggled = await api.toggleTaskCompletion(userId, id, undefined, options);
  if (toggled.status !== 200) throw new Error(toggled.data.error);

  const missing = await api.getTask(userId, 999, options);
  if (missing.status === 200) throw new Error();
  // @ts-expect-error: no such code
  if (missing.data.code === "GONE") throw new Error();
  const refusal = missing.data.code === "NOT_FOUND" ? missing.data.error : "";

  const tasks: Answers["tasks"] = [
    created.data.data,
    complete.data.data,
    patched.data.data,
    toggled.data.data,
  ];
  return { tasks, refusal };
}
