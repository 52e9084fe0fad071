"""A local HTTP server that plays the front end's key server, in all its moods."""

import json
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Event, Thread
from typing import Any, Self

from ports import free_port
from signing import SigningKey, better_auth_claims

PATH = "/api/auth/jwks"
FETCH_DEADLINE_SECONDS = 10
# The service's budget: so many fetches for tokens that name unknown keys, in 30 s.
FETCHES_MAX = 4


@dataclass(frozen=True)
class Reply:
    """An answer that is always the same."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})

    def __call__(self, server: "KeyServer", handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(self.status)
        for name, value in self.headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(self.body)))
        handler.end_headers()
        handler.wfile.write(self.body)


Mood = Callable[["KeyServer", BaseHTTPRequestHandler], None]


def lists_keys(server: "KeyServer", handler: BaseHTTPRequestHandler) -> None:
    """As Better Auth answers: no `Cache-Control`."""
    Reply(200, json.dumps({"keys": server.keys}).encode())(server, handler)


def hangs(server: "KeyServer", handler: BaseHTTPRequestHandler) -> None:
    server.released.wait()


def lists_keys_when_released(server: "KeyServer", handler: BaseHTTPRequestHandler) -> None:
    server.released.wait()
    lists_keys(server, handler)


def drips(server: "KeyServer", handler: BaseHTTPRequestHandler) -> None:
    """Sends a byte at a time: no single read of the client ever times out."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.end_headers()
    while not server.released.wait(0.1):
        handler.wfile.write(b" ")


def never_ends(server: "KeyServer", handler: BaseHTTPRequestHandler) -> None:
    """Sends as fast as the client reads."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.end_headers()
    while not server.released.is_set():
        handler.wfile.write(b" " * 65_536)


def hangs_up(server: "KeyServer", handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


HTML = Reply(200, b"<!doctype html><title>Sign in</title>", {"Content-Type": "text/html"})
TOO_MANY_REQUESTS = Reply(
    429,
    b'{"message":"Too many requests. Please try again later."}',
    {"Content-Type": "application/json", "X-Retry-After": "10"},
)
SERVER_ERROR = Reply(500, b"")
NOT_FOUND = Reply(404, b"")
NO_KEYS = Reply(200, b'{"keys":[]}')
JUNK_JSON = Reply(200, b'{"keys":[{"kid":')
NOT_A_KEY_SET = Reply(200, b'["keys"]')
KEYS_OF_ANOTHER_SHAPE = Reply(200, b'{"keys":{"a-key":1}}')
DEEPLY_NESTED = Reply(200, b"[" * 50_000)
NOT_UTF8 = Reply(200, b'{"keys":["\xff\xfe"]}')


def redirects_to(url: str) -> Reply:
    return Reply(302, b"", {"Location": url})


class KeyServer:
    """Serves `keys` at `jwks_url` and counts the fetches; `mood` decides how.

    With `tls`, over HTTPS at the name localhost.
    """

    def __init__(self, *keys: SigningKey, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.keys: list[Any] = [key.jwk for key in keys]
        self.mood: Mood = lists_keys
        self.released = Event()
        self.requests: list[tuple[str, Message]] = []
        self._arrived = Condition()
        # Never that of an earlier one, whose keys the app may remember.
        self.port = free_port()
        self._http = self._listen()

    @property
    def origin(self) -> str:
        return f"https://localhost:{self.port}" if self._tls else f"http://127.0.0.1:{self.port}"

    @property
    def jwks_url(self) -> str:
        return f"{self.origin}{PATH}"

    @property
    def fetches(self) -> int:
        return len(self.requests)

    def claims(self, user_id: str, **changes: Any) -> dict[str, Any]:
        return better_auth_claims(self.origin, user_id, **changes)

    def token(self, key: SigningKey, user_id: str, **changes: Any) -> str:
        return key.token(self.claims(user_id, **changes))

    def wait_for_fetch(self, count: int = 1) -> None:
        with self._arrived:
            arrived = self._arrived.wait_for(
                lambda: self.fetches >= count, timeout=FETCH_DEADLINE_SECONDS
            )
        assert arrived, f"{self.fetches} of {count} fetches arrived"

    def publish(self, *keys: SigningKey) -> None:
        self.keys = [key.jwk for key in keys]

    def go_down(self) -> None:
        """Refuse connections from now on, with the port still ours."""
        self._http.shutdown()
        self._http.server_close()
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind(("127.0.0.1", self.port))

    def come_back(self) -> None:
        self._reserved.close()
        self._http = self._listen()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        if self._http.socket.fileno() == -1:
            self._reserved.close()
        else:
            self._http.shutdown()
            self._http.server_close()

    def _listen(self) -> ThreadingHTTPServer:
        key_server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with key_server._arrived:
                    key_server.requests.append((self.path, self.headers))
                    key_server._arrived.notify_all()
                try:
                    key_server.mood(key_server, self)
                except ConnectionError:
                    self.close_connection = True  # the client has waited long enough

            def log_message(self, *arguments: Any) -> None:
                pass

        http = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        http.daemon_threads = True
        if self._tls:
            # The handshake is made where the request is read: in the request's own thread.
            http.socket = self._tls.wrap_socket(
                http.socket, server_side=True, do_handshake_on_connect=False
            )
        Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        return http
