"""The log: one line for each request, as text or JSON, with the request's id in every line.

A request's line names the route, never the path, which holds the user's id. Of the client's own
input, the line holds the method and a well-formed `X-Request-ID` alone. A path that is not there is
shown without the segments that may be a user's id. An OpenTelemetry span names the route too, and
neither path nor query.
"""

import json
import logging
import re
import sqlite3
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache

import psycopg2
from fastapi.exceptions import ValidationException
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


class TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = f"{_time_of(record)} {record.levelname} {record.name} {record.getMessage()}"
        identifier = request_id.get()
        return f"{line} request_id={identifier}" if identifier else line


class JSONFormatter(logging.Formatter):
    """Writes one JSON object a line, with the record's `fields` among its members."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _time_of(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": request_id.get(),
            **getattr(record, "fields", {}),
        }
        return json.dumps({name: value for name, value in line.items() if value is not None})


def _time_of(record: logging.LogRecord) -> str:
    return f"{_second_of(int(record.created))}.{int(record.msecs):03}Z"


@lru_cache(maxsize=1)  # a busy second has a thousand lines
def _second_of(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def configure(log_format: str) -> None:
    """Send this service's lines and uvicorn's to stderr in one format."""
    logging.logMultiprocessing = False  # the process's name, which costs as much as all the rest
    formatter = JSONFormatter() if log_format == "json" else TextFormatter()
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    for name in ("tasks", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(logging.INFO)
    root = logging.getLogger()
    if not root.handlers:
        # Send other libraries' warnings, in the same format and without tracebacks. Leave out
        # their lines of lower levels: hypercorn prints its own.
        warnings = logging.StreamHandler()
        warnings.setFormatter(formatter)
        warnings.setLevel(logging.WARNING)
        root.addHandler(warnings)
    # Uvicorn's own line for each request repeats ours, and holds the path with the user's id.
    logging.getLogger("uvicorn.access").handlers = []
    logging.getLogger("uvicorn.error").addFilter(_is_no_handshake)


def _is_no_handshake(record: logging.LogRecord) -> bool:
    """Drop uvicorn's line for a WebSocket handshake, which holds the path too."""
    return not str(record.msg).startswith('%s - "WebSocket %s"')


# What is shown of a path that is not there. Any other segment may be a user's id.
SHOWN_SEGMENTS = frozenset({"", "api", "tasks", "stats", "complete"})
SEGMENTS_MAX = 8


def masked_path(path: str) -> str:
    _, *segments = path.split("/")
    shown = [part if part in SHOWN_SEGMENTS else "*" for part in segments[:SEGMENTS_MAX]]
    rest = "/..." if len(segments) > SEGMENTS_MAX else ""
    return "".join(f"/{part}" for part in shown) + rest


# Exceptions whose texts may quote users' data: SQL with its values, a whole body, a key.
QUOTING = (
    SQLAlchemyError,
    psycopg2.Error,
    sqlite3.Error,
    ValueError,
    ValidationException,
    KeyError,
    StopIteration,
    StopAsyncIteration,
)

# Of these SQLSTATEs, PostgreSQL's primary message names tables, columns, constraints and types, and
# its DETAIL has the values. A syntax error (42601) is none of these: its message quotes the SQL,
# into which psycopg2 writes the values.
CONSTRAINT_VIOLATION_CLASS = "23"
NAMING_STATES = frozenset(
    {
        "3F000",  # invalid schema name
        "42501",  # insufficient privilege
        "42702",  # ambiguous column
        "42703",  # undefined column
        "42704",  # undefined object, such as a type
        "42725",  # ambiguous function
        "42804",  # datatype mismatch
        "42846",  # cannot coerce
        "42883",  # undefined function or operator
        "42P01",  # undefined table
        "42P10",  # invalid column reference: no constraint for ON CONFLICT, say
        "42P18",  # indeterminate datatype
    }
)
SQLITE_NAMING = re.compile(
    r"no such (table|column): [\w.]+|table \w+ has no column named \w+"
    r"|(NOT NULL|UNIQUE) constraint failed: [\w., ]+"
)


def traceback_of(error: BaseException) -> str:
    """Format a traceback for the log, without the texts of exceptions that quote users' data."""
    parts = []
    cause: BaseException | None = error
    while cause:
        parts.append(
            f"{''.join(traceback.format_tb(cause.__traceback__))}"
            f"{type(cause).__qualname__}{_text_of(cause)}"
        )
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return "\nwhile handling\n".join(parts)


def _text_of(error: BaseException) -> str:
    """Give what follows the exception's name, as far as it quotes no user's data."""
    match error:
        case psycopg2.Error() if error.pgcode:
            is_naming = (
                error.pgcode in NAMING_STATES or error.pgcode[:2] == CONSTRAINT_VIOLATION_CLASS
            )
            # A function (a trigger's) raises any text with any SQLSTATE; its errors have a context.
            words = f": {error.diag.message_primary}" if not error.diag.context else ""
            return f", SQLSTATE {error.pgcode}{words if is_naming else ''}"
        case sqlite3.Error() if SQLITE_NAMING.fullmatch(str(error)):
            return f": {error}"
        case ValidationError():
            types = dict.fromkeys(fault["type"] for fault in error.errors(include_input=False))
            return f": {error.title}, {', '.join(types)}"
        case TypeError() if "keyword" in str(error):
            return ""  # an unexpected keyword may be a member's name of a body
    return "" if isinstance(error, QUOTING) else f": {error}"
