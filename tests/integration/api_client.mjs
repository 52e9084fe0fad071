// The example's lib/api.ts by itself, as any front end may take it: nothing else is on the page.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

import {
  PASSWORD,
  api,
  emailOf,
  eventually,
  frontEnd,
  inBrowser,
  openContext,
  openPage,
  step,
} from "./driven_browser.mjs";

const EXAMPLE = fileURLToPath(new URL("../../examples/nextjs/", import.meta.url));
const esbuild = createRequire(`${EXAMPLE}package.json`)("esbuild");

const bundle = await esbuild.build({
  stdin: {
    contents: `
      import { tasksOf } from "./lib/api";
      import { authClient } from "./lib/auth-client";
      Object.assign(window, { tasksOf, authClient });
    `,
    resolveDir: EXAMPLE,
  },
  bundle: true,
  write: false,
  define: { "process.env.NEXT_PUBLIC_API_URL": JSON.stringify(api), "process.env": "{}" },
});
const content = bundle.outputFiles[0].text;

async function openTab(context) {
  const tab = await openPage(context);
  await tab.goto(`${frontEnd}/api/auth/ok`); // a page of this origin without a script
  await tab.addScriptTag({ content });
  return tab;
}

const signIn = (tab, name) => authenticate(tab, "signIn", name);
const signUp = (tab, name) => authenticate(tab, "signUp", name);

/** Gives the user's id. */
async function authenticate(tab, act, name) {
  const credentials = { name, email: emailOf(name), password: PASSWORD };
  const { data, error } = await tab.evaluate(
    ([act, credentials]) => globalThis.authClient[act].email(credentials),
    [act, credentials],
  );
  assert.equal(error, null);
  return data.user.id;
}

const signOut = (tab) => tab.evaluate(() => globalThis.authClient.signOut());

/** The status of a list, or of its refusal. */
const list = (tab, userId) =>
  tab.evaluate(
    (userId) =>
      globalThis
        .tasksOf(userId)
        .list()
        .then(
          () => 200,
          ({ status }) => status,
        ),
    userId,
  );

await inBrowser(async (browser) => {
  const context = await openContext(browser);
  const [first, second] = [await openTab(context), await openTab(context)];
  const ben = await signUp(first, "Benno");
  await signOut(first);
  const ann = await signUp(first, "Anna");

  await step("many calls at once ask for one token", async () => {
    let issued = 0;
    first.on("request", (request) => (issued += request.url().endsWith("/api/auth/token") ? 1 : 0));

    const statuses = await first.evaluate(
      (userId) =>
        Promise.all(
          [1, 2, 3, 4, 5].map(() =>
            globalThis
              .tasksOf(userId)
              .list()
              .then(() => 200),
          ),
        ),
      ann,
    );

    assert.deepEqual([statuses, issued], [[200, 200, 200, 200, 200], 1]);
  });

  await step("a token is forgotten after a sign-out in another tab", async () => {
    assert.equal(await list(first, ann), 200);

    await signOut(second);

    await eventually(async () => (await list(first, ann)) === 401);
  });

  await step("a token is forgotten after a sign-in of somebody else in another tab", async () => {
    await signIn(first, "Anna");
    assert.equal(await list(first, ann), 200);

    await signIn(second, "Benno");
    assert.equal(await list(second, ben), 200);

    await eventually(async () => (await list(first, ann)) === 401);
    assert.equal(await list(first, ben), 200);
  });

  await step("a page that stays takes the token of whom it shows", async () => {
    await signOut(first);
    await signIn(first, "Anna");

    assert.equal(await list(first, ann), 200);
    assert.equal(await list(first, ben), 401);
  });

  await step("a server that does not answer is an error with the status 0", async () => {
    await first.route(`${api}/**`, (route) => route.abort());

    assert.equal(await list(first, ann), 0);
  });
});
