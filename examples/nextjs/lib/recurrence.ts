import type { Task } from "./api";

export type Recurrence = NonNullable<Task["recurrence"]>;

/** What a pattern counts. */
export const UNITS = { daily: "days", weekly: "weeks", monthly: "months", yearly: "years" };

/** "weekly", or "every 2 weeks until Dec 1, 2030". */
export function recurrenceText(
  { pattern, interval, end_date }: Recurrence,
  dayText: (day: string) => string,
) {
  const often = interval === 1 ? pattern : `every ${interval} ${UNITS[pattern]}`;
  return end_date ? `${often} until ${dayText(end_date)}` : often;
}
