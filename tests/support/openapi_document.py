"""The OpenAPI document, and where in it something stands."""

from typing import Any

from endpoints import Endpoint

Document = dict[str, Any]


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
