"""A body is sent as JSON."""

import pytest
from answers import refusal
from endpoints import TASKS, Endpoint, each_endpoint_with_body
from fastapi.testclient import TestClient

from models import Task


@pytest.mark.without_sql
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
