"""PATCH: completion turned over."""

from collections.abc import Callable

from endpoints import TASKS
from fastapi.testclient import TestClient
from stored_tasks import EPOCH, wire

from models import Task


def test_toggling_turns_completion_over_and_says_which_way(
    alice: TestClient, stored: Callable[..., Task]
) -> None:
    task = stored(created_at=EPOCH)

    there = alice.patch(f"{TASKS}/{task.id}/complete")
    back = alice.patch(f"{TASKS}/{task.id}/complete")

    assert (there.status_code, back.status_code) == (200, 200)
    assert there.json() == {
        "data": {
            **wire(task),
            "completed": True,
            "completed_at": there.json()["data"]["updated_at"],
            "updated_at": there.json()["data"]["updated_at"],
        },
        "message": "Task marked as completed",
    }
    assert back.json() == {
        "data": {**wire(task), "updated_at": back.json()["data"]["updated_at"]},
        "message": "Task marked as incomplete",
    }
