"""What a connection may hold: uvicorn's HTTP protocol on httptools, within bounds.

httptools has no limit of the bytes before a body, takes trailers for headers, and uvicorn parses
requests without end while the answers to earlier ones are not read. Each let one connection without
a token fill a worker. The server's parser h11 has limits of its own.

And what a response costs: its head goes out with its body.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from errors import ValidationFailed, error_response

# How much is parsed before other connections have their turn, and behind a request that is not
# answered: parsed requests take many times their bytes.
PIECE_BYTES = 4 * 1024
# A request's line and headers together; its trailers; what stands between two parts of its body.
UNFINISHED_BYTES_MAX = 128 * 1024
TOO_LONG = f"The request's line and headers must not exceed {UNFINISHED_BYTES_MAX // 1024} KiB"


class BoundedFlow(FlowControl):
    """Lets nothing be read while a request waits for the answers to those before it, or what was
    read waits to be parsed. Uvicorn reads on after each answer, and whenever a body is asked for.
    """

    def __init__(
        self, transport: asyncio.Transport, waiting: deque[Any], unparsed: deque[bytes]
    ) -> None:
        super().__init__(transport)
        self._waiting = waiting
        self._unparsed = unparsed

    def resume_reading(self) -> None:
        if self._waiting:
            return
        if self._unparsed:
            self.read_paused = False  # `parse` reads on when nothing is left
        else:
            super().resume_reading()


class HeadAndBody:
    """What a response is written to: a head that tells the body's length waits for the first part
    of the body. Each write is a packet, and wakes the client; ASGI asks servers to wait, too.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head: bytes | None = None
        self.close, self.is_closing = transport.close, transport.is_closing

    def write(self, data: bytes) -> None:
        if self._head is None and b"\r\ncontent-length: " in data:
            self._head = data
        else:
            self._transport.write((self._head or b"") + data)
            self._head = b""


class BoundedProtocol(HttpToolsProtocol):
    # How much was parsed since a request or a part of its body began.
    unfinished = 0
    # The request that is answered; `cycle` is the last one that was read.
    answered: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.unparsed: deque[bytes] = deque()
        self.flow = BoundedFlow(transport, self.pipeline, self.unparsed)

    def data_received(self, data: bytes) -> None:
        if len(data) <= PIECE_BYTES:
            self.unparsed.append(data)
        else:
            pieces = range(0, len(data), PIECE_BYTES)
            self.unparsed.extend(data[at : at + PIECE_BYTES] for at in pieces)
        self.parse()

    def parse(self) -> None:
        """Parse a piece of what was read, unless a request waits."""
        if not self.unparsed or self.pipeline or self.transport.is_closing():
            return
        piece = self.unparsed.popleft()
        self.unfinished += len(piece)
        super().data_received(piece)
        if self.transport.is_closing():
            return
        if self.unfinished > UNFINISHED_BYTES_MAX:
            self.refuse()
            return
        if self.parser.should_upgrade():
            # Uvicorn, too, drops what was read with the headers of an upgrade.
            self.unparsed.clear()
        if self.unparsed:
            self.transport.pause_reading()
            self.loop.call_soon(self.parse)
        elif not self.flow.read_paused:
            self.transport.resume_reading()

    def refuse(self) -> None:
        cycle = self.cycle
        if (
            cycle is None
            or cycle.response_complete
            or (cycle.more_body and not cycle.response_started)
        ):
            self.logger.warning(TOO_LONG)
            self.send_400_response(TOO_LONG)
        else:
            # The client would take this answer for that to the request before, which is under way.
            self.unparsed.clear()
            self.transport.pause_reading()
            self.shutdown()

    def send_400_response(self, msg: str) -> None:
        """Answer in the one shape of errors."""
        response = error_response(ValidationFailed(msg))
        headers = [*self.server_state.default_headers, *response.raw_headers]
        lines = [b"HTTP/1.1 400 Bad Request", *(b"%b: %b" % header for header in headers)]
        lines += [b"cache-control: no-store", b"connection: close", b"", bytes(response.body)]
        self.transport.write(b"\r\n".join(lines))
        self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.unfinished = 0

    def on_headers_complete(self) -> None:
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before and self.scope["method"] != "HEAD":  # or it is an upgrade
            self.cycle.transport = HeadAndBody(self.transport)  # type: ignore[assignment]
        # Trailers are added to `self.headers`, and must not count as headers (RFC 9110, 6.5.1).
        self.scope["headers"] = self.headers.copy()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self.answered = cycle
        super()._start_asgi_task(cycle, app)

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self.unfinished = 0

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.flow.read_paused or self.unparsed:
            self.flow.resume_reading()
            self.parse()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.answered:
            # Uvicorn tells the last one alone; the others would be answered into the void.
            self.answered.disconnected = True
            self.answered.message_event.set()
            self.answered = None
        # Each request here and the connection refer to each other.
        self.pipeline.clear()
        self.unparsed.clear()


@contextmanager
def bounded_connections() -> Iterator[None]:
    """Make each connection that uvicorn accepts meanwhile by its own class a `BoundedProtocol`."""
    initialize = HttpToolsProtocol.__init__

    def initialize_bounded(self: HttpToolsProtocol, *args: Any, **options: Any) -> None:
        if type(self) is HttpToolsProtocol:
            self.__class__ = BoundedProtocol
        initialize(self, *args, **options)

    HttpToolsProtocol.__init__ = initialize_bounded  # type: ignore[method-assign]
    try:
        yield
    finally:
        HttpToolsProtocol.__init__ = initialize  # type: ignore[method-assign]
