"""Reminders: an instant, stored and given back."""

from collections.abc import Callable
from typing import Any

import pytest
from each_write import kept, refusals
from fastapi.testclient import TestClient
from stored_tasks import EPOCH
from texts import REMINDER, bad

from models import Task


@pytest.mark.parametrize(
    ("sent", "given_back"),
    [
        ("2026-12-01T08:00:00Z", "2026-12-01T08:00:00Z"),
        ("2026-12-01T09:00+01:00", "2026-12-01T08:00:00Z"),
        ("2026-12-01T00:15:59.999999999-23:59", "2026-12-02T00:14:59Z"),
        ("0001-01-01T00:00Z", "0001-01-01T00:00:00Z"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
        ("", None),
        (None, None),
    ],
)
def test_an_instant_is_given_back_in_utc(
    alice: TestClient, stored: Callable[..., Task], sent: Any, given_back: Any
) -> None:
    answers = kept(alice, stored(remind_at=EPOCH), "remind_at", sent)

    assert answers == [given_back] * 3


@pytest.mark.without_sql
@pytest.mark.parametrize(
    "reminder",
    [
        "2026-12-01",
        "2026-12-01T08:00",
        "2026-12-01T08:00:00",
        "2026-12-01T08:00:00z",
        "2026-12-01T08:00:00+0100",
        "2026-12-01T24:00:00Z",
        "2026-02-30T08:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:00-00:01",
        " ",
        " 2026-12-01T08:00:00Z",
        "2026-12-01T08:00:00Z\n",
        "2026-12-01T08:00:00Z\0",
        "\ud800",
        1764576000,
        True,
        [],
        {},
    ],
    ids=ascii,
)
def test_anything_else_is_refused(alice: TestClient, task: Task, reminder: Any) -> None:
    assert refusals(alice, task, "remind_at", reminder) == [bad(REMINDER)] * 3
