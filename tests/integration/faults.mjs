// What the page says when something fails: once, where it failed, until it is over.

import assert from "node:assert/strict";

import {
  PASSWORD,
  alert,
  api,
  button,
  checkbox,
  create,
  during,
  emailOf,
  frontEnd,
  heading,
  inBrowser,
  openContext,
  openPage,
  seesSignIn,
  seesTasksOf,
  signIn,
  step,
  stored,
  task,
  tells,
  tellsNothing,
} from "./driven_browser.mjs";

const UNREACHABLE = "The server cannot be reached";
const REFUSALS = [
  { status: 403, json: { message: "Invalid origin" }, words: "Invalid origin" },
  { status: 429, json: { message: "Too many requests" }, words: "Too many requests" },
  { status: 500, body: "", words: "The server answered 500" },
];

/** Lets Better Auth answer so, or not at all. */
async function refused(page, path, refusal, act) {
  const pattern = `${frontEnd}/api/auth/${path}`;
  await page.route(pattern, (route) => (refusal ? route.fulfill(refusal) : route.abort()));
  await act();
  await page.unroute(pattern);
}

await inBrowser(async (browser) => {
  const context = await openContext(browser);
  const page = await openPage(context);

  await step("signing up without a network says so, and can be done again", async () => {
    await page.goto(`${frontEnd}/sign-in`);
    await button(page, "I am new here").click();
    await page.getByText("At least 8 characters").waitFor();
    await page.getByLabel("Name").fill("Cleo");
    await page.getByLabel("E-mail").fill(emailOf("Cleo"));
    await page.getByLabel("Password").fill(PASSWORD);
    await context.setOffline(true);
    await button(page, "Create account").click();
    await tells(page, `Account not created: ${UNREACHABLE}`);
    await context.setOffline(false);

    await button(page, "Create account").click();

    await seesTasksOf(page, "Cleo");
  });

  await step("a sign-out that failed leaves the page, and says so", async () => {
    for (const refusal of [...REFUSALS, undefined]) {
      await refused(page, "sign-out", refusal, async () => {
        await button(page, "Sign out").click();
        await tells(page, `You are still signed in: ${refusal?.words ?? UNREACHABLE}`);
      });
      assert.equal(new URL(page.url()).pathname, "/");
    }

    await button(page, "Try again").click();

    await seesSignIn(page);
  });

  await step("a sign-in that failed says why until it is tried again, or mended", async () => {
    await page.getByLabel("E-mail").fill(emailOf("Cleo"));
    for (const refusal of [...REFUSALS, undefined]) {
      await refused(page, "sign-in/email", refusal, async () => {
        await page.getByLabel("Password").fill(PASSWORD);
        await tellsNothing(page);
        await button(page, "Sign in").click();
        await tells(page, `Not signed in: ${refusal?.words ?? UNREACHABLE}`);
      });
    }

    await signIn(page, "Cleo");
  });

  await step("what waits for its Undo is deleted before a sign-out", async () => {
    for (const title of ["Write home", "Mend the roof"]) {
      await create(page, title);
      await task(page, title).waitFor();
    }
    await button(page, "Delete Write home").click();
    await button(page, "Sign out").click();
    await seesSignIn(page);

    await signIn(page, "Cleo");

    assert.deepEqual(
      (await stored(page)).map(({ title }) => title),
      ["Mend the roof"],
    );
  });

  await step("what cannot be deleted before a sign-out keeps the page", async () => {
    await page.route(`${api}/**`, (route) => route.abort());
    await button(page, "Delete Mend the roof").click();
    await button(page, "Sign out").click();
    await alert(page).getByText(`You are still signed in: ${UNREACHABLE}`).waitFor();
    await task(page, "Mend the roof").getByText(`Not deleted: ${UNREACHABLE}`).waitFor();
    await page.unroute(`${api}/**`);
    await page.reload();
    await seesTasksOf(page, "Cleo");
  });

  await step("without a network, a change fails where it was made, and is taken back", async () => {
    await context.setOffline(true);
    await checkbox(page, "Mend the roof").click();
    await task(page, "Mend the roof").getByText(`Not completed: ${UNREACHABLE}`).waitFor();
    await tells(page, `Not completed: ${UNREACHABLE}`);
    assert.equal(await checkbox(page, "Mend the roof").isChecked(), false);
    await context.setOffline(false);

    await button(page, "Try again").click();

    await heading(page, "0 open, 1 completed");
    await tellsNothing(page);
  });

  await step("with the API stopped, each action tells of itself alone", async () => {
    await during("stop the API", async () => {
      await checkbox(page, "Mend the roof").click();
      await tells(page, `Not reopened: ${UNREACHABLE}`);
      await button(page, "Delete account").click();
      const dialog = page.getByRole("dialog");
      await dialog.getByLabel("Password").fill(PASSWORD);
      await button(page, "Delete account and tasks").click();
      await dialog
        .getByText("Account not deleted: The tasks could not be deleted", { exact: true })
        .waitFor();
      await button(page, "Cancel").click();
      await page.reload();
      await tells(page, `Tasks not loaded: ${UNREACHABLE}`);
      await create(page, "Sweep the yard");
      await alert(page).getByText(`Not added: ${UNREACHABLE}`, { exact: true }).waitFor();
      assert.equal(await alert(page).count(), 2);
    });

    await page.getByRole("region", { name: "New task" }).getByText("Try again").click();

    await task(page, "Sweep the yard").waitFor();
    await heading(page, "1 open, 1 completed");
    await tellsNothing(page);
  });

  await step("a list that failed is read again by its button", async () => {
    await during("stop the API", async () => {
      await page.reload();
      await tells(page, `Tasks not loaded: ${UNREACHABLE}`);
    });

    await button(page, "Try again").click();

    await task(page, "Sweep the yard").waitFor();
    await tellsNothing(page);
  });
});
