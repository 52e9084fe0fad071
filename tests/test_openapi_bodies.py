"""Bodies of requests and of answers."""

from collections.abc import Callable
from typing import Any

import pytest
from endpoints import ENDPOINTS, Endpoint, each_endpoint
from fastapi.testclient import TestClient
from openapi_document import Document, operation_of, resolved, schema_of

from models import Task


def test_a_new_task_is_described(document: Document) -> None:
    body = document["paths"]["/api/{user_id}/tasks"]["post"]["requestBody"]

    schema = schema_of(document, body["content"])
    properties = schema["properties"]
    assert body["required"] is True
    assert schema["required"] == ["title"]
    assert properties.keys() == {"title", "description"}
    assert properties["title"]["type"] == "string"
    assert (properties["title"]["minLength"], properties["title"]["maxLength"]) == (1, 200)
    text, null = properties["description"]["anyOf"]
    assert (text["type"], text["maxLength"]) == ("string", 1000)
    assert null == {"type": "null"}


def test_a_change_is_described_with_fields_that_may_be_left_out(document: Document) -> None:
    body = document["paths"]["/api/{user_id}/tasks/{task_id}"]["put"]["requestBody"]

    schema = schema_of(document, body["content"])
    properties = schema["properties"]
    assert body["required"] is True
    assert schema.get("required", []) == []
    assert properties.keys() == {"title", "description", "completed"}
    assert [name for name in properties if "default" in properties[name]] == []
    assert properties["title"]["type"] == "string"
    assert properties["completed"]["type"] == "boolean"
    text, null = properties["description"]["anyOf"]
    assert (text["type"], text["maxLength"]) == ("string", 1000)
    assert null == {"type": "null"}


@pytest.mark.parametrize(
    "name", ["list_tasks", "get_task", "delete_task", "toggle_task_completion"]
)
def test_no_other_operation_has_a_body(document: Document, name: str) -> None:
    [operation] = [
        operation_of(document, endpoint) for endpoint in ENDPOINTS if endpoint.name == name
    ]

    assert "requestBody" not in operation


def test_a_task_is_described_with_all_its_fields_required(document: Document) -> None:
    content = document["paths"]["/api/{user_id}/tasks"]["post"]["responses"]["201"]["content"]

    envelope = schema_of(document, content)
    task = resolved(document, envelope["properties"]["data"])
    properties = task["properties"]
    assert set(envelope["required"]) == envelope["properties"].keys() == {"data", "message"}
    assert set(task["required"]) == properties.keys()
    nullable = [name for name, schema in properties.items() if "null" in str(schema)]
    assert nullable == ["description"]
    types = {
        name: (schema["type"], schema.get("format"))
        for name, schema in properties.items()
        if name != "description"
    }
    assert types == {
        "id": ("integer", "int64"),
        "user_id": ("string", None),
        "title": ("string", None),
        "completed": ("boolean", None),
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
