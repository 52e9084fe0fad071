// What the walks through examples/nextjs share: Chromium, people who sign in, and what a test may
// ask of the process that runs it. The argument is JSON; see test_example.py.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

import { chromium } from "playwright-core";

export const { frontEnd, api, browserPath, screenshots } = JSON.parse(process.argv[2]);

export const PASSWORD = "a-password-of-some-length";
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Asks the test to let this fail meanwhile. */
export async function during(fault, act) {
  await ask(fault);
  await act();
  await ask("mend");
}

async function ask(what) {
  console.log(JSON.stringify({ ask: what }));
  await answers.next();
}

export async function step(name, act) {
  console.log(JSON.stringify({ step: name }));
  await act();
}

export async function eventually(condition) {
  const deadline = Date.now() + 20_000;
  while (!(await condition())) assert.ok(Date.now() < deadline, String(condition));
}

/** Nothing on the page keeps a screen reader or the keyboard out, as far as axe can tell. */
export async function assertAccessible(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  assert.deepEqual(
    violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]),
    [],
  );
}

/** A window of its own, where nobody is signed in; Better Auth's rate limit sees many addresses. */
export async function openContext(browser, options = {}) {
  const context = await browser.newContext({
    locale: "en-US",
    reducedMotion: "reduce",
    ...options,
  });
  context.setDefaultTimeout(20_000);
  let asked = 0;
  await context.route(`${frontEnd}/api/auth/**`, (route) => {
    asked += 1;
    const address = `198.51.${Math.floor(asked / 250)}.${asked % 250}`;
    return route.continue({
      headers: { ...route.request().headers(), "x-forwarded-for": address },
    });
  });
  return context;
}

export async function openPage(context) {
  const page = await context.newPage();
  page.on("pageerror", (error) => assert.fail(`${page.url()}: ${error.stack}`));
  // React tells the console what it found; that a request failed, the browser itself.
  page.on("console", (message) => {
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
      assert.fail(`${page.url()}: ${message.text()}`);
  });
  page.on("request", (request) => {
    const token = tokenOf(request);
    const owner = new URL(request.url()).pathname.split("/")[2];
    if (token) assert.equal(subject(token), owner, "a token was sent for another user's tasks");
  });
  return page;
}

export const emailOf = (name) => `${name.toLowerCase()}@example.com`;

export async function signUp(page, name) {
  await page.goto(frontEnd);
  await page.getByRole("button", { name: "I am new here" }).click();
  await page.getByLabel("Name").fill(name);
  await fillIn(page, name);
  await page.getByRole("button", { name: "Create account" }).click();
  await seesTasksOf(page, name);
}

export async function signIn(page, name) {
  await fillIn(page, name);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await seesTasksOf(page, name);
}

async function fillIn(page, name) {
  await page.getByLabel("E-mail").fill(emailOf(name));
  await page.getByLabel("Password").fill(PASSWORD);
}

/** Signs in behind the page's back, as a Server Action or another tab's reload does. */
export async function signInUnnoticed(page, name) {
  const status = await page.evaluate(
    async ([email, password]) => {
      const body = JSON.stringify({ email, password });
      const headers = { "Content-Type": "application/json" };
      return (await fetch("/api/auth/sign-in/email", { method: "POST", headers, body })).status;
    },
    [emailOf(name), PASSWORD],
  );
  assert.equal(status, 200);
}

/** Waits until nobody is signed in, whichever navigation leads there. */
export const seesSignIn = (page) => page.getByRole("heading", { name: "Sign in" }).waitFor();

export async function seesTasksOf(page, name) {
  await page.getByRole("heading", { name: `${name}’s tasks` }).waitFor();
  await page.getByRole("heading", { name: / open, / }).waitFor();
  await reacts(page);
}

/** Waits until the page, which the server has rendered, listens. */
export const reacts = (page) =>
  page.waitForFunction(() => document.querySelector("main form button:enabled"));

/** What the page says of failures; Next.js has an alert of its own elsewhere. */
export const alert = (page) => page.locator("main").getByRole("alert");

/** Waits until this is the one failure that the page tells of. */
export async function tells(page, text) {
  await alert(page).getByText(text, { exact: true }).waitFor();
  assert.equal(await alert(page).count(), 1);
}
export const tellsNothing = (page) =>
  page.waitForFunction(() => !document.querySelector("main [role=alert]"));

/** What the API has, past the page. */
export const stored = (page) => pastThePage(page);

/** Creates a task as another client does, which may send what the page's form cannot. */
export const store = (page, task) =>
  pastThePage(page, { method: "POST", body: JSON.stringify(task) });

async function pastThePage(page, options) {
  return page.evaluate(
    async ([api, options]) => {
      const { token } = await (await fetch("/api/auth/token")).json();
      const { sub } = JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")));
      const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
      const answer = await fetch(`${api}/api/${sub}/tasks`, { ...options, headers });
      return (await answer.json()).data;
    },
    [api, options],
  );
}

/** The headings, titles and buttons of a list. */
export const heading = (page, text) =>
  page.getByRole("heading", { name: text, exact: true }).waitFor();
export const checkbox = (page, name) => page.getByRole("checkbox", { name, exact: true });
export const task = (page, title) => page.getByRole("listitem").filter({ hasText: title });
export const button = (page, name) => page.getByRole("button", { name, exact: true });
export const titles = (page) => page.getByRole("listitem").locator(".title").allInnerTexts();

export async function create(page, title, { priority, due, repeats, every, reminder, tags } = {}) {
  const form = page.getByRole("region", { name: "New task" });
  await form.getByRole("textbox", { name: "Title" }).fill(title);
  if (priority || due || repeats || reminder || tags) {
    await form.locator("details").evaluate((details) => (details.open = true));
    await form.getByRole("combobox", { name: "Priority" }).selectOption(priority ?? "medium");
    await form.getByLabel("Due date").fill(due ?? "");
    await form.getByLabel("Repeats").selectOption(repeats ?? "Never");
    if (every) await form.getByLabel("Every").fill(every);
    await form.getByLabel("Reminder").fill(reminder ?? "");
    await form.getByLabel("Tags").fill(tags ?? "");
  }
  await form.getByRole("button", { name: "Add task" }).click();
}

/** The user that each request to the API was sent for, by its token. */
export function usersOfRequests(page) {
  const users = [];
  page.on("request", (request) => {
    const token = tokenOf(request);
    if (token) users.push(subject(token));
  });
  return users;
}

const tokenOf = (request) =>
  request.url().startsWith(api) ? request.headers().authorization?.split(" ")[1] : undefined;

const subject = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url")).sub;

/** The id of whoever is signed in in this context. */
export async function userId(page) {
  const answer = await page.evaluate(async () => (await fetch("/api/auth/get-session")).json());
  return answer.user.id;
}

export async function inBrowser(walk) {
  const browser = await chromium.launch({
    executablePath: browserPath,
    args: ["--no-sandbox", "--disable-gpu"],
  });
  try {
    await walk(browser);
  } catch (error) {
    for (const context of browser.contexts()) {
      for (const page of context.pages()) {
        console.error(page.url(), "\n", await page.locator("body").innerText().catch(String));
      }
    }
    throw error;
  } finally {
    await browser.close();
  }
  process.exit();
}
