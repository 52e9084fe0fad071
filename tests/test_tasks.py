import asyncio
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from endpoints import TASKS, Endpoint, each_endpoint, each_endpoint_of_one_task
from fastapi.testclient import TestClient
from sqlalchemy.engine import URL, Engine
from sqlmodel import Session
from users import OWNER, SOMEONE_ELSE, bearer

import database
import main
from models import Task

EPOCH = datetime(2026, 1, 12, 10, 0, 0, 123456, UTC)
# What `new Date(…)` reads right in every zone.
WIRE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def wire(task: Task) -> dict[str, Any]:
    """A stored task as the contract sends it."""
    return {
        "id": task.id,
        "user_id": task.user_id,
        "title": task.title,
        "description": task.description,
        "completed": task.completed,
        "created_at": task.created_at.isoformat().replace("+00:00", "Z"),
        "updated_at": task.updated_at.isoformat().replace("+00:00", "Z"),
    }


# --- create ---


def test_a_created_task_is_answered_in_the_envelope_and_stored(
    alice: TestClient, load: Callable[[int], Task | None]
) -> None:
    body = {"title": "Buy groceries", "description": "Milk, eggs, bread"}

    response = alice.post(TASKS, json=body)

    assert response.status_code == 201
    data = response.json()["data"]
    assert response.json() == {
        "data": {
            "id": data["id"],
            "user_id": OWNER,
            "title": "Buy groceries",
            "description": "Milk, eggs, bread",
            "completed": False,
            "created_at": data["created_at"],
            "updated_at": data["created_at"],
        },
        "message": "Task created",
    }
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


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("  Buy groceries\n", "Buy groceries"),
        ("\t\u3000\u2028Buy  groceries\x1f\xa0", "Buy  groceries"),
        (" " * 300 + "x", "x"),
        (" " + "x" * 200 + " ", "x" * 200),
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
    body = {"title": letter * 200, "description": letter * 1000}

    response = alice.post(TASKS, json=body)

    assert response.status_code == 201
    task = load(response.json()["data"]["id"])
    assert task is not None
    assert (task.title, task.description) == (letter * 200, letter * 1000)


@pytest.mark.parametrize("letter", ["x", "😀"])
def test_a_user_id_of_255_code_points_owns_tasks_like_any_other(
    client: TestClient, letter: str
) -> None:
    user_id = letter * 255

    response = client.post(
        f"/api/{quote(user_id)}/tasks", json={"title": "x"}, headers=bearer(user_id)
    )

    assert response.status_code == 201
    assert response.json()["data"]["user_id"] == user_id


@pytest.mark.parametrize("completed", [True, False, None, "yes", 1, []])
def test_completed_is_ignored_on_creation(alice: TestClient, completed: object) -> None:
    response = alice.post(TASKS, json={"title": "x", "completed": completed})

    assert response.status_code == 201
    assert response.json()["data"]["completed"] is False


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


@pytest.mark.parametrize(
    "user_id",
    [
        "user_abc123",
        "auth0|5f7c8ec7c33c6c004bbafe82",
        "jürgen müller",
        "100%",
        "a?b#c",
        "a+b&c=d;e:f@g",
        "😀",
        "a/b",
        "a/tasks/1",
    ],
)
def test_location_is_the_percent_encoded_path_of_the_task(client: TestClient, user_id: str) -> None:
    path = f"/api/{quote(user_id, safe='')}/tasks"

    created = client.post(path, json={"title": "x"}, headers=bearer(user_id))

    assert created.status_code == 201
    location = created.headers["Location"]
    assert location == f"{path}/{created.json()['data']['id']}"
    fetched = client.get(location, headers=bearer(user_id))
    assert fetched.json()["data"] == created.json()["data"]


@each_endpoint
def test_a_user_id_with_a_slash_reaches_every_endpoint(
    client: TestClient, stored: Callable[..., Task], endpoint: Endpoint
) -> None:
    task = stored(user_id="a/b")

    response = endpoint.call(client, "a%2Fb", task.id, headers=bearer("a/b"))

    assert response.is_success


def test_an_id_is_never_given_twice(alice: TestClient) -> None:
    given = []

    for _ in range(4):
        task_id = alice.post(TASKS, json={"title": "x"}).json()["data"]["id"]
        alice.delete(f"{TASKS}/{task_id}")
        given.append(task_id)

    assert len(set(given)) == 4
    assert given == sorted(given)


# --- list ---


def test_a_user_without_tasks_has_an_empty_list(alice: TestClient) -> None:
    response = alice.get(TASKS)

    assert response.status_code == 200
    assert response.json() == {"data": [], "message": "Tasks retrieved"}


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
    }


def test_a_long_list_is_whole_and_in_order(alice: TestClient, engine: Engine) -> None:
    times = [EPOCH + timedelta(seconds=number) for number in range(2 * database.ROWS_AT_ONCE + 1)]
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


# --- get ---


def test_a_task_is_answered_in_the_envelope(alice: TestClient, stored: Callable[..., Task]) -> None:
    task = stored(description="Milk", completed=True, created_at=EPOCH)

    response = alice.get(f"{TASKS}/{task.id}")

    assert response.status_code == 200
    assert response.json() == {
        "data": {
            "id": task.id,
            "user_id": OWNER,
            "title": "Buy groceries",
            "description": "Milk",
            "completed": True,
            "created_at": "2026-01-12T10:00:00.123456Z",
            "updated_at": "2026-01-12T10:00:00.123456Z",
        },
        "message": "Task retrieved",
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


# --- update ---


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


# --- delete ---


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


# --- toggle ---


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
            "updated_at": there.json()["data"]["updated_at"],
        },
        "message": "Task marked as completed",
    }
    assert back.json() == {
        "data": {**wire(task), "updated_at": back.json()["data"]["updated_at"]},
        "message": "Task marked as incomplete",
    }


# --- times ---


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
    ("PATCH", "/complete", {}),
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


# --- at once ---


def at_once(*requests: tuple[str, str, Any]) -> list[httpx2.Response]:
    """Send all the requests (method, path, body) to the app without waiting for an answer."""

    async def send() -> list[httpx2.Response]:
        transport = httpx2.ASGITransport(app=main.app)
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://test", headers=bearer()
        ) as client:
            return await asyncio.gather(
                *(client.request(method, path, json=body) for method, path, body in requests)
            )

    return asyncio.run(send())


@pytest.mark.usefixtures("client")
def test_eighty_toggles_at_once_leave_a_task_as_it_was(
    stored: Callable[..., Task], load: Callable[[int], Task | None]
) -> None:
    task = stored()
    assert task.id

    responses = at_once(*[("PATCH", f"{TASKS}/{task.id}/complete", None)] * 80)

    assert [response.status_code for response in responses] == [200] * 80
    assert sum(response.json()["data"]["completed"] for response in responses) == 40
    after = load(task.id)
    assert after is not None
    assert after.completed is False


@pytest.mark.usefixtures("client")
def test_edits_of_different_fields_at_once_both_stay(
    stored: Callable[..., Task], load: Callable[[int], Task | None]
) -> None:
    tasks = [stored() for _ in range(20)]

    responses = at_once(
        *(
            ("PUT", f"{TASKS}/{task.id}", change)
            for task in tasks
            for change in ({"title": "new"}, {"description": "new"}, {"completed": True})
        )
    )

    assert {response.status_code for response in responses} == {200}
    after = [load(task.id) for task in tasks if task.id]
    assert [(task.title, task.description, task.completed) for task in after if task] == [
        ("new", "new", True)
    ] * 20


@pytest.mark.usefixtures("client")
def test_tasks_created_at_once_are_all_stored(stored: Callable[..., Task]) -> None:
    first = stored()
    titles = [f"task {number}" for number in range(40)]

    responses = at_once(*(("POST", TASKS, {"title": title}) for title in titles))

    assert {response.status_code for response in responses} == {201}
    [listed] = at_once(("GET", TASKS, None))
    created = [response.json()["data"] for response in responses]
    assert len({task["id"] for task in created} | {first.id}) == 41
    assert sorted(task["title"] for task in listed.json()["data"]) == sorted([*titles, first.title])
