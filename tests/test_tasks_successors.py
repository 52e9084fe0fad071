"""What follows a recurring task that is completed, and goes again when that is taken back."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import httpx2
import pytest
from endpoints import TASKS
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from stored_tasks import EPOCH, FULL, in_utc
from users import OWNER, bearer

import main
import queries
from models import Task

Json = dict[str, Any]
DAILY: Json = {"pattern": "daily", "interval": 1, "end_date": None}
MONTHLY: Json = {"pattern": "monthly", "interval": 1, "end_date": None}
YEARLY: Json = {"pattern": "yearly", "interval": 1, "end_date": None}


class Way(NamedTuple):
    """A request that completes a task, or takes that back."""

    method: str
    suffix: str
    body: Json | None

    def send(self, client: httpx2.Client, task_id: object) -> Json:
        response = client.request(self.method, f"{TASKS}/{task_id}{self.suffix}", json=self.body)
        assert response.status_code == 200, response.text
        answer: Json = response.json()
        return answer


TOGGLE = Way("PATCH", "/complete", None)
SET = Way("PATCH", "/complete", {"completed": True})
COMPLETING = (
    TOGGLE,
    SET,
    Way("PUT", "", {"completed": True}),
    Way("PATCH", "", {"completed": True}),
)
UNSET = Way("PATCH", "/complete", {"completed": False})
TAKING_BACK = (TOGGLE, UNSET, Way("PUT", "", {"completed": False}))
each_way = pytest.mark.parametrize("way", COMPLETING, ids=str)
each_way_back = pytest.mark.parametrize("way", TAKING_BACK, ids=str)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets the clock by which the service counts."""

    def at(now: str) -> None:
        moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
        monkeypatch.setattr(queries, "utc_now", lambda: moment)

    return at


def listed(client: httpx2.Client) -> list[Json]:
    tasks: list[Json] = client.get(TASKS).json()["data"]
    return tasks


# --- the successor ---


@each_way
def test_a_recurring_task_that_becomes_completed_is_followed_by_one_like_it(
    alice: TestClient, stored: Callable[..., Task], at: Callable[[str], None], way: Way
) -> None:
    at("2026-11-20T12:00:00")
    task = stored(**FULL, created_at=EPOCH)
    before = alice.get(f"{TASKS}/{task.id}").json()["data"]

    answer = way.send(alice, task.id)

    now = "2026-11-20T12:00:00Z"
    next_task = answer["next_task"]
    assert answer["data"] == {**before, "completed": True, "completed_at": now, "updated_at": now}
    assert next_task == {
        **FULL,
        "id": next_task["id"],
        "user_id": OWNER,
        "completed": False,
        "due_date": "2026-12-15T08:00:00Z",
        "remind_at": "2026-12-15T07:00:00Z",
        "completed_at": None,
        "created_at": now,
        "updated_at": now,
    }
    assert listed(alice) == [next_task, answer["data"]]


@each_way
def test_a_task_that_does_not_recur_has_no_successor(
    alice: TestClient, stored: Callable[..., Task], way: Way
) -> None:
    task = stored()

    answer = way.send(alice, task.id)

    assert answer["next_task"] is None
    assert listed(alice) == [answer["data"]]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_values_after_the_other_changes_of_the_request_count(
    alice: TestClient, stored: Callable[..., Task], at: Callable[[str], None], method: str
) -> None:
    at("2026-01-01T12:00:00")
    task = stored(**FULL)
    changes: Json = {
        "title": "Buy bread",
        "description": None,
        "priority": "low",
        "tags": [],
        "due_date": "2026-01-31",
        "recurrence": MONTHLY,
        "remind_at": "2026-01-30T08:00:00Z",
    }

    answer = Way(method, "", {**changes, "completed": True}).send(alice, task.id)

    expected = {**changes, "due_date": "2026-02-28", "remind_at": "2026-02-27T08:00:00Z"}
    assert {name: answer["data"][name] for name in changes} == changes
    assert {name: answer["next_task"][name] for name in changes} == expected
    assert TOGGLE.send(alice, answer["next_task"]["id"])["next_task"]["due_date"] == "2026-03-31"


def test_a_recurrence_that_is_cleared_with_the_completion_makes_no_successor(
    alice: TestClient, stored: Callable[..., Task]
) -> None:
    task = stored(recurrence=DAILY)

    answer = Way("PUT", "", {"completed": True, "recurrence": None}).send(alice, task.id)

    assert answer["next_task"] is None
    assert listed(alice) == [answer["data"]]


def test_a_recurrence_that_comes_with_the_completion_makes_one(
    alice: TestClient, stored: Callable[..., Task]
) -> None:
    task = stored()

    answer = Way("PUT", "", {"completed": True, "recurrence": DAILY}).send(alice, task.id)

    assert answer["next_task"]["recurrence"] == DAILY
    assert listed(alice) == [answer["next_task"], answer["data"]]


CASES = {
    "the 31st": (
        "2026-01-01T12:00",
        MONTHLY,
        "2026-01-31",
        ["2026-02-28", "2026-03-31", "2026-04-30"],
    ),
    "29 February": (
        "2026-01-01T12:00",
        YEARLY,
        "2028-02-29",
        ["2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"],
    ),
    "half a year": ("2026-01-01T12:00", MONTHLY | {"interval": 6}, "2026-08-31", ["2027-02-28"]),
    "early": ("2026-11-28T12:00", DAILY, "2026-11-29", ["2026-11-30", "2026-12-01"]),
    "late": ("2026-11-28T20:00", DAILY, "2026-11-01", ["2026-11-28", "2026-11-29"]),
    "after midnight in UTC": ("2026-12-01T01:00", DAILY, "2026-11-30", ["2026-12-01"]),
    "in step": ("2026-01-09T12:00", DAILY | {"interval": 3}, "2026-01-01", ["2026-01-10"]),
    "a local time": ("2026-03-28T12:00", DAILY, "2026-03-28T09:00:00", ["2026-03-29T09:00:00"]),
    "exactly then": ("2026-03-29T08:00", DAILY, "2026-03-28T08:00:00Z", ["2026-03-30T08:00:00Z"]),
    "year 1": ("2026-11-28T12:00", DAILY, "0001-01-01", ["2026-11-28"]),
    "year 9999": ("2026-11-28T12:00", DAILY, "9999-12-31", [None]),
    "the end": (
        "2026-11-28T12:00",
        DAILY | {"end_date": "2026-11-30"},
        "2026-11-29",
        ["2026-11-30", None],
    ),
    "no due date": ("2026-01-31T12:00", MONTHLY, None, ["2026-02-28", "2026-03-31"]),
}


@pytest.mark.parametrize(("now", "recurrence", "due_date", "following"), CASES.values(), ids=CASES)
def test_the_contracts_cases(
    alice: TestClient,
    at: Callable[[str], None],
    now: str,
    recurrence: Json,
    due_date: str | None,
    following: list[str | None],
) -> None:
    at(now)
    body = {"title": "x", "recurrence": recurrence, "due_date": due_date}
    task = alice.post(TASKS, json=body).json()["data"]

    for expected in following:
        next_task = TOGGLE.send(alice, task["id"])["next_task"]
        assert (next_task and next_task["due_date"]) == expected
        task = next_task


# --- the day of the month ---


@pytest.fixture
def on_the_28th(alice: TestClient, stored: Callable[..., Task], at: Callable[[str], None]) -> Json:
    """The task of 28 February of a series that counts from a 31st."""
    at("2026-01-01T12:00")
    next_task: Json
    next_task = SET.send(alice, stored(recurrence=MONTHLY, due_date="2026-01-31").id)["next_task"]
    return next_task


def test_a_due_date_that_a_client_moves_counts_from_then_on(
    alice: TestClient, on_the_28th: Json
) -> None:
    path = f"{TASKS}/{on_the_28th['id']}"
    alice.patch(path, json={"due_date": "2026-03-15"})

    assert SET.send(alice, on_the_28th["id"])["next_task"]["due_date"] == "2026-04-15"


@pytest.mark.parametrize("together", [True, False])
def test_a_due_date_that_is_sent_back_as_it_was_is_no_change(
    alice: TestClient, on_the_28th: Json, *, together: bool
) -> None:
    path = f"{TASKS}/{on_the_28th['id']}"
    sent = {**on_the_28th, "completed": together}

    answer = alice.put(path, json=sent).json()
    if not together:
        answer = SET.send(alice, on_the_28th["id"])

    assert answer["next_task"]["due_date"] == "2026-03-31"


def test_a_due_date_that_is_moved_away_and_back_counts_as_moved(
    alice: TestClient, on_the_28th: Json
) -> None:
    path = f"{TASKS}/{on_the_28th['id']}"
    for due_date in ("2026-02-27", "2026-02-28"):
        alice.put(path, json={"due_date": due_date})

    assert SET.send(alice, on_the_28th["id"])["next_task"]["due_date"] == "2026-03-28"


@pytest.mark.parametrize(
    ("due_date", "following"), [("'2026-03-15'", "2026-04-15"), ("null", "2026-02-01")]
)
def test_a_due_date_that_1_1_0_moves_counts_from_then_on(
    alice: TestClient, on_the_28th: Json, engine: Engine, due_date: str, following: str
) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql(f"UPDATE tasks SET due_date = {due_date} WHERE not completed")

    assert SET.send(alice, on_the_28th["id"])["next_task"]["due_date"] == following


def test_a_step_of_days_takes_its_own_day_along(alice: TestClient, on_the_28th: Json) -> None:
    daily = Way("PUT", "", {"completed": True, "recurrence": DAILY}).send(alice, on_the_28th["id"])
    monthly = Way("PUT", "", {"completed": True, "recurrence": MONTHLY})

    next_task = monthly.send(alice, daily["next_task"]["id"])["next_task"]

    assert daily["next_task"]["due_date"] == "2026-03-01"
    assert next_task["due_date"] == "2026-04-01"


# --- the reminder ---


@pytest.mark.parametrize(
    ("due_date", "remind_at", "moved"),
    [
        ("2026-11-28", "2026-11-27T08:00:00Z", "2026-11-28T08:00:00Z"),
        ("2026-11-01", "2026-10-31T23:00:00Z", "2026-11-27T23:00:00Z"),
        (None, "2026-11-27T08:00:00Z", None),
        ("2026-11-28", None, None),
        ("2026-11-28", "9999-12-31T08:00:00Z", None),
        ("0002-01-01", "0001-01-01T00:00:00Z", "2025-11-28T00:00:00Z"),
    ],
)
def test_a_reminder_moves_with_the_due_date(
    alice: TestClient,
    stored: Callable[..., Task],
    at: Callable[[str], None],
    due_date: str | None,
    remind_at: str | None,
    moved: str | None,
) -> None:
    at("2026-11-28T12:00")
    task = stored(recurrence=DAILY, due_date=due_date, remind_at=remind_at)

    assert SET.send(alice, task.id)["next_task"]["remind_at"] == moved


# --- again ---


@each_way
def test_completing_a_completed_task_again_gives_the_same_successor(
    alice: TestClient, stored: Callable[..., Task], way: Way
) -> None:
    task = stored(recurrence=DAILY)
    first = way.send(alice, task.id)

    answers = [way.send(alice, task.id) for way in COMPLETING if way is not TOGGLE]

    assert [answer["next_task"] for answer in answers] == [first["next_task"]] * 3
    assert {answer["data"]["completed_at"] for answer in answers} == {first["data"]["completed_at"]}
    assert len(listed(alice)) == 2


def test_a_completed_task_whose_successor_was_deleted_gets_no_other(
    alice: TestClient, stored: Callable[..., Task]
) -> None:
    task = stored(recurrence=DAILY)
    alice.delete(f"{TASKS}/{SET.send(alice, task.id)['next_task']['id']}")

    answer = SET.send(alice, task.id)

    assert answer["next_task"] is None
    assert listed(alice) == [answer["data"]]


@pytest.mark.parametrize("body", [{"completed": True}, {"completed": True, "recurrence": DAILY}])
@pytest.mark.parametrize("recurrence", [DAILY, None])
def test_a_task_that_was_completed_without_a_successor_gets_none(
    alice: TestClient, stored: Callable[..., Task], body: Json, recurrence: Json | None
) -> None:
    """1.1.0 completed it, or it got its recurrence since."""
    task = stored(completed=True, completed_at=EPOCH, recurrence=recurrence)

    answer = Way("PUT", "", body).send(alice, task.id)

    assert (answer["next_task"], answer["data"]["completed_at"]) == (None, in_utc(EPOCH))
    assert listed(alice) == [answer["data"]]


def test_a_change_that_does_not_complete_shows_no_successor(
    alice: TestClient, stored: Callable[..., Task]
) -> None:
    task = stored(recurrence=DAILY)
    SET.send(alice, task.id)

    for body in ({"title": "x"}, {}, {"next_task": None}):
        assert Way("PUT", "", body).send(alice, task.id)["next_task"] is None


# --- taken back ---


@each_way_back
@pytest.mark.parametrize("cleared", [True, False])
def test_an_untouched_successor_goes_when_its_task_is_taken_back(
    alice: TestClient, stored: Callable[..., Task], way: Way, *, cleared: bool
) -> None:
    task = stored(recurrence=DAILY)
    first = SET.send(alice, task.id)["next_task"]
    if cleared:
        alice.put(f"{TASKS}/{task.id}", json={"recurrence": None})

    answer = way.send(alice, task.id)

    assert (answer["data"]["completed"], answer["data"]["completed_at"]) == (False, None)
    assert answer["next_task"] is None
    assert listed(alice) == [answer["data"]]
    again = SET.send(alice, task.id)["next_task"]
    assert again is None if cleared else again["id"] > first["id"]


@each_way_back
@pytest.mark.parametrize("touch", [{"title": "x"}, {"completed": True}, {"title": "Buy groceries"}])
def test_a_successor_that_was_touched_stays(
    alice: TestClient, stored: Callable[..., Task], way: Way, touch: Json
) -> None:
    task = stored(recurrence=DAILY)
    successor = SET.send(alice, task.id)["next_task"]
    touched = alice.put(f"{TASKS}/{successor['id']}", json=touch).json()["data"]
    others = len(listed(alice)) - 1

    way.send(alice, task.id)
    answer = SET.send(alice, task.id)

    assert answer["next_task"] == touched
    assert len(listed(alice)) == 1 + others


def test_a_completed_successor_stays_also_where_the_clock_stood_still(
    alice: TestClient, stored: Callable[..., Task], at: Callable[[str], None]
) -> None:
    at("2026-11-28T12:00")
    task = stored(recurrence=DAILY, created_at=EPOCH)
    successor = SET.send(alice, task.id)["next_task"]
    done = SET.send(alice, successor["id"])

    taken_back = UNSET.send(alice, task.id)

    assert listed(alice) == [done["next_task"], done["data"], taken_back["data"]]


@each_way_back
def test_a_completed_task_that_has_no_successor_is_taken_back_as_any_other(
    alice: TestClient, stored: Callable[..., Task], way: Way
) -> None:
    task = stored(completed=True, recurrence=DAILY)

    answer = way.send(alice, task.id)

    assert (answer["data"]["completed"], answer["next_task"]) == (False, None)
    assert listed(alice) == [answer["data"]]


def test_a_pending_task_that_is_set_pending_stays_one(
    alice: TestClient, stored: Callable[..., Task]
) -> None:
    task = stored(recurrence=DAILY)

    assert UNSET.send(alice, task.id)["next_task"] is None
    assert len(listed(alice)) == 1


# --- deleted ---


def test_deleting_a_completed_task_sets_nothing_off(
    alice: TestClient, stored: Callable[..., Task]
) -> None:
    task = stored(recurrence=DAILY)
    successor = SET.send(alice, task.id)["next_task"]

    alice.delete(f"{TASKS}/{task.id}")

    assert listed(alice) == [successor]
    assert SET.send(alice, successor["id"])["next_task"]["recurrence"] == DAILY


def test_parts_that_another_writer_added_to_a_recurrence_are_left_alone(
    alice: TestClient, stored: Callable[..., Task]
) -> None:
    recurrence = {"note": "x", **DAILY}
    task = stored(recurrence=recurrence, due_date="2999-01-01")

    successor = SET.send(alice, task.id)["next_task"]

    assert (successor["due_date"], successor["recurrence"]) == ("2999-01-02", recurrence)


@pytest.mark.parametrize("way", [TOGGLE, SET], ids=str)
def test_a_due_date_that_the_api_does_not_have_makes_no_successor(
    alice: TestClient, stored: Callable[..., Task], way: Way
) -> None:
    task = stored(recurrence=MONTHLY, due_date="tomorrow", due_day=31)

    answer = way.send(alice, task.id)

    assert (answer["data"]["completed"], answer["next_task"]) == (True, None)


# --- a failure between two statements ---

# The task's change comes last.
REFUSING: dict[str, list[str]] = {
    "postgresql": [
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$",
        "CREATE TRIGGER refuse BEFORE UPDATE ON tasks FOR EACH ROW"
        " WHEN (NEW.completed <> OLD.completed) EXECUTE FUNCTION refuse()",
    ],
    "sqlite": [
        "CREATE TRIGGER refuse BEFORE UPDATE ON tasks WHEN NEW.completed <> OLD.completed"
        " BEGIN SELECT RAISE(ABORT, 'refused'); END",
    ],
}
NO_LONGER = {
    "postgresql": ["DROP TRIGGER refuse ON tasks", "DROP FUNCTION refuse"],
    "sqlite": ["DROP TRIGGER refuse"],
}


@pytest.mark.parametrize("is_completed", [True, False])
@pytest.mark.parametrize("in_lifespan", [True, False])
def test_what_fails_half_way_changes_nothing(
    alice: TestClient,
    stored: Callable[..., Task],
    engine: Engine,
    *,
    is_completed: bool,
    in_lifespan: bool,
) -> None:
    client = alice if in_lifespan else TestClient(main.app, headers=bearer())
    task = stored(recurrence=DAILY)
    if is_completed:
        SET.send(alice, task.id)
    before = listed(alice)
    with engine.connect() as connection:
        for statement in REFUSING[engine.dialect.name]:
            connection.exec_driver_sql(statement)

        refused = client.patch(f"{TASKS}/{task.id}/complete")

        for statement in NO_LONGER[engine.dialect.name]:
            connection.exec_driver_sql(statement)
    assert refused.status_code == 500
    assert listed(alice) == before
    assert TOGGLE.send(client, task.id)["data"]["completed"] is not is_completed


# --- outside the lifespan ---


@pytest.mark.usefixtures("no_tasks")
def test_a_client_that_does_not_enter_the_lifespan_gets_the_same(
    stored: Callable[..., Task],
) -> None:
    client = TestClient(main.app, headers=bearer())
    task = stored(recurrence=DAILY)

    completed = TOGGLE.send(client, task.id)

    assert listed(client) == [completed["next_task"], completed["data"]]
    assert SET.send(client, task.id)["next_task"] == completed["next_task"]
    taken_back = TOGGLE.send(client, task.id)
    assert listed(client) == [taken_back["data"]]
    assert all_at_once(client, completed=True) == {"updated": 1, "created": 1}


# --- many at once ---


def all_at_once(client: httpx2.Client, *, completed: bool, query: str = "filter=all") -> Json:
    body = {"completed": completed}
    answer = client.patch(f"{TASKS}/complete?{query}", json=body)
    assert answer.status_code == 200, answer.text
    data: Json = answer.json()["data"]
    return data


def test_many_at_once_are_each_followed_and_the_new_ones_stay_pending(
    alice: TestClient, stored: Callable[..., Task], at: Callable[[str], None]
) -> None:
    at("2026-01-01T12:00")
    stored("plain")
    stored("completed", completed=True, recurrence=DAILY)
    stored("ended", recurrence=DAILY | {"end_date": "2020-01-01"})
    for number in range(5):
        stored(f"{number}", recurrence=MONTHLY, due_date="2026-01-31", remind_at=EPOCH)

    assert all_at_once(alice, completed=True) == {"updated": 7, "created": 5}

    tasks = listed(alice)
    pending = [task for task in tasks if not task["completed"]]
    assert sorted(task["title"] for task in pending) == ["0", "1", "2", "3", "4"]
    assert {(task["due_date"], task["remind_at"]) for task in pending} == {
        ("2026-02-28", in_utc(EPOCH + timedelta(days=28)))
    }
    assert len(tasks) == 13
    successor = SET.send(alice, pending[0]["id"])["next_task"]
    assert successor["due_date"] == "2026-03-31"


def test_many_at_once_take_untouched_successors_away(
    alice: TestClient, stored: Callable[..., Task]
) -> None:
    touched, untouched = (stored(title, recurrence=DAILY) for title in ("a", "b"))
    stored("c", completed=True)
    successors = [SET.send(alice, task.id)["next_task"] for task in (touched, untouched)]
    alice.put(f"{TASKS}/{successors[0]['id']}", json={"tags": ["x"]})

    assert all_at_once(alice, completed=False) == {"updated": 3, "created": 0}

    assert sorted(task["title"] for task in listed(alice)) == ["a", "a", "b", "c"]
    assert all_at_once(alice, completed=True, query="filter=pending&tag=x") == {
        "updated": 1,
        "created": 1,
    }


def test_many_at_once_change_those_that_are_selected_alone(
    alice: TestClient, stored: Callable[..., Task]
) -> None:
    for tags in (["a"], ["b"]):
        stored(recurrence=DAILY, tags=tags)

    assert all_at_once(alice, completed=True, query="filter=all&tag=a") == {
        "updated": 1,
        "created": 1,
    }
    assert all_at_once(alice, completed=False, query="filter=all&tag=b") == {
        "updated": 0,
        "created": 0,
    }
    assert [(task["tags"], task["completed"]) for task in listed(alice)] == [
        (["a"], False),
        (["b"], False),
        (["a"], True),
    ]


CLEARING: dict[str, list[str]] = {
    "postgresql": [
        "CREATE FUNCTION clear() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN UPDATE tasks SET recurrence = NULL WHERE id = NEW.id; RETURN NULL; END $$",
        "CREATE TRIGGER clear AFTER UPDATE ON tasks FOR EACH ROW"
        " WHEN (NEW.recurrence IS NOT NULL) EXECUTE FUNCTION clear()",
    ],
    "sqlite": [
        "CREATE TRIGGER clear AFTER UPDATE ON tasks WHEN NEW.recurrence IS NOT NULL"
        " BEGIN UPDATE tasks SET recurrence = NULL WHERE id = NEW.id; END",
    ],
}
NO_LONGER_CLEARING = {
    "postgresql": ["DROP TRIGGER clear ON tasks", "DROP FUNCTION clear"],
    "sqlite": ["DROP TRIGGER clear"],
}


def test_many_at_once_complete_a_task_whose_recurrence_is_cleared_meanwhile(
    alice: TestClient, stored: Callable[..., Task], engine: Engine
) -> None:
    stored(recurrence=DAILY)
    with engine.connect() as connection:
        for statement in CLEARING[engine.dialect.name]:
            connection.exec_driver_sql(statement)

        counts = all_at_once(alice, completed=True)

        for statement in NO_LONGER_CLEARING[engine.dialect.name]:
            connection.exec_driver_sql(statement)
    assert counts == {"updated": 1, "created": 0}
    assert [task["completed"] for task in listed(alice)] == [True]
