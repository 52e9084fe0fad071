// Reminders, by a reader far from UTC: a notification, once for all tabs, or a list in its place.

import assert from "node:assert/strict";

import {
  assertAccessible,
  button,
  checkbox,
  create,
  eventually,
  inBrowser,
  frontEnd,
  heading,
  openContext,
  openPage,
  reacts,
  seesTasksOf,
  signUp,
  step,
  tellsNothing,
} from "./driven_browser.mjs";

const A_MINUTE = 60_000;
const A_DAY = 24 * 60 * A_MINUTE;

/** What the pages show as notifications, and where they ask for the permission. */
async function record(context) {
  const shown = [];
  const asked = [];
  await context.exposeFunction("recordShown", (title) => shown.push(title));
  await context.exposeFunction("recordAsked", () => asked.push("asked"));
  await context.addInitScript(() => {
    globalThis.Notification = class extends Notification {
      constructor(title, options) {
        super(title, options);
        globalThis.lastNotification = this;
        globalThis.recordShown(title);
      }
      static requestPermission() {
        globalThis.recordAsked();
        return new Promise(() => {}); // the user thinks; without a head, Chromium soon refuses
      }
    };
  });
  return { shown, asked };
}

/** What is typed into the field, in this page's zone, for so many milliseconds from now. */
const fromNow = (page, milliseconds) =>
  page.evaluate((milliseconds) => {
    const time = new Date(Date.now() + milliseconds);
    const asIfInUTC = new Date(time.getTime() - time.getTimezoneOffset() * 60_000);
    return asIfInUTC.toISOString().slice(0, "2030-12-01T09:00".length);
  }, milliseconds);

async function remind(page, title, milliseconds) {
  await create(page, title, { reminder: await fromNow(page, milliseconds) });
  await checkbox(page, title).waitFor();
}

/** Waits until the list shows these; without any, there is none. */
async function lists(page, expected) {
  await page.waitForFunction((wanted) => {
    const items = [...document.querySelectorAll("[aria-label=Reminders] li")];
    return items.map((item) => item.firstChild.textContent).join() === wanted;
  }, expected.join());
}

/** Opens a tab in which somebody who has signed in sees the tasks. */
async function openTab(context, name) {
  const page = await openPage(context);
  await page.goto(frontEnd);
  await seesTasksOf(page, name);
  return page;
}

await inBrowser(async (browser) => {
  // The first of all: Better Auth lets three people sign up within ten seconds.
  await step("the reminder of a next one goes when that is taken back", async () => {
    const elsewhere = await openContext(browser);
    await elsewhere.grantPermissions([]);
    const tab = await openPage(elsewhere);
    await signUp(tab, "Hal");
    const due = (await fromNow(tab, A_DAY)).slice(0, "2030-12-01".length);
    await create(tab, "Again", { due, repeats: "Daily", reminder: await fromNow(tab, -9 * A_DAY) });
    await checkbox(tab, "Again").click();
    await heading(tab, "1 open, 1 completed");
    await tab.getByRole("radio", { name: "Completed", exact: true }).click();
    await heading(tab, "1 completed");

    await checkbox(tab, "Again").click();

    await heading(tab, "0 completed");
    await lists(tab, ["Again"]);
    await elsewhere.close();
  });

  const context = await openContext(browser, { timezoneId: "Pacific/Kiritimati" });
  const { shown, asked } = await record(context);
  const showed = (count) =>
    eventually(async () => {
      await page.title(); // lets the page tell
      return shown.length === count;
    });
  await context.clock.install();
  const page = await openPage(context);
  await signUp(page, "Dora");

  await step("the browser asks when somebody sets the first reminder, and not before", async () => {
    await create(page, "Without a reminder");
    await checkbox(page, "Without a reminder").waitFor();
    await page.reload();
    await reacts(page);
    assert.deepEqual(asked, []);

    await remind(page, "Long ago", -A_DAY);

    assert.deepEqual(asked, ["asked"]);
  });

  await step("before the user has answered, what was due is a list", async () => {
    await lists(page, ["Long ago"]);
    await assertAccessible(page);
    await button(page, "Turn on notifications").click();
    assert.deepEqual(asked, ["asked", "asked"]);
    assert.deepEqual(shown, []);

    await context.grantPermissions(["notifications"]);

    await showed(1);
    await lists(page, []);
  });

  await step("a reminder is shown once, by one tab of all", async () => {
    const second = await openTab(context, "Dora");
    await remind(page, "Soon", 2 * A_MINUTE);
    await second.reload();
    await seesTasksOf(second, "Dora");
    await remind(second, "Of the second tab", 5 * A_MINUTE);

    await context.clock.fastForward(3 * A_MINUTE);
    await showed(2);
    await context.clock.fastForward(3 * A_MINUTE);
    await showed(3);
    for (const tab of [page, second]) {
      await tab.reload();
      await seesTasksOf(tab, "Dora");
    }
    await remind(page, "Last", 2 * A_MINUTE);
    await context.clock.fastForward(3 * A_MINUTE);
    await showed(4);

    assert.deepEqual(shown, ["Long ago", "Soon", "Of the second tab", "Last"]);
    await second.close();
  });

  await step("a click on it leads to the page", async () => {
    const isFocused = await page.evaluate(() => {
      let isFocused = false;
      window.focus = () => (isFocused = true);
      globalThis.lastNotification.dispatchEvent(new Event("click"));
      return isFocused;
    });

    assert.ok(isFocused);
  });

  await step("one that is far ahead comes then, and not now", async () => {
    await remind(page, "In two months", 60 * A_DAY);
    await context.clock.fastForward(59 * A_DAY);
    await remind(page, "Before it", -A_MINUTE);
    await showed(5);

    await context.clock.fastForward(A_DAY + A_MINUTE);

    await showed(6);
    assert.deepEqual(shown.slice(4), ["Before it", "In two months"]);
  });

  await step("what another tab has completed is not shown", async () => {
    await remind(page, "Done meanwhile", 2 * A_MINUTE);
    const second = await openTab(context, "Dora");
    await checkbox(second, "Done meanwhile").click();
    await heading(second, "7 open, 1 completed");
    await second.close();

    await context.clock.fastForward(3 * A_MINUTE);

    await remind(page, "After it", -A_MINUTE);
    await showed(7);
    assert.deepEqual(shown.slice(6), ["After it"]);
  });

  await step("reminders that could not be read are read again, without a word", async () => {
    const isTheirs = (url) => url.search === "?filter=pending";
    let isRead = false;
    page.on("response", (response) => (isRead ||= isTheirs(new URL(response.url()))));
    await page.route(isTheirs, (route) => route.abort());
    const failed = page.waitForEvent("requestfailed", (one) => isTheirs(new URL(one.url())));
    await page.reload();
    await failed;
    await seesTasksOf(page, "Dora");
    await tellsNothing(page);
    assert.ok(!isRead);

    await page.unroute(isTheirs);

    await eventually(async () => {
      await context.clock.fastForward(A_MINUTE);
      return isRead;
    });
  });

  for (const [who, why, prepare] of [
    ["Emil", "the user has refused", (tab) => tab.context().grantPermissions([])],
    ["Fay", "there are none", (tab) => tab.addInitScript(() => delete globalThis.Notification)],
    [
      "Gus",
      "a page cannot show any, as in Chrome on Android",
      (tab) =>
        tab.addInitScript(() => {
          globalThis.Notification = class {
            static permission = "granted";
            constructor() {
              throw new TypeError("Illegal constructor");
            }
          };
        }),
    ],
  ]) {
    await step(`where ${why}, what was due is a list until it is dismissed or done`, async () => {
      const elsewhere = await openContext(browser, { timezoneId: "Pacific/Pago_Pago" });
      const first = await openPage(elsewhere);
      await prepare(first);
      await signUp(first, who);
      await remind(first, "Long ago", -A_DAY);
      await remind(first, "Today", -A_MINUTE);
      await remind(first, "In two months", 60 * A_DAY); // beyond what a timer of the browser holds
      const second = await openPage(elsewhere);
      await prepare(second);
      await second.goto(frontEnd);
      for (const tab of [first, second]) await lists(tab, ["Long ago", "Today"]);
      await assertAccessible(first);

      await button(first, "Dismiss").click();

      for (const tab of [first, second]) await lists(tab, []);
      await first.reload();
      await seesTasksOf(first, who);
      await remind(first, "Now", -A_MINUTE);
      await lists(first, ["Now"]);
      await checkbox(first, "Now").click();
      await lists(first, []);
      await elsewhere.close();
    });
  }
});
