"""`completed_at` follows `completed`, in the tasks of 1.0.0 too."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from endpoints import TASKS
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from stored_tasks import EPOCH, in_utc

from models import Task


class Change(NamedTuple):
    method: str
    path: str
    body: dict[str, Any] | None

    def send(self, client: TestClient, task: Task) -> dict[str, Any]:
        response = client.request(self.method, f"{TASKS}/{task.id}{self.path}", json=self.body)
        assert response.status_code == 200
        data: dict[str, Any] = response.json()["data"]
        return data

    def completes(self, *, completed: bool) -> bool:
        """Whether the task is completed afterwards."""
        wanted = (self.body or {}).get("completed")
        if wanted is None:
            return not completed if self.path else completed
        return bool(wanted)


def id_of(change: Change) -> str:
    return f"{change.method} {change.path} {change.body}"


TOGGLE = Change("PATCH", "/complete", None)
COMPLETING = [
    Change("PATCH", "/complete", {"completed": True}),
    Change("PUT", "", {"completed": True}),
    Change("PATCH", "", {"completed": True}),
    Change("PUT", "", {"completed": True, "title": "y", "tags": ["x"]}),
]
UNCOMPLETING = [
    Change("PATCH", "/complete", {"completed": False}),
    Change("PUT", "", {"completed": False}),
    Change("PATCH", "", {"completed": False}),
    Change("PUT", "", {"completed": False, "description": None, "priority": "low"}),
]
OTHERS = [
    Change("PUT", "", {"title": "y"}),
    Change("PATCH", "", {"description": None, "completed_at": None}),
    Change("PATCH", "", {"due_date": "2026-12-01", "tags": [], "priority": "high"}),
]

each_other = pytest.mark.parametrize("change", OTHERS, ids=id_of)


@pytest.fixture
def completed_at_in_the_row(
    load: Callable[[int], Task | None],
) -> Callable[[Task], datetime | None]:
    def completed_at(task: Task) -> datetime | None:
        assert task.id
        row = load(task.id)
        assert row is not None
        return row.completed_at

    return completed_at


@pytest.mark.parametrize("change", [TOGGLE, *COMPLETING], ids=id_of)
def test_a_task_that_becomes_completed_does_so_now(
    alice: TestClient, stored: Callable[..., Task], change: Change
) -> None:
    task = stored(created_at=EPOCH)

    before = datetime.now(UTC)
    changed = change.send(alice, task)
    after = datetime.now(UTC)

    assert changed["completed"] is True
    assert changed["completed_at"] == changed["updated_at"]
    assert changed["completed_at"].endswith("Z")
    assert before <= datetime.fromisoformat(changed["completed_at"]) <= after
    assert alice.get(f"{TASKS}/{task.id}").json()["data"] == changed
    assert alice.get(TASKS).json()["data"] == [changed]


@pytest.mark.parametrize("change", [TOGGLE, *UNCOMPLETING], ids=id_of)
@pytest.mark.parametrize("completed_at", [EPOCH, None], ids=["known", "of 1.0.0"])
def test_a_task_that_becomes_pending_loses_the_time_of_its_completion(
    alice: TestClient,
    stored: Callable[..., Task],
    completed_at_in_the_row: Callable[[Task], datetime | None],
    change: Change,
    completed_at: datetime | None,
) -> None:
    task = stored(completed=True, completed_at=completed_at, created_at=EPOCH)

    changed = change.send(alice, task)

    assert (changed["completed"], changed["completed_at"]) == (False, None)
    assert alice.get(TASKS).json()["data"] == [changed]
    assert completed_at_in_the_row(task) is None


@pytest.mark.parametrize("change", [*COMPLETING, *OTHERS], ids=id_of)
def test_what_does_not_make_a_completed_task_pending_leaves_the_time_of_its_completion(
    alice: TestClient, stored: Callable[..., Task], change: Change
) -> None:
    completed_at = EPOCH + timedelta(hours=1)
    task = stored(completed=True, completed_at=completed_at, created_at=EPOCH)

    changed = change.send(alice, task)

    assert changed["completed_at"] == in_utc(completed_at)
    assert changed["updated_at"] > in_utc(EPOCH)
    assert alice.get(TASKS).json()["data"] == [changed]


@pytest.mark.parametrize("change", [*COMPLETING, *OTHERS], ids=id_of)
def test_a_task_that_1_0_0_completed_keeps_its_last_change_from_its_next_change_on(
    alice: TestClient,
    stored: Callable[..., Task],
    completed_at_in_the_row: Callable[[Task], datetime | None],
    change: Change,
) -> None:
    last_change = EPOCH + timedelta(hours=1)
    task = stored(completed=True, created_at=EPOCH, updated_at=last_change)

    shown = alice.get(f"{TASKS}/{task.id}").json()["data"]
    listed = alice.get(TASKS, params={"filter": "completed"}).json()["data"]
    changed = change.send(alice, task)

    assert (shown["completed_at"], listed) == (in_utc(last_change), [shown])
    assert changed["completed_at"] == in_utc(last_change)
    assert changed["updated_at"] > in_utc(last_change)
    assert completed_at_in_the_row(task) == last_change


@pytest.mark.parametrize("body", [{}, {"id": 7, "completed_at": "2000-01-01T00:00:00Z"}], ids=str)
def test_an_update_that_names_no_field_writes_nothing_to_a_task_that_1_0_0_completed(
    alice: TestClient,
    stored: Callable[..., Task],
    completed_at_in_the_row: Callable[[Task], datetime | None],
    body: dict[str, Any],
) -> None:
    task = stored(completed=True, created_at=EPOCH, updated_at=EPOCH + timedelta(hours=1))

    updated = Change("PUT", "", body).send(alice, task)

    assert updated["completed_at"] == updated["updated_at"] == in_utc(task.updated_at)
    assert completed_at_in_the_row(task) is None


@each_other
def test_a_task_that_1_0_0_made_pending_again_shows_no_time_of_completion(
    alice: TestClient,
    stored: Callable[..., Task],
    completed_at_in_the_row: Callable[[Task], datetime | None],
    change: Change,
) -> None:
    task = stored(completed=False, completed_at=EPOCH, created_at=EPOCH)

    shown = alice.get(f"{TASKS}/{task.id}").json()["data"]
    listed = alice.get(TASKS).json()["data"]
    changed = change.send(alice, task)

    assert (shown["completed_at"], listed, changed["completed_at"]) == (None, [shown], None)
    assert completed_at_in_the_row(task) is None


@pytest.mark.parametrize("change", [TOGGLE, *COMPLETING], ids=id_of)
def test_a_task_that_1_0_0_made_pending_again_is_completed_now(
    alice: TestClient, stored: Callable[..., Task], change: Change
) -> None:
    task = stored(completed=False, completed_at=EPOCH, created_at=EPOCH)

    changed = change.send(alice, task)

    assert changed["completed_at"] == changed["updated_at"] > in_utc(EPOCH)


def test_a_task_is_not_completed_before_its_last_change(
    alice: TestClient, stored: Callable[..., Task]
) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=1)
    task = stored(created_at=EPOCH, updated_at=ahead)

    changed = TOGGLE.send(alice, task)

    assert changed["completed_at"] == changed["updated_at"] == in_utc(ahead)


@pytest.mark.parametrize("completed_at", ["2000-01-01T00:00:00Z", None, 1, "never", []])
def test_no_client_sets_the_time_of_completion(
    alice: TestClient, stored: Callable[..., Task], completed_at: object
) -> None:
    task = stored(completed=True, completed_at=EPOCH, created_at=EPOCH)
    sent = {"title": "x", "completed_at": completed_at}

    created = alice.post(TASKS, json={**sent, "completed": True})
    updated = [
        alice.request(method, f"{TASKS}/{task.id}", json=sent) for method in ("PUT", "PATCH")
    ]

    assert created.json()["data"]["completed_at"] is None
    assert [answer.json()["data"]["completed_at"] for answer in updated] == [in_utc(EPOCH)] * 2


@given(
    completed=st.booleans(),
    completed_at=st.sampled_from([EPOCH, None]),
    changes=st.lists(st.sampled_from([TOGGLE, *COMPLETING, *UNCOMPLETING, *OTHERS]), max_size=8),
)
def test_completed_at_is_the_time_of_the_change_that_completed_the_task(
    alice: TestClient,
    stored: Callable[..., Task],
    changes: list[Change],
    completed_at: datetime | None,
    *,
    completed: bool,
) -> None:
    task = stored(
        completed=completed,
        completed_at=completed_at,
        created_at=EPOCH,
        updated_at=EPOCH + timedelta(hours=1),
    )
    expected = in_utc(completed_at or task.updated_at) if completed else None

    for change in changes:
        changed = change.send(alice, task)

        was_completed, completed = completed, change.completes(completed=completed)
        if not completed:
            expected = None
        elif not was_completed:
            expected = changed["updated_at"]
        assert (changed["completed"], changed["completed_at"]) == (completed, expected)

    assert alice.get(f"{TASKS}/{task.id}").json()["data"]["completed_at"] == expected
