// lib/api.ts
import { authClient } from "./auth-client";
import type { components, operations } from "./tasks-api";

const API_URL = process.env.NEXT_PUBLIC_API_URL ?? "http://localhost:8000";
const A_MINUTE = 60_000;

export type Task = components["schemas"]["Task"];
export type NewTask = components["schemas"]["TaskCreate"];
export type Changes = components["schemas"]["TaskUpdate"];
type Json<Message> = Message extends { content: { "application/json": infer Body } } ? Body : never;
type Responses<Name extends keyof operations> = operations[Name]["responses"];
/** What an operation answers with, and what narrows it. */
export type Answer<Name extends keyof operations> = Json<
  Responses<Name>[keyof Responses<Name> & (200 | 201)]
>;
export type Query<Name extends keyof operations> = NonNullable<
  operations[Name]["parameters"]["query"]
>;

/** A refusal in the API's own words. The status is 0 where nothing answered. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }

  /** Whether the same request may succeed later. */
  get isTemporary() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

type Token = { text: string; keepUntil: number };

let kept: { userId: string; token: Promise<Token> } | undefined;
const tabs = globalThis.window?.BroadcastChannel && new BroadcastChannel("tasks-user");

export function forgetToken() {
  kept = undefined;
}

if (tabs) {
  // Better Auth asks who is signed in when this tab signs in or out, when another one signs out,
  // and when this one is looked at again. Tabs tell each other the rest.
  const session = authClient.$store.atoms.session!;
  let told: string | undefined;
  session.subscribe(({ data, isPending }) => {
    if (isPending) return;
    const userId = data?.user.id;
    if (userId !== kept?.userId) forgetToken();
    if (userId && userId !== told) tabs.postMessage(userId);
    told = userId;
  });
  tabs.onmessage = ({ data: userId }) => {
    if (userId === session.get().data?.user.id) return;
    forgetToken();
    authClient.$store.notify("$sessionSignal");
  };
}

function unreachable(error: unknown): never {
  if (!(error instanceof TypeError)) throw error;
  throw new ApiError(0, "UNREACHABLE", "The server cannot be reached");
}

type Answered<Data> = { data: Data; error: { status: number; code?: string; message?: string } | null };

/** What Better Auth answers; its client throws only where nothing answered, and this always. */
export async function answered<Data>(request: Promise<Answered<Data>>) {
  const { data, error } = await request.catch(unreachable);
  if (!error) return data;
  const message = error.message || `The server answered ${error.status}`;
  throw new ApiError(error.status, error.code ?? "UNKNOWN", message);
}

async function issueToken(userId: string): Promise<Token> {
  const { data, error } = await authClient.token().catch(unreachable);
  if (error) {
    if (error.status === 401) authClient.$store.notify("$sessionSignal");
    throw new ApiError(error.status, "UNAUTHORIZED", error.message ?? "Sign in again");
  }
  const payload = data.token.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/");
  const { sub, iat, exp } = JSON.parse(atob(payload));
  tabs?.postMessage(sub);
  if (sub !== userId) {
    authClient.$store.notify("$sessionSignal");
    throw new ApiError(401, "UNAUTHORIZED", "Somebody else has signed in");
  }
  const lifetime = (exp - iat) * 1000; // whatever this machine's clock says
  return { text: data.token, keepUntil: Date.now() + lifetime - A_MINUTE };
}

/** The kept token, or a new one; however many calls wait for it, one is issued. */
async function getToken(userId: string, refused?: Token): Promise<Token> {
  const asked = kept?.userId === userId ? kept : undefined;
  const token = await asked?.token.catch(() => undefined);
  const isGood = token && token !== refused && Date.now() < token.keepUntil;
  if (isGood && kept === asked) return token;
  if (!kept || kept === asked || kept.userId !== userId) {
    kept = { userId, token: issueToken(userId) };
  }
  return kept.token;
}

type Options = {
  query?: Record<string, unknown>;
  body?: object;
  headers?: Record<string, string>;
  signal?: AbortSignal;
  keepalive?: boolean;
};

async function call<Name extends keyof operations>(
  userId: string,
  method: string,
  path: string,
  { query = {}, body, headers, ...init }: Options = {},
): Promise<Answer<Name>> {
  const url = new URL(`${API_URL}/api/${encodeURIComponent(userId)}/tasks${path}`);
  for (const [name, value] of Object.entries(query)) {
    for (const one of [value].flat())
      if (one != null && one !== "") url.searchParams.append(name, `${one}`);
  }
  const send = (token: Token) =>
    fetch(url, {
      ...init,
      method,
      headers: {
        ...headers,
        Authorization: `Bearer ${token.text}`,
        ...(body && { "Content-Type": "application/json" }),
      },
      body: body && JSON.stringify(body),
    }).catch(unreachable);

  const token = await getToken(userId);
  let response = await send(token);
  if (response.status === 401) response = await send(await getToken(userId, token));
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  throw new ApiError(
    response.status,
    answer.code ?? "UNKNOWN",
    answer.error ?? response.statusText,
  );
}

/** The tasks of the user whose page this is; nobody else's token is ever sent with them. */
export function tasksOf(userId: string) {
  return {
    list: (query: Query<"list_tasks"> = {}, signal?: AbortSignal) =>
      call<"list_tasks">(userId, "GET", "", { query, signal }),
    stats: (query: Query<"get_task_stats"> = {}, signal?: AbortSignal) =>
      call<"get_task_stats">(userId, "GET", "/stats", { query, signal }),
    /** The same key again makes no second task. */
    create: (task: NewTask, key: string) =>
      call<"create_task">(userId, "POST", "", { body: task, headers: { "Idempotency-Key": key } }),
    update: (id: number, changes: Changes) =>
      call<"patch_task">(userId, "PATCH", `/${id}`, { body: changes }),
    setCompleted: (id: number, completed: boolean) =>
      call<"toggle_task_completion">(userId, "PATCH", `/${id}/complete`, { body: { completed } }),
    /** With `keepalive`, it is sent even if the page is left meanwhile. */
    delete: (id: number, keepalive = false) =>
      call<"delete_task">(userId, "DELETE", `/${id}`, { keepalive }),
    deleteAll: (query: Query<"delete_tasks">) =>
      call<"delete_tasks">(userId, "DELETE", "", { query }),
  };
}
