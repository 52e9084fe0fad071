"""Bodies of requests and of answers."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from endpoints import ENDPOINTS, Endpoint, each_endpoint
from fastapi.testclient import TestClient
from openapi_document import Document, operation_of, resolved, schema_of
from stored_tasks import DEFAULTS, FULL
from users import OWNER

from models import Task

FIELDS = frozenset({*FULL, "completed"})


def test_a_new_task_is_described(document: Document) -> None:
    body = document["paths"]["/api/{user_id}/tasks"]["post"]["requestBody"]

    schema = schema_of(document, body["content"])
    properties = schema["properties"]
    assert body["required"] is True
    assert schema["required"] == ["title"]
    assert properties.keys() == FULL.keys()
    assert properties["title"]["type"] == "string"
    assert (properties["title"]["minLength"], properties["title"]["maxLength"]) == (1, 200)
    text, null = properties["description"]["anyOf"]
    assert (text["type"], text["maxLength"]) == ("string", 1000)
    assert null == {"type": "null"}


@pytest.mark.parametrize("method", ["put", "patch"])
def test_a_change_is_described_with_fields_that_may_be_left_out(
    document: Document, method: str
) -> None:
    body = document["paths"]["/api/{user_id}/tasks/{task_id}"][method]["requestBody"]

    schema = schema_of(document, body["content"])
    properties = schema["properties"]
    assert body["required"] is True
    assert schema.get("required", []) == []
    assert properties.keys() == FIELDS
    assert [name for name in properties if "default" in properties[name]] == []
    assert properties["title"]["type"] == "string"
    assert properties["completed"]["type"] == "boolean"
    text, null = properties["description"]["anyOf"]
    assert (text["type"], text["maxLength"]) == ("string", 1000)
    assert null == {"type": "null"}


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/api/{user_id}/tasks", "post"),
        ("/api/{user_id}/tasks/{task_id}", "put"),
        ("/api/{user_id}/tasks/{task_id}", "patch"),
    ],
)
def test_the_fields_that_came_later_are_described(
    document: Document, path: str, method: str
) -> None:
    body = document["paths"][path][method]["requestBody"]

    properties = schema_of(document, body["content"])["properties"]
    assert resolved(document, properties["priority"])["enum"] == ["low", "medium", "high"]
    due_date, null = properties["due_date"]["anyOf"]
    assert (due_date["type"], null) == ("string", {"type": "null"})
    form = re.compile(due_date["pattern"])
    assert [bool(form.search(text)) for text in ("2026-12-01", "", "tomorrow")] == [
        True,
        True,
        False,
    ]
    tags, null = properties["tags"]["anyOf"]
    assert (tags["type"], null) == ("array", {"type": "null"})
    assert (tags["items"]["minLength"], tags["items"]["maxLength"]) == (1, 50)


def test_a_toggle_is_described_with_a_body_that_may_be_left_out(document: Document) -> None:
    path = "/api/{user_id}/tasks/{task_id}/complete"
    body = document["paths"][path]["patch"]["requestBody"]

    schema = schema_of(document, body["content"])
    assert body.get("required", False) is False
    assert schema.get("required", []) == []
    assert schema["properties"].keys() == {"completed"}
    assert schema["properties"]["completed"]["type"] == "boolean"
    assert "default" not in schema["properties"]["completed"]


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/api/{user_id}/tasks", "post"),
        ("/api/{user_id}/tasks/{task_id}", "put"),
        ("/api/{user_id}/tasks/{task_id}", "patch"),
        ("/api/{user_id}/tasks/{task_id}/complete", "patch"),
    ],
)
def test_the_example_of_a_body_leads_to_the_example_of_the_answer(
    alice: TestClient, stored: Callable[..., Task], document: Document, path: str, method: str
) -> None:
    operation = document["paths"][path][method]
    [body] = operation["requestBody"]["content"]["application/json"]["examples"].values()
    [success, *_] = operation["responses"].values()
    shown = success["content"]["application/json"]["example"]
    given = {name: shown["data"][name] for name in FIELDS - body["value"].keys()}
    task = stored(**given)

    response = alice.request(
        method, path.format(user_id=OWNER, task_id=task.id), json=body["value"]
    )

    answer = response.json()
    assert {name: answer["data"][name] for name in FIELDS} == {
        name: shown["data"][name] for name in FIELDS
    }
    assert answer["message"] == shown["message"]


def test_the_example_of_completing_many_tasks_is_taken(
    alice: TestClient, document: Document
) -> None:
    path = "/api/{user_id}/tasks/complete"
    content = document["paths"][path]["patch"]["requestBody"]["content"]
    [body] = content["application/json"]["examples"].values()

    response = alice.patch(f"{path.format(user_id=OWNER)}?filter=pending", json=body["value"])

    assert response.json()["message"] == "0 tasks marked as completed"


@pytest.mark.parametrize("name", ["list_tasks", "get_task", "delete_task"])
def test_no_other_operation_has_a_body(document: Document, name: str) -> None:
    [operation] = [
        operation_of(document, endpoint) for endpoint in ENDPOINTS if endpoint.name == name
    ]

    assert "requestBody" not in operation


def test_a_task_is_described_with_all_its_fields_required(document: Document) -> None:
    content = document["paths"]["/api/{user_id}/tasks"]["post"]["responses"]["201"]["content"]

    envelope = schema_of(document, content)
    task = resolved(document, envelope["properties"]["data"])
    properties = {name: resolved(document, schema) for name, schema in task["properties"].items()}
    assert set(envelope["required"]) == envelope["properties"].keys() == {"data", "message"}
    assert set(task["required"]) == properties.keys()
    nullable = [name for name, schema in properties.items() if "null" in str(schema)]
    assert nullable == [name for name, default in DEFAULTS.items() if default is None]
    assert properties["priority"]["enum"] == ["low", "medium", "high"]
    assert properties["tags"]["items"]["type"] == "string"
    assert properties["completed_at"]["anyOf"][0]["format"] == "date-time"
    types = {
        name: (schema["type"], schema.get("format"))
        for name, schema in properties.items()
        if name not in nullable
    }
    assert types == {
        "id": ("integer", None),
        "user_id": ("string", None),
        "title": ("string", None),
        "completed": ("boolean", None),
        "priority": ("string", None),
        "tags": ("array", None),
        "created_at": ("string", "date-time"),
        "updated_at": ("string", "date-time"),
    }


def test_every_field_has_an_example(document: Document) -> None:
    schemas = document["components"]["schemas"]

    for name in ("TaskCreate", "TaskUpdate"):
        for field in schemas[name]["properties"].values():
            assert "examples" in field
    [task] = [schema for schema in schemas.values() if "created_at" in schema.get("properties", {})]
    for field in task["properties"].values():
        assert "examples" in field


PYTHON_NAMES = {
    "object": "dict",
    "array": "list",
    "string": "str",
    "integer": "int",
    "boolean": "bool",
    "null": "NoneType",
}


def mismatches(document: Document, schema: Document, value: Any, at: str = "") -> list[str]:
    """Where `value` is not what `schema` says, fields that it does not mention included."""
    schema = resolved(document, schema)
    if "anyOf" in schema:
        found = [mismatches(document, choice, value, at) for choice in schema["anyOf"]]
        return min(found, key=len)
    if type(value).__name__ != PYTHON_NAMES[schema["type"]]:
        return [at]
    if schema["type"] == "object":
        if value.keys() != schema["properties"].keys():
            return [at]
        parts = [(schema["properties"][name], value[name], f"{at}/{name}") for name in value]
    else:
        items = value if schema["type"] == "array" else []
        parts = [(schema["items"], item, f"{at}/[]") for item in items]
    return [fault for part, item, path in parts for fault in mismatches(document, part, item, path)]


@each_endpoint
def test_what_is_sent_is_what_is_described(
    alice: TestClient, stored: Callable[..., Task], document: Document, endpoint: Endpoint
) -> None:
    task = stored()

    response = endpoint.call(alice, task_id=task.id)

    described = operation_of(document, endpoint)["responses"][str(int(response.status_code))]
    assert mismatches(document, schema_of(document, described["content"]), response.json()) == []
