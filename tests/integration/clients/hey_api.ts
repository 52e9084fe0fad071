import { ALL_FIELDS } from "./expected.js";
import type { Answers, Changes, ErrorCode, NewTask, Priority, Same, Task } from "./expected.js";
import * as api from "./generated/index.js";
import { client } from "./generated/client.gen.js";
import * as schemas from "./generated/zod.gen.js";

true satisfies Same<api.Task, Task>;
true satisfies Same<api.TaskCreate, NewTask>;
true satisfies Same<api.TaskUpdate, Changes>;
true satisfies Same<api.ErrorCode, ErrorCode>;
true satisfies Same<api.Priority, Priority>;

// @ts-expect-error: no such priority
export const wrong: api.TaskCreate = { title: "Buy groceries", priority: "urgent" };

export async function use(baseUrl: string, user_id: string, token: string): Promise<Answers> {
  client.setConfig({ baseUrl, auth: token });
  const owner = { user_id };

  const created = await api.createTask({ path: owner, body: { title: "Buy groceries" } });
  if (created.error) throw new Error(created.error.error);
  const complete = await api.createTask({ path: owner, body: ALL_FIELDS });
  if (complete.error) throw new Error(complete.error.error);
  const path = { user_id, task_id: created.data.data.id };
  const patched = await api.patchTask({ path, body: { completed: true } });
  if (patched.error) throw new Error(patched.error.error);
  const toggled = await api.toggleTaskCompletion({ path });
  if (toggled.error) throw new Error(toggled.error.error);

  const missing = await api.getTask({ path: { user_id, task_id: 999 } });
  // @ts-expect-error: no such code
  if (missing.error?.code === "GONE") throw new Error();
  const refusal = missing.error?.code === "NOT_FOUND" ? missing.error.error : "";

  const tasks: Answers["tasks"] = [
    created.data.data,
    complete.data.data,
    patched.data.data,
    toggled.data.data,
  ];
  return { tasks, refusal };
}

/** For each due date, what its task and the refusal after its end hold, judged by zod schemas. */
export async function validated(
  baseUrl: string,
  user_id: string,
  token: string,
  due_dates: (string | null)[],
): Promise<unknown[]> {
  client.setConfig({ baseUrl, auth: token });
  const path = schemas.zCreateTaskPath.parse({ user_id });

  const answers: unknown[] = [];
  for (const due_date of due_dates) {
    const body = schemas.zCreateTaskBody.parse({ ...ALL_FIELDS, due_date });
    const created = schemas.zCreateTaskResponse.parse((await api.createTask({ path, body })).data);
    const task = schemas.zGetTaskPath.parse({ user_id, task_id: created.data.id });
    const changes = schemas.zPatchTaskBody.parse({ completed: true, due_date });
    const { data } = await api.patchTask({ path: task, body: changes });
    const patched = schemas.zPatchTaskResponse.parse(data);
    schemas.zListTasksResponse.parse((await api.listTasks({ path })).data);
    schemas.zDeleteTaskResponse.parse((await api.deleteTask({ path: task })).data);
    const refused = schemas.zErrorResponse.parse((await api.getTask({ path: task })).error);
    answers.push([patched.data.due_date, refused.code]);
  }
  return answers;
}
