"""Due dates: three kinds, each given back in its own."""

from calendar import monthrange
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from each_write import kept, refusals
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from properties import any_json, any_text
from texts import DUE_DATE, bad

from models import Task

MINUTES_OF_A_DAY = 24 * 60

# --- what the contract says of a text, without regular expressions and without `datetime` ---


class NoDueDateError(Exception):
    pass


def demand(condition: object) -> None:
    if not condition:
        raise NoDueDateError


def number(text: str, least: int, most: int) -> int:
    """The value of a text that has as many digits as the largest one."""
    demand(len(text) == len(str(most)) and set(text) <= set("0123456789"))
    demand(least <= int(text) <= most)
    return int(text)


def day_of(text: str) -> date:
    parts = text.split("-")
    demand(len(parts) == 3)
    year, month = number(parts[0], 1, 9999), number(parts[1], 1, 12)
    return date(year, month, number(parts[2], 1, monthrange(year, month)[1]))


def split_zone(text: str) -> tuple[str, int | None]:
    """The time of day, and the minutes that its zone is ahead of UTC."""
    if text.endswith("Z"):
        return text[:-1], 0
    sign = {"+": 1, "-": -1}.get(text[-6:-5])
    if sign is None:
        return text, None
    demand(text[-3] == ":")
    return text[:-6], sign * (60 * number(text[-5:-3], 0, 23) + number(text[-2:], 0, 59))


def form_of(text: str) -> str | None:
    """The form in which a due date is given back."""
    if text == "":
        return None
    day_text, has_time, rest = text.partition("T")
    day = day_of(day_text)
    if not has_time:
        return day_text
    time, ahead = split_zone(rest)
    time, has_fraction, fraction = time.partition(".")
    parts = time.split(":")
    demand(len(parts) == 3 or (len(parts) == 2 and not has_fraction))
    if has_fraction:
        demand(1 <= len(fraction) <= 9 and set(fraction) <= set("0123456789"))
    hour, minute = number(parts[0], 0, 23), number(parts[1], 0, 59)
    second = number(parts[2], 0, 59) if len(parts) == 3 else 0
    if ahead is None:
        return f"{day_text}T{hour:02}:{minute:02}:{second:02}"
    days, of_day = divmod(60 * hour + minute - ahead, MINUTES_OF_A_DAY)
    ordinal = day.toordinal() + days
    demand(date.min.toordinal() <= ordinal <= date.max.toordinal())
    day = date.fromordinal(ordinal)
    return f"{day.isoformat()}T{of_day // 60:02}:{of_day % 60:02}:{second:02}Z"


# --- texts, most of which nearly are due dates ---


def padded(least: int, most: int, width: int = 2) -> st.SearchStrategy[str]:
    return st.integers(least, most).map(lambda value: f"{value:0{width}}")


years = st.sampled_from(["0001", "9999", "2024", "1900", "0000"]) | padded(1, 9999, width=4)
# Days that exist, and the first and last ones, which offsets move out of the calendar.
real_days = st.dates().map(date.isoformat) | st.sampled_from(["0001-01-01", "9999-12-31"])
days = real_days | st.builds("{}-{}-{}".format, years, padded(0, 13), padded(0, 32))
clocks = st.builds("{}:{}".format, padded(0, 23), padded(0, 59)) | st.builds(
    "{}:{}".format, padded(0, 25), padded(0, 61)
)
seconds = st.just("") | padded(0, 59).map(":{}".format) | padded(58, 61).map(":{}".format)
fractions = st.just("") | st.text("0123456789", max_size=11).map(".{}".format)
offsets = st.builds("{}{}:{}".format, st.sampled_from("+-"), padded(0, 23), padded(0, 59))
zones = st.sampled_from(["", "Z", "+24:00", "-00:60", "+0100", "+01", "z"]) | offsets
times = st.builds("{}T{}{}{}{}".format, days, clocks, seconds, fractions, zones)
good_times = st.builds(
    "{}T{}:{}{}{}".format, real_days, padded(0, 23), padded(0, 59), seconds, offsets
)


@st.composite
def misspelled(draw: st.DrawFn) -> str:
    """A due date in which a character was added, removed or replaced."""
    text = draw(days | times)
    place = draw(st.integers(0, len(text)))
    added = draw(st.text("0123456789-:.TZtz+W ,\n\u0661\0/", max_size=1))
    return text[:place] + added + text[place + draw(st.integers(0, 1)) :]


@given(text=days | times | good_times | misspelled() | any_text)
def test_a_due_date_comes_back_in_its_own_kind_or_is_refused(
    alice: TestClient, stored: Callable[..., Task], text: str
) -> None:
    task = stored()

    try:
        form = form_of(text)
    except NoDueDateError:
        assert refusals(alice, task, "due_date", text) == [bad(DUE_DATE)] * 3
    else:
        assert kept(alice, task, "due_date", text) == [form] * 3


@pytest.mark.parametrize(
    ("sent", "given_back"),
    [
        ("2026-12-01", "2026-12-01"),
        ("2024-02-29", "2024-02-29"),
        ("0001-01-01", "0001-01-01"),
        ("9999-12-31", "9999-12-31"),
        ("2026-12-01T09:00", "2026-12-01T09:00:00"),
        ("2026-12-01T09:00:30", "2026-12-01T09:00:30"),
        ("2026-12-01T09:00:30.123456789", "2026-12-01T09:00:30"),
        ("2026-12-01T23:59:59.999999999", "2026-12-01T23:59:59"),
        ("0001-01-01T00:00", "0001-01-01T00:00:00"),
        ("9999-12-31T23:59:59.9", "9999-12-31T23:59:59"),
        ("2026-12-01T09:00Z", "2026-12-01T09:00:00Z"),
        ("2026-12-01T09:00:00.000Z", "2026-12-01T09:00:00Z"),
        ("2026-12-01T09:00+01:00", "2026-12-01T08:00:00Z"),
        ("2026-12-01T09:00:00.1-00:00", "2026-12-01T09:00:00Z"),
        ("2026-12-01T00:30:00+05:45", "2026-11-30T18:45:00Z"),
        ("2024-02-28T23:30:00-23:59", "2024-02-29T23:29:00Z"),
        ("0001-01-01T23:59:00+23:59", "0001-01-01T00:00:00Z"),
        ("0001-01-01T00:00:00-00:01", "0001-01-01T00:01:00Z"),
        ("9999-12-31T00:00:59-23:59", "9999-12-31T23:59:59Z"),
        ("9999-12-31T23:59:59+00:01", "9999-12-31T23:58:59Z"),
        ("", None),
        (None, None),
    ],
)
def test_a_due_date_is_given_back_in_the_kind_that_was_sent(
    alice: TestClient, stored: Callable[..., Task], sent: str | None, given_back: str | None
) -> None:
    task = stored(due_date="2000-01-01")

    assert kept(alice, task, "due_date", sent) == [given_back] * 3
    assert given_back is None or kept(alice, task, "due_date", given_back) == [given_back] * 3


NO_DUE_DATES: list[Any] = [
    *(0, 20261201, 1.5, True, False, [], {}, ["2026-12-01"], {"date": "2026-12-01"}),
    *(" ", "\n", " 2026-12-01", "2026-12-01 ", "2026-12-01\n", "2026-12-01\0", "2026-12-01\ud800"),
    *("2026-W49-2", "2026W492", "2026-335", "20261201", "2026-12", "2026", "26-12-01"),
    *("2026-1-1", "2026/12/01", "01.12.2026", "tomorrow", "null", "+2026-12-01", "-2026-12-01"),
    *("12026-12-01", "0000-01-01", "2026-00-01", "2026-13-01", "2026-12-00", "2026-11-31"),
    *(
        "2026-02-29",
        "1900-02-29",
        "\u0662026-12-01",
        "\uff12\uff10\uff12\uff16-12-01",
        "2026\u201012\u201001",
    ),
    *("2026-12-01T", "2026-12-01T09", "2026-12-01T9:00", "2026-12-01T0900", "2026-12-01 09:00"),
    *("2026-12-01t09:00", "2026-12-01T09:00z", "2026-12-01T09:00 Z", "2026-12-01Z", "T09:00"),
    *("2026-12-01T24:00", "2026-12-01T24:00:00Z", "2026-12-01T09:60", "2026-12-01T23:59:60Z"),
    *("2026-12-01T09:00:00,5", "2026-12-01T09:00:00.", "2026-12-01T09:00.5"),
    *("2026-12-01T09:00:00.1234567890", "2026-12-01T09:00:00.\u0661Z", "2026-12-01T09:00:0"),
    *("2026-12-01T09:00+0100", "2026-12-01T09:00+01", "2026-12-01T09:00+1:00"),
    *("2026-12-01T09:00+24:00", "2026-12-01T09:00-23:60", "2026-12-01T09:00\u221201:00"),
    *("2026-12-01T09:00+01:00:00", "2026-12-01T09:00ZZ", "2026-12-01T09:00[Europe/Berlin]"),
    *("0001-01-01T00:00+00:01", "0001-01-01T23:58:59.9+23:59", "9999-12-31T23:59-00:01"),
    *("9999-12-31T00:01:00-23:59", "-infinity", "infinity", "now", "9" * 5000),
]


@pytest.mark.without_sql
@pytest.mark.parametrize("value", NO_DUE_DATES, ids=lambda value: ascii(value)[:40])
def test_what_is_no_due_date_is_refused(alice: TestClient, task: Task, value: Any) -> None:
    assert refusals(alice, task, "due_date", value) == [bad(DUE_DATE)] * 3


@pytest.mark.without_sql
@given(value=any_json.filter(lambda value: value is not None and not isinstance(value, str)))
def test_a_due_date_is_a_text(alice: TestClient, task: Task, value: Any) -> None:
    assert refusals(alice, task, "due_date", value) == [bad(DUE_DATE)] * 3
