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
  recurrence: Recurrence | null;
  remind_at: string | null;
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
  recurrence?: NewRecurrence | null;
  remind_at?: string | null;
}

export interface Recurrence {
  pattern: Pattern;
  interval: number;
  end_date: string | null;
}

export interface NewRecurrence {
  pattern: Pattern;
  interval?: number | null;
  end_date?: string | null;
}

export type Pattern = "daily" | "weekly" | "monthly" | "yearly";

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
  recurrence: { pattern: "weekly", interval: 2, end_date: null },
  remind_at: "2026-12-01T08:00:00Z",
} satisfies NewTask;

/** What a client gets back, in the order of its requests. */
export interface Answers {
  tasks: [created: Task, complete: Task, patched: Task, toggled: Task];
  refusal: string;
}
