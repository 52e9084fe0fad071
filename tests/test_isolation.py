"""No door but the known ones: every route of the app, and every SQL statement that is sent."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from assistant import call, rpc
from endpoints import ENDPOINTS, TASKS, Endpoint, each_endpoint, each_endpoint_of_one_task
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from sent_sql import each_of, noting, owners_in
from sqlalchemy import Column, Engine, MetaData, Table, func, insert, literal, select
from sqlmodel import Session
from stored_tasks import FULL
from users import OWNER, SOMEONE_ELSE, bearer

import main
from auth import get_current_user
from driver.executors import EngineExecutor, SessionExecutor
from models import Task
from routes.dependencies import own_tasks
from sql.scope import Scoped, Together
from sql.tasks import table as tasks

# --- the routes ---

# Who asks for these is nobody yet: why each may be open to everybody.
OPEN = {
    "/": "says where the documents are",
    "/health": "tells that the process lives",
    "/ready": "tells whether the database answers",
    "/openapi.json": "describes the API",
    "/docs": "shows the description",
    "/docs/swagger-ui-bundle.js": "is a part of that page",
    "/docs/swagger-ui.css": "is a part of that page",
    "/.well-known/oauth-protected-resource": "tells clients of /mcp where to get a token",
    "/.well-known/oauth-protected-resource/mcp": "tells them the same",
}
# What `CALLS` below keep under the same rules.
TOOLS = ("POST", "/mcp")


def test_every_route_is_under_the_rules_for_all_endpoints_or_open_for_a_reason() -> None:
    routes = {
        (method, route.path_format)
        for route in iter_route_contexts(main.app.routes)
        for method in route.methods or ()
    }

    under_the_rules = {TOOLS, *((endpoint.method, endpoint.path) for endpoint in ENDPOINTS)}
    unknown = [
        f"{method} {path}: add it to ENDPOINTS (endpoints.py), or to OPEN with its reason"
        for method, path in sorted(routes - under_the_rules)
        if path not in OPEN or method not in {"GET", "HEAD"}
    ]
    assert unknown == []
    assert under_the_rules <= routes


def test_every_route_of_a_user_asks_who_is_calling_and_whose_the_path_is() -> None:
    """By what the route depends on, whatever a test's request would find."""
    for route in iter_route_contexts(main.app.routes):
        if "{user_id}" in (route.path_format or ""):
            calls = set(calls_of(route.dependant))

            assert {own_tasks, get_current_user} <= calls, f"{route.path_format}: {calls}"


def test_the_route_of_the_tools_asks_who_is_calling() -> None:
    [route] = [
        route for route in iter_route_contexts(main.app.routes) if route.path_format == TOOLS[1]
    ]

    assert get_current_user in set(calls_of(route.dependant))


def calls_of(dependant: Dependant) -> Iterator[Callable[..., Any] | None]:
    yield dependant.call
    for dependency in dependant.dependencies:
        yield from calls_of(dependency)


# --- what is executed ---


def test_what_is_not_scoped_is_not_executed(engine: Engine) -> None:
    unscoped: Any = select(Task)

    with pytest.raises(TypeError, match="scoped to its owner"):
        asyncio.run(EngineExecutor(engine).execute(unscoped, {}))
    with Session(engine) as session, pytest.raises(TypeError, match="scoped to its owner"):
        asyncio.run(SessionExecutor(session).execute(unscoped, {}))


def test_every_table_of_a_statement_is_scoped() -> None:
    other = Table("notes", MetaData(), Column("task_id"), Column("user_id"))
    both = select(tasks.c.title).where(other.c.task_id == tasks.c.id)

    sql = str(Scoped(both.add_columns(other.c.task_id)).statement)

    assert "tasks.user_id = :owner" in sql
    assert "notes.user_id = :owner" in sql


def test_rows_that_are_copied_are_the_owners_and_stay_so() -> None:
    copies = insert(tasks).from_select(["title"], select(tasks.c.title))

    sql = " ".join(str(Scoped(copies).statement).split())

    assert sql == (
        "INSERT INTO tasks (title, user_id) SELECT tasks.title, :owner AS user_id FROM tasks"
        " WHERE tasks.user_id = :owner"
    )


def test_what_is_not_scoped_is_not_executed_together_with_what_is() -> None:
    unscoped: Any = select(Task)

    with pytest.raises(TypeError, match="scoped to an owner"):
        Together(Scoped(select(tasks.c.title)), unscoped)


@pytest.mark.parametrize(
    "statement",
    [
        select(func.count()),
        select(Table("countries", MetaData(), Column("code"))),
        select(select(tasks.c.title).subquery()),
        select(tasks.c.title).join(tasks.alias(), literal(value=True)),
    ],
    ids=["no table", "a table without owners", "a subquery", "a join"],
)
def test_what_cannot_be_scoped_is_refused(statement: Any) -> None:
    with pytest.raises(TypeError, match="can be scoped"):
        Scoped(statement)


# --- the statements ---


@each_endpoint
def test_an_endpoint_sends_one_statement_that_is_scoped_to_the_tokens_user(
    alice: TestClient, stored: Callable[..., Task], statements: list[str], endpoint: Endpoint
) -> None:
    task = stored()
    statements.clear()

    response = endpoint.call(alice, task_id=task.id)

    assert response.is_success
    [sql] = statements
    assert owners_in(sql) == [repr(OWNER)]


@pytest.mark.parametrize("query", ["filter=all", "filter=pending", "status=completed"])
def test_a_filtered_list_is_one_statement_that_is_scoped_to_the_tokens_user(
    alice: TestClient, statements: list[str], query: str
) -> None:
    statements.clear()

    response = alice.get(f"/api/{OWNER}/tasks?{query}")

    assert response.is_success
    [sql] = statements
    assert owners_in(sql) == [repr(OWNER)]


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"title": "x"},
        {"description": None},
        {"completed": True},
        {"priority": "low", "due_date": None, "tags": ["x"]},
        {"title": "x", "description": "y", "completed": False},
        {"user_id": SOMEONE_ELSE},
        {"title": "x", "user_id": SOMEONE_ELSE, "owner": SOMEONE_ELSE},
    ],
    ids=str,
)
@pytest.mark.parametrize(("method", "suffix"), [("PUT", ""), ("PATCH", ""), ("PATCH", "/complete")])
def test_every_update_is_one_statement_that_is_scoped_to_the_tokens_user(
    alice: TestClient,
    stored: Callable[..., Task],
    statements: list[str],
    method: str,
    suffix: str,
    change: dict[str, Any],
) -> None:
    task = stored()
    statements.clear()

    response = alice.request(method, f"/api/{OWNER}/tasks/{task.id}{suffix}", json=change)

    assert response.is_success
    [sql] = statements
    assert owners_in(sql) == [repr(OWNER)]
    assert SOMEONE_ELSE not in sql


DAILY = {"pattern": "daily", "interval": 1, "end_date": None}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        *(("/{task_id}/complete", body) for body in (None, {"completed": True})),
        ("/{task_id}", {"completed": True, "title": "x", "tags": [], "recurrence": DAILY}),
        ("/complete?filter=all&tag=a", {"completed": True}),
    ],
)
def test_every_statement_about_a_successor_is_scoped_to_the_tokens_user(
    alice: TestClient, stored: Callable[..., Task], statements: list[str], path: str, body: Any
) -> None:
    task = stored(recurrence=DAILY, tags=["a"])
    taking_back = {"completed": False} if body else None
    statements.clear()

    for sent in (body, taking_back):
        response = alice.patch(f"{TASKS}{path.format(task_id=task.id)}", json=sent)
        assert response.is_success

    several = each_of(statements)
    assert len(several) > 6
    for sql in several:
        assert set(owners_in(sql)) == {repr(OWNER)}, sql
    copies = [sql for sql in several if sql.startswith("INSERT")]
    assert [owners_in(sql) for sql in copies] == [[repr(OWNER)] * 2] * len(copies)
    assert copies


@each_endpoint_of_one_task
def test_a_task_of_somebody_else_is_not_asked_for_in_another_way(
    alice: TestClient, stored: Callable[..., Task], statements: list[str], endpoint: Endpoint
) -> None:
    theirs = stored(user_id=SOMEONE_ELSE, recurrence=FULL["recurrence"], is_followed=True)
    statements.clear()

    response = endpoint.call(alice, task_id=theirs.id)

    assert response.status_code == 404
    [sql] = statements
    assert owners_in(sql) == [repr(OWNER)]


@pytest.mark.without_sql
@each_endpoint
def test_nothing_is_sent_for_a_caller_who_is_refused(
    client: TestClient, statements: list[str], endpoint: Endpoint
) -> None:
    unknown = endpoint.call(client)
    foreign = endpoint.call(client, SOMEONE_ELSE, headers={"Authorization": "Bearer nonsense"})

    assert (unknown.status_code, foreign.status_code) == (401, 401)
    assert statements == []


@pytest.mark.without_sql
@each_endpoint
def test_nothing_is_sent_for_the_path_of_another_user(
    alice: TestClient, statements: list[str], endpoint: Endpoint
) -> None:
    response = endpoint.call(alice, SOMEONE_ELSE)

    assert response.status_code == 403
    assert statements == []


def test_values_never_become_a_part_of_the_statement(
    alice: TestClient, engine: Engine, load: Callable[[int], Task | None]
) -> None:
    sent: list[str] = []
    title = "'; DROP TABLE tasks; -- %s ? :title %(owner)s"

    with noting(engine, lambda sql, *_: sent.append(sql)):
        response = alice.post(f"/api/{OWNER}/tasks", json={"title": title})

    assert "DROP" not in sent[0]
    task = load(response.json()["data"]["id"])
    assert task is not None
    assert task.title == title


# --- the statements of the tools ---

CALLS: dict[str, dict[str, Any]] = {
    "add_task": {"title": "Read a book"},
    "list_tasks": {"status": "pending", "tag": "home", "search": "x"},
    "complete_task": {},
    "update_task": {"title": "Read a book"},
    "delete_task": {},
}
each_call = pytest.mark.parametrize(("tool", "arguments"), CALLS.items(), ids=list(CALLS))


def test_every_tool_is_called_below(alice: TestClient) -> None:
    tools = rpc(alice, "tools/list").json()["result"]["tools"]

    assert [tool["name"] for tool in tools] == list(CALLS)


@each_call
def test_a_tool_sends_one_statement_that_is_scoped_to_the_tokens_user(
    alice: TestClient,
    stored: Callable[..., Task],
    statements: list[str],
    tool: str,
    arguments: dict[str, Any],
) -> None:
    task = stored()
    statements.clear()
    foreign = {"user_id": SOMEONE_ELSE, "owner": SOMEONE_ELSE}

    result = call(alice, tool, task_id=task.id, **foreign, **arguments).json()["result"]

    assert result["isError"] is False
    [sql] = statements
    assert owners_in(sql) == [repr(OWNER)]
    assert SOMEONE_ELSE not in sql


@pytest.mark.parametrize("tool", ["complete_task", "update_task"])
def test_a_tool_sends_what_the_api_sends_about_a_successor(
    alice: TestClient, stored: Callable[..., Task], statements: list[str], tool: str
) -> None:
    path = "/complete" if tool == "complete_task" else ""
    first, second = (stored(recurrence=DAILY) for _ in range(2))
    statements.clear()
    alice.patch(f"{TASKS}/{first.id}{path}", json={"completed": True})
    of_the_api = len(statements)

    result = call(alice, tool, task_id=second.id, completed=True).json()["result"]

    assert result["structuredContent"]["next_task"]
    of_the_tool = statements[of_the_api:]
    assert len(of_the_tool) == of_the_api
    for sql in each_of(of_the_tool):
        assert set(owners_in(sql)) == {repr(OWNER)}, sql


@pytest.mark.parametrize("tool", ["complete_task", "update_task", "delete_task"])
def test_a_tool_does_not_ask_for_a_task_of_somebody_else_in_another_way(
    alice: TestClient, stored: Callable[..., Task], statements: list[str], tool: str
) -> None:
    theirs = stored(user_id=SOMEONE_ELSE)
    statements.clear()

    result = call(alice, tool, task_id=theirs.id, title="Mine").json()["result"]

    assert result["content"] == [{"type": "text", "text": "Task not found"}]
    [sql] = statements
    assert owners_in(sql) == [repr(OWNER)]


@pytest.mark.without_sql
@each_call
def test_nothing_is_sent_for_a_tool_whose_caller_or_arguments_are_refused(
    client: TestClient, statements: list[str], tool: str, arguments: dict[str, Any]
) -> None:
    unknown = call(client, tool, task_id=1, **arguments)
    client.headers.update(bearer())
    refused = call(client, tool, task_id="x", title="", priority="x")

    assert unknown.status_code == 401
    assert refused.json()["result"]["isError"] is True
    assert statements == []
