"""Query parameters and the key's header in the OpenAPI document."""

from collections.abc import Callable
from typing import Any

import pytest
from endpoints import Endpoint, each_endpoint
from fastapi.testclient import TestClient
from openapi_document import Document, resolved
from users import OWNER

from models import Task

LIST = "/api/{user_id}/tasks"
FILTER = [("filter", False), ("status", True)]
NARROWING = [
    ("priority", False),
    ("tag", False),
    ("search", False),
    ("q", True),
    ("due_before", False),
    ("due_after", False),
]
ORDERING = [
    ("sort", False),
    ("sort_by", True),
    ("order", False),
    ("sort_order", True),
    ("limit", False),
    ("cursor", False),
    ("offset", False),
    ("skip", True),
]
# Name and whether it is deprecated, in the order of the contract.
PARAMETERS = {
    ("get", LIST): [*FILTER, ("completed", True), *NARROWING, *ORDERING],
    ("get", f"{LIST}/stats"): [*FILTER, ("completed", True), *NARROWING],
    ("patch", f"{LIST}/complete"): [*FILTER, *NARROWING],
    ("delete", LIST): [*FILTER, *NARROWING],
}
each_operation = pytest.mark.parametrize(("method", "path"), PARAMETERS)


def query_of(document: Document, method: str, path: str) -> list[dict[str, Any]]:
    return [
        parameter
        for parameter in document["paths"][path][method]["parameters"]
        if parameter["in"] == "query"
    ]


@each_operation
def test_all_parameters_are_described_and_their_other_names_deprecated(
    document: Document, method: str, path: str
) -> None:
    described = query_of(document, method, path)

    assert [
        (parameter["name"], parameter.get("deprecated", False)) for parameter in described
    ] == PARAMETERS[method, path]
    assert all(parameter["description"] for parameter in described)


@each_endpoint
def test_other_operations_have_no_query(document: Document, endpoint: Endpoint) -> None:
    method, path = endpoint.method.lower(), endpoint.path
    if (method, path) not in PARAMETERS:
        assert query_of(document, method, path) == []


@each_operation
def test_another_name_takes_what_the_first_one_takes(
    document: Document, method: str, path: str
) -> None:
    schemas = {
        parameter["name"]: parameter["schema"] for parameter in query_of(document, method, path)
    }

    assert schemas["status"] == schemas["filter"]
    assert schemas["q"] == schemas["search"]
    for name, other in (("sort", "sort_by"), ("order", "sort_order"), ("offset", "skip")):
        assert schemas.get(name) == schemas.get(other)


def test_the_lists_parameters_are_described_with_their_bounds(document: Document) -> None:
    schemas = {
        parameter["name"]: parameter["schema"] for parameter in query_of(document, "get", LIST)
    }

    assert schemas["filter"]["enum"] == ["all", "pending", "active", "false", "completed", "true"]
    assert schemas["filter"]["default"] == "all"
    assert resolved(document, schemas["priority"])["enum"] == ["low", "medium", "high"]
    assert schemas["tag"]["type"] == "array"
    assert (schemas["tag"]["items"]["minLength"], schemas["tag"]["items"]["maxLength"]) == (1, 50)
    assert schemas["search"]["maxLength"] == 200
    assert schemas["order"]["enum"] == ["asc", "desc"]
    assert schemas["sort"]["default"] == "created_at"
    assert {"created", "updated_at", "-due_date", "priority", "-title"} < set(
        schemas["sort"]["enum"]
    )
    assert (schemas["limit"]["minimum"], schemas["limit"]["maximum"]) == (1, 200)
    assert (schemas["offset"]["minimum"], schemas["offset"]["maximum"]) == (0, 1_000_000)
    assert schemas["cursor"]["type"] == "string"


@each_operation
def test_the_examples_are_taken_together(
    alice: TestClient, document: Document, method: str, path: str
) -> None:
    examples = {
        parameter["name"]: parameter["schema"]["examples"][0]
        for parameter in query_of(document, method, path)
        if "examples" in parameter["schema"] and "deprecated" not in parameter
    }
    body = {"completed": True} if method == "patch" else None

    response = alice.request(method, path.format(user_id=OWNER), params=examples, json=body)

    assert {"priority", "tag", "search", "due_before", "due_after"} <= examples.keys()
    assert response.status_code == 200


def test_a_cursor_is_taken_beside_the_defaults_that_swagger_ui_fills_in(
    alice: TestClient, stored: Callable[..., Task], document: Document
) -> None:
    stored("First")
    stored("Second")
    path = LIST.format(user_id=OWNER)
    defaults = {
        parameter["name"]: parameter["schema"]["default"]
        for parameter in query_of(document, "get", LIST)
        if "default" in parameter["schema"]
    }
    page = alice.get(path, params=defaults | {"limit": 1}).json()

    response = alice.get(path, params=defaults | {"limit": 1, "cursor": page["next_cursor"]})

    assert response.status_code == 200
    assert [task["title"] for task in response.json()["data"]] == ["First"]


@each_operation
def test_only_what_changes_many_tasks_needs_a_filter(
    document: Document, method: str, path: str
) -> None:
    required = [
        parameter["name"] for parameter in query_of(document, method, path) if parameter["required"]
    ]

    assert required == ([] if method == "get" else ["filter"])


@pytest.mark.parametrize(("method", "path"), [("patch", f"{LIST}/complete"), ("delete", LIST)])
def test_the_first_value_of_a_filter_that_is_needed_reaches_completed_tasks_alone(
    document: Document, method: str, path: str
) -> None:
    schema = query_of(document, method, path)[0]["schema"]

    assert schema["enum"] == ["completed", "true", "pending", "active", "false", "all"]
    assert schema["examples"] == ["completed"]
    assert "default" not in schema


def test_the_key_is_described_where_it_counts(document: Document) -> None:
    described = {
        (method, path): parameter
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "header"
    }

    assert described.keys() == {("post", LIST)}
    [key] = described.values()
    assert (key["name"], key["required"]) == ("Idempotency-Key", False)
    assert (key["schema"]["minLength"], key["schema"]["maxLength"]) == (1, 255)


def test_a_replay_and_a_reused_key_are_described(document: Document) -> None:
    responses = document["paths"][LIST]["post"]["responses"]

    assert {"Location", "Idempotent-Replayed"} <= responses["201"]["headers"].keys()
    [example] = responses["422"]["content"]["application/json"]["examples"].values()
    assert example["value"] == {
        "error": "Idempotency-Key was used for another task",
        "code": "IDEMPOTENCY_KEY_REUSED",
    }


def test_422_is_described_where_it_is_sent(document: Document) -> None:
    described = [
        (method, path)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if "422" in operation["responses"]
    ]

    assert described == [("post", LIST)]
