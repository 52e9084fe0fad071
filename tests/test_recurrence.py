"""When a recurring task comes again: the dates of its series, and the day that it keeps."""

import sys
from bisect import bisect_left
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from itertools import count, pairwise
from types import FrameType
from typing import Any, Literal, get_args

import pytest
from dateutil.relativedelta import relativedelta
from dateutil.rrule import DAILY, MONTHLY, WEEKLY, YEARLY, rrule
from hypothesis import given, settings
from hypothesis import strategies as st

from models import Pattern
from recurrence import Rule, day_of, moved_reminder, next_due_date

PATTERNS: tuple[Pattern, ...] = get_args(Pattern.__value__)
EXAMPLES = 300
# The lines of a call, and of what it calls in the standard library.
LINES_MAX = 100


def rule(pattern: Pattern, interval: int = 1, end_date: str | None = None) -> Rule:
    return Rule(pattern, interval, end_date)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


DAILY_RULE, WEEKLY_RULE, MONTHLY_RULE, YEARLY_RULE = map(rule, PATTERNS)


# --- the cases of the documentation ---


@pytest.mark.parametrize(
    ("series", "repeated"),
    [
        (["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"], MONTHLY_RULE),
        (["2026-01-31T23:30:00Z", "2026-02-28T23:30:00Z", "2026-03-31T23:30:00Z"], MONTHLY_RULE),
        (["2028-02-29", "2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"], YEARLY_RULE),
        (["2096-02-29", "2097-02-28", "2098-02-28"], YEARLY_RULE),
        (["2026-08-31", "2027-02-28", "2027-08-31"], rule("monthly", 6)),
        (["2026-12-31", "2028-12-31"], rule("yearly", 2)),
        (["2026-12-01", "2026-12-15", "2026-12-29"], rule("weekly", 2)),
        (["2026-12-31", "2027-01-01"], DAILY_RULE),
        (["2026-03-28T09:00:00", "2026-03-29T09:00:00", "2026-03-30T09:00:00"], DAILY_RULE),
    ],
)
def test_a_series_that_is_completed_at_once_takes_each_step(
    series: list[str], repeated: Rule
) -> None:
    day = day_of(series[0])

    for due_date, following in pairwise(series):
        assert next_due_date(repeated, due_date, day, at("2026-01-01T12:00")) == following


@pytest.mark.parametrize(
    ("due_date", "repeated", "now", "expected"),
    [
        # Completed early, the task counts as that occurrence.
        ("2026-11-29", DAILY_RULE, "2026-11-28T20:00", "2026-11-30"),
        # The westernmost zone is twelve hours behind UTC.
        ("2026-11-01", DAILY_RULE, "2026-11-28T11:59:59.999999", "2026-11-27"),
        ("2026-11-01", DAILY_RULE, "2026-11-28T12:00", "2026-11-28"),
        ("2026-11-01", DAILY_RULE, "2026-11-28T20:00", "2026-11-28"),
        ("2026-11-01T09:00:00", DAILY_RULE, "2026-11-28T20:00", "2026-11-28T09:00:00"),
        ("2026-11-30", DAILY_RULE, "2026-12-01T01:00", "2026-12-01"),
        ("2026-11-01", MONTHLY_RULE, "2026-12-02T11:59", "2026-12-01"),
        ("2026-11-01", MONTHLY_RULE, "2026-12-02T12:00", "2027-01-01"),
        # In step.
        ("2026-01-01", rule("daily", 3), "2026-01-09T12:00", "2026-01-10"),
        ("2026-01-01", rule("weekly", 3), "2026-01-23T12:00", "2026-02-12"),
        ("2026-01-31", rule("monthly", 3), "2026-04-30T12:00", "2026-04-30"),
        ("2026-01-31", rule("monthly", 3), "2026-05-01T12:00", "2026-07-31"),
        ("2020-02-29", rule("yearly", 3), "2026-02-28T12:00", "2026-02-28"),
        ("2020-02-29", rule("yearly", 3), "2026-03-01T12:00", "2029-02-28"),
        # An instant comes again later than now.
        ("2026-03-28T08:00:00Z", DAILY_RULE, "2026-03-29T07:59:59.999999", "2026-03-29T08:00:00Z"),
        ("2026-03-28T08:00:00Z", DAILY_RULE, "2026-03-29T08:00", "2026-03-30T08:00:00Z"),
        ("2026-03-28T08:00:00Z", DAILY_RULE, "2026-03-29T08:00:00.5", "2026-03-30T08:00:00Z"),
        ("2026-01-31T08:00:00Z", MONTHLY_RULE, "2026-02-28T08:00", "2026-03-31T08:00:00Z"),
        # The whole calendar.
        ("0001-01-01", DAILY_RULE, "2026-11-28T20:00", "2026-11-28"),
        ("0001-01-31", MONTHLY_RULE, "2026-11-28T20:00", "2026-11-30"),
        ("0001-01-01T00:00:00Z", YEARLY_RULE, "9998-06-01T00:00", "9999-01-01T00:00:00Z"),
        ("9999-12-30", DAILY_RULE, "2026-11-28T20:00", "9999-12-31"),
        ("9999-12-31", DAILY_RULE, "2026-11-28T20:00", None),
        ("9999-12-31T23:59:59Z", WEEKLY_RULE, "2026-11-28T20:00", None),
        ("9999-12-01", MONTHLY_RULE, "2026-11-28T20:00", None),
        ("9635-01-01", rule("yearly", 365), "2026-11-28T20:00", None),
        ("9998-12-31T08:00:00Z", MONTHLY_RULE, "9999-12-31T08:00", None),
    ],
)
def test_the_next_due_date_is_the_first_of_the_series_that_is_not_over(
    due_date: str, repeated: Rule, now: str, expected: str | None
) -> None:
    assert next_due_date(repeated, due_date, None, at(now)) == expected


@pytest.mark.parametrize(
    ("due_date", "end_date", "expected"),
    [
        ("2026-12-01", "2026-12-02", "2026-12-02"),
        ("2026-12-01", "2026-12-01", None),
        ("2026-12-01T23:30:00", "2026-12-02", "2026-12-02T23:30:00"),
        ("2026-12-01T23:30:00", "2026-12-01", None),
        ("2026-12-01T23:30:00Z", "2026-12-02", "2026-12-02T23:30:00Z"),
        ("2026-12-01T23:30:00Z", "2026-12-01", None),
        ("2026-12-01", "0999-12-31", None),
        (None, "2026-11-29", "2026-11-29"),
        (None, "2026-11-28", None),
    ],
)
def test_a_series_ends_on_its_end_date(
    due_date: str | None, end_date: str, expected: str | None
) -> None:
    repeated = rule("daily", end_date=end_date)

    assert next_due_date(repeated, due_date, None, at("2026-11-28T20:00")) == expected


@pytest.mark.parametrize("hour", ["00:00", "11:00", "23:59"])
def test_without_a_due_date_the_day_of_completion_in_utc_takes_its_place(hour: str) -> None:
    now = at(f"2026-01-31T{hour}")

    dates = [next_due_date(each, None, None, now) for each in map(rule, PATTERNS)]

    assert dates == ["2026-02-01", "2026-02-07", "2026-02-28", "2027-01-31"]


@pytest.mark.parametrize(
    ("due_date", "day", "expected"),
    [
        ("2026-02-28", 31, "2026-03-31"),
        ("2026-02-28", 28, "2026-03-28"),
        ("2026-02-15", 15, "2026-03-15"),
        ("2026-02-15", 31, "2026-03-15"),
        ("2026-02-15", None, "2026-03-15"),
    ],
)
def test_months_keep_the_day_to_which_a_client_changed_the_due_date(
    due_date: str, day: int | None, expected: str
) -> None:
    assert next_due_date(MONTHLY_RULE, due_date, day, at("2026-01-31T12:00")) == expected


@pytest.mark.parametrize("repeated", [DAILY_RULE, WEEKLY_RULE])
def test_a_step_of_days_or_weeks_keeps_no_day(repeated: Rule) -> None:
    now = at("2026-01-31T12:00")

    kept, own = (next_due_date(repeated, "2026-02-15", day, now) for day in (31, None))

    assert kept == own


@pytest.mark.parametrize(
    ("due_date", "day"),
    [(None, None), ("2026-12-01", 1), ("2026-12-31T23:59:59", 31), ("0001-01-09T00:00:00Z", 9)],
)
def test_the_day_of_a_due_date_is_that_of_its_month(due_date: str | None, day: int | None) -> None:
    assert day_of(due_date) == day


# --- against other calculations ---


def moments(earliest: date, latest: date) -> st.SearchStrategy[datetime]:
    """Whole hours, at which something becomes over, and what is a microsecond beside."""
    hours = st.builds(time, st.integers(0, 23), tzinfo=st.just(UTC))
    beside = st.sampled_from([-1, 0, 0, 1])
    return st.builds(
        lambda day, hour, beside: datetime.combine(day, hour) + timedelta(microseconds=beside),
        st.dates(earliest, latest),
        hours,
        beside,
    )


CLOCKS = st.sampled_from(["", "T00:00:00", "T12:00:00", "T09:00:00Z", "T23:00:00Z"])
INTERVALS = st.one_of(st.integers(1, 4), st.integers(1, 365))
RULES = st.builds(rule, st.sampled_from(PATTERNS), INTERVALS)
# Decades in which both are drawn: a loop takes its time, and they are often close.
NEAR = (date(1995, 1, 1), date(2005, 12, 31))
FREQUENCIES: dict[Pattern, Literal[0, 1, 2, 3]] = {
    "daily": DAILY,
    "weekly": WEEKLY,
    "monthly": MONTHLY,
    "yearly": YEARLY,
}


def is_over(day: date | None, clock: str, now: datetime) -> bool:
    if day is None:
        return False
    if clock.endswith("Z"):
        return datetime.fromisoformat(f"{day}{clock}") <= now
    return day < (now - timedelta(hours=12)).date()


@settings(max_examples=EXAMPLES)
@given(
    repeated=RULES,
    start=st.dates(*NEAR).filter(lambda day: day.day <= 28),
    clock=CLOCKS,
    now=moments(*NEAR),
)
def test_the_next_due_date_is_that_of_rfc_5545_up_to_the_28th(
    repeated: Rule, start: date, clock: str, now: datetime
) -> None:
    midnight = datetime.combine(start, time(tzinfo=UTC))
    dates = rrule(FREQUENCIES[repeated.pattern], midnight, repeated.interval).xafter(midnight)

    expected = next(each.date() for each in dates if not is_over(each.date(), clock, now))

    assert next_due_date(repeated, f"{start}{clock}", None, now) == f"{expected}{clock}"


def occurrence(repeated: Rule, start: date, day: int | None, number: int) -> date | None:
    """The date after so many steps; None beyond the year 9999."""
    if day and start + relativedelta(day=day) != start:
        day = None
    units: dict[Pattern, Callable[[int], relativedelta]] = {
        "daily": lambda steps: relativedelta(days=steps),
        "weekly": lambda steps: relativedelta(weeks=steps),
        "monthly": lambda steps: relativedelta(months=steps, day=day),
        "yearly": lambda steps: relativedelta(years=steps, day=day),
    }
    try:
        return start + units[repeated.pattern](repeated.interval * number)
    except (ValueError, OverflowError):
        return None


DAYS = st.one_of(st.none(), st.integers(28, 31), st.integers(1, 31))


@settings(max_examples=EXAMPLES)
@given(repeated=RULES, start=st.dates(*NEAR), day=DAYS, clock=CLOCKS, now=moments(*NEAR))
def test_the_next_due_date_is_found_by_trying_one_after_the_other(
    repeated: Rule, start: date, day: int | None, clock: str, now: datetime
) -> None:
    dates = (occurrence(repeated, start, day, number) for number in count(1))

    expected = next(each for each in dates if not is_over(each, clock, now))

    assert next_due_date(repeated, f"{start}{clock}", day, now) == f"{expected}{clock}"


@settings(max_examples=EXAMPLES)
@given(
    repeated=RULES,
    start=st.dates(),
    day=DAYS,
    clock=CLOCKS,
    now=moments(date(1, 1, 3), date(9999, 12, 30)),
)
def test_the_next_due_date_is_found_in_every_year_by_halving(
    repeated: Rule, start: date, day: int | None, clock: str, now: datetime
) -> None:
    def is_ahead(number: int) -> bool:
        return not is_over(occurrence(repeated, start, day, number), clock, now)

    every = range(1, date.max.toordinal())
    expected = occurrence(repeated, start, day, every[bisect_left(every, 1, key=is_ahead)])

    assert next_due_date(repeated, f"{start}{clock}", day, now) == (
        expected and f"{expected}{clock}"
    )


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("clock", ["", "T08:00:00", "T08:00:00Z"])
def test_ten_thousand_years_take_no_more_steps_than_a_day(pattern: Pattern, clock: str) -> None:
    lines = 0

    def count_line(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal lines
        lines += 1
        return count_line

    traced_before = sys.gettrace()
    sys.settrace(count_line)
    try:
        due_date = next_due_date(rule(pattern), f"0001-01-31{clock}", None, at("9998-06-01T00:00"))
    finally:
        sys.settrace(traced_before)

    assert due_date is not None
    assert due_date.startswith("9998" if pattern != "yearly" else "9999")
    assert lines < LINES_MAX


# --- reminders ---


@pytest.mark.parametrize(
    ("due_date", "following"),
    [
        ("2026-12-01", "2026-12-31"),
        ("2026-12-01T09:00:00", "2026-12-31T09:00:00"),
        ("2026-12-01T08:00:00Z", "2026-12-31T08:00:00Z"),
    ],
)
def test_a_reminder_moves_by_as_many_days_as_the_due_date(due_date: str, following: str) -> None:
    moved = moved_reminder(at("2026-11-30T18:30:00"), due_date, following)

    assert moved == at("2026-12-30T18:30:00")


def test_without_a_reminder_none_is_moved() -> None:
    assert moved_reminder(None, "2026-12-01", "2026-12-02") is None


def test_without_a_due_date_no_reminder_moves() -> None:
    assert moved_reminder(at("2026-12-01T08:00:00"), None, "2026-12-02") is None


def test_a_reminder_beyond_the_year_9999_is_none() -> None:
    reminder = at("9999-12-31T08:00:00")

    assert moved_reminder(reminder, "2026-12-01", "2026-12-01") == reminder
    assert moved_reminder(reminder, "2026-12-01", "2026-12-02") is None
