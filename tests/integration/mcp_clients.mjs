// Clients of MCP that nobody here wrote: one of them lists the tools, and adds a task. Its argument
// is JSON: which client, the URL of /mcp, and either a token or who signs in, in which Chromium.
// The last line on stdout is JSON: what the client saw.

import { fileURLToPath } from "node:url";

import { createMCPClient } from "@ai-sdk/mcp";
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { chromium } from "playwright-core";

const { client, url, token, signIn } = JSON.parse(process.argv[2]);
const INFO = { name: "Tests", version: "1.0.0" };
const headers = token ? { Authorization: `Bearer ${token}` } : undefined;
const TASK = { title: "Buy groceries" };
const CALLBACK = "http://localhost/callback"; // of the SDK
const sentBackTo = [];

/** Signs in at the address to which a client has sent its user, who answers; the last answer counts. */
async function letIn(address, ...answers) {
  const browser = await chromium.launch({
    executablePath: signIn.browserPath,
    args: ["--no-sandbox", "--disable-gpu"],
  });
  const page = await browser.newPage();
  page.setDefaultTimeout(120_000); // `next dev` compiles a page when it is first asked for
  await page.route(`${CALLBACK}*`, (route) => route.fulfill({ body: "Back" })); // nobody listens
  await page.goto(address);
  await page.getByLabel("E-mail").fill(signIn.email);
  await page.getByLabel("Password").fill(signIn.password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  for (const answer of answers) {
    await page.getByRole("heading", { name: `Connect ${signIn.as}?` }).waitFor();
    await page.getByRole("button", { name: answer }).click();
    await page.waitForURL(/[?&](code|error)=/);
    sentBackTo.push(new URL(page.url()).searchParams);
    if (answer !== answers.at(-1)) await page.goto(address);
  }
  await browser.close();
}

/** What the SDK keeps for a client that signs in, in memory. */
const kept = {
  redirectUrl: CALLBACK,
  clientMetadata: { client_name: INFO.name, redirect_uris: [CALLBACK] },
  clientInformation: () => kept.client,
  saveClientInformation: (client) => void (kept.client = client),
  tokens: () => kept.savedTokens,
  saveTokens: (tokens) => void (kept.savedTokens = tokens),
  codeVerifier: () => kept.verifier,
  saveCodeVerifier: (verifier) => void (kept.verifier = verifier),
  redirectToAuthorization: (address) => void (kept.address = address.href),
};

async function connect(transport, mode = "legacy") {
  const client = new Client(INFO, { versionNegotiation: { mode } });
  await client.connect(transport, { timeout: 180_000 });
  return client;
}

async function sdk(mode) {
  const open = () =>
    new StreamableHTTPClientTransport(new URL(url), {
      requestInit: { headers },
      authProvider: signIn && kept,
    });
  if (!signIn) return connect(open(), mode);
  const transport = open();
  const refusal = await connect(transport, mode).catch((error) => error);
  if (!(refusal instanceof UnauthorizedError)) throw refusal;
  await letIn(kept.address, "Deny", "Allow");
  await transport.finishAuth(sentBackTo.at(-1));
  return connect(open(), mode);
}

async function remote() {
  const proxy = fileURLToPath(import.meta.resolve("mcp-remote/dist/proxy.js"));
  const withToken = token ? ["--header", `Authorization:${headers.Authorization}`] : [];
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [proxy, url, "--auth-timeout", "180", ...withToken],
    env: { HOME: process.env.HOME, PATH: process.env.PATH, BROWSER: "true" }, // which opens nothing
    stderr: "pipe",
  });
  let said = "";
  transport.stderr.on("data", async (data) => {
    said += data;
    const [address] = /\bhttps?:\S+\/oauth2\/authorize\S+(?=\s)/.exec(said) ?? [];
    if (!address || kept.address) return;
    kept.address = address;
    await letIn(address, "Allow");
  });
  return connect(transport);
}

async function ofTheSdk(client) {
  const { tools } = await client.listTools();
  const added = await client.callTool({ name: "add_task", arguments: TASK });
  return { tools: tools.map(({ name }) => name), added: added.structuredContent };
}

async function ofTheAiSdk(client) {
  const tools = await client.tools();
  const added = await tools.add_task.execute(TASK, { toolCallId: "1", messages: [] });
  return { tools: Object.keys(tools), added: added.structuredContent };
}

const CLIENTS = {
  "SDK, with server/discover": async () => ofTheSdk(await sdk({ pin: "2026-07-28" })),
  "SDK, with initialize": async () => ofTheSdk(await sdk("legacy")),
  "AI SDK": async () =>
    ofTheAiSdk(await createMCPClient({ transport: { type: "http", url, headers } })),
  "mcp-remote": async () => ofTheSdk(await remote()),
};

const saw = await CLIENTS[client]();
const [refusal] = sentBackTo.map((parameters) => parameters.get("error"));
console.log(JSON.stringify({ ...saw, refusal, token: kept.savedTokens?.access_token }));
process.exit(); // connections, and mcp-remote, would keep the process
