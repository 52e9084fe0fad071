"""What the OpenAPI document says beyond FastAPI's own: errors, headers, the security scheme."""

import json
from collections.abc import Mapping
from typing import Any

from fastapi import Body, FastAPI
from fastapi.openapi.constants import REF_TEMPLATE
from pydantic import BaseModel

from auth import BEARER_SCHEME
from errors import INVALID, APIError, TaskNotFound, Unauthorized, ValidationFailed
from parameters import names_of
from schemas import ErrorResponse, Task

# Headers that only some answers of their status have.
OPTIONAL_HEADERS = frozenset({"Idempotent-Replayed"})
COMPLETED_TASK = {
    name: (field.examples or [None])[0] for name, field in Task.model_fields.items()
} | {"completed": True}
TASK = COMPLETED_TASK | {"completed": False, "completed_at": None}
ERROR_SCHEMA = {"$ref": REF_TEMPLATE.format(model=ErrorResponse.__name__)}


def answers(
    model: type[BaseModel],
    data: Any,
    message: str,
    *errors: type[APIError],
    status: int = 200,
    headers: Mapping[str, str] = {},
    **others: Any,
) -> dict[str, Any]:
    """The options of a route that answers with `model`, of which the rest makes an example. Of its
    errors, those that its path, parameters and body bring about are documented by themselves.
    """
    # As a text, since FastAPI leaves nulls out of examples.
    example = json.dumps({"data": data, "message": message, **others})
    content = {"application/json": {"example": example}}
    success = {status: {"content": content, **documented_headers(headers)}}
    return {
        "response_model": model,
        "status_code": status,
        "responses": success | documented(*errors),
    }


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
        name, *other_names = names_of(field_name, field)
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
        """Add the security scheme that `get_current_user` implements and the errors that every
        operation of such a shape can give; remove the 422 that FastAPI documents and this API never
        sends.
        """
        if self.openapi_schema:
            return self.openapi_schema
        document = super().openapi()
        components = document["components"]
        components["securitySchemes"] = {"bearer": BEARER_SCHEME}
        for unused in ("HTTPValidationError", "ValidationError"):
            components["schemas"].pop(unused, None)
        for path, operations in document["paths"].items():
            for operation in operations.values():
                _complete(operation, is_of_task="{task_id}" in path, schemas=components["schemas"])
        return document


def _complete(operation: dict[str, Any], *, is_of_task: bool, schemas: Mapping[str, Any]) -> None:
    responses = operation["responses"]
    if "HTTPValidationError" in json.dumps(responses.get("422")):
        del responses["422"]
    if str(Unauthorized.status.value) in responses:
        operation["security"] = [{"bearer": []}]
    faults = [ValidationFailed(text) for text in _faults_of(operation, schemas)]
    for status, entry in documented(*faults, *[TaskNotFound] * is_of_task).items():
        del entry["model"]
        entry["content"]["application/json"]["schema"] = ERROR_SCHEMA
        responses[str(status)] = entry
    for response in responses.values():
        content = response["content"]["application/json"]
        if "example" in content:
            content["example"] = json.loads(content["example"])


def _faults_of(operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> list[str]:
    """Give the text of one fault for each place of a request that is validated."""
    places = [(given["in"], given["name"].lower()) for given in operation.get("parameters", ())]
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        fields = schemas[schema["$ref"].rpartition("/")[2]]["properties"]
        places = [*(("body", field) for field in fields), *places]
    first = {place[0]: INVALID[place] for place in reversed(places) if place in INVALID}
    return list(first.values())
