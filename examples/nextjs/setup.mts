// Run by `npm run setup`: writes .env.local unless it is there, and makes Better Auth's tables.
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import nextEnv from "@next/env";
import { getMigrations } from "better-auth/db/migration";

// Of the repository that this example is in, or of a clone beside this app.
const apiEnv = ["../../.env", "../tasks-api/.env"].find((file) => existsSync(file));

if (!existsSync(".env.local")) {
  // Both sides must have the same secret: the one of the API, if it has one already.
  const ofApi = apiEnv ? readFileSync(apiEnv, "utf8") : "";
  const secret =
    /^BETTER_AUTH_SECRET=(.+)$/m.exec(ofApi)?.[1] ?? randomBytes(32).toString("base64url");
  writeFileSync(
    ".env.local",
    `BETTER_AUTH_SECRET=${secret}\nBETTER_AUTH_URL=http://localhost:3000\nNEXT_PUBLIC_API_URL=http://localhost:8000\n`,
    { mode: 0o600 },
  );
}
nextEnv.loadEnvConfig(process.cwd());

const { auth } = await import("./lib/auth");
const { runMigrations } = await getMigrations(auth.options);
await runMigrations();
process.exit(); // a pool would keep the process
