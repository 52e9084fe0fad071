"""`created_at` and `updated_at`."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from endpoints import TASKS
from fastapi.testclient import TestClient
from sqlalchemy.engine import URL
from stored_tasks import EPOCH
from users import bearer

import database
import main
from models import Task

# What `new Date(…)` reads right in every zone.
WIRE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def test_times_are_utc_and_end_in_z(alice: TestClient) -> None:
    before = datetime.now(UTC)

    task = alice.post(TASKS, json={"title": "x"}).json()["data"]

    assert WIRE_TIME.fullmatch(task["created_at"])
    assert WIRE_TIME.fullmatch(task["updated_at"])
    assert before <= datetime.fromisoformat(task["created_at"]) <= datetime.now(UTC)


def test_times_are_utc_whatever_the_zone_of_the_database(
    postgresql_url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = f"{postgresql_url.query['options']} -ctimezone=Asia/Kolkata"
    engine = database.make_engine(postgresql_url.update_query_dict({"options": options}))
    monkeypatch.setattr(database, "engine", engine)

    with TestClient(main.app, headers=bearer()) as client:
        created = client.post(TASKS, json={"title": "x"}).json()["data"]
        listed = client.get(TASKS).json()["data"]
        deleted = client.delete(f"{TASKS}/{created['id']}")

    assert WIRE_TIME.fullmatch(created["created_at"])
    assert created in listed
    assert deleted.status_code == 200


def test_times_in_the_database_are_aware(
    alice: TestClient, load: Callable[[int], Task | None]
) -> None:
    sent = alice.post(TASKS, json={"title": "x"}).json()["data"]

    task = load(sent["id"])

    assert task is not None
    assert task.created_at.utcoffset() == timedelta(0)
    assert task.created_at == datetime.fromisoformat(sent["created_at"])


CHANGES = [
    ("PUT", "", {"title": "y"}),
    ("PUT", "", {"completed": True}),
    ("PATCH", "", {"tags": []}),
    ("PATCH", "/complete", {}),
    ("PATCH", "/complete", {"completed": False}),
]


@pytest.mark.parametrize(("method", "suffix", "body"), CHANGES)
def test_a_change_sets_updated_at_to_now(
    alice: TestClient, stored: Callable[..., Task], method: str, suffix: str, body: dict[str, Any]
) -> None:
    task = stored(created_at=EPOCH)
    before = datetime.now(UTC)

    changed = alice.request(method, f"{TASKS}/{task.id}{suffix}", json=body).json()["data"]

    assert changed["created_at"] == "2026-01-12T10:00:00.123456Z"
    assert WIRE_TIME.fullmatch(changed["updated_at"])
    assert before <= datetime.fromisoformat(changed["updated_at"]) <= datetime.now(UTC)


@pytest.mark.parametrize(("method", "suffix", "body"), CHANGES)
def test_a_change_never_moves_updated_at_back(
    alice: TestClient, stored: Callable[..., Task], method: str, suffix: str, body: dict[str, Any]
) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=1)
    task = stored(created_at=EPOCH, updated_at=ahead)

    changed = alice.request(method, f"{TASKS}/{task.id}{suffix}", json=body)

    assert changed.status_code == 200
    assert datetime.fromisoformat(changed.json()["data"]["updated_at"]) == ahead
