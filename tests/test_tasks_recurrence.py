"""Recurrence: how often a task comes again, as it is sent and given back."""

from collections.abc import Callable
from typing import Any

import pytest
from each_write import kept, refusals
from endpoints import TASKS
from fastapi.testclient import TestClient
from texts import RECURRENCE, bad

from models import Task

# Values that JSON has and a recurrence has not.
PATTERNS: list[Any] = [None, "", "hourly", " daily", "daily\0", "\ud800", 1, [], ["daily"]]
INTERVALS: list[Any] = [0, -1, 366, 10**30, 1.0, 1.5, True, False, "1", "", [], {}]
END_DATES: list[Any] = [
    "",
    "2026-02-30",
    "0000-01-01",
    "2026-1-1",
    "20260101",
    "2026-W01-1",
    "2026-12-01T09:00",
    "2026-12-01T09:00:00Z",
    " 2026-12-01",
    "\uff12026-12-01",
    "2026-12-01\0",
    "2026-12-01\n",
    20261201,
    True,
    [],
]
WEEKLY = {"pattern": "weekly", "interval": 2, "end_date": "2027-12-01"}


@pytest.mark.parametrize(
    ("sent", "given_back"),
    [
        (WEEKLY, WEEKLY),
        ({"pattern": "daily"}, {"pattern": "daily", "interval": 1, "end_date": None}),
        (
            {"end_date": None, "interval": None, "pattern": "MONTHLY"},
            {"pattern": "monthly", "interval": 1, "end_date": None},
        ),
        (
            {"pattern": "Yearly", "interval": 365, "end_date": "9999-12-31", "note": [1]},
            {"pattern": "yearly", "interval": 365, "end_date": "9999-12-31"},
        ),
        (None, None),
    ],
    ids=str,
)
def test_all_three_parts_are_given_back(
    alice: TestClient, stored: Callable[..., Task], sent: Any, given_back: Any
) -> None:
    answers = kept(alice, stored(recurrence=WEEKLY), "recurrence", sent)

    assert answers == [given_back] * 3


def test_what_is_sent_replaces_the_whole_recurrence(
    alice: TestClient, stored: Callable[..., Task]
) -> None:
    task = stored(recurrence=WEEKLY)

    response = alice.patch(f"{TASKS}/{task.id}", json={"recurrence": {"pattern": "daily"}})

    assert response.json()["data"]["recurrence"] == {
        "pattern": "daily",
        "interval": 1,
        "end_date": None,
    }


def test_the_parts_come_in_the_contracts_order(alice: TestClient) -> None:
    recurrence = {"end_date": "2027-12-01", "interval": 2, "pattern": "weekly"}

    response = alice.post(TASKS, json={"title": "Water the plants", "recurrence": recurrence})

    assert '{"pattern":"weekly","interval":2,"end_date":"2027-12-01"}' in response.text


@pytest.mark.without_sql
@pytest.mark.parametrize(
    "recurrence",
    [
        "",
        "weekly",
        1,
        True,
        [],
        [WEEKLY],
        {},
        {"interval": 1},
        *({"pattern": pattern} for pattern in PATTERNS),
        *({"pattern": "daily", "interval": interval} for interval in INTERVALS),
        *({"pattern": "daily", "end_date": end_date} for end_date in END_DATES),
    ],
    ids=ascii,
)
def test_anything_else_is_refused(alice: TestClient, task: Task, recurrence: Any) -> None:
    assert refusals(alice, task, "recurrence", recurrence) == [bad(RECURRENCE)] * 3
