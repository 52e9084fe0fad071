// lib/auth.ts
import { betterAuth } from "better-auth";
import { APIError } from "better-auth/api";
import { nextCookies } from "better-auth/next-js";
import { jwt } from "better-auth/plugins";
import { SqliteDialect } from "kysely";
import Database from "libsql";
import { Pool } from "pg";

// A file, until there is a PostgreSQL: the one of the tasks, for example.
const url = process.env.DATABASE_URL ?? "auth.db";

export const auth = betterAuth({
  database: url.startsWith("postgres")
    ? new Pool({ connectionString: url })
    : { type: "sqlite", dialect: new SqliteDialect({ database: new Database(url) }) },
  emailAndPassword: { enabled: true },
  user: { deleteUser: { enabled: true, beforeDelete: deleteTasks } },
  telemetry: { enabled: false },
  plugins: [jwt(), nextCookies()], // nextCookies stays last
});

/**
 * Runs once the password was right. The tasks go first: without the account nobody could delete
 * them. If that fails, the account stays; if the account's end fails, it is there to try again.
 */
async function deleteTasks({ id }: { id: string }, request?: Request): Promise<void> {
  const { token } = await auth.api.getToken({ headers: request!.headers });
  const api = process.env.NEXT_PUBLIC_API_URL ?? "http://localhost:8000";
  const response = await fetch(`${api}/api/${encodeURIComponent(id)}/tasks?filter=all`, {
    method: "DELETE",
    headers: { Authorization: `Bearer ${token}` },
  }).catch(() => undefined);
  if (response?.ok) return;
  throw new APIError("SERVICE_UNAVAILABLE", { message: "The tasks could not be deleted" });
}
