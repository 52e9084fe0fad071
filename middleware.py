"""The middlewares, in the order in which a request meets them."""

import logging
import re
from secrets import token_hex
from time import perf_counter
from typing import Any
from urllib.parse import quote

from fastapi import Response
from fastapi.middleware.cors import CORSMiddleware
from opentelemetry import trace
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from errors import (
    UPGRADE_WITH_BODY,
    PayloadTooLarge,
    ValidationFailed,
    api_error_of,
    error_response,
)
from logs import request_id
from settings import get_settings

log = logging.getLogger("tasks.errors")
requests = logging.getLogger("tasks.requests")

# `Upgrade`: uvicorn's parser httptools takes what follows the headers for the other protocol. The
# body never arrives, and what is read later is parsed as further requests. CONNECT does the same.
# `Expect`: a client that has its response may not send the body that the server still waits for.
AMBIGUOUS = frozenset({b"upgrade", b"expect"})
# A proxy may have framed the request by the one that the server ignores (RFC 9112, section 6.1).
BOTH_LENGTHS = frozenset({b"content-length", b"transfer-encoding"})

REQUEST_ID_HEADER = b"x-request-id"
REQUEST_ID = re.compile(rb"[A-Za-z0-9._~+/=:@-]{1,128}")

BODY_BYTES_MAX = 64 * 1024

# How many refused origins a worker logs: anybody can send any number of them.
REFUSED_ORIGINS_MAX = 100


class SmugglingGuard:
    """Closes the connection after the response to a request whose end is ambiguous, so that none
    of the request's bytes is taken for another request (request smuggling). Uvicorn parses such
    bytes in advance, but handles no further request after a response with `Connection: close`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _is_ambiguous(scope):
            send = _closing(send)
        await self.app(scope, receive, send)


def _is_ambiguous(scope: Scope) -> bool:
    names = {name for name, _ in scope["headers"]}
    return scope["method"] == "CONNECT" or not names.isdisjoint(AMBIGUOUS) or names >= BOTH_LENGTHS


def _closing(send: Send) -> Send:
    async def send_close(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"connection", b"close")]
        await send(message)

    return send_close


class RequestLog:
    """Gives each request an id and a log line, keeps the request's URL out of its span, and
    forbids caches to store the response.
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
    """Overwrite the URL that FastAPI put into the request's span: attributes cannot be removed."""
    span = trace.get_current_span()
    if span.is_recording():
        span.set_attribute("url.path", "REDACTED")
        if scope["query_string"]:
            span.set_attribute("url.query", "REDACTED")


def _log_request(scope: Scope, status: int, milliseconds: float) -> None:
    if not requests.isEnabledFor(logging.INFO):
        return
    # No field may hold what the client sends, which may be a user's: only the method does, and the
    # formatters add a sane request id.
    fields = {
        "method": scope["method"],
        "route": getattr(scope.get("route"), "path_format", "-"),
        "status": status,
        "milliseconds": round(milliseconds, 1),
    }
    text = "%(method)s %(route)s %(status)d %(milliseconds)s ms"
    if "tool" in scope:
        fields["tool"] = scope["tool"]
        text += " %(tool)s"
    # `requests.info` would search the stack for its caller, which costs more than the line.
    record = requests.makeRecord(
        requests.name, logging.INFO, "", 0, text, (fields,), None, extra={"fields": fields}
    )
    requests.handle(record)


def _request_id_of(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == REQUEST_ID_HEADER and REQUEST_ID.fullmatch(value):
            return bytes(value)
    return token_hex(16).encode()


class LoggedCORSMiddleware(CORSMiddleware):
    """Logs each refused origin once: a browser does not tell the page why it cannot read."""

    def __init__(self, app: ASGIApp, /, **options: Any) -> None:
        super().__init__(app, **options)
        self._refused: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Nearly all requests name no origin: spare them and their answers Starlette's `Headers`.
        if scope["type"] != "http" or b"origin" in dict(scope["headers"]):
            await super().__call__(scope, receive, send)
            return

        async def send_varied(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"vary", b"Origin")]
            await send(message)

        await self.app(scope, receive, send_varied)

    def preflight_response(self, request_headers: Headers) -> Response:
        self._log_refused(request_headers)
        return super().preflight_response(request_headers)

    async def simple_response(
        self, scope: Scope, receive: Receive, send: Send, request_headers: Headers
    ) -> None:
        self._log_refused(request_headers)
        await super().simple_response(scope, receive, send, request_headers)

    def _log_refused(self, request_headers: Headers) -> None:
        origin = request_headers.get("origin")
        if origin is None or self.is_allowed_origin(origin):
            return
        quoted = f"{origin!r:.100}"
        # A browser names the origin also where /docs sends a request to its own server.
        is_same_origin = origin.partition("://")[2] == request_headers.get("host")
        is_logged = quoted in self._refused or len(self._refused) >= REFUSED_ORIGINS_MAX
        if is_same_origin or is_logged:
            return
        self._refused.add(quoted)
        log.info(
            "Origin refused: %s. Allowed: %s. Set BETTER_AUTH_URL to where the front end runs, or"
            " list every origin in CORS_ORIGINS, or patterns in CORS_ORIGIN_REGEX",
            quoted,
            get_settings().described_origins,
        )


class CrashBoundary:
    """Turns a crash into a 500 inside the CORS middleware, so that a browser can read the 500.
    Starlette's own crash handler runs outside that middleware.
    """

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
            answer = error_response(api_error_of(error))
            if started:
                raise
            await answer(scope, receive, send)


class BodyLimit:
    """Reads a request's body and passes the body on whole, or answers 413. A body with `Upgrade`,
    which never arrives (`SmugglingGuard`), is answered with 400.

    FastAPI's own `max_body_size` answers in plain text, and only if a route reads the body.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        # From HTTP/2 on, a body needs neither Content-Length nor Transfer-Encoding.
        can_lack_length = b"transfer-encoding" in headers or scope.get("http_version", "1.1") >= "2"
        if length == b"0" and not can_lack_length:
            await self.app(scope, receive, send)
            return
        body = b""
        # `int` raises ValueError for thousands of digits.
        too_large = length.isdigit() and (len(length) > 18 or int(length) > BODY_BYTES_MAX)
        if not too_large and b"upgrade" in headers:
            refusal = ValidationFailed(UPGRADE_WITH_BODY)
            await error_response(refusal)(scope, receive, send)
            return
        more = not too_large
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return  # the client has gone
            body += message.get("body", b"")
            too_large = len(body) > BODY_BYTES_MAX
            more = message.get("more_body", False) and not too_large
        if too_large:
            await error_response(PayloadTooLarge())(scope, receive, send)
            return

        whole = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def receive_whole() -> Message:
            return next(whole, None) or await receive()

        await self.app(scope, receive_whole, send)


class SentPath:
    """Lets routes match the path as it was sent, where `%2F` in a user's id is no separator. An
    endpoint unquotes the id itself. One slash at the end of a path is ignored.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            sent = scope.get("raw_path")  # optional in ASGI
            path = sent.decode("latin-1") if sent else quote(scope["path"])
            if path.endswith("/") and path != scope.get("root_path", "") + "/":
                path = path[:-1]
            scope["path"] = path
        await self.app(scope, receive, send)
