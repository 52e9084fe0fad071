"""`GET …/tasks/stats` counts what the same parameters would list."""

from collections.abc import Callable

import pytest
from counting_proxy import CountingProxy, trips_of
from endpoints import TASKS
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from lists import Json, Lists, stored_tasks
from sent_sql import owners_in
from sqlalchemy import Engine
from texts import bad
from users import OWNER, SOMEONE_ELSE

from models import Task

STATS = f"{TASKS}/stats"
NOTHING = {"total": 0, "pending": 0, "completed": 0}


def counted(total: int, completed: int) -> Json:
    return {
        "data": {"total": total, "pending": total - completed, "completed": completed},
        "message": "Statistics retrieved",
    }


def test_nothing_is_counted_as_nothing(alice: TestClient) -> None:
    response = alice.get(STATS)

    assert response.status_code == 200
    assert response.json() == {"data": NOTHING, "message": "Statistics retrieved"}


def test_the_users_tasks_are_counted_and_nobody_elses(
    alice: TestClient, stored: Callable[..., Task]
) -> None:
    for completed in (True, False, False):
        stored(completed=completed)
        stored(completed=completed, user_id=SOMEONE_ELSE)

    response = alice.get(STATS)

    assert response.json() == counted(3, 1)


@given(
    tasks=st.lists(stored_tasks, max_size=12),
    query=st.fixed_dictionaries(
        {},
        optional={
            "filter": st.sampled_from(["all", "pending", "active", "completed", "true", ""]),
            "status": st.sampled_from(["pending", "completed"]),
            "completed": st.sampled_from(["true", "false"]),
            "priority": st.sampled_from(["HIGH", "low"]),
            "tag": st.sampled_from(["x", ["x", "y"]]),
            "search": st.sampled_from(["b", "", "%"]),
            "q": st.just("A"),
            "due_before": st.just("2026-12-01T09:00:00Z"),
            "due_after": st.just("2026-12-01"),
        },
    ),
)
def test_what_the_list_shows_is_counted(
    client: TestClient, engine: Engine, tasks: list[Json], query: Json
) -> None:
    lists = Lists(client, engine, *tasks)
    shown = lists.all(**query)

    response = lists.ask("GET", "/stats", params=query)

    assert response.json() == counted(len(shown), sum(task["completed"] for task in shown))


@pytest.mark.without_sql
@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("filter=x", "Filter must be all, pending or completed"),
        ("status=x", "Filter must be all, pending or completed"),
        ("completed=x", "Filter must be all, pending or completed"),
        ("priority=x", "Priority must be low, medium or high"),
        ("tag=%20", "Tag must be a text of 1 to 50 characters"),
        ("q=%00", "Search must be a text of up to 200 characters"),
        (
            "due_after=x",
            "due_after must be a date (2026-12-01) or a time (2026-12-01T09:00 or"
            " 2026-12-01T09:00:00Z)",
        ),
        ("priority=x&filter=x", "Filter must be all, pending or completed"),
    ],
)
def test_a_bad_value_is_refused(alice: TestClient, query: str, text: str) -> None:
    response = alice.get(f"{STATS}?{query}")

    assert (response.status_code, response.json()) == bad(text)


@pytest.mark.parametrize(
    "query",
    [
        "sort=x&order=x&sort_by=x&sort_order=x",
        "limit=0",
        "limit=1&offset=1",
        "cursor=x&skip=x",
        "foo=bar&filter=",
    ],
)
def test_other_parameters_are_ignored(
    alice: TestClient, stored: Callable[..., Task], query: str
) -> None:
    stored()
    stored(completed=True)

    response = alice.get(f"{STATS}?{query}")

    assert (response.status_code, response.json()) == (200, counted(2, 1))


def test_stats_are_one_statement_that_is_scoped_to_the_tokens_user(
    alice: TestClient, statements: list[str]
) -> None:
    for query in ("", "?filter=pending&priority=low&tag=a&q=b&due_before=2027-01-01"):
        statements.clear()

        response = alice.get(STATS + query)

        assert response.status_code == 200
        [sql] = statements
        assert owners_in(sql) == [repr(OWNER)]


@pytest.mark.parametrize("query", ["", "?filter=pending&search=b&due_after=2026-12-01"])
def test_stats_are_one_round_trip(proxy: CountingProxy, far_client: TestClient, query: str) -> None:
    statuses = []

    trips = trips_of(proxy, lambda: statuses.append(far_client.get(STATS + query).status_code))

    assert (trips, statuses) == (1, [200])


@pytest.mark.without_sql
def test_nothing_is_counted_for_who_may_not_know(
    client: TestClient, alice: TestClient, statements: list[str]
) -> None:
    statements.clear()

    unknown = client.get(f"{STATS}?filter=x")
    other = alice.get(f"/api/{SOMEONE_ELSE}/tasks/stats?filter=x")

    assert (unknown.status_code, other.status_code) == (401, 403)
    assert statements == []
