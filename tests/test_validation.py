import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from answers import refusal
from endpoints import JSON, OF_ONE_TASK, TASKS, Endpoint, each_endpoint, each_endpoint_with_body
from fastapi.testclient import TestClient
from users import OWNER, bearer

import main
from errors import INVALID
from models import Task
from schemas import TaskCreate, TaskUpdate

TITLE_REQUIRED = "Title is required"
TITLE = "Title must be between 1 and 200 characters"
DESCRIPTION = "Description must not exceed 1000 characters"
COMPLETED = "Completed must be true or false"
BODY = "Body must be a JSON object"
FILTER = "Filter must be all, pending or completed"
TASK_ID = "Task id must be a positive integer"

NOT_TEXT: list[Any] = [1, 1.5, True, False, [], {}, ["x"], {"x": "y"}]
UNSTORABLE: list[Any] = ["a\0b", "\0", "\ud800", "a\udfffb", "\udc00\ud800"]
BAD_TITLES = [
    *NOT_TEXT,
    *UNSTORABLE,
    None,
    "",
    " ",
    "\t\r\n\v\f\x1c\x1f\x85\xa0\u2003\u2028\u3000",
    "x" * 201,
    "😀" * 201,
    " " + "x" * 201,
]
BAD_DESCRIPTIONS = [*NOT_TEXT, *UNSTORABLE, "x" * 1001, "😀" * 1001, " " * 1001]
BAD_COMPLETIONS: list[Any] = [None, 0, 1, 1.0, "true", "false", "", [], {}]
NO_OBJECTS: list[Any] = [None, True, 1, 1.5, "title", [], [{"title": "x"}], [["title", "x"]]]


def bad(text: str) -> tuple[int, dict[str, str]]:
    return 400, {"error": text, "code": "VALIDATION_ERROR"}


# `json=` of the client refuses what these tests must send.
def send(client: TestClient, method: str, path: str, body: Any, **headers: str) -> tuple[int, Any]:
    response = client.request(method, path, content=json.dumps(body), headers=JSON | headers)
    return response.status_code, response.json()


@pytest.fixture
def task(stored: Callable[..., Task], load: Callable[[int], Task | None]) -> Iterator[Task]:
    """A task that the test must leave as it was."""
    before = stored(description="Milk")
    yield before
    assert before.id
    after = load(before.id)
    assert after is not None
    assert after.model_dump() == before.model_dump()


# --- fields ---


@pytest.mark.parametrize("body", [{}, {"description": "x"}, {"Title": "x"}, {"title ": "x"}])
def test_a_new_task_needs_a_title(alice: TestClient, body: dict[str, Any]) -> None:
    answer = send(alice, "POST", TASKS, body)

    assert answer == bad(TITLE_REQUIRED)


@pytest.mark.parametrize("title", BAD_TITLES, ids=lambda title: ascii(title)[:30])
def test_a_bad_title_is_refused(alice: TestClient, task: Task, title: Any) -> None:
    created = send(alice, "POST", TASKS, {"title": title})
    updated = send(alice, "PUT", f"{TASKS}/{task.id}", {"title": title})

    assert created == bad(TITLE)
    assert updated == bad(TITLE)


@pytest.mark.parametrize("description", BAD_DESCRIPTIONS, ids=lambda text: ascii(text)[:30])
def test_a_bad_description_is_refused(alice: TestClient, task: Task, description: Any) -> None:
    created = send(alice, "POST", TASKS, {"title": "x", "description": description})
    updated = send(alice, "PUT", f"{TASKS}/{task.id}", {"description": description})

    assert created == bad(DESCRIPTION)
    assert updated == bad(DESCRIPTION)


@pytest.mark.parametrize("completed", BAD_COMPLETIONS, ids=repr)
def test_completed_is_true_or_false_and_nothing_like_it(
    alice: TestClient, task: Task, completed: Any
) -> None:
    answer = send(alice, "PUT", f"{TASKS}/{task.id}", {"completed": completed})

    assert answer == bad(COMPLETED)


@pytest.mark.parametrize("body", NO_OBJECTS, ids=repr)
def test_a_body_is_an_object(alice: TestClient, task: Task, body: Any) -> None:
    created = send(alice, "POST", TASKS, body)
    updated = send(alice, "PUT", f"{TASKS}/{task.id}", body)

    assert created == bad(BODY)
    assert updated == bad(BODY)


@pytest.mark.parametrize(
    ("method", "body", "text"),
    [
        ("POST", {"description": 1}, TITLE_REQUIRED),
        ("POST", {"description": 1, "title": ""}, TITLE),
        ("PUT", {"completed": 1, "description": 1, "title": ""}, TITLE),
        ("PUT", {"completed": 1, "description": 1}, DESCRIPTION),
        ("PUT", {"completed": 1, "description": 1, "title": "x"}, DESCRIPTION),
        ("PUT", {"completed": 1, "description": "x"}, COMPLETED),
    ],
)
def test_of_several_faults_the_first_in_the_contracts_order_is_told(
    alice: TestClient, task: Task, method: str, body: dict[str, Any], text: str
) -> None:
    path = TASKS if method == "POST" else f"{TASKS}/{task.id}"

    answer = send(alice, method, path, body)

    assert answer == bad(text)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"title": ""}, TITLE),
        ({"description": 1}, DESCRIPTION),
        ({"completed": 1}, COMPLETED),
        ([], BODY),
        ({"title": "x"}, TASK_ID),
    ],
)
def test_a_fault_of_the_body_is_told_before_one_of_the_id(
    alice: TestClient, body: Any, text: str
) -> None:
    answer = send(alice, "PUT", f"{TASKS}/zero", body)

    assert answer == bad(text)


# --- the path and the query ---


@pytest.mark.parametrize(
    "task_id",
    [
        "0",
        "-1",
        "%2B1",
        "01",
        "1.0",
        "1e3",
        "1_000",
        "0x1",
        "%201",
        "1%20",
        "1%00",
        "%D9%A3",
        "%C2%B2",
        "%F0%9F%98%80",
        "one",
        "null",
        "true",
        "NaN",
        str(2**63),
        str(2**64 + 1),
        "9" * 5000,
    ],
    ids=lambda task_id: task_id[:24],
)
def test_an_id_is_a_positive_integer_of_63_bits(alice: TestClient, task_id: str) -> None:
    responses = [endpoint.call(alice, task_id=task_id) for endpoint in OF_ONE_TASK]

    answers = [(response.status_code, response.json()) for response in responses]
    assert answers == [bad(TASK_ID)] * 4


@pytest.mark.parametrize("name", ["filter", "status"])
@pytest.mark.parametrize(
    "value", ["", "done", "ALL", "Pending", "completed%20", "all,pending", "null", "1", "%00"]
)
def test_another_filter_is_refused(alice: TestClient, name: str, value: str) -> None:
    response = alice.get(f"{TASKS}?{name}={value}")

    assert (response.status_code, response.json()) == bad(FILTER)


def test_a_bad_filter_is_refused_beside_a_good_status(alice: TestClient) -> None:
    response = alice.get(f"{TASKS}?status=all&filter=nonsense")

    assert (response.status_code, response.json()) == bad(FILTER)


# --- bodies that break parsers ---


DEEP = 30_000
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


@pytest.mark.parametrize("content", POISONS.values(), ids=POISONS.keys())
def test_a_body_that_does_not_parse_is_refused(
    alice: TestClient, task: Task, content: bytes
) -> None:
    created = alice.post(TASKS, content=content, headers=JSON)
    updated = alice.put(f"{TASKS}/{task.id}", content=content, headers=JSON)

    assert (created.status_code, created.json()) == bad(BODY)
    assert (updated.status_code, updated.json()) == bad(BODY)


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


@each_endpoint_with_body
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": ""},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/octet-stream"},
        {"Content-Type": "nonsense"},
    ],
    ids=str,
)
def test_a_body_that_is_not_sent_as_json_is_told_how_to_be(
    alice: TestClient, task: Task, endpoint: Endpoint, headers: dict[str, str]
) -> None:
    response = endpoint.call(alice, task_id=task.id, content=b'{"title":"x"}', headers=headers)

    assert refusal(response) == (400, "VALIDATION_ERROR")
    assert "Content-Type" in response.json()["error"]
    assert "application/json" in response.json()["error"]


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON", "application/json;"]
)
def test_json_may_be_declared_with_parameters_and_in_any_case(
    alice: TestClient, content_type: str
) -> None:
    response = alice.post(
        TASKS, content='{"title":"ü"}'.encode(), headers={"Content-Type": content_type}
    )

    assert (response.status_code, response.json()["data"]["title"]) == (201, "ü")


def test_a_toggle_ignores_its_body(alice: TestClient, stored: Callable[..., Task]) -> None:
    path = f"{TASKS}/{stored().id}/complete"

    answers = [
        alice.patch(path, content=content, headers=headers).status_code
        for content in POISONS.values()
        for headers in (JSON, {})
    ]

    assert answers == [200] * 2 * len(POISONS)


@each_endpoint_with_body
def test_a_body_is_not_judged_before_the_caller_is_known(
    client: TestClient, endpoint: Endpoint
) -> None:
    responses = {
        name: endpoint.call(client, content=content, headers=JSON)
        for name, content in POISONS.items()
    }

    refusals = {name: refusal(response) for name, response in responses.items()}
    assert refusals == dict.fromkeys(POISONS, (401, "UNAUTHORIZED"))


@each_endpoint_with_body
@pytest.mark.parametrize("body", [{}, {"title": ""}, [], "x"], ids=repr)
def test_a_field_is_not_judged_before_the_caller_is_known(
    client: TestClient, endpoint: Endpoint, body: Any
) -> None:
    response = endpoint.call(client, task_id="zero", json=body)

    assert refusal(response) == (401, "UNAUTHORIZED")


# --- large bodies ---


KIB_64 = 64 * 1024
MB_5 = 5 * 1024 * 1024


def body_of(size: int) -> bytes:
    """A body that creates and updates a task, of `size` bytes."""
    start, end = b'{"title":"x","ignored":"', b'"}'
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
    assert response.json()["data"]["title"] == "x"


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


@pytest.mark.parametrize("path", ["/health", "/nowhere", "/openapi.json"])
def test_a_large_body_is_refused_on_every_path(client: TestClient, path: str) -> None:
    response = client.post(path, content=body_of(MB_5))

    assert refusal(response) == (413, "PAYLOAD_TOO_LARGE")


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


def test_an_ignored_number_may_have_any_length(alice: TestClient) -> None:
    body = f'{{"title": "a", "n": {"9" * 5000}}}'

    response = alice.post(f"/api/{OWNER}/tasks", content=body, headers=JSON)

    assert response.status_code == 201


def test_a_content_length_of_any_number_of_digits_is_too_large(alice: TestClient) -> None:
    headers = {**JSON, "Content-Length": "9" * 5000}

    response = alice.post(f"/api/{OWNER}/tasks", content=b'{"title": "a"}', headers=headers)

    assert refusal(response) == (413, "PAYLOAD_TOO_LARGE")


def test_a_content_length_that_is_no_number_is_no_crash(alice: TestClient) -> None:
    headers = {**JSON, "Content-Length": "many"}

    response = alice.post(f"/api/{OWNER}/tasks", content=b'{"title": "a"}', headers=headers)

    assert response.status_code == 201


def test_every_field_that_a_client_sends_has_a_text_of_its_own() -> None:
    fields = TaskCreate.model_fields | TaskUpdate.model_fields

    assert {("body", field) for field in fields} <= INVALID.keys()
