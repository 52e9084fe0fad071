"""Reads every SQL statement that the six endpoints send."""

from collections.abc import Callable
from typing import Any

import pytest
from endpoints import Endpoint, each_endpoint, each_endpoint_of_one_task
from fastapi.testclient import TestClient
from sent_sql import owners_in
from sqlalchemy import Engine, event
from users import OWNER, SOMEONE_ELSE

from models import Task


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


@each_endpoint_of_one_task
def test_a_task_of_somebody_else_is_not_asked_for_in_another_way(
    alice: TestClient, stored: Callable[..., Task], statements: list[str], endpoint: Endpoint
) -> None:
    theirs = stored(user_id=SOMEONE_ELSE)
    statements.clear()

    response = endpoint.call(alice, task_id=theirs.id)

    assert response.status_code == 404
    [sql] = statements
    assert owners_in(sql) == [repr(OWNER)]


@each_endpoint
def test_nothing_is_sent_for_a_caller_who_is_refused(
    client: TestClient, statements: list[str], endpoint: Endpoint
) -> None:
    unknown = endpoint.call(client)
    foreign = endpoint.call(client, SOMEONE_ELSE, headers={"Authorization": "Bearer nonsense"})

    assert (unknown.status_code, foreign.status_code) == (401, 401)
    assert statements == []


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
    event.listen(engine, "before_cursor_execute", lambda *call: sent.append(call[2]), once=True)
    title = "'; DROP TABLE tasks; -- %s ? :title %(owner)s"

    response = alice.post(f"/api/{OWNER}/tasks", json={"title": title})

    assert "DROP" not in sent[0]
    task = load(response.json()["data"]["id"])
    assert task is not None
    assert task.title == title
