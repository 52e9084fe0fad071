// Two tabs of one browser, two users: a tab that shows the tasks of one never acts for the other.

import assert from "node:assert/strict";

import {
  button,
  create,
  frontEnd,
  inBrowser,
  openContext,
  openPage,
  seesSignIn,
  seesTasksOf,
  signIn,
  signInUnnoticed,
  signUp,
  step,
  task,
  userId,
  usersOfRequests,
} from "./driven_browser.mjs";

const TWENTY_MINUTES = 20 * 60_000;

const isGone = (page, title) => task(page, title).waitFor({ state: "detached" });
const lookAtAgain = (page) =>
  page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));

await inBrowser(async (browser) => {
  const context = await openContext(browser);
  const first = await openPage(context);
  const users = usersOfRequests(first);
  await signUp(first, "Ann");
  await create(first, "Of Ann");
  await task(first, "Of Ann").waitFor();
  await first.getByRole("button", { name: "Sign out" }).click();
  await seesSignIn(first);
  await signUp(first, "Ben");
  await create(first, "Of Ben");
  await first.getByRole("checkbox", { name: "Of Ben" }).click();
  await first.getByRole("heading", { name: "0 open, 1 completed" }).waitFor();
  await first.getByRole("button", { name: "Sign out" }).click();

  const second = await openPage(context);

  await step("a sign-out in another tab empties this one", async () => {
    await seesSignIn(first);
    await signIn(first, "Ann");
    await second.goto(frontEnd);
    await seesTasksOf(second, "Ann");

    await second.getByRole("button", { name: "Sign out" }).click();

    await seesSignIn(first);
    assert.equal(await task(first, "Of Ann").count(), 0);
  });

  await step(
    "a sign-in of somebody else in another tab replaces the page of this one",
    async () => {
      await seesSignIn(second);
      await signIn(first, "Ann");

      await signIn(second, "Ben");

      await seesTasksOf(first, "Ben");
      await task(first, "Of Ben").waitFor();
      assert.equal(await task(first, "Of Ann").count(), 0);
      await first.getByRole("checkbox", { name: "Of Ben" }).click();
      await first.getByRole("heading", { name: "1 open, 0 completed" }).waitFor();
      assert.equal(users.at(-1), await userId(first));
    },
  );

  await step("a sign-in that no tab noticed is seen when a tab is looked at again", async () => {
    await signInUnnoticed(first, "Ann");

    await lookAtAgain(first);

    await seesTasksOf(first, "Ann");
    await isGone(first, "Of Ben");
    await seesTasksOf(second, "Ann");
  });

  await step("after a token has expired, no other user's is sent in its place", async () => {
    await signInUnnoticed(second, "Ben");
    users.length = 0;
    await first.evaluate((passed) => {
      const now = Date.now.bind(Date);
      Date.now = () => now() + passed;
    }, TWENTY_MINUTES);

    await first.getByRole("checkbox", { name: "Of Ann" }).click();

    await seesTasksOf(first, "Ben");
    const ben = await userId(first);
    await first.getByRole("checkbox", { name: "Of Ben" }).click();
    await first.getByRole("heading", { name: "0 open, 1 completed" }).waitFor();
    assert.deepEqual(new Set(users), new Set([ben]));
    await seesTasksOf(second, "Ben");
  });

  await step(
    "a session that was revoked elsewhere ends when a tab is looked at again",
    async () => {
      const revoked = await second.evaluate(async () => {
        const headers = { "Content-Type": "application/json" };
        const init = { method: "POST", headers, body: "{}" };
        return (await fetch("/api/auth/revoke-sessions", init)).status;
      });
      assert.equal(revoked, 200);

      await lookAtAgain(first);

      await seesSignIn(first);
      assert.equal(await task(first, "Of Ben").count(), 0);
    },
  );

  await step("the way back leads to no task after a sign-out", async () => {
    await signIn(first, "Ann");
    await first.goto(`${frontEnd}/?sort=title`);
    await seesTasksOf(first, "Ann");
    await button(first, "Sign out").click();
    await seesSignIn(first);

    await first.goBack();

    await seesSignIn(first);
    assert.equal(await task(first, "Of Ann").count(), 0);
  });
});
