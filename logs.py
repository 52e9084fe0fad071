"""The log: one line for each request, as text or JSON, with the request's id in every line.

A request's line names the route, never the path, which holds the user's id. Of what the client
sends it holds nothing but the method and a sane `X-Request-ID`. A span, if anybody wants spans, has
the route too, and neither path nor query.
"""

import json
import logging
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


class TextFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = f"{_time_of(record)} {record.levelname} {record.name} {record.getMessage()}"
        identifier = request_id.get()
        return f"{line} request_id={identifier}" if identifier else line


class JSONFormatter(logging.Formatter):
    """One JSON object a line. What a record has as `fields` stands beside it."""

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
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def configure(log_format: str) -> None:
    """Send this service's lines and uvicorn's to stderr in one format."""
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
        # Other libraries' warnings, in the same format and without texts. Not their other lines:
        # hypercorn prints its own by itself.
        warnings = logging.StreamHandler()
        warnings.setFormatter(formatter)
        warnings.setLevel(logging.WARNING)
        root.addHandler(warnings)
    # Uvicorn's own line for each request would say it again, with the user's id in the path.
    logging.getLogger("uvicorn.access").handlers = []
    logging.getLogger("uvicorn.error").addFilter(_names_no_path)


def _names_no_path(record: logging.LogRecord) -> bool:
    """False for uvicorn's line for the handshake of a WebSocket, as for each other request's."""
    return not str(record.msg).startswith('%s - "WebSocket %s"')


# The texts of these quote what they were working on: SQL, values, a whole body.
QUOTING = (SQLAlchemyError, ValidationError, ValueError)


def traceback_of(error: BaseException) -> str:
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
