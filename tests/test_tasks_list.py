"""GET: the list of tasks, and its filter."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from answers import NO_TASKS
from endpoints import TASKS
from fastapi.testclient import TestClient
from sqlalchemy.engine import Engine
from sqlmodel import Session
from stored_tasks import EPOCH, wire
from users import OWNER, SOMEONE_ELSE

from driver.executors import ROWS_AT_ONCE
from models import Task


def test_a_user_without_tasks_has_an_empty_list(alice: TestClient) -> None:
    response = alice.get(TASKS)

    assert response.status_code == 200
    assert response.json() == NO_TASKS


def test_the_list_is_newest_first_and_of_two_at_once_the_later_id(
    alice: TestClient, stored: Callable[..., Task]
) -> None:
    middle = stored("middle", created_at=EPOCH)
    oldest = stored("oldest", created_at=EPOCH - timedelta(microseconds=1))
    twin = stored("twin of the middle", created_at=EPOCH)
    newest = stored("newest", created_at=EPOCH + timedelta(days=1), description="of all")

    response = alice.get(TASKS)

    assert response.json() == {
        "data": [wire(newest), wire(twin), wire(middle), wire(oldest)],
        "message": "Tasks retrieved",
        "next_cursor": None,
    }


def test_a_long_list_is_whole_and_in_order(alice: TestClient, engine: Engine) -> None:
    times = [EPOCH + timedelta(seconds=number) for number in range(2 * ROWS_AT_ONCE + 1)]
    with Session(engine) as session:
        session.add_all([Task(user_id=OWNER, title="x", created_at=time) for time in times])
        session.commit()

    listed = alice.get(TASKS).json()["data"]

    created = [datetime.fromisoformat(task["created_at"]) for task in listed]
    assert created == times[::-1]


def test_the_list_has_no_task_of_somebody_else(
    alice: TestClient, stored: Callable[..., Task]
) -> None:
    own = stored()
    stored(user_id=SOMEONE_ELSE)
    stored(user_id=OWNER.upper())

    response = alice.get(TASKS)

    assert response.json()["data"] == [wire(own)]


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("", ["c", "b", "a"]),
        ("?filter=all", ["c", "b", "a"]),
        ("?filter=pending", ["c", "a"]),
        ("?filter=completed", ["b"]),
        ("?status=all", ["c", "b", "a"]),
        ("?status=pending", ["c", "a"]),
        ("?status=completed", ["b"]),
        ("?filter=completed&status=pending", ["b"]),
        ("?status=pending&filter=completed", ["b"]),
        ("?filter=completed&status=nonsense", ["b"]),
        ("?page=2", ["c", "b", "a"]),
    ],
)
def test_the_list_can_be_filtered(
    alice: TestClient, stored: Callable[..., Task], query: str, titles: list[str]
) -> None:
    stored("a", created_at=EPOCH)
    stored("b", created_at=EPOCH + timedelta(1), completed=True)
    stored("c", created_at=EPOCH + timedelta(2))
    stored("d", user_id=SOMEONE_ELSE)
    stored("e", user_id=SOMEONE_ELSE, completed=True)

    response = alice.get(TASKS + query)

    assert response.status_code == 200
    assert [task["title"] for task in response.json()["data"]] == titles
