"""The log: one line for each request, as text or JSON, with the request's id in every line.

A request's line names the route, never the path, which holds the user's id. Of what the client
sends it holds nothing but the method and a sane `X-Request-ID`. A span, if anybody wants spans, has
the route too, and neither path nor query.
"""

import json
import logging
import re
from contextvars import ContextVar
from datetime import UTC, datetime
from secrets import token_hex
from time import perf_counter

from opentelemetry import trace
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("tasks.requests")

REQUEST_ID_HEADER = b"x-request-id"
SANE_REQUEST_ID = re.compile(rb"[A-Za-z0-9._~+/=:@-]{1,128}")

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
    handler = logging.StreamHandler()
    handler.setFormatter(JSONFormatter() if log_format == "json" else TextFormatter())
    for name in ("tasks", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(logging.INFO)
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(handler)  # other libraries' warnings: in the same format, without texts
    # Uvicorn's own line for each request would say it again, with the user's id in the path.
    logging.getLogger("uvicorn.access").handlers = []
    logging.getLogger("uvicorn.error").addFilter(_names_no_path)


def _names_no_path(record: logging.LogRecord) -> bool:
    """False for uvicorn's line for the handshake of a WebSocket, as for each other request's."""
    return not str(record.msg).startswith('%s - "WebSocket %s"')


class RequestLog:
    """Gives each request an id and a log line, keeps its URL out of its span, and forbids caches to
    keep any answer.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        identifier = _request_id_of(scope)
        request_id.set(identifier.decode())
        _redact_span(scope)
        own_headers = [(b"cache-control", b"no-store"), (REQUEST_ID_HEADER, identifier)]
        status = 0
        began = perf_counter()

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *own_headers]
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        finally:
            _log_request(scope, status, (perf_counter() - began) * 1000)


def _redact_span(scope: Scope) -> None:
    """Overwrite what FastAPI has put into the request's span; attributes cannot be removed."""
    span = trace.get_current_span()
    if span.is_recording():
        span.set_attribute("url.path", "REDACTED")
        if scope["query_string"]:
            span.set_attribute("url.query", "REDACTED")


def _log_request(scope: Scope, status: int, milliseconds: float) -> None:
    if not log.isEnabledFor(logging.INFO):
        return
    method, route = scope["method"], getattr(scope.get("route"), "path", "-")
    # `log.info` would look through the stack for its caller, which costs more than the line.
    record = logging.LogRecord(
        *(log.name, logging.INFO, __file__, 0),
        msg="%s %s %d %.1f ms",
        args=(method, route, status, milliseconds),
        exc_info=None,
    )
    record.fields = {
        "method": method,
        "route": route,
        "status": status,
        "milliseconds": round(milliseconds, 1),
    }
    log.handle(record)


def _request_id_of(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == REQUEST_ID_HEADER and SANE_REQUEST_ID.fullmatch(value):
            return bytes(value)
    return token_hex(16).encode()
