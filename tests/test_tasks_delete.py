"""DELETE: one task, for good."""

from collections.abc import Callable

from endpoints import TASKS, Endpoint, each_endpoint_of_one_task
from fastapi.testclient import TestClient
from stored_tasks import wire

from models import Task


def test_a_deleted_task_is_gone_and_its_neighbours_stay(
    alice: TestClient, stored: Callable[..., Task]
) -> None:
    task, neighbour = stored(), stored()

    response = alice.delete(f"{TASKS}/{task.id}")

    assert response.status_code == 200
    assert response.json() == {"data": None, "message": "Task deleted"}
    assert alice.get(TASKS).json()["data"] == [wire(neighbour)]


@each_endpoint_of_one_task
def test_after_a_deletion_the_task_is_not_found(
    alice: TestClient, stored: Callable[..., Task], endpoint: Endpoint
) -> None:
    task = stored()
    alice.delete(f"{TASKS}/{task.id}")

    response = endpoint.call(alice, task_id=task.id)

    assert response.status_code == 404
    assert response.json() == {"error": "Task not found", "code": "NOT_FOUND"}
