// lib/auth.ts
import { betterAuth } from "better-auth";
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
  telemetry: { enabled: false },
  plugins: [jwt(), nextCookies()], // nextCookies stays last
});
