"""The error classes, their one renderer, and their text in the OpenAPI document.

Whatever is refused, here, by FastAPI, by a middleware or by a crash, is rendered by `answer`.
"""

import logging
import traceback
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from models import DESCRIPTION_MAX, TITLE_MAX
from schemas import FILTER_NAMES, ErrorResponse

log = logging.getLogger("tasks.errors")


class APIError(HTTPException):
    """An answer that is not a success. The texts of its subclasses are part of the contract."""

    status: ClassVar[HTTPStatus]
    code: ClassVar[str]
    text: ClassVar[str]
    # Sent with the answer: header name to value.
    sent_headers: ClassVar[Mapping[str, str]] = {}

    def __init__(self, headers: Mapping[str, str] = {}) -> None:
        super().__init__(self.status, self.text, {**self.sent_headers, **headers})


class ValidationFailed(APIError):
    status = HTTPStatus.BAD_REQUEST
    code = "VALIDATION_ERROR"
    text = "The request is not valid"


class TitleRequired(ValidationFailed):
    text = "Title is required"


class InvalidTitle(ValidationFailed):
    text = f"Title must be between 1 and {TITLE_MAX} characters"


class InvalidDescription(ValidationFailed):
    text = f"Description must not exceed {DESCRIPTION_MAX} characters"


class InvalidCompleted(ValidationFailed):
    text = "Completed must be true or false"


class UpgradeWithBody(ValidationFailed):
    text = (
        "A request with a body must not ask for an upgrade: "
        "send it as HTTP/1.1, without the header Upgrade"
    )


class NotJSON(ValidationFailed):
    text = "Body must be a JSON object, sent with the header Content-Type: application/json"


class NotAnObject(ValidationFailed):
    text = "Body must be a JSON object"


class InvalidFilter(ValidationFailed):
    text = "Filter must be all, pending or completed"


class InvalidTaskId(ValidationFailed):
    text = "Task id must be a positive integer"


class TextNotStored(ValidationFailed):
    text = "The database cannot store this text"


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


class ServerError(APIError):
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    code = "SERVER_ERROR"
    text = "Something went wrong"


class ServiceUnavailable(APIError):
    status = HTTPStatus.SERVICE_UNAVAILABLE
    code = "SERVICE_UNAVAILABLE"
    text = "The service is temporarily unavailable, please try again"
    sent_headers = {"Retry-After": "2"}


# For what the framework raises by status alone.
BY_STATUS: Mapping[int, type[APIError]] = {
    error.status: error
    for error in (
        ValidationFailed,
        Unauthorized,
        Forbidden,
        PathNotFound,
        MethodNotAllowed,
        PayloadTooLarge,
        ServerError,
        ServiceUnavailable,
    )
}

# The order in which several faults of a request are judged.
FAULTS = (
    TitleRequired,
    InvalidTitle,
    InvalidDescription,
    InvalidCompleted,
    NotJSON,
    NotAnObject,
    InvalidFilter,
    InvalidTaskId,
)
FAULT_OF_FIELD = {
    ("body", "title"): InvalidTitle,
    ("body", "description"): InvalidDescription,
    ("body", "completed"): InvalidCompleted,
    **{("query", str(name)): InvalidFilter for name in FILTER_NAMES.choices},
    ("path", "task_id"): InvalidTaskId,
}


def fault_of(error: Mapping[str, Any]) -> type[ValidationFailed]:
    """What one of FastAPI's validation errors is in the contract's terms."""
    field = tuple(error["loc"][:2])
    if field == ("body", "title") and error["type"] == "missing":
        return TitleRequired
    if field == ("body",) and isinstance(error["input"], bytes):
        return NotJSON  # FastAPI hands over the raw bytes of what is not declared as JSON
    return FAULT_OF_FIELD.get(field, NotAnObject)


def answer(
    status: int, text: str, code: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The one shape of everything that is not a success."""
    return JSONResponse(ErrorResponse(error=text, code=code).model_dump(), status, headers)


async def on_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, StarletteHTTPException)
    if isinstance(error, APIError):
        return answer(error.status, error.detail, error.code, error.headers)
    known = BY_STATUS.get(error.status_code)
    if known:
        return answer(known.status, known.text, known.code, error.headers)
    status = HTTPStatus(error.status_code)
    return answer(status, status.phrase, status.name, error.headers)


async def on_validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    fault = min(map(fault_of, error.errors()), key=FAULTS.index)
    return await on_http_exception(request, fault())


# The texts of these quote what they were working on: SQL, values, a whole body.
QUOTING = (SQLAlchemyError, ValidationError, ValueError)


def describe(error: BaseException) -> str:
    """A traceback for the log, without the texts of exceptions that quote users' data."""
    parts = []
    cause: BaseException | None = error
    while cause:
        text = "" if withholds_text(cause) else f": {cause}"
        parts.append(
            f"{''.join(traceback.format_tb(cause.__traceback__))}{type(cause).__qualname__}{text}"
        )
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return "\nwhile handling\n".join(parts)


def withholds_text(error: BaseException) -> bool:
    from_driver = type(error).__module__.partition(".")[0] in {"psycopg2", "sqlite3"}
    return from_driver or isinstance(error, QUOTING)


class CrashBoundary:
    """Turns a crash into the 500 of the contract. It stands inside CORS, so that a browser can
    read the answer; Starlette's own crash handler stands outside."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, watched_send)
        except Exception as error:
            if scope["type"] != "http":
                raise
            # Not `log.exception`, which writes the texts of all exceptions.
            log.error("Crash while answering a request\n%s", describe(error))  # noqa: TRY400
            if started:
                raise
            response = answer(ServerError.status, ServerError.text, ServerError.code)
            await response(scope, receive, send)


def documented(*errors: type[APIError]) -> dict[int | str, dict[str, Any]]:
    """The entries of an operation's `responses` for the errors that it can give."""
    return {
        int(error.status): {
            "model": ErrorResponse,
            "description": error.status.phrase,
            "content": {"application/json": {"example": {"error": error.text, "code": error.code}}},
            **documented_headers(error.sent_headers),
        }
        for error in errors
    }


def documented_headers(examples: Mapping[str, str]) -> dict[str, Any]:
    """The part of an entry of `responses` that describes these headers."""
    headers = {
        name: {"schema": {"type": "string"}, "example": example}
        for name, example in examples.items()
    }
    return {"headers": headers} if headers else {}
