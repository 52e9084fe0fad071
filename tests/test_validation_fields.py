"""Fields that are refused with 400, and which of several faults is told."""

import json
from typing import Any

import pytest
from endpoints import JSON, TASKS
from fastapi.testclient import TestClient
from texts import (
    BODY,
    COMPLETED,
    DESCRIPTION,
    DUE_DATE,
    PRIORITY,
    RECURRENCE,
    REMINDER,
    TAGS,
    TASK_ID,
    TITLE,
    TITLE_REQUIRED,
    bad,
)

from errors import INVALID
from models import DESCRIPTION_MAX, TITLE_MAX, Task
from schemas import TaskCreate, TaskUpdate

pytestmark = pytest.mark.without_sql

NOT_TEXT: list[Any] = [1, 1.5, True, False, [], {}, ["x"], {"x": "y"}]
UNSTORABLE: list[Any] = ["a\0b", "\0", "\ud800", "a\udfffb", "\udc00\ud800"]
BAD_TITLES = [
    *NOT_TEXT,
    *UNSTORABLE,
    None,
    "",
    " ",
    "\t\r\n\v\f\x1c\x1f\x85\xa0\u2003\u2028\u3000",
    "x" * (TITLE_MAX + 1),
    "😀" * (TITLE_MAX + 1),
    " " + "x" * (TITLE_MAX + 1),
]
BAD_DESCRIPTIONS = [
    *NOT_TEXT,
    *UNSTORABLE,
    *(letter * (DESCRIPTION_MAX + 1) for letter in ("x", "😀", " ")),
]
BAD_COMPLETIONS: list[Any] = [None, 0, 1, 1.0, "true", "false", "", [], {}]
NO_OBJECTS: list[Any] = [None, True, 1, 1.5, "title", [], [{"title": "x"}], [["title", "x"]]]


# `json=` of the client refuses what these tests must send.
def send(client: TestClient, method: str, path: str, body: Any, **headers: str) -> tuple[int, Any]:
    response = client.request(method, path, content=json.dumps(body), headers=JSON | headers)
    return response.status_code, response.json()


def send_change(client: TestClient, task: Task, body: Any) -> list[tuple[int, Any]]:
    return [send(client, method, f"{TASKS}/{task.id}", body) for method in ("PUT", "PATCH")]


@pytest.mark.parametrize("body", [{}, {"description": "x"}, {"Title": "x"}, {"title ": "x"}])
def test_a_new_task_needs_a_title(alice: TestClient, body: dict[str, Any]) -> None:
    answer = send(alice, "POST", TASKS, body)

    assert answer == bad(TITLE_REQUIRED)


@pytest.mark.parametrize("title", BAD_TITLES, ids=lambda title: ascii(title)[:30])
def test_a_bad_title_is_refused(alice: TestClient, task: Task, title: Any) -> None:
    created = send(alice, "POST", TASKS, {"title": title})
    updated = send_change(alice, task, {"title": title})

    assert [created, *updated] == [bad(TITLE)] * 3


@pytest.mark.parametrize("description", BAD_DESCRIPTIONS, ids=lambda text: ascii(text)[:30])
def test_a_bad_description_is_refused(alice: TestClient, task: Task, description: Any) -> None:
    created = send(alice, "POST", TASKS, {"title": "x", "description": description})
    updated = send_change(alice, task, {"description": description})

    assert [created, *updated] == [bad(DESCRIPTION)] * 3


@pytest.mark.parametrize("completed", BAD_COMPLETIONS, ids=repr)
def test_completed_is_true_or_false_and_nothing_like_it(
    alice: TestClient, task: Task, completed: Any
) -> None:
    updated = send_change(alice, task, {"completed": completed})
    set_to = send(alice, "PATCH", f"{TASKS}/{task.id}/complete", {"completed": completed})

    assert [*updated, set_to] == [bad(COMPLETED)] * 3


@pytest.mark.parametrize("body", NO_OBJECTS, ids=repr)
def test_a_body_is_an_object(alice: TestClient, task: Task, body: Any) -> None:
    created = send(alice, "POST", TASKS, body)
    updated = send_change(alice, task, body)
    set_to = send(alice, "PATCH", f"{TASKS}/{task.id}/complete", body)

    assert [created, *updated, set_to] == [bad(BODY)] * 4


@pytest.mark.parametrize(
    ("method", "body", "text"),
    [
        ("POST", {"description": 1}, TITLE_REQUIRED),
        ("POST", {"description": 1, "title": ""}, TITLE),
        ("PUT", {"completed": 1, "description": 1, "title": ""}, TITLE),
        ("PUT", {"completed": 1, "description": 1}, DESCRIPTION),
        ("PUT", {"completed": 1, "description": 1, "title": "x"}, DESCRIPTION),
        ("PUT", {"completed": 1, "description": "x"}, COMPLETED),
        ("PUT", {"tags": 1, "due_date": 1, "priority": 1, "completed": 1}, COMPLETED),
        ("PATCH", {"tags": 1, "due_date": 1, "priority": 1, "title": None}, TITLE),
        ("PATCH", {"tags": 1, "due_date": 1, "priority": 1}, PRIORITY),
        ("PUT", {"tags": 1, "due_date": 1, "priority": "low"}, DUE_DATE),
        ("PUT", {"tags": 1, "due_date": ""}, TAGS),
        ("PATCH", {"tags": ["", 1, "x" * 51], "due_date": None}, TAGS),
        ("POST", {"tags": 1, "due_date": 1, "priority": 1}, TITLE_REQUIRED),
        ("POST", {"tags": 1, "due_date": 1, "priority": 1, "title": "x"}, PRIORITY),
        ("POST", {"tags": 1, "due_date": 1, "completed": 1, "title": "x"}, DUE_DATE),
        ("POST", {"tags": 1, "completed": 1, "title": "x"}, TAGS),
        ("POST", {"remind_at": 1, "recurrence": 1, "tags": 1, "title": "x"}, TAGS),
        ("POST", {"remind_at": 1, "recurrence": 1, "title": "x"}, RECURRENCE),
        ("PUT", {"remind_at": 1, "recurrence": {}, "tags": []}, RECURRENCE),
        ("PATCH", {"remind_at": 1, "recurrence": None}, REMINDER),
    ],
)
def test_of_several_faults_the_first_in_the_contracts_order_is_told(
    alice: TestClient, task: Task, method: str, body: dict[str, Any], text: str
) -> None:
    path = TASKS if method == "POST" else f"{TASKS}/{task.id}"

    answer = send(alice, method, path, body)

    assert answer == bad(text)


A_FAULT_OF_EACH_FIELD: dict[str, tuple[Any, str]] = {
    "title": ("", TITLE),
    "description": (1, DESCRIPTION),
    "completed": (1, COMPLETED),
    "priority": (1, PRIORITY),
    "due_date": (1, DUE_DATE),
    "tags": (1, TAGS),
    "recurrence": (1, RECURRENCE),
    "remind_at": (1, REMINDER),
}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        *(({name: value}, text) for name, (value, text) in A_FAULT_OF_EACH_FIELD.items()),
        ([], BODY),
        ({"title": "x"}, TASK_ID),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_fault_of_the_body_is_told_before_one_of_the_id(
    alice: TestClient, method: str, body: Any, text: str
) -> None:
    answer = send(alice, method, f"{TASKS}/zero", body)

    assert answer == bad(text)


@pytest.mark.parametrize(
    ("body", "text"), [({"completed": 1}, COMPLETED), ([], BODY), ({"completed": True}, TASK_ID)]
)
def test_a_fault_of_a_toggles_body_is_told_before_one_of_the_id(
    alice: TestClient, body: Any, text: str
) -> None:
    answer = send(alice, "PATCH", f"{TASKS}/zero/complete", body)

    assert answer == bad(text)


def test_every_field_that_a_client_sends_has_a_text_of_its_own() -> None:
    fields = TaskCreate.model_fields | TaskUpdate.model_fields

    assert {("body", field) for field in fields} <= INVALID.keys()
    assert A_FAULT_OF_EACH_FIELD.keys() == fields.keys()
