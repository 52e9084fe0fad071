import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from endpoints import ENDPOINTS, Endpoint, each_endpoint, each_endpoint_of_one_task
from fastapi.testclient import TestClient

import main
from models import Task

Document = dict[str, Any]

OPERATIONS = {
    ("get", "/api/{user_id}/tasks"): "list_tasks",
    ("post", "/api/{user_id}/tasks"): "create_task",
    ("get", "/api/{user_id}/tasks/{task_id}"): "get_task",
    ("put", "/api/{user_id}/tasks/{task_id}"): "update_task",
    ("delete", "/api/{user_id}/tasks/{task_id}"): "delete_task",
    ("patch", "/api/{user_id}/tasks/{task_id}/complete"): "toggle_task_completion",
    ("get", "/health"): "health",
    ("get", "/ready"): "ready",
}
ERRORS = {
    "400": "VALIDATION_ERROR",
    "401": "UNAUTHORIZED",
    "403": "FORBIDDEN",
    "404": "NOT_FOUND",
    "413": "PAYLOAD_TOO_LARGE",
    "500": "SERVER_ERROR",
    "503": "SERVICE_UNAVAILABLE",
}
FAULTS = {
    "title": {"Title is required", "Title must be between 1 and 200 characters"},
    "description": {"Description must not exceed 1000 characters"},
    "completed": {"Completed must be true or false"},
    "body": {"Body must be a JSON object"},
    "filter": {"Filter must be all, pending or completed"},
    "id": {"Task id must be a positive integer"},
}
FAULTS_OF = {
    "list_tasks": FAULTS["filter"],
    "create_task": FAULTS["title"] | FAULTS["description"] | FAULTS["body"],
    "get_task": FAULTS["id"],
    "update_task": set[str]().union(*FAULTS.values()) - FAULTS["filter"],
    "delete_task": FAULTS["id"],
    "toggle_task_completion": FAULTS["id"],
}
# What JSON Schema 2020-12 knows, as far as this document uses it.
SCHEMA_KEYWORDS = {
    "$ref",
    "anyOf",
    "const",
    "default",
    "description",
    "enum",
    "examples",
    "format",
    "items",
    "maxLength",
    "maximum",
    "minLength",
    "minimum",
    "pattern",
    "properties",
    "required",
    "title",
    "type",
}


@pytest.fixture(scope="module")
def text() -> str:
    response = TestClient(main.app).get("/openapi.json")

    assert response.status_code == 200
    return response.text


@pytest.fixture(scope="module")
def document(text: str) -> Document:
    document: Document = json.loads(text)
    return document


def operation_of(document: Document, endpoint: Endpoint) -> Document:
    operation: Document = document["paths"][endpoint.path][endpoint.method.lower()]
    return operation


def schema_of(document: Document, content: Document) -> Document:
    """The schema of a JSON body, without the detour over its name."""
    assert list(content) == ["application/json"]
    return resolved(document, content["application/json"]["schema"])


def resolved(document: Document, schema: Document) -> Document:
    named: Document = document["components"]["schemas"]
    return named[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema


def without_words(schema: Document) -> Document:
    """What a schema demands, without what it tells people."""
    words = {"title", "description", "examples"}
    return {name: value for name, value in schema.items() if name not in words}


# --- operations ---


def test_the_operations_have_short_ids_for_client_generators(document: Document) -> None:
    described = {
        (method, path): operation["operationId"]
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }

    assert described == OPERATIONS


@each_endpoint
def test_an_operation_describes_its_success_and_each_error_that_it_can_give(
    document: Document, endpoint: Endpoint
) -> None:
    statuses = set(operation_of(document, endpoint)["responses"])

    errors = set(ERRORS) - (set() if "{task_id}" in endpoint.path else {"404"})
    assert statuses == errors | {"201" if endpoint.method == "POST" else "200"}


@each_endpoint
def test_every_error_has_the_one_named_schema_and_a_true_example(
    document: Document, endpoint: Endpoint
) -> None:
    responses = operation_of(document, endpoint)["responses"]

    for status in responses.keys() & ERRORS.keys():
        content = responses[status]["content"]["application/json"]
        assert content["schema"] == {"$ref": "#/components/schemas/ErrorResponse"}
        examples = [example["value"] for example in content["examples"].values()]
        assert examples == [
            {"error": example["error"], "code": ERRORS[status]} for example in examples
        ]


@each_endpoint
def test_the_example_of_a_bad_request_is_one_that_the_operation_can_give(
    document: Document, endpoint: Endpoint
) -> None:
    content = operation_of(document, endpoint)["responses"]["400"]["content"]["application/json"]

    examples = [example["value"] for example in content["examples"].values()]
    assert examples
    assert {example["error"] for example in examples} <= FAULTS_OF[endpoint.name]


def test_the_error_schema_is_what_is_sent(document: Document) -> None:
    schema = document["components"]["schemas"]["ErrorResponse"]

    assert schema["required"] == ["error", "code"]
    assert schema["properties"].keys() == {"error", "code"}
    assert {field["type"] for field in schema["properties"].values()} == {"string"}


def test_there_is_no_422_and_no_trace_of_it(text: str) -> None:
    assert '"422"' not in text
    assert "HTTPValidationError" not in text
    assert '"ValidationError"' not in text


def test_every_schema_is_used(text: str, document: Document) -> None:
    for name in document["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in text


@each_endpoint
def test_headers_are_described(document: Document, endpoint: Endpoint) -> None:
    responses = operation_of(document, endpoint)["responses"]

    assert "WWW-Authenticate" in responses["401"]["headers"]
    assert "Retry-After" in responses["503"]["headers"]
    if endpoint.name == "create_task":
        assert "Location" in responses["201"]["headers"]


# --- security ---


def test_docs_have_a_bearer_scheme_to_authorize_with(document: Document) -> None:
    [scheme] = document["components"]["securitySchemes"].values()

    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")


@each_endpoint
def test_every_task_endpoint_needs_the_bearer_token(document: Document, endpoint: Endpoint) -> None:
    [name] = document["components"]["securitySchemes"]

    assert operation_of(document, endpoint)["security"] == [{name: []}]


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_health_needs_no_token(document: Document, path: str) -> None:
    assert "security" not in document["paths"][path]["get"]


# --- parameters ---


@each_endpoint_of_one_task
def test_a_task_id_is_described_with_its_bounds(document: Document, endpoint: Endpoint) -> None:
    parameters = operation_of(document, endpoint)["parameters"]

    described = {parameter["name"]: parameter for parameter in parameters}
    assert described.keys() == {"user_id", "task_id"}
    assert {parameter["in"] for parameter in parameters} == {"path"}
    assert without_words(described["user_id"]["schema"])["type"] == "string"
    assert without_words(described["task_id"]["schema"]) == {
        "type": "integer",
        "format": "int64",
        "minimum": 1,
        "maximum": 2**63 - 1,
    }


def test_the_filter_and_its_deprecated_name_are_described(document: Document) -> None:
    [parameters] = [
        operation_of(document, endpoint)["parameters"]
        for endpoint in ENDPOINTS
        if endpoint.name == "list_tasks"
    ]

    query = {
        parameter["name"]: (
            parameter.get("required", False),
            parameter.get("deprecated", False),
            parameter["schema"]["enum"],
        )
        for parameter in parameters
        if parameter["in"] == "query"
    }
    values = ["all", "pending", "completed"]
    assert query == {"filter": (False, False, values), "status": (False, True, values)}
    [shown] = [parameter for parameter in parameters if parameter["name"] == "filter"]
    assert shown["schema"]["default"] == "all"


# --- bodies ---


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


@each_endpoint
def test_what_is_sent_is_what_is_described(
    alice: TestClient, stored: Callable[..., Task], document: Document, endpoint: Endpoint
) -> None:
    task = stored()

    response = endpoint.call(alice, task_id=task.id)

    described = operation_of(document, endpoint)["responses"][str(int(response.status_code))]
    assert mismatches(document, schema_of(document, described["content"]), response.json()) == []


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


def schemas_within(value: Any) -> Iterator[Document]:
    """Every schema object in a part of the document."""
    if isinstance(value, list):
        for item in value:
            yield from schemas_within(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name in {"schema", "items"}:
                yield item
            elif name in {"properties", "schemas"}:
                yield from item.values()
            elif name == "anyOf":
                yield from item
            if name not in {"example", "examples"}:
                yield from schemas_within(item)


def test_schemas_use_only_words_of_json_schema(document: Document) -> None:
    schemas = list(schemas_within(document))

    assert len(schemas) > 50
    assert {word for schema in schemas for word in schema} - SCHEMA_KEYWORDS == set()


# --- pages ---


def test_the_page_shows_the_document() -> None:
    response = TestClient(main.app).get("/docs")

    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/html")
    assert "/openapi.json" in response.text
