/** What every generator is to make of the document. */

export interface Task {
  id: number;
  user_id: string;
  title: string;
  description: string | null;
  completed: boolean;
  priority: Priority;
  due_date: string | null;
  tags: string[];
  completed_at: string | null;
  created_at: string;
  updated_at: string;
}

export interface NewTask {
  title: string;
  description?: string | null;
  priority?: Priority;
  due_date?: string | null;
  tags?: string[] | null;
}

export interface Changes extends Partial<NewTask> {
  completed?: boolean;
}

export type Priority = "low" | "medium" | "high";

export type ErrorCode =
  | "VALIDATION_ERROR"
  | "UNAUTHORIZED"
  | "FORBIDDEN"
  | "NOT_FOUND"
  | "METHOD_NOT_ALLOWED"
  | "PAYLOAD_TOO_LARGE"
  | "IDEMPOTENCY_KEY_REUSED"
  | "SERVER_ERROR"
  | "SERVICE_UNAVAILABLE";

export type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

export const ALL_FIELDS = {
  title: "Water the plants",
  description: "All of them",
  priority: "high",
  due_date: "2026-12-01",
  tags: ["home"],
} satisfies NewTask;

/** What a client gets back, in the order of its requests. */
export interface Answers {
  tasks: [created: Task, complete: Task, patched: Task, toggled: Task];
  refusal: string;
}
