// A walk through examples/nextjs, by two people at the two ends of the world's time.

import assert from "node:assert/strict";

import {
  PASSWORD,
  alert,
  api,
  assertAccessible,
  button,
  checkbox,
  create,
  during,
  emailOf,
  eventually,
  frontEnd,
  heading,
  inBrowser,
  openContext,
  openPage,
  reacts,
  screenshots,
  seesSignIn,
  seesTasksOf,
  signUp,
  step,
  store,
  stored,
  task,
  tells,
  tellsNothing,
  titles,
  userId,
  usersOfRequests,
} from "./driven_browser.mjs";

const DAY = "2030-12-01";
const PAGE_SIZE = 50;

/** Each field has a border of 3:1 on what it stands on (WCAG 1.4.11). */
async function assertBorders(page) {
  const contrasts = await page.evaluate(() => {
    const luminance = (color) => {
      const [red, green, blue] = color.match(/[\d.]+/g).map((part) => part / 255);
      const linear = (part) => (part > 0.04045 ? ((part + 0.055) / 1.055) ** 2.4 : part / 12.92);
      return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
    };
    const opaque = (one) => {
      const { backgroundColor } = getComputedStyle(one);
      return backgroundColor === "rgba(0, 0, 0, 0)" ? opaque(one.parentElement) : backgroundColor;
    };
    return [...document.querySelectorAll("main :is(input, select, textarea)")]
      .filter((field) => parseFloat(getComputedStyle(field).borderTopWidth) > 0)
      .map((field) => {
        const border = luminance(getComputedStyle(field).borderTopColor) + 0.05;
        const around = luminance(opaque(field.parentElement)) + 0.05;
        return Math.max(border, around) / Math.min(border, around);
      });
  });
  assert.ok(contrasts.length > 5);
  assert.deepEqual(
    contrasts.filter((contrast) => contrast < 3),
    [],
  );
}

const show = (page, what) => page.getByRole("radio", { name: what, exact: true }).click();
const choose = (page, label, option) =>
  page.getByRole("search").getByRole("combobox", { name: label }).selectOption(option);
async function shot(page, name) {
  await page.evaluate(() => {
    document.activeElement.blur();
    window.scrollTo(0, 0);
  });
  await page.screenshot({ path: `${screenshots}/${name}.png` });
}

async function reload(page) {
  await page.reload();
  await reacts(page);
}

/** Waits until the list shows these, in this order. */
async function shows(page, expected) {
  const wanted = JSON.stringify(expected);
  await page
    .waitForFunction((wanted) => {
      const shown = [...document.querySelectorAll(".task .title")].map((title) => title.innerText);
      return JSON.stringify(shown) === wanted;
    }, wanted)
    .catch(async (error) => assert.fail(`${await titles(page)} instead of ${wanted}\n${error}`));
}

await inBrowser(async (browser) => {
  const context = await openContext(browser, { timezoneId: "Pacific/Kiritimati" });
  const page = await openPage(context);
  const others = await openContext(browser, { timezoneId: "Pacific/Pago_Pago" });
  const other = await openPage(others);

  await step("two people sign up, and each has an empty list", async () => {
    await signUp(page, "Alice");
    await signUp(other, "Bob");

    await heading(page, "0 open, 0 completed");
    await page.getByText("No tasks yet: add your first one.").waitFor();
    await assertAccessible(page);
  });

  await step("a refused title is told in the API's own words", async () => {
    await create(page, "   ");

    await tells(page, "Not added: Title must be between 1 and 200 characters");
    assert.equal(await button(page, "Add task").count(), 1);
    await assertAccessible(page);
    await page.getByRole("textbox", { name: "Title" }).fill("B");
    await tellsNothing(page);
  });

  await step("a task has its day wherever its reader is", async () => {
    for (const person of [page, other]) {
      await create(person, "Buy groceries", { priority: "high", due: DAY, tags: "shopping, home" });
      await task(person, "Buy groceries").getByText("due Dec 1, 2030").waitFor();
      await reload(person);
      await task(person, "Buy groceries").getByText("due Dec 1, 2030").waitFor();
      const [{ due_date, tags, priority }] = await stored(person);
      assert.deepEqual([due_date, tags, priority], [DAY, ["shopping", "home"], "high"]);
    }
  });

  await step("a database that does not answer is a 503 that offers to try again", async () => {
    let text;
    await during("block writes", async () => {
      await create(page, "Call the dentist", { tags: "health, phone" });
      text = await alert(page).innerText();
    });

    await button(page, "Try again").click();

    await shows(page, ["Call the dentist", "Buy groceries"]);
    assert.match(text, /unavailable/i);
  });

  await step("a task whose answer is lost is made once, however often it is sent", async () => {
    const keys = [];
    let letFail;
    const mayFail = new Promise((resolve) => (letFail = resolve));
    await page.route(`${api}/**/tasks`, async (route) => {
      if (route.request().method() !== "POST") return route.fallback();
      keys.push(route.request().headers()["idempotency-key"]);
      if (keys.length > 2) return route.fallback();
      await route.fetch();
      if (keys.length === 2) await mayFail;
      await route.abort();
    });
    await create(page, "Water the plants", { priority: "low", tags: "home" });
    await tells(page, "Not added: The server cannot be reached");
    await button(page, "Try again").click();
    await tellsNothing(page);
    letFail();
    await button(page, "Try again").click();

    await shows(page, ["Water the plants", "Call the dentist", "Buy groceries"]);
    await page.unroute(`${api}/**/tasks`);
    assert.equal((await stored(page)).length, 3);
    assert.equal(keys.length, 3);
    assert.equal(new Set(keys).size, 1);
  });

  await step(
    "a task is shown as completed before the answer comes, and set, not toggled",
    async () => {
      let letThrough;
      const mayPass = new Promise((resolve) => (letThrough = resolve));
      const bodies = [];
      await page.route(`${api}/**/complete`, async (route) => {
        if (route.request().method() === "PATCH") {
          bodies.push(route.request().postDataJSON());
          await mayPass;
        }
        await route.fallback();
      });

      await checkbox(page, "Water the plants").click();

      await page.getByRole("checkbox", { name: "Water the plants", checked: true }).waitFor();
      await heading(page, "3 open, 0 completed");
      letThrough();
      await heading(page, "2 open, 1 completed");
      await page.unroute(`${api}/**/complete`);
      assert.deepEqual(bodies, [{ completed: true }]);
      await page.getByRole("status").getByText("Task marked as completed").waitFor();
    },
  );

  await step("a change that fails is taken back, and can be tried again", async () => {
    await page.route(`${api}/**/complete`, (route) => route.abort());
    await checkbox(page, "Water the plants").click();
    await tells(page, "Not reopened: The server cannot be reached");
    await task(page, "Water the plants").getByRole("alert").waitFor();
    await page.getByRole("checkbox", { name: "Water the plants", checked: true }).waitFor();
    await page.unroute(`${api}/**/complete`);

    await button(page, "Try again").click();

    await page.getByRole("checkbox", { name: "Water the plants", checked: false }).waitFor();
    await tellsNothing(page);
    await heading(page, "3 open, 0 completed");
    await checkbox(page, "Water the plants").click();
    await heading(page, "2 open, 1 completed");
  });

  await step("the list is filtered, searched and sorted, and a reload keeps that", async () => {
    await show(page, "Open");
    await shows(page, ["Call the dentist", "Buy groceries"]);
    await heading(page, "2 open");
    await show(page, "Completed");
    await shows(page, ["Water the plants"]);
    await heading(page, "1 completed");
    await show(page, "All");
    await choose(page, "Sort by", "Title");
    await shows(page, ["Buy groceries", "Call the dentist", "Water the plants"]);
    await choose(page, "Sort by", "Priority");
    await shows(page, ["Buy groceries", "Call the dentist", "Water the plants"]);
    await choose(page, "Priority", "Low");
    await shows(page, ["Water the plants"]);
    await choose(page, "Priority", "Any");
    await page.getByRole("searchbox").fill("THE");
    await shows(page, ["Call the dentist", "Water the plants"]);
    await heading(page, "1 open, 1 completed");
    await reload(page);
    await shows(page, ["Call the dentist", "Water the plants"]);
    await page.getByRole("searchbox").fill("nothing of this name");
    await page.getByText("No task matches.").waitFor();
    await assertAccessible(page);
    await button(page, "Show all tasks").click();
    await choose(page, "Sort by", "Title");
    await task(page, "Buy groceries").getByRole("button", { name: "home" }).click();
    await shows(page, ["Buy groceries", "Water the plants"]);
    await page.getByRole("search").getByRole("button", { name: "home" }).click();
    await choose(page, "Sort by", "Newest");
    await shows(page, ["Water the plants", "Call the dentist", "Buy groceries"]);
    assert.equal(new URL(page.url()).search, "");
  });

  await step("Back undoes a choice, and a search", async () => {
    await choose(page, "Priority", "High");
    await shows(page, ["Buy groceries"]);
    await page.getByRole("searchbox").pressSequentially("nothing", { delay: 50 });
    await shows(page, []);

    await page.goBack();

    await shows(page, ["Buy groceries"]);
    assert.equal(await page.getByRole("searchbox").inputValue(), "");
    await page.goBack();
    await shows(page, ["Water the plants", "Call the dentist", "Buy groceries"]);
    assert.equal(new URL(page.url()).search, "");
  });

  await step("a link can ask for what the page offers, and for nothing else", async () => {
    await page.goto(`${frontEnd}/?filter=pending&offset=1&cursor=none&limit=1&tag=home&tag=phone`);
    await reacts(page);
    await shows(page, ["Buy groceries"]);
    assert.equal(await alert(page).count(), 0);
    await page.goto(frontEnd);
    await reacts(page);
  });

  await step("a task is edited by keyboard, and only what was changed is sent", async () => {
    const edit = button(page, "Edit Call the dentist");
    await edit.focus();
    await page.keyboard.press("Enter");
    const dialog = page.getByRole("dialog", { name: "Edit the task" });
    await dialog.waitFor();
    assert.equal(await page.evaluate(() => document.getAnimations().length), 0); // as was asked for
    await assertAccessible(page);
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "detached" });
    assert.ok(await edit.evaluate((one) => one === document.activeElement));

    await page.keyboard.press("Enter");
    await dialog.getByLabel("Due date").fill("2020-01-31");
    const sent = page.waitForRequest((request) => request.method() === "PATCH");
    await dialog.getByRole("textbox", { name: "Title" }).press("Enter");

    assert.deepEqual((await sent).postDataJSON(), { due_date: "2020-01-31" });
    await task(page, "Call the dentist").getByText("overdue: Jan 31, 2020").waitFor();
    await dialog.waitFor({ state: "detached" });
    assert.ok(await edit.evaluate((one) => one === document.activeElement));
  });

  await step("it fits a phone", async () => {
    await page.setViewportSize({ width: 760, height: 800 });
    await shot(page, "list");
    await page.setViewportSize({ width: 390, height: 800 });
    await shot(page, "phone");
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= 390);
    await assertBorders(page);
    await page.emulateMedia({ colorScheme: "dark" });
    await assertAccessible(page);
    await assertBorders(page);
    await page.emulateMedia({ colorScheme: "light" });
    await page.setViewportSize({ width: 1000, height: 800 });
  });

  await step("a deletion can be undone, as nothing was sent yet", async () => {
    const deletions = [];
    page.on("request", (request) => request.method() === "DELETE" && deletions.push(request.url()));
    await button(page, "Delete Call the dentist").press("Enter");
    await shows(page, ["Water the plants", "Buy groceries"]);
    await page.keyboard.press("Enter"); // the focus is on "Undo"

    await shows(page, ["Water the plants", "Call the dentist", "Buy groceries"]);
    assert.deepEqual(deletions, []);
  });

  await step("a deletion is sent when its moment is over, or the page is left", async () => {
    await button(page, "Delete Call the dentist").click();
    await button(page, "Close").click();
    await page.getByRole("status").getByText("Task deleted").waitFor();
    await context.unrouteAll(); // a driver that holds requests loses those that outlive their page
    await button(page, "Delete Buy groceries").click();
    await page.goto(`${frontEnd}/icon.svg`);

    await eventually(async () => (await stored(page)).length === 1);
    await page.goto(frontEnd);
    await reacts(page);
    await shows(page, ["Water the plants"]);
    assert.deepEqual(
      (await stored(page)).map(({ title }) => title),
      ["Water the plants"],
    );
  });

  await step("what is completed is cleared at once", async () => {
    await button(page, "Clear completed").click();
    await page.getByRole("dialog", { name: "Delete 1 completed task?" }).waitFor();
    await assertAccessible(page);
    await button(page, "Delete").click();

    await page.getByRole("status").getByText("1 task deleted").waitFor();
    await heading(page, "0 open, 0 completed");
    assert.deepEqual(await stored(page), []);
  });

  await step("a long title has room around it, and a task that is alone round corners", async () => {
    await store(page, { title: "Buy bread ".repeat(19), description: "Dark" });
    await reload(page);
    await page.locator(".task").waitFor();

    const layout = await page.evaluate(() => {
      const row = document.querySelector(".task");
      const edge = (selector) => row.querySelector(selector).getBoundingClientRect();
      return {
        above: edge(".title span").top - row.getBoundingClientRect().top,
        below: edge(".description").top - edge(".title span").bottom,
        beside: Math.abs(edge(".title input").top - edge(".priority").top),
        corners: getComputedStyle(row).borderRadius,
      };
    });

    assert.ok(layout.above >= 8, JSON.stringify(layout));
    assert.ok(layout.below >= 0, JSON.stringify(layout));
    assert.ok(layout.beside <= 4, JSON.stringify(layout));
    assert.equal(layout.corners, "16px");
    await page.getByRole("button", { name: /^Delete Buy bread/ }).click();
    await button(page, "Close").click();
    await page.getByRole("status").getByText("Task deleted").waitFor();
  });

  await step("an edit leaves alone what the form cannot show as it is", async () => {
    await store(page, { title: "Buy\nbread", description: "", tags: ["rye, dark", "home"] });
    await reload(page);

    await button(page, "Edit Buy bread").click();
    await page.getByRole("dialog").getByLabel("Due date").fill(DAY);
    const sent = page.waitForRequest((request) => request.method() === "PATCH");
    await button(page, "Save").click();

    assert.deepEqual((await sent).postDataJSON(), { due_date: DAY });
    await task(page, "Buy bread").getByText("due Dec 1, 2030").waitFor();
    await button(page, "Delete Buy bread").click();
    await button(page, "Close").click();
    await page.getByRole("status").getByText("Task deleted").waitFor();
  });

  await step(
    "a task that repeats says so in words, and only what was changed is sent",
    async () => {
      await create(page, "Put out the bins", { due: DAY, repeats: "Weekly" });
      await task(page, "Put out the bins").getByText("repeats weekly", { exact: true }).waitFor();
      assert.equal(await page.getByLabel("Until").count(), 0);

      await button(page, "Edit Put out the bins").click();
      await page.getByRole("dialog").getByLabel("Every how many weeks").fill("2");
      await page.getByRole("dialog").getByLabel("Until").fill("2030-12-31");
      await assertAccessible(page);
      const sent = page.waitForRequest((request) => request.method() === "PATCH");
      await button(page, "Save").click();

      const recurrence = { pattern: "weekly", interval: 2, end_date: "2030-12-31" };
      assert.deepEqual((await sent).postDataJSON(), { recurrence });
      await task(page, "Put out the bins")
        .getByText("repeats every 2 weeks until Dec 31, 2030")
        .waitFor();
    },
  );

  const bins = (due) => task(page, "Put out the bins").filter({ hasText: `due ${due}` });
  const tick = (due) => bins(due).getByRole("checkbox").click();

  await step(
    "completing it shows the next one at once, and reopening it takes that back",
    async () => {
      await tick("Dec 1, 2030");

      await shows(page, ["Put out the bins", "Put out the bins"]);
      await heading(page, "1 open, 1 completed");
      await page.getByRole("status").getByText("The next one is due Dec 15, 2030").waitFor();
      assert.ok(await bins("Dec 1, 2030").getByRole("checkbox").isChecked());
      assert.ok(!(await bins("Dec 15, 2030").getByRole("checkbox").isChecked()));
      await assertAccessible(page);
      await tick("Dec 1, 2030");
      await shows(page, ["Put out the bins"]);
      await heading(page, "1 open, 0 completed");
      assert.equal((await stored(page)).length, 1);
    },
  );

  await step("a next one that waits for its Undo may be taken back meanwhile", async () => {
    await tick("Dec 1, 2030");
    await bins("Dec 15, 2030").getByRole("button", { name: "Delete" }).click();
    await tick("Dec 1, 2030");
    await heading(page, "1 open, 0 completed");

    await button(page, "Close").click();

    await page.getByRole("status").getByText("Task deleted").waitFor();
    await tellsNothing(page);
    await shows(page, ["Put out the bins"]);
  });

  await step("it ends with its last day", async () => {
    await tick("Dec 1, 2030");
    await tick("Dec 15, 2030");
    await tick("Dec 29, 2030");

    await heading(page, "0 open, 3 completed");
    await page.getByRole("status").getByText("Task marked as completed", { exact: true }).waitFor();
    await button(page, "Clear completed").click();
    await button(page, "Delete").click();
    await heading(page, "0 open, 0 completed");
  });

  await step("what the browser refuses to send is shown, though it was folded away", async () => {
    const form = page.getByRole("region", { name: "New task" });
    await create(page, "Pay the rent", { repeats: "Monthly", every: "366" });
    await form.locator("details").evaluate((details) => (details.open = false));

    await button(page, "Add task").click();

    await form.getByLabel("Every how many months").and(page.locator(":focus")).waitFor();
    await form.getByLabel("Every how many months").fill("365");
    await button(page, "Add task").click();
    await task(page, "Pay the rent").getByText("repeats every 365 months").waitFor();
    await button(page, "Delete Pay the rent").click();
    await button(page, "Close").click();
    await heading(page, "0 open, 0 completed");
  });

  await step("a reminder is at its reader's own time", async () => {
    for (const [person, name, instant] of [
      [page, "Call the bank", "2030-11-30T19:00:00Z"],
      [other, "Buy groceries", "2030-12-01T20:00:00Z"],
    ]) {
      if (person === page) await create(person, name);
      await button(person, `Edit ${name}`).click();
      await person.getByRole("dialog").getByLabel("Reminder").fill("2030-12-01T09:00");
      await button(person, "Save").click();

      await task(person, name).getByText("reminder Dec 1, 2030, 9:00 AM").waitFor();
      assert.equal((await stored(person))[0].remind_at, instant);
      await button(person, `Edit ${name}`).click();
      const field = person.getByRole("dialog").getByLabel("Reminder");
      assert.equal(await field.inputValue(), "2030-12-01T09:00");
      await button(person, "Cancel").click();
    }
    await button(page, "Delete Call the bank").click();
    await button(page, "Close").click();
    await heading(page, "0 open, 0 completed");
  });

  await step("a long list comes in pages, each task once", async () => {
    const expected = await page.evaluate(
      async ([api, count]) => {
        const { token } = await (await fetch("/api/auth/token")).json();
        const { sub } = JSON.parse(atob(token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")));
        const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
        const made = [];
        for (let number = 1; number <= count; number += 1) {
          const body = JSON.stringify({ title: `Task ${number}` });
          await fetch(`${api}/api/${sub}/tasks`, { method: "POST", headers, body });
          made.unshift(`Task ${number}`);
        }
        return made;
      },
      [api, 2 * PAGE_SIZE + 3],
    );
    await reload(page);
    await shows(page, expected.slice(0, PAGE_SIZE));

    await button(page, "More").click();
    await shows(page, expected.slice(0, 2 * PAGE_SIZE));
    await button(page, "More").click();

    await shows(page, expected);
    assert.equal(await button(page, "More").count(), 0);
    await reload(page);
    await shows(page, expected);
  });

  await step("a change is two requests, however many tasks are loaded", async () => {
    // The page's last read, of the reminders: the network may be idle before it begins.
    await page.waitForFunction(() =>
      performance.getEntriesByType("resource").some(({ name }) => name.endsWith("?filter=pending")),
    );
    const sent = [];
    page.on("request", (request) => {
      if (request.url().startsWith(api) && request.method() !== "OPTIONS")
        sent.push(`${request.method()} ${new URL(request.url()).pathname.split("/").at(-1)}`);
    });

    await checkbox(page, "Task 7").click();
    await heading(page, `${2 * PAGE_SIZE + 2} open, 1 completed`);
    await checkbox(page, "Task 7").click();
    await heading(page, `${2 * PAGE_SIZE + 3} open, 0 completed`);
    await checkbox(page, "Task 7").click();
    await heading(page, `${2 * PAGE_SIZE + 2} open, 1 completed`);
    await page.waitForLoadState("networkidle");

    const twoRequests = ["PATCH complete", "GET stats"];
    assert.deepEqual(sent, [...twoRequests, ...twoRequests, ...twoRequests]);
    page.removeAllListeners("request");
  });

  await step(
    "calls that are refused together ask for one new token, and are sent again",
    async () => {
      let issued = 0;
      let refused = 0;
      page.on(
        "request",
        (request) => (issued += request.url().endsWith("/api/auth/token") ? 1 : 0),
      );
      await page.route(`${api}/**`, async (route) => {
        if (route.request().method() !== "GET" || issued > 0) return route.fallback();
        refused += 1;
        const headers = { ...route.request().headers(), authorization: "Bearer expired" };
        const response = await route.fetch({ headers });
        if (refused === 1) await secondIsThere;
        else letFirstGo();
        assert.equal(response.status(), 401);
        return route.fulfill({ response });
      });
      let letFirstGo;
      const secondIsThere = new Promise((resolve) => (letFirstGo = resolve));

      await create(page, "One more");

      await heading(page, `${2 * PAGE_SIZE + 3} open, 1 completed`);
      await page.unroute(`${api}/**`);
      assert.deepEqual({ refused, issued }, { refused: 2, issued: 1 });
    },
  );

  await step("neither of the two ever saw a task of the other", async () => {
    const users = usersOfRequests(other);
    await reload(other);
    await seesTasksOf(other, "Bob");
    const asked = other.waitForRequest((request) => request.url().startsWith(api));
    await show(other, "Open");
    await asked;
    await shows(other, ["Buy groceries"]);
    const bob = await userId(other);

    assert.deepEqual(new Set(users), new Set([bob]));
    assert.ok((await stored(page)).every(({ user_id }) => user_id !== bob));
    const alice = await userId(page);
    const { token } = await (await others.request.get(`${frontEnd}/api/auth/token`)).json();
    const headers = { Authorization: `Bearer ${token}` };
    const refused = await others.request.get(`${api}/api/${alice}/tasks`, { headers });
    assert.equal(refused.status(), 403);
  });

  await step("an account goes with its tasks, once the password is right", async () => {
    const { token } = await (await others.request.get(`${frontEnd}/api/auth/token`)).json();
    const bob = await userId(other);
    const tasks = async () => {
      const headers = { Authorization: `Bearer ${token}` };
      const answer = await others.request.get(`${api}/api/${bob}/tasks`, { headers });
      return (await answer.json()).data.length;
    };
    await button(other, "Delete account").click();
    await assertAccessible(other);
    await other.getByLabel("Password").fill(`not-${PASSWORD}`);
    await button(other, "Delete account and tasks").click();
    await tells(other, "Account not deleted: Invalid password");
    assert.equal(await tasks(), 1);

    await other.getByLabel("Password").fill(PASSWORD);
    await tellsNothing(other);
    await button(other, "Delete account and tasks").click();

    await seesSignIn(other);
    assert.equal(await tasks(), 0);
    await assertAccessible(other);
    await other.getByLabel("E-mail").fill(emailOf("Bob"));
    await other.getByLabel("Password").fill(PASSWORD);
    await button(other, "Sign in").click();
    await tells(other, "Not signed in: Invalid email or password");
    await assertAccessible(other);
  });
});
