"""What becomes of the fields of a body, of a new task and of an update."""

from collections.abc import Callable
from typing import Any

import pytest
from endpoints import TASKS
from fastapi.testclient import TestClient
from stored_tasks import EPOCH, wire
from users import OWNER, SOMEONE_ELSE

from models import DESCRIPTION_MAX, TITLE_MAX, Task


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("  Buy groceries\n", "Buy groceries"),
        ("\t\u3000\u2028Buy  groceries\x1f\xa0", "Buy  groceries"),
        (" " * 300 + "x", "x"),
        (" " + "x" * TITLE_MAX + " ", "x" * TITLE_MAX),
        ("\u200b", "\u200b"),
    ],
)
def test_a_title_is_trimmed_before_it_is_measured(
    alice: TestClient, stored: Callable[..., Task], sent: str, kept: str
) -> None:
    task = stored()

    created = alice.post(TASKS, json={"title": sent})
    updated = alice.put(f"{TASKS}/{task.id}", json={"title": sent})

    assert (created.status_code, created.json()["data"]["title"]) == (201, kept)
    assert (updated.status_code, updated.json()["data"]["title"]) == (200, kept)


def test_a_description_is_not_trimmed(alice: TestClient) -> None:
    response = alice.post(TASKS, json={"title": "x", "description": "  - milk\n  - eggs\n"})

    assert response.json()["data"]["description"] == "  - milk\n  - eggs\n"


@pytest.mark.parametrize("letter", ["x", "ü", "任", "😀"])
def test_limits_count_code_points(
    alice: TestClient, load: Callable[[int], Task | None], letter: str
) -> None:
    body = {"title": letter * TITLE_MAX, "description": letter * DESCRIPTION_MAX}

    response = alice.post(TASKS, json=body)

    assert response.status_code == 201
    task = load(response.json()["data"]["id"])
    assert task is not None
    assert (task.title, task.description) == (body["title"], body["description"])


SERVER_OWNED: dict[str, Any] = {
    "id": 2**62,
    "user_id": SOMEONE_ELSE,
    "created_at": "2000-01-01T00:00:00Z",
    "updated_at": "2000-01-01T00:00:00Z",
    "owner": SOMEONE_ELSE,
    "now": "2000-01-01T00:00:00Z",
    "task_id": 2**62,
    "__proto__": {"title": "y"},
}


@pytest.mark.parametrize("wrong", [False, True], ids=["as sent back", "of wrong types"])
def test_fields_that_a_client_cannot_set_are_ignored(
    alice: TestClient, stored: Callable[..., Task], *, wrong: bool
) -> None:
    foreign = {name: [{}] if wrong else value for name, value in SERVER_OWNED.items()}
    task = stored(created_at=EPOCH)

    created = alice.post(TASKS, json={"title": "x", **foreign})
    updated = alice.put(f"{TASKS}/{task.id}", json={"title": "x", **foreign})

    assert created.status_code == 201
    assert created.json()["data"]["id"] < 2**62
    assert created.json()["data"]["user_id"] == OWNER
    assert created.json()["data"]["created_at"] > "2026"
    assert updated.status_code == 200
    assert updated.json()["data"] == {
        **wire(task),
        "title": "x",
        "updated_at": updated.json()["data"]["updated_at"],
    }
