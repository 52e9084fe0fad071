"""Operations: their ids, tokens, parameters and headers."""

import pytest
from endpoints import ENDPOINTS, Endpoint, each_endpoint, each_endpoint_of_one_task
from openapi_document import Document, operation_of

OPERATIONS = {
    **{(endpoint.method.lower(), endpoint.path): endpoint.name for endpoint in ENDPOINTS},
    ("get", "/"): "index",
    ("get", "/health"): "health",
    ("get", "/ready"): "ready",
}


def without_words(schema: Document) -> Document:
    """What a schema demands, without what it tells people."""
    words = {"title", "description", "examples"}
    return {name: value for name, value in schema.items() if name not in words}


def test_the_operations_have_short_ids_for_client_generators(document: Document) -> None:
    described = {
        (method, path): operation["operationId"]
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    }

    assert described == OPERATIONS


def test_docs_have_a_bearer_scheme_to_authorize_with(document: Document) -> None:
    [scheme] = document["components"]["securitySchemes"].values()

    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")


@each_endpoint
def test_every_task_endpoint_needs_the_bearer_token(document: Document, endpoint: Endpoint) -> None:
    [name] = document["components"]["securitySchemes"]

    assert operation_of(document, endpoint)["security"] == [{name: []}]


@pytest.mark.parametrize("path", ["/", "/health", "/ready"])
def test_what_is_no_ones_needs_no_token(document: Document, path: str) -> None:
    assert "security" not in document["paths"][path]["get"]


@each_endpoint_of_one_task
def test_a_task_id_is_described_with_its_bounds(document: Document, endpoint: Endpoint) -> None:
    parameters = operation_of(document, endpoint)["parameters"]

    described = {parameter["name"]: parameter for parameter in parameters}
    assert described.keys() == {"user_id", "task_id"}
    assert {parameter["in"] for parameter in parameters} == {"path"}
    assert without_words(described["user_id"]["schema"])["type"] == "string"
    assert without_words(described["task_id"]["schema"]) == {
        "type": "integer",
        "minimum": 1,
    }


@each_endpoint
def test_headers_are_described(document: Document, endpoint: Endpoint) -> None:
    responses = operation_of(document, endpoint)["responses"]

    assert "WWW-Authenticate" in responses["401"]["headers"]
    assert "Retry-After" in responses["503"]["headers"]
    if endpoint.name == "create_task":
        assert "Location" in responses["201"]["headers"]
