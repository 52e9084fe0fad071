// The peer in JavaScript: Fastify with pg, written plainly by somebody who knows both.
//
// node app.js <port>
//
// JSON schemas validate and serialise, statements are prepared (they have names), the pool has as many
// connections as that of the others, and every request leaves a line in the log.

import cors from "@fastify/cors"
import jwt from "@fastify/jwt"
import fastify from "fastify"
import pg from "pg"

const POOL_SIZE = 20

// A number, since ids stay below 2^53; and texts of ISO 8601, since a `Date` has no microseconds.
pg.types.setTypeParser(pg.types.builtins.INT8, Number)
pg.types.setTypeParser(pg.types.builtins.TIMESTAMPTZ, (text) => `${text.slice(0, 10)}T${text.slice(11, -3)}Z`)

const KNOWN = "coalesce(completed_at, updated_at)"
const COMPLETED_AT = `CASE WHEN completed THEN ${KNOWN} END`
const COLUMNS = `id, user_id, title, description, completed, priority, due_date, tags,
  ${COMPLETED_AT} AS completed_at, created_at, updated_at`
const THIS_TASK = "WHERE id = $1 AND user_id = $2"
const NEWEST_FIRST = "ORDER BY created_at DESC, id DESC"
// `updated_at` never moves back.
const NOW = "greatest(updated_at, now())"

const LIST = {
  name: "list",
  text: `SELECT ${COLUMNS} FROM tasks WHERE user_id = $1 ${NEWEST_FIRST}`,
}
const LIST_BY_COMPLETION = {
  name: "list by completion",
  text: `SELECT ${COLUMNS} FROM tasks WHERE user_id = $1 AND completed = $2 ${NEWEST_FIRST}`,
}
const GET = { name: "get", text: `SELECT ${COLUMNS} FROM tasks ${THIS_TASK}` }
const CREATE = {
  name: "create",
  text: `INSERT INTO tasks (user_id, title, description, priority, due_date, tags, completed, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, false, now(), now()) RETURNING ${COLUMNS}`,
}
const TOGGLE = {
  name: "toggle",
  text: `UPDATE tasks SET completed = NOT completed, updated_at = ${NOW},
      completed_at = CASE WHEN NOT completed THEN ${NOW} END
    ${THIS_TASK} RETURNING ${COLUMNS}`,
}
const DELETE = { name: "delete", text: `DELETE FROM tasks ${THIS_TASK}` }

function updateOf(fields) {
  const places = Object.fromEntries(fields.map((field, index) => [field, `$${index + 3}`]))
  const completedAt = places.completed
    ? `CASE WHEN NOT ${places.completed} THEN NULL WHEN completed THEN ${KNOWN} ELSE ${NOW} END`
    : COMPLETED_AT
  const changes = fields.map((field) => `${field} = ${places[field]}, `).join("")
  return {
    name: `update ${fields}`,
    text: `UPDATE tasks SET ${changes} updated_at = ${NOW}, completed_at = ${completedAt}
      ${THIS_TASK} RETURNING ${COLUMNS}`,
  }
}

const writable = {
  title: { type: "string", minLength: 1, maxLength: 200 },
  description: { type: ["string", "null"], maxLength: 1000 },
  priority: { enum: ["low", "medium", "high"] },
  due_date: {
    type: ["string", "null"],
    pattern: "^\\d{4}-\\d\\d-\\d\\d(T\\d\\d:\\d\\d(:\\d\\d(\\.\\d{1,9})?)?(Z|[+-]\\d\\d:\\d\\d)?)?$",
  },
  tags: { type: "array", maxItems: 10, items: { type: "string", minLength: 1, maxLength: 50 } },
}
// What is in the body and in no schema is removed, which is Fastify's default.
const newTask = {
  type: "object",
  required: ["title"],
  additionalProperties: false,
  properties: {
    ...writable,
    priority: { ...writable.priority, default: "medium" },
    tags: { ...writable.tags, default: [] },
  },
}
const changes = {
  type: "object",
  additionalProperties: false,
  properties: { ...writable, completed: { type: "boolean" } },
}
const task = {
  type: ["object", "null"],
  properties: {
    id: { type: "integer" },
    user_id: { type: "string" },
    title: { type: "string" },
    description: { type: ["string", "null"] },
    completed: { type: "boolean" },
    priority: { type: "string" },
    due_date: { type: ["string", "null"] },
    tags: { type: "array", items: { type: "string" } },
    completed_at: { type: ["string", "null"] },
    created_at: { type: "string" },
    updated_at: { type: "string" },
  },
}
const answer = (data) => ({ "2xx": { type: "object", properties: { data, message: { type: "string" } } } })
const ofOne = {
  params: {
    type: "object",
    properties: { user_id: { type: "string" }, task_id: { type: "integer", minimum: 1 } },
  },
  response: answer(task),
}

const app = fastify({ logger: true, disableRequestLogging: true })
const pool = new pg.Pool({
  connectionString: process.env.NEON_DATABASE_URL,
  max: POOL_SIZE,
  idleTimeoutMillis: 0,
})

app.addHook("onResponse", async (request, reply) => {
  request.log.info(
    { method: request.method, url: request.url, status: reply.statusCode, ms: reply.elapsedTime },
    "request completed",
  )
})
// A toggle has no body, but may have the `Content-Type` of those that do.
const parseJSON = app.getDefaultJsonParser("error", "error")
app.addContentTypeParser("application/json", { parseAs: "string" }, (request, body, done) =>
  body ? parseJSON(request, body, done) : done(null),
)
await app.register(cors, { origin: "http://localhost:3000", credentials: true })
await app.register(jwt, {
  secret: process.env.BETTER_AUTH_SECRET,
  verify: { algorithms: ["HS256"] },
})

app.get("/health", async () => ({ status: "healthy" }))

await app.register(
  async (tasks) => {
    tasks.addHook("onRequest", async (request, reply) => {
      const { sub } = await request.jwtVerify()
      if (sub !== request.params.user_id) return reply.code(403).send({ error: "Access denied" })
    })

    const found = (rows, message, reply) =>
      rows.length ? { data: rows[0], message } : reply.code(404).send({ error: "Task not found" })

    const shown = { type: "string", enum: ["all", "pending", "completed"], default: "all" }
    const listed = {
      querystring: { type: "object", properties: { filter: shown } },
      response: answer({ type: "array", items: task }),
    }
    tasks.get("", { schema: listed }, async ({ params, query }) => {
      const { rows } = await (query.filter === "all"
        ? pool.query({ ...LIST, values: [params.user_id] })
        : pool.query({ ...LIST_BY_COMPLETION, values: [params.user_id, query.filter === "completed"] }))
      return { data: rows, message: "Tasks retrieved" }
    })

    tasks.post("", { schema: { body: newTask, response: answer(task) } }, async ({ params, body }, reply) => {
      const values = [params.user_id, body.title, body.description, body.priority, body.due_date, body.tags]
      const { rows } = await pool.query({ ...CREATE, values })
      reply.code(201)
      return { data: rows[0], message: "Task created" }
    })

    tasks.get("/:task_id", { schema: ofOne }, async ({ params }, reply) => {
      const { rows } = await pool.query({ ...GET, values: [params.task_id, params.user_id] })
      return found(rows, "Task retrieved", reply)
    })

    tasks.put("/:task_id", { schema: { ...ofOne, body: changes } }, async ({ params, body }, reply) => {
      const fields = Object.keys(changes.properties).filter((field) => field in body)
      const values = [params.task_id, params.user_id, ...fields.map((field) => body[field])]
      const { rows } = await pool.query({ ...updateOf(fields), values })
      return found(rows, "Task updated", reply)
    })

    tasks.delete("/:task_id", { schema: ofOne }, async ({ params }, reply) => {
      const { rowCount } = await pool.query({ ...DELETE, values: [params.task_id, params.user_id] })
      return found(rowCount ? [null] : [], "Task deleted", reply)
    })

    tasks.patch("/:task_id/complete", { schema: ofOne }, async ({ params }, reply) => {
      const { rows } = await pool.query({ ...TOGGLE, values: [params.task_id, params.user_id] })
      return found(rows, `Task marked as ${rows[0]?.completed ? "completed" : "incomplete"}`, reply)
    })
  },
  { prefix: "/api/:user_id/tasks" },
)

await app.listen({ port: Number(process.argv[2]), host: "127.0.0.1" })
