"""Arbitrary JSON to the endpoints that take a body."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from endpoints import JSON, TASKS
from fastapi.testclient import TestClient
from hypothesis import example, given
from hypothesis import strategies as st
from properties import any_json, any_text, storable, white_space
from users import OWNER

from models import DESCRIPTION_MAX, TITLE_MAX, Task
from schemas import TaskListResponse, TaskResponse, TaskUpdate


def around(limit: int) -> st.SearchStrategy[int]:
    return st.integers(limit - 5, limit + 5)


titles = st.one_of(
    any_text,
    st.builds("{}{}{}".format, white_space, any_text, white_space),
    around(TITLE_MAX).map(lambda length: "😀" * length),
    around(TITLE_MAX).map(lambda length: f" {'x' * length}\n"),
)
descriptions = st.none() | any_text | around(DESCRIPTION_MAX).map(lambda length: "ü" * length)
# Mostly what a front end might send, with one thing or another wrong.
objects = st.fixed_dictionaries(
    {},
    optional={
        "title": titles | any_json,
        "description": descriptions | any_json,
        "completed": st.booleans() | any_json,
        "id": any_json,
        "user_id": any_json,
        "note": any_json,
    },
)
bodies = objects | any_json
good_texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def good_title(value: Any) -> bool:
    return storable(value) and 1 <= len(value.strip()) <= TITLE_MAX


def good_description(value: Any) -> bool:
    return value is None or (storable(value) and len(value) <= DESCRIPTION_MAX)


@given(body=bodies)
def test_what_is_created_is_what_was_sent(
    alice: TestClient, load: Callable[[int], Task | None], body: Any
) -> None:
    response = alice.post(TASKS, content=json.dumps(body), headers=JSON)

    good = (
        isinstance(body, dict)
        and good_title(body.get("title"))
        and good_description(body.get("description"))
    )
    assert response.status_code == (201 if good else 400)
    if good:
        task = load(response.json()["data"]["id"])
        assert task is not None
        assert (task.title, task.description, task.completed, task.user_id) == (
            body["title"].strip(),
            body.get("description"),
            False,
            OWNER,
        )
        assert response.json()["data"]["title"] == task.title
        assert response.json()["data"]["description"] == task.description


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@given(body=bodies)
def test_what_is_updated_is_what_was_sent_and_the_rest_stays(
    alice: TestClient,
    stored: Callable[..., Task],
    load: Callable[[int], Task | None],
    method: str,
    body: Any,
) -> None:
    before = stored(description="Milk")

    response = alice.request(method, f"{TASKS}/{before.id}", content=json.dumps(body), headers=JSON)

    good = (
        isinstance(body, dict)
        and good_title(body.get("title", "x"))
        and good_description(body.get("description"))
        and isinstance(body.get("completed", True), bool)
    )
    assert response.status_code == (200 if good else 400)
    assert before.id
    after = load(before.id)
    assert after is not None
    sent = body if good else {}
    assert (after.title, after.description, after.completed, after.user_id) == (
        sent.get("title", before.title).strip(),
        sent.get("description", before.description),
        sent.get("completed", before.completed),
        OWNER,
    )
    assert after.created_at == before.created_at
    assert (after.updated_at == before.updated_at) is not any(
        field in sent for field in ("title", "description", "completed")
    )


@given(title=good_texts.filter(good_title), description=good_texts)
def test_every_text_comes_back_as_it_was_sent(
    alice: TestClient, title: str, description: str
) -> None:
    created = alice.post(TASKS, json={"title": title, "description": description[:DESCRIPTION_MAX]})

    data = created.json()["data"]
    fetched = alice.get(created.headers["Location"]).json()["data"]
    assert (data["title"], data["description"]) == (title.strip(), description[:DESCRIPTION_MAX])
    assert fetched == data


@pytest.mark.parametrize("field", TaskUpdate.model_fields)
@given(value=any_json)
@example(value=2**31)
@example(value=2**63)
@example(value=-1)
@example(value="x\0")
def test_whatever_a_field_holds_is_stored_or_refused(
    alice: TestClient, stored: Callable[..., Task], field: str, value: Any
) -> None:
    content = json.dumps({"title": "x", field: value})

    created = alice.post(TASKS, content=content, headers=JSON)
    updated = alice.put(f"{TASKS}/{stored().id}", content=content, headers=JSON)

    assert created.status_code in {201, 400}
    assert updated.status_code in {200, 400}


@given(
    title=good_texts.filter(good_title),
    description=st.none() | good_texts,
    tags=st.lists(good_texts.filter(len), max_size=3),
    completed=st.booleans(),
    time=st.datetimes(timezones=st.just(UTC)),
    microsecond=st.sampled_from([0, 1, 100_000, 123_456, 999_999]),
)
def test_a_task_is_written_to_the_byte_as_the_schema_of_the_document_writes_it(
    alice: TestClient,
    stored: Callable[..., Task],
    microsecond: int,
    time: datetime,
    **values: Any,
) -> None:
    task = stored(created_at=time.replace(microsecond=microsecond), updated_at=time, **values)

    one = alice.get(f"{TASKS}/{task.id}").content
    several = alice.get(TASKS, params={"limit": 2}).content

    assert TaskResponse.model_validate_json(one).model_dump_json().encode() == one
    assert TaskListResponse.model_validate_json(several).model_dump_json().encode() == several


@given(content=st.binary(max_size=200))
def test_no_bytes_are_a_crash(alice: TestClient, content: bytes) -> None:
    created = alice.post(TASKS, content=content, headers=JSON)
    updated = alice.put(f"{TASKS}/{2**63 - 1}", content=content, headers=JSON)
    toggled = alice.patch(f"{TASKS}/{2**63 - 1}/complete", content=content, headers=JSON)

    assert created.status_code in {201, 400}
    assert updated.status_code in {400, 404}
    assert toggled.status_code in {400, 404}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
@given(size=st.integers(64 * 1024 - 40, 64 * 1024 + 40))
def test_64_kib_is_the_limit_to_the_byte(
    alice: TestClient, stored: Callable[..., Task], method: str, size: int
) -> None:
    path = TASKS if method == "POST" else f"{TASKS}/{stored().id}"
    content = b'{"title":"x"}'.ljust(size)

    response = alice.request(method, path, content=content, headers=JSON)

    refused = size > 64 * 1024
    assert (response.status_code == 413) is refused
    assert response.is_success is not refused
