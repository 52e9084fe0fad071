"""GET: one task."""

from collections.abc import Callable

import pytest
from endpoints import TASKS, Endpoint, each_endpoint_of_one_task
from fastapi.testclient import TestClient
from sqlalchemy import Engine, text
from stored_tasks import DEFAULTS, EPOCH, FULL, wire
from users import OWNER

from models import Task


def test_a_task_is_answered_in_the_envelope(alice: TestClient, stored: Callable[..., Task]) -> None:
    task = stored(
        **FULL, completed=True, completed_at=EPOCH.replace(microsecond=1), created_at=EPOCH
    )

    response = alice.get(f"{TASKS}/{task.id}")

    assert response.status_code == 200
    assert response.json() == {
        "data": {
            **FULL,
            "id": task.id,
            "user_id": OWNER,
            "completed": True,
            "completed_at": "2026-01-12T10:00:00.000001Z",
            "created_at": "2026-01-12T10:00:00.123456Z",
            "updated_at": "2026-01-12T10:00:00.123456Z",
        },
        "message": "Task retrieved",
    }


def test_a_task_that_1_0_0_stored_has_the_defaults_of_what_came_later(
    alice: TestClient, engine: Engine
) -> None:
    zone = "" if engine.dialect.name == "sqlite" else "+00:00"
    with engine.connect() as connection:
        connection.execute(
            text(
                "INSERT INTO tasks (user_id, title, completed, created_at, updated_at)"
                " VALUES (:owner, 'Buy groceries', false, :time, :time)"
            ),
            {"owner": OWNER, "time": f"2026-01-12 10:00:00.123456{zone}"},
        )

    [task] = alice.get(TASKS).json()["data"]

    assert task == {
        **DEFAULTS,
        "id": task["id"],
        "user_id": OWNER,
        "title": "Buy groceries",
        "created_at": "2026-01-12T10:00:00.123456Z",
        "updated_at": "2026-01-12T10:00:00.123456Z",
    }


def test_an_id_may_be_larger_than_32_bits(alice: TestClient, stored: Callable[..., Task]) -> None:
    task = stored(id=2**53 + 1, created_at=EPOCH)

    response = alice.get(f"{TASKS}/{2**53 + 1}")

    assert response.json()["data"] == wire(task)


@each_endpoint_of_one_task
@pytest.mark.parametrize("task_id", [1, 2**31, 2**63 - 1])
def test_a_task_that_does_not_exist_is_not_found(
    alice: TestClient, endpoint: Endpoint, task_id: int
) -> None:
    response = endpoint.call(alice, task_id=task_id)

    assert response.status_code == 404
    assert response.json() == {"error": "Task not found", "code": "NOT_FOUND"}
