"""Many tasks at once: `PATCH …/tasks/complete` and `DELETE …/tasks`."""

from collections.abc import Callable
from typing import Any, NamedTuple

import httpx2
import pytest
from counting_proxy import CountingProxy, trips_of
from endpoints import JSON, TASKS
from fastapi.testclient import TestClient
from fixtures import Overrides
from hypothesis import given
from hypothesis import strategies as st
from lists import MIDNIGHT, Json, Lists, ids_of, stored_tasks
from sent_sql import owners_in
from sqlalchemy import Engine, StaticPool
from sqlmodel import Session, SQLModel, create_engine
from texts import COMPLETED, FILTER, bad
from users import OWNER, SOMEONE_ELSE

import database
import main
from models import Task

ONLY = (
    "Only filter (or status), priority, tag, search (or q), due_before and due_after can select the"
    " tasks, each once (but tag) and none of them empty"
)
A_DUE_DATE = "a date (2026-12-01) or a time (2026-12-01T09:00 or 2026-12-01T09:00:00Z)"


class Act(NamedTuple):
    """A request that changes many tasks."""

    method: str
    path: str
    body: Json | None = None

    def send(
        self, client: httpx2.Client, query: str, user: str = OWNER, **options: Any
    ) -> httpx2.Response:
        if self.body is not None:
            options.setdefault("json", self.body)
        return client.request(self.method, f"/api/{user}/tasks{self.path}?{query}", **options)


COMPLETE = Act("PATCH", "/complete", {"completed": True})
REOPEN = Act("PATCH", "/complete", {"completed": False})
DELETE = Act("DELETE", "")
each_act = pytest.mark.parametrize("act", [COMPLETE, REOPEN, DELETE], ids=str)

narrowings = st.fixed_dictionaries(
    {},
    optional={
        "priority": st.sampled_from(["HIGH", "low"]),
        "tag": st.sampled_from(["x", ["x", "y"]]),
        "q": st.sampled_from(["b", "%"]),
        "due_before": st.just("2026-12-01T09:00:00Z"),
        "due_after": st.just("2026-12-01"),
    },
)
selections: st.SearchStrategy[Json] = st.builds(
    lambda name, value, narrowing: {name: value, **narrowing},
    st.sampled_from(["filter", "status"]),
    st.sampled_from(["all", "pending", "active", "false", "completed", "true"]),
    narrowings,
)


@given(
    tasks=st.lists(stored_tasks, max_size=10),
    query=selections,
    completed=st.booleans(),
)
def test_complete_sets_those_that_the_list_shows_and_that_differ(
    client: TestClient,
    engine: Engine,
    tasks: list[Json],
    query: Json,
    completed: bool,
) -> None:
    lists = Lists(client, engine, *tasks)
    before = {task["id"]: task for task in lists.all()}
    chosen = {task["id"] for task in lists.all(**query) if task["completed"] is not completed}

    response = lists.ask("PATCH", "/complete", params=query, json={"completed": completed})

    mark = "marked as completed" if completed else "marked as incomplete"
    number = len(chosen)
    assert response.status_code == 200
    assert response.json() == {
        "data": {"updated": number, "created": 0},
        "message": f"1 task {mark}" if number == 1 else f"{number} tasks {mark}",
    }
    after = {task["id"]: task for task in lists.all()}
    assert after.keys() == before.keys()
    for task_id, task in after.items():
        if task_id in chosen:
            assert task["updated_at"] > before[task_id]["updated_at"]
            assert task == {
                **before[task_id],
                "completed": completed,
                "updated_at": task["updated_at"],
                "completed_at": task["updated_at"] if completed else None,
            }
        else:
            assert task == before[task_id]


@given(
    tasks=st.lists(stored_tasks, max_size=10),
    query=selections,
)
def test_delete_deletes_those_that_the_list_shows(
    client: TestClient, engine: Engine, tasks: list[Json], query: Json
) -> None:
    lists = Lists(client, engine, *tasks)
    chosen = ids_of(lists.all(**query))
    remaining = [task for task in lists.all() if task["id"] not in chosen]

    response = lists.ask("DELETE", params=query)

    number = len(chosen)
    assert response.status_code == 200
    assert response.json() == {
        "data": {"deleted": number},
        "message": "1 task deleted" if number == 1 else f"{number} tasks deleted",
    }
    assert lists.all() == remaining


@pytest.mark.parametrize(
    ("act", "messages"),
    [
        (
            COMPLETE,
            [
                "0 tasks marked as completed",
                "1 task marked as completed",
                "2 tasks marked as completed",
            ],
        ),
        (
            REOPEN,
            [
                "0 tasks marked as incomplete",
                "1 task marked as incomplete",
                "2 tasks marked as incomplete",
            ],
        ),
        (DELETE, ["0 tasks deleted", "1 task deleted", "2 tasks deleted"]),
    ],
    ids=str,
)
def test_the_message_counts_the_tasks(
    alice: TestClient, stored: Callable[..., Task], act: Act, messages: list[str]
) -> None:
    for number, message in enumerate(messages):
        for _ in range(number):
            stored(completed=act is REOPEN)

        response = act.send(alice, "filter=all")

        assert response.json()["message"] == message
        counted = response.json()["data"]
        assert counted == (
            {"deleted": number} if act is DELETE else {"updated": number, "created": 0}
        )


def test_completed_at_stays_where_a_task_was_completed_before(
    alice: TestClient, stored: Callable[..., Task]
) -> None:
    before, pending = stored(completed=True, completed_at=MIDNIGHT), stored()

    COMPLETE.send(alice, "filter=all")

    kept = alice.get(f"{TASKS}/{before.id}").json()["data"]
    new = alice.get(f"{TASKS}/{pending.id}").json()["data"]
    assert kept["completed_at"] == "2026-01-12T00:00:00Z"
    assert new["completed_at"] == new["updated_at"]


def test_updated_at_never_moves_back(
    alice: TestClient, stored: Callable[..., Task], load: Callable[[int], Task | None]
) -> None:
    future = MIDNIGHT.replace(year=2999)
    task = stored(updated_at=future)
    assert task.id

    COMPLETE.send(alice, "filter=all")

    after = load(task.id)
    assert after is not None
    assert (after.completed, after.updated_at, after.completed_at) == (True, future, future)


@each_act
def test_tasks_of_other_users_are_untouched(
    alice: TestClient,
    stored: Callable[..., Task],
    load: Callable[[int], Task | None],
    act: Act,
) -> None:
    theirs = [stored(user_id=SOMEONE_ELSE, completed=completed) for completed in (True, False)]

    for query in ("filter=all", "filter=all&search=Buy", "status=pending", "filter=completed"):
        assert act.send(alice, query).status_code == 200

    for task in theirs:
        assert task.id
        after = load(task.id)
        assert after is not None
        assert after.model_dump() == task.model_dump()


@pytest.mark.without_sql
@each_act
@pytest.mark.parametrize(
    ("query", "text"),
    [
        *(
            (query, FILTER)
            for query in (
                "",
                "priority=low",
                "completed=true",
                "filter=",
                "status=",
                "filter=x",
                "filter=x&status=all",
                "filter=ALL",
                "filter=all%00",
                "Filter=all",
                "foo=bar",
                "sort=title&tag=%20",
            )
        ),
        ("filter=all&priority=x", "Priority must be low, medium or high"),
        ("filter=all&priority=x&foo=bar", "Priority must be low, medium or high"),
        ("filter=all&tag=%20", "Tag must be a text of 1 to 50 characters"),
        ("filter=all&search=%00", "Search must be a text of up to 200 characters"),
        ("filter=all&q=%00", "Search must be a text of up to 200 characters"),
        ("filter=all&due_before=x", f"due_before must be {A_DUE_DATE}"),
        ("filter=all&due_after=x", f"due_after must be {A_DUE_DATE}"),
        *(
            (query, ONLY)
            for query in (
                "filter=all&completed=true",
                "filter=all&completed=",
                "filter=all&sort=title",
                "filter=all&sort_by=title",
                "filter=all&order=asc",
                "filter=all&limit=1",
                "filter=all&offset=0",
                "filter=all&skip=0",
                "filter=all&cursor=",
                "filter=all&foo=bar",
                "filter=all&foo",
                "filter=all&Priority=low",
                "filter=all&due=2026-12-01",
                "filter=all&id=1",
                "filter=all&tags=x",
                f"filter=all&user_id={OWNER}",
                "filter=all&=",
                "filter=all&priority=",
                "filter=all&tag=",
                "filter=all&tag=home&tag=",
                "filter=all&tag=&tag=home",
                "filter=all&search=",
                "filter=all&q=",
                "filter=all&due_before=",
                "filter=all&due_after=",
                "filter=all&status=all",
                "status=all&filter=pending",
                "filter=all&status=nonsense",
                "filter=all&status=",
                "filter=all&filter=all",
                "filter=x&filter=all",
                "filter=&filter=all",
                "filter=all&filter=",
                "filter=all&priority=low&priority=low",
                "filter=all&search=a&search=a",
                "filter=all&search=a&q=a",
                "filter=all&q=a&q=",
                "filter=all&search=&q=a",
                "filter=all&due_before=2026-12-01&due_before=2026-12-01",
                "filter=all&due_after=2026-12-01&due_after=2026-12-01",
            )
        ),
    ],
)
def test_whatever_does_not_select_tasks_is_refused_before_anything_is_changed(
    alice: TestClient, task: Task, statements: list[str], act: Act, query: str, text: str
) -> None:
    statements.clear()

    response = act.send(alice, query)

    assert (response.status_code, response.json()) == bad(text)
    assert statements == []


@pytest.mark.without_sql
@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "Body must be a JSON object"),
        (b"null", "Body must be a JSON object"),
        (b"[]", "Body must be a JSON object"),
        (b"{", "Body must be a JSON object"),
        (b'{"completed": NaN}', "Body must be a JSON object"),
        (b"{}", COMPLETED),
        (b'{"Completed": true}', COMPLETED),
        (b'{"completed": null}', COMPLETED),
        (b'{"completed": 1}', COMPLETED),
        (b'{"completed": "true"}', COMPLETED),
        (b'{"completed": [true]}', COMPLETED),
    ],
)
def test_complete_needs_to_be_told_true_or_false(
    alice: TestClient, task: Task, content: bytes, text: str
) -> None:
    for query in ("filter=all", "filter=x", "foo=bar"):
        response = COMPLETE.send(alice, query, content=content, headers=JSON, json=None)

        assert (response.status_code, response.json()) == bad(text)


def test_unknown_fields_beside_completed_are_ignored(
    alice: TestClient, stored: Callable[..., Task]
) -> None:
    stored()

    response = COMPLETE.send(
        alice, "filter=all", json={"completed": True, "title": "x", "user_id": SOMEONE_ELSE}
    )

    assert response.json()["data"] == {"updated": 1, "created": 0}
    assert alice.get(TASKS).json()["data"][0]["title"] == "Buy groceries"


@pytest.mark.without_sql
@each_act
@pytest.mark.parametrize(
    "query",
    ["filter=all", "status=pending&priority=low&tag=a&tag=b&q=c&due_before=9999-01-01", "filter=x"],
)
def test_who_may_not_enter_causes_no_statement(
    client: TestClient, alice: TestClient, statements: list[str], act: Act, query: str
) -> None:
    statements.clear()

    unknown = act.send(client, query)
    other = act.send(alice, query, SOMEONE_ELSE)

    assert (unknown.status_code, other.status_code) == (401, 403)
    assert statements == []


@each_act
@pytest.mark.parametrize(
    "query",
    [
        "filter=all",
        "status=pending",
        "filter=all&priority=low&tag=a&tag=b&search=c&due_before=9999-01-01&due_after=0001-01-01",
    ],
)
def test_many_tasks_are_one_statement_that_is_scoped_to_the_tokens_user(
    alice: TestClient,
    stored: Callable[..., Task],
    engine: Engine,
    statements: list[str],
    act: Act,
    query: str,
) -> None:
    for _ in range(3):
        stored()
    statements.clear()

    response = act.send(alice, query)

    assert response.status_code == 200
    [sql] = statements
    assert owners_in(sql) == [repr(OWNER)]
    # A hundred thousand rows are counted where they are. SQLite is no further away.
    assert "RETURNING" not in sql or "count(*)" in sql or engine.dialect.name == "sqlite"


@each_act
def test_many_tasks_are_one_round_trip(
    proxy: CountingProxy, far_client: TestClient, far_task: int, act: Act
) -> None:
    statuses = []

    trips = trips_of(proxy, lambda: statuses.append(act.send(far_client, "filter=all").status_code))

    assert (trips, statuses) == (1, [200])


@pytest.mark.usefixtures("signed_in")
@pytest.mark.parametrize("expires", [True, False])
def test_a_tests_own_session_sees_what_was_changed(overrides: Overrides, expires: bool) -> None:
    engine = create_engine(
        "sqlite://", connect_args={"check_same_thread": False}, poolclass=StaticPool
    )
    SQLModel.metadata.create_all(engine)
    client = TestClient(main.app)
    with Session(engine, expire_on_commit=expires) as session:
        overrides[database.get_db] = lambda: session
        pending, completed, urgent = (
            Task(user_id=OWNER, title="Buy milk"),
            Task(user_id=OWNER, title="Buy bread", completed=True),
            Task(user_id=OWNER, title="Buy tea", priority="high", tags=["a"]),
        )
        session.add_all([pending, completed, urgent])
        session.commit()
        deleted_id = urgent.id

        updated = COMPLETE.send(client, "filter=all&search=milk")
        deleted = DELETE.send(client, "filter=pending&priority=high&tag=a")

        assert updated.json()["data"] == {"updated": 1, "created": 0}
        assert deleted.json()["data"] == {"deleted": 1}
        assert pending.completed is True
        assert pending.completed_at == pending.updated_at
        assert completed.completed is True
        assert session.get(Task, deleted_id) is None
        REOPEN.send(client, "filter=all")
        reopened = [(task.completed, task.completed_at) for task in (pending, completed)]
        assert reopened == [(False, None)] * 2
        stats = client.get(f"{TASKS}/stats").json()["data"]
        assert stats == {"total": 2, "pending": 2, "completed": 0}
    engine.dispose()
