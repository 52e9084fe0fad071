"""POST: a new task."""

from collections.abc import Callable
from typing import Any

import pytest
from endpoints import TASKS
from fastapi.testclient import TestClient
from stored_tasks import DEFAULTS, FULL, wire
from users import OWNER

from models import Task
from schemas import TaskCreate


def test_a_created_task_is_answered_in_the_envelope_and_stored(
    alice: TestClient, load: Callable[[int], Task | None]
) -> None:
    body = {"title": "Buy groceries", "description": "Milk, eggs, bread"}

    response = alice.post(TASKS, json=body)

    assert response.status_code == 201
    data = response.json()["data"]
    assert response.json() == {
        "data": {
            **DEFAULTS,
            **body,
            "id": data["id"],
            "user_id": OWNER,
            "created_at": data["created_at"],
            "updated_at": data["created_at"],
        },
        "message": "Task created",
    }
    stored = load(data["id"])
    assert stored is not None
    assert wire(stored) == data


def test_every_field_of_a_new_task_is_answered_and_stored(
    alice: TestClient, load: Callable[[int], Task | None]
) -> None:
    data = alice.post(TASKS, json=FULL).json()["data"]

    assert FULL.keys() == TaskCreate.model_fields.keys()
    assert {name: data[name] for name in FULL} == FULL
    stored = load(data["id"])
    assert stored is not None
    assert wire(stored) == data


@pytest.mark.parametrize("body", [{"title": "x"}, {"title": "x", "description": None}])
def test_a_task_without_a_description_has_null(alice: TestClient, body: dict[str, Any]) -> None:
    response = alice.post(TASKS, json=body)

    assert response.status_code == 201
    assert response.json()["data"]["description"] is None


def test_an_empty_description_is_kept(alice: TestClient) -> None:
    response = alice.post(TASKS, json={"title": "x", "description": ""})

    assert response.status_code == 201
    assert response.json()["data"]["description"] == ""


@pytest.mark.parametrize("completed", [True, False, None, "yes", 1, []])
def test_completed_is_ignored_on_creation(alice: TestClient, completed: object) -> None:
    response = alice.post(TASKS, json={"title": "x", "completed": completed})

    assert response.status_code == 201
    assert response.json()["data"]["completed"] is False


def test_an_id_is_never_given_twice(alice: TestClient) -> None:
    given = []

    for _ in range(4):
        task_id = alice.post(TASKS, json={"title": "x"}).json()["data"]["id"]
        alice.delete(f"{TASKS}/{task_id}")
        given.append(task_id)

    assert len(set(given)) == 4
    assert given == sorted(given)
