"""The error classes, their one renderer, and the handlers of the framework's exceptions."""

import logging
from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Any, ClassVar, TypeVar

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException

from driver.executors import DatabaseUnavailable, UnstorableText
from logs import masked_path, traceback_of
from models import DESCRIPTION_MAX, IDEMPOTENCY_KEY_MAX, INTERVAL_MAX, TAG_MAX, TAGS_MAX, TITLE_MAX
from schemas import LIMIT_MAX, OFFSET_MAX, SEARCH_MAX, ErrorCode

log = logging.getLogger("tasks.errors")

Validated = TypeVar("Validated", bound=BaseModel)


class APIError(HTTPException):
    """A response that is not a success. Clients rely on its text and code."""

    status: ClassVar[HTTPStatus]
    code: ClassVar[ErrorCode]
    text: ClassVar[str]
    # Headers of the response: name to value.
    sent_headers: ClassVar[Mapping[str, str]] = {}

    def __init__(self, text: str | None = None, headers: Mapping[str, str] = {}) -> None:
        super().__init__(self.status, text or self.text, {**self.sent_headers, **headers})


class ValidationFailed(APIError):
    status = HTTPStatus.BAD_REQUEST
    code = "VALIDATION_ERROR"
    text = "The request is not valid"


class Unauthorized(APIError):
    status = HTTPStatus.UNAUTHORIZED
    code = "UNAUTHORIZED"
    text = "Invalid or expired token"
    sent_headers = {"WWW-Authenticate": "Bearer"}


class Forbidden(APIError):
    status = HTTPStatus.FORBIDDEN
    code = "FORBIDDEN"
    text = "Access denied"


class TaskNotFound(APIError):
    status = HTTPStatus.NOT_FOUND
    code = "NOT_FOUND"
    text = "Task not found"


class PathNotFound(APIError):
    status = HTTPStatus.NOT_FOUND
    code = "NOT_FOUND"
    text = "No such path"


class MethodNotAllowed(APIError):
    status = HTTPStatus.METHOD_NOT_ALLOWED
    code = "METHOD_NOT_ALLOWED"
    text = "Method not allowed"


class PayloadTooLarge(APIError):
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    code = "PAYLOAD_TOO_LARGE"
    text = "Body must not exceed 64 KiB"


class IdempotencyKeyReused(APIError):
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    code = "IDEMPOTENCY_KEY_REUSED"
    text = "Idempotency-Key was used for another task"


class ServerError(APIError):
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    code = "SERVER_ERROR"
    text = "Something went wrong"


class ServiceUnavailable(APIError):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "SERVICE_UNAVAILABLE"
    text = "The service is temporarily unavailable, please try again"
    sent_headers = {"Retry-After": "2"}


# Exceptions of the framework, which have a status alone, become these.
BY_STATUS: Mapping[int, type[APIError]] = {
    error.status: error
    for error in (
        ValidationFailed,
        Unauthorized,
        Forbidden,
        PathNotFound,
        PayloadTooLarge,
        ServerError,
        ServiceUnavailable,
    )
}

A_DUE_DATE = "a date (2026-12-01) or a time (2026-12-01T09:00 or 2026-12-01T09:00:00Z)"

# Location of a validation error, or location and Pydantic's type of error, to its text. Of several
# errors, the one whose place comes first here is sent.
INVALID: Mapping[tuple[str, ...], str] = {
    ("body", "title", "missing"): "Title is required",
    ("body", "title"): f"Title must be between 1 and {TITLE_MAX} characters",
    ("body", "description"): f"Description must not exceed {DESCRIPTION_MAX} characters",
    ("body", "completed"): "Completed must be true or false",
    ("body", "priority"): "Priority must be low, medium or high",
    ("body", "due_date"): f"Due date must be {A_DUE_DATE}",
    ("body", "tags"): f"Tags must be at most {TAGS_MAX} texts of 1 to {TAG_MAX} characters",
    ("body", "recurrence"): "Recurrence must have a pattern (daily, weekly, monthly or yearly), and"
    f" may have an interval from 1 to {INTERVAL_MAX} and an end_date (2026-12-01)",
    ("body", "remind_at"): "Reminder must be a time with a zone (2026-12-01T08:00:00Z)",
    ("body", "undeclared"): "Body must be a JSON object, sent with the header"
    " Content-Type: application/json",
    ("body",): "Body must be a JSON object",
    ("query", "filter"): "Filter must be all, pending or completed",
    ("path", "task_id"): "Task id must be a positive integer",
    ("header", "idempotency-key"): "Idempotency-Key must be 1 to"
    f" {IDEMPOTENCY_KEY_MAX} visible ASCII characters",
    ("query", "priority"): "Priority must be low, medium or high",
    ("query", "tag"): f"Tag must be a text of 1 to {TAG_MAX} characters",
    ("query", "search"): f"Search must be a text of up to {SEARCH_MAX} characters",
    ("query", "due_before"): f"due_before must be {A_DUE_DATE}",
    ("query", "due_after"): f"due_after must be {A_DUE_DATE}",
    ("query", "sort"): "Sort must be created_at, updated_at, due_date, priority or title, with or"
    " without a - before it",
    ("query", "order"): "Order must be asc or desc, and not asc if sort begins with -",
    ("query", "limit"): f"Limit must be a whole number from 1 to {LIMIT_MAX}",
    ("query", "cursor"): "Cursor must be the next_cursor of a list with the same sort and order",
    ("query", "offset"): f"Offset must be a whole number from 0 to {OFFSET_MAX}, without a cursor",
    ("query", "others"): "Only filter (or status), priority, tag, search (or q), due_before and"
    " due_after can select the tasks, each once (but tag) and none of them empty",
}
UNSTORABLE_TEXT = "The database cannot store this text"
UPGRADE_WITH_BODY = (
    "A request with a body must not ask for an upgrade: send it as HTTP/1.1, without the header"
    " Upgrade"
)


def error_response(error: APIError) -> JSONResponse:
    """Render an error: every response that is not a success has this shape."""
    return _shaped(error.status, error.detail, error.code, error.headers)


def _shaped(status: int, text: str, code: str, headers: Mapping[str, str] | None) -> JSONResponse:
    return JSONResponse({"error": text, "code": code}, status, headers)


async def on_http_exception(request: Request, error: StarletteHTTPException) -> JSONResponse:
    if isinstance(error, APIError):
        return error_response(error)
    known = BY_STATUS.get(error.status_code)
    if known:
        if known is PathNotFound:
            path = masked_path(_path_in_app(request))
            log.info("No such path: %s; /docs lists those that are there", path)
        return error_response(known(headers=error.headers or {}))
    status = HTTPStatus(error.status_code)
    return _shaped(status, status.phrase, status.name, error.headers)


def _path_in_app(request: Request) -> str:
    path: str = request.scope["path"]
    return path.removeprefix(request.scope.get("root_path", ""))


async def on_method_not_allowed(request: Request, error: StarletteHTTPException) -> JSONResponse:
    """List the methods of every route of the path: the router names only the first route's."""
    path = _path_in_app(request)
    allowed = {
        method
        for route in iter_route_contexts(request.app.routes)
        if route.path_regex.match(path)
        for method in route.methods or ()
    }
    return error_response(MethodNotAllowed(headers={"Allow": ", ".join(sorted(allowed))}))


def _place_of(error: Mapping[str, Any]) -> tuple[str, ...]:
    """Find the place in `INVALID` of one of FastAPI's validation errors."""
    location = tuple(error["loc"][:2])
    if (*location, error["type"]) in INVALID:
        return (*location, error["type"])
    if location == ("body",) and isinstance(error["input"], bytes):
        return ("body", "undeclared")  # FastAPI leaves a body unparsed that is not sent as JSON
    return location if location in INVALID else ("body",)


def validated(model: type[Validated], given: Mapping[str, Any], place: str) -> Validated:
    """Raises `RequestValidationError`, as FastAPI does, if `given` has a fault at this place of
    `INVALID`.
    """
    try:
        return model.model_validate(given)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        raise RequestValidationError(
            [{**fault, "loc": (place, *fault["loc"])} for fault in faults]
        ) from None


def api_error_of(error: Exception) -> APIError:
    """Give the error that answers an exception, and log what the client is not told."""
    match error:
        case APIError():
            return error
        case RequestValidationError():
            first = min(map(_place_of, error.errors()), key=tuple(INVALID).index)
            return ValidationFailed(INVALID[first])
        case DatabaseUnavailable():
            log.warning("Database unavailable: %s", error)
            return ServiceUnavailable(headers={"Retry-After": str(error.retry_after)})
        case UnstorableText():
            log.warning("The database does not take a text: %s", error)
            return ValidationFailed(UNSTORABLE_TEXT)
    # `log.exception` would write the texts of all exceptions.
    log.error("Crash while answering a request\n%s", traceback_of(error))
    return ServerError()


async def on_exception(request: Request, error: Exception) -> JSONResponse:
    return error_response(api_error_of(error))


EXCEPTION_HANDLERS: dict[
    int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]
] = {
    StarletteHTTPException: on_http_exception,
    int(MethodNotAllowed.status): on_method_not_allowed,
    RequestValidationError: on_exception,
    DatabaseUnavailable: on_exception,
    UnstorableText: on_exception,
}
