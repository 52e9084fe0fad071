import createClient from "openapi-fetch";
import { ALL_FIELDS } from "./expected.js";
import type { Answers, Changes, ErrorCode, NewTask, Priority, Same, Task } from "./expected.js";
import type { components, operations, paths } from "./generated/paths.js";

type Schemas = components["schemas"];
true satisfies Same<Schemas["Task"], Task>;
true satisfies Same<Schemas["TaskCreate"], NewTask>;
true satisfies Same<Schemas["TaskUpdate"], Changes>;
true satisfies Same<Schemas["ErrorCode"], ErrorCode>;
true satisfies Same<Schemas["Priority"], Priority>;
type Created = operations["create_task"]["responses"][201];
true satisfies Same<Created["headers"]["Location"], string>;

// @ts-expect-error: no such priority
export const wrong: Schemas["TaskCreate"] = { title: "Buy groceries", priority: "urgent" };

export async function use(baseUrl: string, user_id: string, token: string): Promise<Answers> {
  const headers = { Authorization: `Bearer ${token}` };
  const { GET, PATCH, POST } = createClient<paths>({ baseUrl, headers });
  const params = { path: { user_id } };

  const created = await POST("/api/{user_id}/tasks", { params, body: { title: "Buy groceries" } });
  if (created.error) throw new Error(created.error.error);
  const complete = await POST("/api/{user_id}/tasks", { params, body: ALL_FIELDS });
  if (complete.error) throw new Error(complete.error.error);
  const path = { user_id, task_id: created.data.data.id };
  const patched = await PATCH("/api/{user_id}/tasks/{task_id}", {
    params: { path },
    body: { completed: true },
  });
  if (patched.error) throw new Error(patched.error.error);
  const toggled = await PATCH("/api/{user_id}/tasks/{task_id}/complete", { params: { path } });
  if (toggled.error) throw new Error(toggled.error.error);

  const missing = await GET("/api/{user_id}/tasks/{task_id}", {
    params: { path: { user_id, task_id: 999 } },
  });
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
