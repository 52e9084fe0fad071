"""What the OpenAPI document says beyond FastAPI's own: errors, headers, the security scheme."""

import json
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI

from auth import BEARER_SCHEME
from errors import APIError, Unauthorized
from schemas import ErrorResponse, TaskRead

# FastAPI leaves nulls out of examples.
NULL = "the text that stands for null until the document is written"
COMPLETED_TASK: dict[str, Any] = {
    name: (field.examples or [NULL])[0] for name, field in TaskRead.model_fields.items()
} | {"completed": True}
TASK = COMPLETED_TASK | {"completed": False, "completed_at": NULL}


def documented_success(
    data: Any, message: str, status: int = 200, headers: Mapping[str, str] = {}
) -> dict[int | str, dict[str, Any]]:
    """The entry of an operation's `responses` with an example of its success."""
    example = {"data": NULL if data is None else data, "message": message}
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
        name: {"required": True, "schema": {"type": "string"}, "example": example}
        for name, example in examples.items()
    }
    return {"headers": headers} if headers else {}


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
                operation["responses"].pop("422", None)
                if str(Unauthorized.status.value) in operation["responses"]:
                    operation["security"] = [{"bearer": []}]
        text = json.dumps(document).replace(f'"{NULL}"', "null").replace("TaskRead", "Task")
        written: dict[str, Any] = json.loads(text)
        return written
