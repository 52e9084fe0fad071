/** A due date is a day, a local time or an instant; a day has no time zone, and gets none here. */
const isDay = (due: string) => due.length === "2026-12-01".length;
const timeOf = (due: string) => new Date(isDay(due) ? `${due}T00:00` : due);
const dayOf = (time: Date) => time.toLocaleDateString("sv"); // Sweden writes 2026-12-01

/** The day for `<input type="date">`, where the reader is. */
export function localDay(due?: string | null) {
  return due ? dayOf(timeOf(due)) : "";
}

/** An instant for `<input type="datetime-local">`, where the reader is. */
export function localTime(instant?: string | null) {
  if (!instant) return "";
  const time = new Date(instant);
  return `${dayOf(time)}T${time.toLocaleTimeString("sv").slice(0, "09:00".length)}`;
}

/** The instant, in UTC, of what such an input gives. */
export function instantOf(localTime: string) {
  return localTime ? new Date(localTime).toISOString() : null;
}

export function isOverdue(due: string) {
  return isDay(due) ? due < dayOf(new Date()) : timeOf(due) < new Date();
}

export function dueText(due: string) {
  return timeOf(due).toLocaleString(undefined, {
    dateStyle: "medium",
    timeStyle: isDay(due) ? undefined : "short",
  });
}
