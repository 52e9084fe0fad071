"""When a recurring task comes again. Arithmetic alone: no clock, no database.

Due dates are texts in their canonical form: a day, a local time, or an instant that ends in Z.
"""

from calendar import monthrange
from datetime import date, datetime, timedelta
from typing import NamedTuple

from models import Pattern

DAYS: dict[Pattern, int] = {"daily": 1, "weekly": 7}
MONTHS: dict[Pattern, int] = {"monthly": 1, "yearly": 12}

# Until then, the day before is still today in the westernmost zone.
BEHIND_UTC = timedelta(hours=12)


class Rule(NamedTuple):
    pattern: Pattern
    interval: int
    end_date: str | None


def next_due_date(rule: Rule, due_date: str | None, kept: int | None, now: datetime) -> str | None:
    """The due date of the successor of a task that is completed now, in UTC; None: there is none.

    Months and years count from `day_of(due_date, kept)`.
    """
    start, separator, time = (due_date or now.date().isoformat()).partition("T")
    try:
        day = day_of(due_date, kept)
        next_date = _next_date(rule, date.fromisoformat(start), day, _floor(time, now))
    except (ValueError, OverflowError):  # beyond the year 9999, or another writer's text
        return None
    if rule.end_date is not None and next_date.isoformat() > rule.end_date:
        return None
    return f"{next_date}{separator}{time}"


def moved_reminder(
    remind_at: datetime | None, due_date: str | None, next_due_date: str
) -> datetime | None:
    """The reminder, as many days later as the due date."""
    if remind_at is None or due_date is None:
        return None
    try:
        return remind_at + (_date_of(next_due_date) - _date_of(due_date))
    except OverflowError:  # beyond the year 9999
        return None


def day_of(due_date: str | None, kept: int | None = None) -> int | None:
    """The day of the month from which a series counts: the one that was kept, unless the due date
    does not fall on it, since 1.1.0 moves due dates alone.
    """
    if due_date is None:
        return None
    due = _date_of(due_date)
    falls_on_it = kept and min(kept, monthrange(due.year, due.month)[1]) == due.day
    return kept if falls_on_it else due.day


def _date_of(due_date: str) -> date:
    return date.fromisoformat(due_date.partition("T")[0])


def _floor(time: str, now: datetime) -> date:
    """The first date that is not over at `time` of the day."""
    if not time.endswith("Z"):
        return (now - BEHIND_UTC).date()
    is_over = datetime.fromisoformat(f"{now.date()}T{time}") <= now
    return now.date() + timedelta(days=is_over)


def _next_date(rule: Rule, start: date, day: int | None, floor: date) -> date:
    if step := DAYS.get(rule.pattern):
        return date.fromordinal(
            _next_number(start.toordinal(), step * rule.interval, floor.toordinal())
        )
    day = day or start.day
    first_month = _month_number(floor)
    if _in_month(first_month, day) < floor:
        first_month += 1
    step = MONTHS[rule.pattern] * rule.interval
    return _in_month(_next_number(_month_number(start), step, first_month), day)


def _next_number(start: int, step: int, floor: int) -> int:
    """The first number that is at least one step beyond `start`, and not below `floor`."""
    return start + step * max(1, -((start - floor) // step))


def _month_number(day: date) -> int:
    return day.year * 12 + day.month - 1


def _in_month(number: int, day: int) -> date:
    """The day of the month, or the month's last one."""
    year, month = number // 12, number % 12 + 1
    return date(year, month, min(day, monthrange(year, month)[1]))
