"""PUT and PATCH: the fields that a body names."""

from collections.abc import Callable
from typing import Any

import pytest
from endpoints import TASKS
from fastapi.testclient import TestClient
from stored_tasks import EPOCH, FULL, in_utc, wire

from models import Task
from schemas import TaskCreate, TaskUpdate


@pytest.mark.parametrize(
    "change",
    [
        *({name: value} for name, value in FULL.items()),
        {"description": ""},
        {"description": None},
        {"completed": True},
        {"completed": False},
        {"title": "Buy milk", "completed": True},
        {"due_date": "2026-12-01T09:00:00"},
        {"due_date": None},
        {"tags": []},
        {"due_date": None, "tags": [], "priority": "medium", "completed": False},
        {"title": "Buy milk", "description": None, "completed": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("completed", [True, False], ids=["completed", "pending"])
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_an_update_changes_the_fields_that_it_names_and_no_other(
    alice: TestClient,
    stored: Callable[..., Task],
    load: Callable[[int], Task | None],
    change: dict[str, Any],
    method: str,
    *,
    completed: bool,
) -> None:
    values: dict[str, Any] = {
        **FULL,
        "title": "Buy groceries",
        "description": "Milk",
        "priority": "low",
        "due_date": "2026-11-30",
        "tags": ["food"],
        "recurrence": None,
        "remind_at": None,
        "completed": completed,
        "completed_at": EPOCH if completed else None,
        "created_at": EPOCH,
    }
    task, neighbour = stored(**values), stored(**values)

    response = alice.request(method, f"{TASKS}/{task.id}", json=change)

    updated_at = response.json()["data"]["updated_at"]
    completed_at = in_utc(EPOCH) if completed else updated_at
    assert response.status_code == 200
    assert response.json() == {
        "data": {
            **wire(task),
            **change,
            "completed_at": completed_at if change.get("completed", completed) else None,
            "updated_at": updated_at,
        },
        "message": "Task updated",
        "next_task": None,
    }
    assert task.id
    assert neighbour.id
    updated = load(task.id)
    assert updated is not None
    assert wire(updated) == response.json()["data"]
    untouched = load(neighbour.id)
    assert untouched is not None
    assert wire(untouched) == wire(neighbour)


@pytest.mark.parametrize(
    "body", [{}, {"id": 5}, {"completed_at": None}, {"userId": "x", "Title": "y", "done": None}]
)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_an_update_that_names_no_field_changes_nothing(
    alice: TestClient, stored: Callable[..., Task], method: str, body: dict[str, Any]
) -> None:
    task = stored(completed=True, created_at=EPOCH)

    response = alice.request(method, f"{TASKS}/{task.id}", json=body)

    assert response.status_code == 200
    assert response.json() == {"data": wire(task), "message": "Task updated", "next_task": None}


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_whole_task_can_be_sent_back(
    alice: TestClient, stored: Callable[..., Task], method: str
) -> None:
    task = stored(**FULL, created_at=EPOCH)
    whole = alice.get(f"{TASKS}/{task.id}").json()["data"]

    response = alice.request(method, f"{TASKS}/{task.id}", json={**whole, "completed": True})

    assert TaskUpdate.model_fields.keys() == TaskCreate.model_fields.keys() | {"completed"}
    assert response.status_code == 200
    assert response.json()["data"] == {
        **whole,
        "completed": True,
        "completed_at": response.json()["data"]["updated_at"],
        "updated_at": response.json()["data"]["updated_at"],
    }
