"""Bodies that break parsers."""

from typing import Any

import pytest
from answers import refusal
from endpoints import ENDPOINTS, JSON, TASKS, WITH_BODY, Endpoint, each_endpoint_with_body
from fastapi.testclient import TestClient
from texts import BODY, UNDECLARED, bad
from users import OWNER

from models import Task

DEEP = 30_000
CAN_HAVE_BODY = [*WITH_BODY, *(one for one in ENDPOINTS if one.name == "toggle_task_completion")]
POISONS: dict[str, bytes] = {
    "empty": b"",
    "white space": b" \n",
    "nested arrays": b"[" * DEEP + b"]" * DEEP,
    "nested arrays, open": b"[" * DEEP,
    "nested objects": b'{"":' * (DEEP // 3) + b"1" + b"}" * (DEEP // 3),
    "nested in the title": b'{"title":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "nested in an ignored field": b'{"title":"x","y":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "NaN": b"NaN",
    "NaN as the title": b'{"title":NaN}',
    "NaN in an ignored field": b'{"title":"x","y":NaN}',
    "NaN deep in an ignored field": b'{"title":"x","y":[{"z":[1,NaN]}]}',
    "Infinity in an ignored field": b'{"title":"x","y":Infinity}',
    "-Infinity in an ignored field": b'{"title":"x","y":-Infinity}',
    "invalid UTF-8": b'{"title":"\xff"}',
    "invalid UTF-8 in an ignored field": b'{"title":"x","y":"\xc3("}',
    "a surrogate in UTF-8": b'{"title":"\xed\xa0\x80"}',
    "UTF-16": '{"title":"x"}'.encode("utf-16"),
    "a raw NUL in the title": b'{"title":"a\0b"}',
    "a NUL behind the object": b'{"title":"x"}\0',
    "cut off": b'{"title":"x"',
    "two objects": b'{"title":"x"}{"title":"y"}',
    "single quotes": b"{'title':'x'}",
    "a trailing comma": b'{"title":"x",}',
    "a form": b"title=x",
}


@pytest.mark.without_sql
@pytest.mark.parametrize("content", POISONS.values(), ids=POISONS.keys())
def test_a_body_that_does_not_parse_is_refused(
    alice: TestClient, task: Task, content: bytes
) -> None:
    created = alice.post(TASKS, content=content, headers=JSON)
    updated = alice.put(f"{TASKS}/{task.id}", content=content, headers=JSON)

    assert (created.status_code, created.json()) == bad(BODY)
    assert (updated.status_code, updated.json()) == bad(BODY)


@pytest.mark.without_sql
@each_endpoint_with_body
def test_a_missing_body_is_refused(alice: TestClient, task: Task, endpoint: Endpoint) -> None:
    response = alice.request(endpoint.method, endpoint.url(task_id=task.id))

    assert (response.status_code, response.json()) == bad(BODY)


@each_endpoint_with_body
@pytest.mark.parametrize("field", ["title", "description", "completed", "ignored"])
def test_no_depth_of_nesting_is_a_crash(alice: TestClient, endpoint: Endpoint, field: str) -> None:
    depths = [100, 500, *range(800, 1100, 20), 5000]
    contents = [f'{{"title":"x","{field}":{"[" * depth + "]" * depth}}}' for depth in depths]

    responses = [endpoint.call(alice, content=content, headers=JSON) for content in contents]

    assert {response.status_code for response in responses} <= {201, 400, 404}


@each_endpoint_with_body
def test_a_number_of_any_length_is_no_crash(alice: TestClient, endpoint: Endpoint) -> None:
    content = '{"title":"x","ignored":' + "9" * 50_000 + "}"

    response = endpoint.call(alice, content=content, headers=JSON)

    assert response.status_code in {201, 400, 404}


def test_an_ignored_number_may_have_any_length(alice: TestClient) -> None:
    body = f'{{"title": "a", "n": {"9" * 5000}}}'

    response = alice.post(f"/api/{OWNER}/tasks", content=body, headers=JSON)

    assert response.status_code == 201


@pytest.mark.without_sql
@pytest.mark.parametrize(
    "content",
    [content for content in POISONS.values() if content],
    ids=[name for name, content in POISONS.items() if content],
)
def test_a_body_of_a_toggle_that_does_not_parse_is_refused(
    alice: TestClient, task: Task, content: bytes
) -> None:
    path = f"{TASKS}/{task.id}/complete"

    as_json = alice.patch(path, content=content, headers=JSON)
    undeclared = alice.patch(path, content=content)

    assert (as_json.status_code, as_json.json()) == bad(BODY)
    assert (undeclared.status_code, undeclared.json()) == bad(UNDECLARED)


@pytest.mark.without_sql
@pytest.mark.parametrize("endpoint", CAN_HAVE_BODY, ids=lambda endpoint: endpoint.name)
def test_a_body_is_not_judged_before_the_caller_is_known(
    client: TestClient, endpoint: Endpoint
) -> None:
    responses = {
        name: endpoint.call(client, content=content, headers=JSON)
        for name, content in POISONS.items()
    }

    refusals = {name: refusal(response) for name, response in responses.items()}
    assert refusals == dict.fromkeys(POISONS, (401, "UNAUTHORIZED"))


@pytest.mark.without_sql
@pytest.mark.parametrize("endpoint", CAN_HAVE_BODY, ids=lambda endpoint: endpoint.name)
@pytest.mark.parametrize("body", [{}, {"title": ""}, {"completed": 1}, [], "x"], ids=repr)
def test_a_field_is_not_judged_before_the_caller_is_known(
    client: TestClient, endpoint: Endpoint, body: Any
) -> None:
    response = endpoint.call(client, task_id="zero", json=body)

    assert refusal(response) == (401, "UNAUTHORIZED")
