"""PUT: the fields that a body names."""

from collections.abc import Callable
from typing import Any

import pytest
from endpoints import TASKS
from fastapi.testclient import TestClient
from stored_tasks import EPOCH, wire

from models import Task


@pytest.mark.parametrize(
    "change",
    [
        {"title": "Buy milk"},
        {"description": "Two litres"},
        {"description": ""},
        {"description": None},
        {"completed": True},
        {"completed": False},
        {"title": "Buy milk", "completed": True},
        {"title": "Buy milk", "description": None, "completed": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("completed", [True, False], ids=["completed", "pending"])
def test_an_update_changes_the_fields_that_it_names_and_no_other(
    alice: TestClient,
    stored: Callable[..., Task],
    load: Callable[[int], Task | None],
    change: dict[str, Any],
    *,
    completed: bool,
) -> None:
    task = stored(description="Milk", completed=completed, created_at=EPOCH)
    neighbour = stored(description="Milk", completed=completed, created_at=EPOCH)

    response = alice.put(f"{TASKS}/{task.id}", json=change)

    assert response.status_code == 200
    assert response.json() == {
        "data": {
            **wire(task),
            **change,
            "updated_at": response.json()["data"]["updated_at"],
        },
        "message": "Task updated",
    }
    assert task.id
    assert neighbour.id
    updated = load(task.id)
    assert updated is not None
    assert wire(updated) == response.json()["data"]
    untouched = load(neighbour.id)
    assert untouched is not None
    assert wire(untouched) == wire(neighbour)


@pytest.mark.parametrize("body", [{}, {"id": 5}, {"userId": "x", "Title": "y", "done": None}])
def test_an_update_that_names_no_field_changes_nothing(
    alice: TestClient, stored: Callable[..., Task], body: dict[str, Any]
) -> None:
    task = stored(created_at=EPOCH)

    response = alice.put(f"{TASKS}/{task.id}", json=body)

    assert response.status_code == 200
    assert response.json() == {"data": wire(task), "message": "Task updated"}


def test_a_whole_task_can_be_sent_back(alice: TestClient, stored: Callable[..., Task]) -> None:
    task = stored(description="Milk", created_at=EPOCH)
    whole = alice.get(f"{TASKS}/{task.id}").json()["data"]

    response = alice.put(f"{TASKS}/{task.id}", json={**whole, "completed": True})

    assert response.status_code == 200
    assert response.json()["data"] == {
        **whole,
        "completed": True,
        "updated_at": response.json()["data"]["updated_at"],
    }
