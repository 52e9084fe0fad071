from collections.abc import Callable
from typing import Any

import pytest
from answers import refusal
from endpoints import (
    JSON,
    Endpoint,
    each_endpoint,
    each_endpoint_of_one_task,
    each_endpoint_with_body,
)
from fastapi.testclient import TestClient
from sqlalchemy import Engine
from sqlmodel import Session, col, select
from users import OWNER, SOMEONE_ELSE, bearer, token_for

from models import Task

LARGE = b"x" * (64 * 1024 + 1)


@pytest.fixture
def everything(engine: Engine) -> Callable[[], list[dict[str, Any]]]:
    """Reads the whole table."""

    def read() -> list[dict[str, Any]]:
        with Session(engine) as session:
            return [task.model_dump() for task in session.exec(select(Task).order_by(col(Task.id)))]

    return read


# --- 401 ---


@each_endpoint
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer not-a-token"},
        {"Authorization": f"Basic {token_for()}"},
        {"Authorization": f"Bearer {token_for()[:-4]}AAAA"},
        bearer(exp=1),
    ],
    ids=["no header", "no JWT", "another scheme", "another signature", "expired"],
)
def test_an_unknown_caller_is_unauthorized(
    client: TestClient,
    stored: Callable[..., Task],
    everything: Callable[[], list[dict[str, Any]]],
    endpoint: Endpoint,
    headers: dict[str, str],
) -> None:
    task = stored()
    before = everything()

    response = endpoint.call(client, task_id=task.id, headers=headers)

    assert refusal(response) == (401, "UNAUTHORIZED")
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert everything() == before


# --- 403 ---


@each_endpoint
def test_the_path_of_another_user_is_forbidden_and_nothing_changes(
    alice: TestClient,
    stored: Callable[..., Task],
    everything: Callable[[], list[dict[str, Any]]],
    endpoint: Endpoint,
) -> None:
    theirs = stored(user_id=SOMEONE_ELSE)
    before = everything()
    others = [SOMEONE_ELSE, OWNER.upper(), f"{OWNER}%20", f"{OWNER}%00", f"%2F{OWNER}", "undefined"]

    responses = [endpoint.call(alice, user_id, theirs.id) for user_id in others]

    assert [refusal(response) for response in responses] == [(403, "FORBIDDEN")] * 6
    assert everything() == before


@each_endpoint
def test_a_refusal_reveals_nothing_about_the_other_user(
    alice: TestClient, stored: Callable[..., Task], endpoint: Endpoint
) -> None:
    theirs = stored(user_id=SOMEONE_ELSE)

    of_existing = endpoint.call(alice, SOMEONE_ELSE, theirs.id)
    of_missing = endpoint.call(alice, "nobody", theirs.id)

    assert of_existing.content == of_missing.content
    assert of_existing.status_code == of_missing.status_code


# --- 404 ---


@each_endpoint_of_one_task
def test_the_task_of_another_user_answers_exactly_like_a_missing_one(
    alice: TestClient,
    stored: Callable[..., Task],
    everything: Callable[[], list[dict[str, Any]]],
    endpoint: Endpoint,
) -> None:
    theirs = stored(user_id=SOMEONE_ELSE)
    assert theirs.id
    before = everything()

    of_theirs = endpoint.call(alice, task_id=theirs.id, headers={"X-Request-ID": "same"})
    of_missing = endpoint.call(alice, task_id=theirs.id + 1, headers={"X-Request-ID": "same"})

    assert of_theirs.status_code == of_missing.status_code == 404
    assert of_theirs.json() == {"error": "Task not found", "code": "NOT_FOUND"}
    assert of_theirs.content == of_missing.content
    assert of_theirs.headers == of_missing.headers
    assert everything() == before


def test_an_update_without_a_field_does_not_reveal_the_task_of_another_user(
    alice: TestClient, stored: Callable[..., Task]
) -> None:
    theirs = stored(user_id=SOMEONE_ELSE)

    response = alice.put(f"/api/{OWNER}/tasks/{theirs.id}", json={})

    assert response.status_code == 404
    assert response.json() == {"error": "Task not found", "code": "NOT_FOUND"}


# --- the order of refusals: 413, 401, 403, 400, 404 ---


@pytest.mark.without_sql
@each_endpoint
def test_413_comes_before_401(client: TestClient, endpoint: Endpoint) -> None:
    response = endpoint.call(client, SOMEONE_ELSE, "zero", content=LARGE)

    assert refusal(response) == (413, "PAYLOAD_TOO_LARGE")


@pytest.mark.without_sql
@each_endpoint
def test_413_comes_before_403_and_400(alice: TestClient, endpoint: Endpoint) -> None:
    response = endpoint.call(alice, SOMEONE_ELSE, "zero", content=LARGE)

    assert refusal(response) == (413, "PAYLOAD_TOO_LARGE")


@pytest.mark.without_sql
@each_endpoint
def test_401_comes_before_403_and_400(client: TestClient, endpoint: Endpoint) -> None:
    response = endpoint.call(
        client, SOMEONE_ELSE, "zero", content=b"[", params={"filter": "nonsense"}, headers=JSON
    )

    assert refusal(response) == (401, "UNAUTHORIZED")


@pytest.mark.without_sql
@each_endpoint
def test_403_comes_before_400(alice: TestClient, endpoint: Endpoint) -> None:
    response = endpoint.call(
        alice, SOMEONE_ELSE, "zero", content=b"[", params={"filter": "nonsense"}, headers=JSON
    )

    assert refusal(response) == (403, "FORBIDDEN")


@pytest.mark.without_sql
@each_endpoint_with_body
def test_400_comes_before_404(alice: TestClient, endpoint: Endpoint) -> None:
    response = endpoint.call(alice, task_id=2**63 - 1, json={"title": ""})

    assert refusal(response) == (400, "VALIDATION_ERROR")
