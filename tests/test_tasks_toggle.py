"""PATCH …/complete: completion turned over, or set."""

from collections.abc import Callable
from typing import Any

import pytest
from endpoints import JSON, TASKS
from fastapi.testclient import TestClient
from stored_tasks import EPOCH, in_utc, wire
from texts import BODY, UNDECLARED, bad

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
        "next_task": None,
    }
    assert back.json() == {
        "data": {**wire(task), "updated_at": back.json()["data"]["updated_at"]},
        "message": "Task marked as incomplete",
        "next_task": None,
    }


NOTHING_NAMED: dict[str, dict[str, Any]] = {
    "no body": {},
    "no body, declared as JSON": {"headers": JSON},
    "no body, in chunks": {"content": iter(()), "headers": JSON},
    "an empty form": {"headers": {"Content-Type": "application/x-www-form-urlencoded"}},
    "an empty object": {"json": {}},
    "the time of completion": {"json": {"completed_at": None}},
    "unknown fields": {"json": {"id": 7, "title": "", "Completed": False, "priority": 1}},
}


@pytest.mark.parametrize("options", NOTHING_NAMED.values(), ids=NOTHING_NAMED.keys())
def test_a_body_that_does_not_name_completed_toggles(
    alice: TestClient, stored: Callable[..., Task], options: dict[str, Any]
) -> None:
    task = stored(created_at=EPOCH)

    response = alice.patch(f"{TASKS}/{task.id}/complete", **options)

    updated_at = response.json()["data"]["updated_at"]
    assert response.status_code == 200
    assert response.json() == {
        "data": {
            **wire(task),
            "completed": True,
            "completed_at": updated_at,
            "updated_at": updated_at,
        },
        "message": "Task marked as completed",
        "next_task": None,
    }


@pytest.mark.parametrize("before", [True, False], ids=["completed", "pending"])
@pytest.mark.parametrize("completed", [True, False], ids=["to completed", "to pending"])
@pytest.mark.parametrize("others", [{}, {"id": 7, "title": "", "completed_at": None}], ids=str)
def test_completion_is_set_however_often_it_is_sent(
    alice: TestClient,
    stored: Callable[..., Task],
    others: dict[str, Any],
    *,
    before: bool,
    completed: bool,
) -> None:
    task = stored(completed=before, completed_at=EPOCH if before else None, created_at=EPOCH)

    answers = [
        alice.patch(f"{TASKS}/{task.id}/complete", json={**others, "completed": completed})
        for _ in range(2)
    ]

    first_change = answers[0].json()["data"]["updated_at"]
    completed_at = in_utc(EPOCH) if before else first_change
    for answer in answers:
        assert answer.status_code == 200
        assert answer.json() == {
            "data": {
                **wire(task),
                "completed": completed,
                "completed_at": completed_at if completed else None,
                "updated_at": answer.json()["data"]["updated_at"],
            },
            "message": f"Task marked as {'completed' if completed else 'incomplete'}",
            "next_task": None,
        }


@pytest.mark.without_sql
@pytest.mark.parametrize("content", [b"completed=true", b'{"completed":true}'])
@pytest.mark.parametrize(
    "headers",
    [{}, {"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"}],
    ids=str,
)
def test_a_body_that_is_not_sent_as_json_does_not_toggle(
    alice: TestClient, task: Task, content: bytes, headers: dict[str, str]
) -> None:
    response = alice.patch(f"{TASKS}/{task.id}/complete", content=content, headers=headers)

    assert (response.status_code, response.json()) == bad(UNDECLARED)


@pytest.mark.without_sql
@pytest.mark.parametrize("content", [b"null", b"[]", b"true", b'"completed"'])
def test_a_body_that_is_no_object_does_not_toggle(
    alice: TestClient, task: Task, content: bytes
) -> None:
    response = alice.patch(f"{TASKS}/{task.id}/complete", content=content, headers=JSON)

    assert (response.status_code, response.json()) == bad(BODY)


@pytest.mark.parametrize("completed", [True, False])
def test_the_completion_of_a_task_that_is_not_there_is_not_set(
    alice: TestClient, *, completed: bool
) -> None:
    response = alice.patch(f"{TASKS}/{2**62}/complete", json={"completed": completed})

    assert response.status_code == 404
    assert response.json() == {"error": "Task not found", "code": "NOT_FOUND"}
