"""What the OpenAPI document says beyond FastAPI's own: errors, headers, the security scheme."""

import json
from collections.abc import Mapping
from typing import Any

from fastapi import Body, FastAPI
from fastapi.openapi.constants import REF_TEMPLATE
from pydantic import BaseModel

from auth import BEARER_SCHEME
from errors import APIError, Unauthorized
from parameters import names_of
from schemas import ErrorResponse, TaskRead

# Headers that only some answers of their status have.
OPTIONAL_HEADERS = frozenset({"Idempotent-Replayed"})
# FastAPI leaves nulls out of examples.
NULL = "the text that stands for null until the document is written"
COMPLETED_TASK: dict[str, Any] = {
    name: (field.examples or [NULL])[0] for name, field in TaskRead.model_fields.items()
} | {"completed": True}
TASK = COMPLETED_TASK | {"completed": False, "completed_at": NULL}


def documented_success(
    data: Any, message: str, status: int = 200, headers: Mapping[str, str] = {}, **others: Any
) -> dict[int | str, dict[str, Any]]:
    """The entry of an operation's `responses` with an example of its success."""
    example = {"data": NULL if data is None else data, "message": message, **others}
    content = {"application/json": {"example": example}}
    return {status: {"content": content, **documented_headers(headers)}}


def documented(*errors: APIError | type[APIError]) -> dict[int | str, dict[str, Any]]:
    """Build the `responses` of an operation that can raise these errors."""
    entries: dict[int | str, dict[str, Any]] = {}
    for error in (error() if isinstance(error, type) else error for error in errors):
        entry = entries.setdefault(
            int(error.status),
            {
                "model": ErrorResponse,
                "description": error.status.phrase,
                "content": {"application/json": {"examples": {}}},
                **documented_headers(error.sent_headers),
            },
        )
        examples = entry["content"]["application/json"]["examples"]
        examples[error.detail] = {"value": {"error": error.detail, "code": error.code}}
    return entries


def documented_headers(examples: Mapping[str, str]) -> dict[str, Any]:
    """Build the part of an entry of `responses` that describes these headers."""
    headers = {
        name: {
            "required": name not in OPTIONAL_HEADERS,
            "schema": {"type": "string"},
            "example": example,
        }
        for name, example in examples.items()
    }
    return {"headers": headers} if headers else {}


def documented_parameters(model: type[BaseModel]) -> dict[str, Any]:
    """The `openapi_extra` of an operation that reads its query parameters by this model."""
    schemas = model.model_json_schema(ref_template=REF_TEMPLATE)["properties"]
    parameters = []
    for field_name, field in model.model_fields.items():
        name, *other_names = names_of(field) or (field_name,)
        schema = schemas[name]
        # Null is Python's word for absent.
        schema = schema.get("anyOf", [schema])[0]
        schema.pop("description", None)
        if field.examples:
            schema["examples"] = field.examples
        parameter = {"in": "query", "required": field.is_required(), "schema": schema}
        parameters.append({"name": name, "description": field.description, **parameter})
        parameters += [
            {
                "name": other,
                "deprecated": True,
                "description": f"Another name for `{name}`, which counts if both are there.",
                **parameter,
                "required": False,
            }
            for other in other_names
        ]
    return {"parameters": parameters}


def documented_body(example: Mapping[str, Any], **options: Any) -> Any:
    """The `Body` with an example of what a person would send. Tools that make requests of the
    document (Postman, `/docs`) take this one before those of the fields.
    """
    return Body(openapi_examples={"body": {"value": dict(example)}}, **options)


class DocumentedAPI(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """Add the security scheme that `get_current_user` implements, remove the 422 that FastAPI
        documents and this API never sends, and say `Task` for `TaskRead`.
        """
        document = super().openapi()
        components = document["components"]
        components["securitySchemes"] = {"bearer": BEARER_SCHEME}
        for unused in ("HTTPValidationError", "ValidationError"):
            components["schemas"].pop(unused, None)
        for path in document["paths"].values():
            for operation in path.values():
                if "HTTPValidationError" in json.dumps(operation["responses"].get("422")):
                    del operation["responses"]["422"]
                if str(Unauthorized.status.value) in operation["responses"]:
                    operation["security"] = [{"bearer": []}]
        text = json.dumps(document).replace(f'"{NULL}"', "null").replace("TaskRead", "Task")
        written: dict[str, Any] = json.loads(text)
        return written
