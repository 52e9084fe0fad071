"""Schemas: which ones there are, and the words that they use."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from openapi_document import Document

import main

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


def test_there_is_no_trace_of_the_frameworks_422(text: str, document: Document) -> None:
    operations = [
        (path, method)
        for path, described in document["paths"].items()
        for method, operation in described.items()
        if "422" in operation["responses"]
    ]
    assert operations == [("/api/{user_id}/tasks", "post")]
    assert "HTTPValidationError" not in text
    assert '"ValidationError"' not in text


def test_every_reference_leads_to_a_schema(text: str, document: Document) -> None:
    references = set(re.findall(r'"\$ref":\s*"(.+?)"', text))

    named = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert references
    assert references <= named


def test_every_schema_is_used(text: str, document: Document) -> None:
    for name in document["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in text


def test_schemas_use_only_words_of_json_schema(document: Document) -> None:
    schemas = list(schemas_within(document))

    assert len(schemas) > 50
    assert {word for schema in schemas for word in schema} - SCHEMA_KEYWORDS == set()
