import { useSyncExternalStore } from "react";
import type { Task } from "./api";
import { dueText } from "./due";

const PREFIX = "reminded ";
/** One reminder of one task: another time is another reminder. */
const keyOf = ({ user_id, id, remind_at }: Task) => `${PREFIX}${user_id} ${id} ${remind_at}`;
const wasShown = (task: Task) => localStorage.getItem(keyOf(task)) !== null;

/** The reminders that no tab of this browser has shown yet, nor will a reload. */
export function useNotShown(tasks: Task[]) {
  const ids = useSyncExternalStore(
    onStorage,
    () => tasks.flatMap((task) => (wasShown(task) ? [] : task.id)).join(),
    () => "",
  );
  return tasks.filter(({ id }) => ids.split(",").includes(`${id}`));
}

function onStorage(onChange: () => void) {
  window.addEventListener("storage", onChange);
  return () => window.removeEventListener("storage", onChange);
}

export function setShown(tasks: Task[]) {
  for (const task of tasks) localStorage.setItem(keyOf(task), "");
  window.dispatchEvent(new StorageEvent("storage")); // the browser tells the other tabs alone
}

/** Forgets those that are not among all that the user has. */
export function keepShown(userId: string, tasks: Task[]) {
  const kept = new Set(tasks.map(keyOf));
  for (const key of Object.keys(localStorage))
    if (key.startsWith(`${PREFIX}${userId} `) && !kept.has(key)) localStorage.removeItem(key);
}

/** Whether notifications may be shown: "denied" also where there are none. */
export function usePermission() {
  return useSyncExternalStore(
    onPermission,
    () => globalThis.Notification?.permission ?? "denied",
    () => "denied",
  );
}

function onPermission(onChange: () => void) {
  const left = new AbortController();
  void navigator.permissions
    ?.query({ name: "notifications" })
    .then((status) => status.addEventListener("change", onChange, { signal: left.signal }));
  return () => left.abort();
}

/** Only from a click or a key: the browser wants it so, and the user knows what it is about. */
export function askToNotify() {
  if (globalThis.Notification?.permission === "default") void Notification.requestPermission();
}

/** In one tab alone. Fails where a page cannot show notifications by itself: Chrome on Android. */
export function notify(task: Task) {
  return navigator.locks.request(keyOf(task), { ifAvailable: true }, (lock) => {
    if (!lock || wasShown(task)) return;
    const body = task.due_date ? `Due ${dueText(task.due_date)}` : undefined;
    const notification = new Notification(task.title, { body, tag: keyOf(task) });
    notification.onclick = () => {
      window.focus();
      notification.close();
    };
    setShown([task]);
    // The lock stays with this tab: what it has stored comes to other tabs a moment later.
    return new Promise(() => {});
  });
}
