"""Large bodies, lengths that are not true, and bodies that do not end."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from answers import refusal
from endpoints import JSON, TASKS, Endpoint, each_endpoint, each_endpoint_with_body
from fastapi.testclient import TestClient
from users import OWNER, bearer

import main
from models import Task

KIB_64 = 64 * 1024
MB_5 = 5 * 1024 * 1024


def body_of(size: int) -> bytes:
    """A body that every endpoint with a body takes, of `size` bytes."""
    start, end = b'{"title":"x","completed":true,"ignored":"', b'"}'
    return start + b"x" * (size - len(start) - len(end)) + end


def in_chunks(body: bytes) -> Iterator[bytes]:
    """Sent without a `Content-Length`."""
    for start in range(0, len(body), 16 * 1024):
        yield body[start : start + 16 * 1024]


def whole(body: bytes) -> bytes:
    return body


each_way_of_sending = pytest.mark.parametrize(
    "sent", [whole, in_chunks], ids=["Content-Length", "chunked"]
)


@each_endpoint_with_body
@each_way_of_sending
def test_a_body_of_64_kib_is_accepted(
    alice: TestClient,
    stored: Callable[..., Task],
    endpoint: Endpoint,
    sent: Callable[[bytes], Any],
) -> None:
    task = stored()

    response = endpoint.call(alice, task_id=task.id, content=sent(body_of(KIB_64)), headers=JSON)

    assert response.status_code in {200, 201}


@pytest.mark.without_sql
@each_endpoint
@each_way_of_sending
def test_a_larger_body_is_refused_whoever_sends_it(
    client: TestClient, task: Task, endpoint: Endpoint, sent: Callable[[bytes], Any]
) -> None:
    responses = [
        endpoint.call(client, task_id=task.id, content=sent(body_of(size)), headers=headers)
        for size in (KIB_64 + 1, MB_5)
        for headers in (JSON, JSON | bearer())
    ]

    assert [refusal(response) for response in responses] == [(413, "PAYLOAD_TOO_LARGE")] * 4


@pytest.mark.without_sql
@pytest.mark.parametrize("path", ["/health", "/nowhere", "/openapi.json"])
def test_a_large_body_is_refused_on_every_path(client: TestClient, path: str) -> None:
    response = client.post(path, content=body_of(MB_5))

    assert refusal(response) == (413, "PAYLOAD_TOO_LARGE")


@pytest.mark.without_sql
def test_a_content_length_of_any_number_of_digits_is_too_large(alice: TestClient) -> None:
    headers = {**JSON, "Content-Length": "9" * 5000}

    response = alice.post(f"/api/{OWNER}/tasks", content=b'{"title": "a"}', headers=headers)

    assert refusal(response) == (413, "PAYLOAD_TOO_LARGE")


def test_a_content_length_that_is_no_number_is_no_crash(alice: TestClient) -> None:
    headers = {**JSON, "Content-Length": "many"}

    response = alice.post(f"/api/{OWNER}/tasks", content=b'{"title": "a"}', headers=headers)

    assert response.status_code == 201


@pytest.mark.without_sql
@pytest.mark.usefixtures("client")
def test_a_caller_who_leaves_in_the_middle_of_a_body_is_not_answered() -> None:
    parts: list[Any] = [
        {"type": "http.request", "body": b'{"title":', "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return parts.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": TASKS,
        "query_string": b"",
        "headers": [
            (name.lower().encode(), value.encode())
            for name, value in {**JSON, **bearer(), "Content-Length": "13"}.items()
        ],
    }
    asyncio.run(main.app(scope, receive, send))

    assert sent == []


@pytest.mark.without_sql
@pytest.mark.usefixtures("client")
def test_a_caller_who_leaves_before_a_toggle_is_read_is_no_crash(logged_errors: list[str]) -> None:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "PATCH",
        "path": f"{TASKS}/1/complete",
        "query_string": b"",
        "headers": [(b"authorization", bearer()["Authorization"].encode())],
    }
    asyncio.run(main.app(scope, receive, send))

    assert sent[0]["status"] == 400
    assert logged_errors == []
