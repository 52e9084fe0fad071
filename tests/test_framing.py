"""Where a request ends: no byte of one is ever taken for another. Raw sockets to real servers."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from connections import ANSWER_SECONDS, Connection, answer_of, request
from endpoints import ORIGIN, TASKS
from fastapi.testclient import TestClient
from fixtures import RunService
from service import GUNICORN, Service
from users import bearer
from waiting import eventually

UPGRADES = {
    "h2c": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
    "anything": b"Connection: upgrade\r\nUpgrade: anything\r\n",
    "two Connection headers": b"Connection: UPGRADE\r\nConnection: keep-alive\r\nuPGRADE: x\r\n",
    "a list": b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket, h2c\r\n",
}
each_upgrade = pytest.mark.parametrize("upgrade", UPGRADES.values(), ids=UPGRADES)
HANDSHAKE = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
BROKEN_HANDSHAKE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
LINE_BREAKS = b"\r\n" * 150_000


class Server:
    """A served app, and the SQLite file behind it."""

    def __init__(self, service: Service, file: Path) -> None:
        self.service = service
        self.file = file

    def new_task(self) -> tuple[str, str]:
        """A user of their own, and the path of their task."""
        user = f"user_{uuid4().hex}"
        created = self.service.client.post(
            f"/api/{user}/tasks", json={"title": "Buy groceries"}, headers=bearer(user)
        )
        return user, created.headers["Location"]

    def connect(self) -> Connection:
        return Connection(self.service.port)


def serve(folder: Path, run_service: RunService, **running: Any) -> Iterator[Server]:
    file = folder / "tasks.db"
    with run_service(NEON_DATABASE_URL=f"sqlite:///{file}", **running) as service:
        yield Server(service.wait_until_started(), file)
    assert not re.search("Traceback|ERROR", service.log())


SERVERS: dict[str, dict[str, Any]] = {
    "httptools": {"UVICORN_HTTP": "httptools"},
    "httptools without WebSockets": {"UVICORN_HTTP": "httptools", "UVICORN_WS": "none"},
    "h11": {"UVICORN_HTTP": "h11"},
    "two workers": {"workers": 2},
    "gunicorn": {"server": GUNICORN},
}


@pytest.fixture(scope="module", params=list(SERVERS.values()), ids=list(SERVERS))
def server(
    request: pytest.FixtureRequest,
    run_service: RunService,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    """Uvicorn with each of its parsers, with workers, and as gunicorn runs it."""
    yield from serve(tmp_path_factory.mktemp("framing"), run_service, **request.param)


# A body that becomes a request


@each_upgrade
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_follows_an_upgrade_is_never_a_request(
    server: Server, method: str, upgrade: bytes
) -> None:
    user, task = server.new_task()
    smuggled = request("DELETE", task, user)
    length = f"Content-Length: {len(LINE_BREAKS + smuggled)}\r\n".encode()

    with server.connect() as connection:
        connection.send(request(method, "/health", more=upgrade + length))
        answer = connection.answer()
        connection.send_to_closed(LINE_BREAKS + smuggled)
        rest = connection.rest()

    assert answer.headers["Connection"] == "close"
    assert rest == b""
    assert server.service.client.get(task, headers=bearer(user)).status_code == 200


@each_upgrade
def test_nor_is_what_comes_before_the_answer(server: Server, upgrade: bytes) -> None:
    user, task = server.new_task()
    smuggled = request("DELETE", task, user)

    with server.connect() as connection, closing(sqlite3.connect(server.file)) as database:
        database.execute("BEGIN EXCLUSIVE")  # the answer to a write has to wait
        connection.send(request("PATCH", f"{task}/complete", user, upgrade))
        for _ in range(3):
            connection.send(smuggled)
        database.rollback()
        received = connection.rest()

    assert received.startswith(b"HTTP/1.1 200 ")
    assert received.count(b"HTTP/1.1 ") == 1
    assert server.service.client.get(task, headers=bearer(user)).status_code == 200


@pytest.mark.parametrize("target", ["/health", "*", "http://tasks.test/health"])
def test_nor_is_what_follows_connect(server: Server, target: str) -> None:
    user, task = server.new_task()
    smuggled = request("DELETE", task, user)

    with server.connect() as connection:
        length = f"Content-Length: {len(smuggled)}\r\n".encode()
        connection.send(request("CONNECT", target, more=length))
        connection.send_to_closed(smuggled)
        received = connection.rest()

    assert received.count(b"HTTP/1.1 ") == 1
    assert server.service.client.get(task, headers=bearer(user)).status_code == 200


@pytest.mark.parametrize("handshake", [HANDSHAKE, BROKEN_HANDSHAKE], ids=["whole", "broken"])
@pytest.mark.parametrize("length", [b"", b"Content-Length: 1000\r\n"], ids=["no body", "body"])
def test_nor_is_what_follows_the_handshake_of_a_websocket(
    server: Server, handshake: bytes, length: bytes
) -> None:
    user, task = server.new_task()

    with server.connect() as connection:
        connection.send(request("GET", "/health", more=handshake + length))
        connection.send_to_closed(request("DELETE", task, user))
        connection.close_sending()  # uvicorn's WebSockets give no answer to one with a body
        received = connection.rest()

    assert received.count(b"HTTP/1.1 ") <= 1
    assert server.service.client.get(task, headers=bearer(user)).status_code == 200


# Every answer ends the connection


@each_upgrade
@pytest.mark.parametrize(
    ("method", "path", "more", "status"),
    [
        ("GET", "/health", b"", 200),
        ("HEAD", "/health", b"", 200),
        ("GET", "/nowhere", b"", 404),
        ("GET", "/nowhere%0A", b"", 404),
        ("GET", "/api/somebody/tasks", b"", 401),
        ("PUT", "/health", b"", 405),
        ("POST", "/health", b"Content-Length: 1\r\n", 400),
        ("POST", "/health", b"Transfer-Encoding: chunked\r\n", 400),
        ("POST", "/health", b"Content-Length: 70000\r\n", 413),
        ("OPTIONS", "/health", b"Access-Control-Request-Method: GET\r\n", 200),
    ],
)
def test_every_answer_to_an_upgrade_ends_the_connection(
    server: Server, method: str, path: str, more: bytes, status: int, upgrade: bytes
) -> None:
    with server.connect() as connection:
        connection.send(request(method, path, more=upgrade + more))
        received = connection.rest()

    answer = answer_of(*received.split(b"\r\n\r\n", 1))
    assert answer.status_code == status
    assert answer.headers.get_list("Connection") == ["close"]
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert answer.headers["X-Request-ID"]


# What an honest client gets


@each_upgrade
def test_an_upgrade_without_a_body_is_served(server: Server, upgrade: bytes) -> None:
    user, task = server.new_task()

    with server.connect() as connection:
        connection.send(request("GET", task, user, upgrade + b"Content-Length: 0\r\n"))
        answer = connection.answer()

    assert answer.status_code == 200
    assert answer.json()["data"]["title"] == "Buy groceries"


@each_upgrade
@pytest.mark.parametrize("packets", [1, 2])
@pytest.mark.parametrize("framing", [b"Content-Length: 13\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_an_upgrade_with_a_body_is_refused(
    server: Server, upgrade: bytes, packets: int, framing: bytes
) -> None:
    user, _ = server.new_task()
    head = request(
        "POST",
        f"/api/{user}/tasks",
        user,
        upgrade + b"Content-Type: application/json\r\n" + framing,
    )
    body = b'{"title":"x"}' if b"Content-Length" in framing else b'd\r\n{"title":"x"}\r\n0\r\n\r\n'

    with server.connect() as connection:
        connection.send(head + body if packets == 1 else head)
        answer = connection.answer()
        connection.send_to_closed(b"" if packets == 1 else body)
        rest = connection.rest()

    assert answer.status_code == 400
    assert answer.json() == {
        "error": "A request with a body must not ask for an upgrade: "
        "send it as HTTP/1.1, without the header Upgrade",
        "code": "VALIDATION_ERROR",
    }
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert rest == b""


def test_the_handshake_of_a_websocket_is_no_way_in(server: Server) -> None:
    """It is refused, or the GET that it is where uvicorn knows no WebSockets."""
    user, _ = server.new_task()

    with server.connect() as connection:
        path = f"/api/{user}/tasks?token=a-token-in-the-query"
        connection.send(request("GET", path, more=HANDSHAKE))
        received = connection.rest()

    assert re.match(rb"HTTP/1.1 (401|403) ", received)
    assert received.count(b"HTTP/1.1 ") == 1
    eventually(
        "its line",
        lambda: re.search(r"GET /api/.* 401|rejected \(403", server.service.log()),
        seconds=ANSWER_SECONDS,
    )
    assert user not in server.service.log()
    assert "a-token-in-the-query" not in server.service.log()


# A body that nobody read


@pytest.mark.parametrize(
    ("method", "path", "length", "status"),
    [
        ("POST", "/health", 70_000, 413),
        ("POST", "/health", 60_000, 405),
        ("POST", "/api/somebody/tasks", 60_000, 401),
        ("POST", "/nowhere", 60_000, 404),
    ],
)
def test_a_refused_body_is_read_as_a_body(
    server: Server, method: str, path: str, length: int, status: int
) -> None:
    user, task = server.new_task()
    smuggled = request("DELETE", task, user)
    body = smuggled.rjust(length, b"\n")

    with server.connect() as connection:
        connection.send(request(method, path, more=f"Content-Length: {length}\r\n".encode()))
        connection.send(body[:50_000])
        connection.send(body[50_000:])
        refused = connection.answer()
        connection.send(request("GET", task, user))
        answer = connection.answer()

    assert refused.status_code == status
    assert answer.status_code == 200
    assert answer.json()["message"] == "Task retrieved"


@pytest.mark.parametrize(("length", "status"), [(70_000, 413), (10, 405)])
def test_a_sender_that_waits_for_100_is_told_when_to_close(
    server: Server, length: int, status: int
) -> None:
    expect = f"Expect: 100-continue\r\nContent-Length: {length}\r\n".encode()

    with server.connect() as connection:
        connection.send(request("POST", "/health", more=expect))
        if status == 405:
            assert connection.head() == b"HTTP/1.1 100 Continue"
            connection.send(b"x" * length)
        answer = connection.answer()
        connection.send_to_closed(request("GET", "/health"))
        rest = connection.rest()

    assert answer.status_code == status
    assert answer.headers["Connection"] == "close"
    assert rest == b""


def test_pipelined_requests_are_answered_in_turn(server: Server) -> None:
    user, task = server.new_task()
    body = b'{"title":"Bake a cake"}'
    put = request(
        "PUT", task, user, b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
    )

    with server.connect() as connection:
        connection.send(
            request("GET", task, user)
            + put
            + body
            + request("GET", task, user, b"Connection: close\r\n")
        )
        received = connection.rest()

    titles = re.findall(rb'"title":"([^"]*)"', received)
    assert titles == [b"Buy groceries", b"Bake a cake", b"Bake a cake"]


# What follows a chunked body


def test_trailers_are_no_headers(server: Server) -> None:
    user, task = server.new_task()
    trailers = request("", "", user).partition(b"\r\n")[2]
    head = request("PATCH", f"{task}/complete", more=b"Transfer-Encoding: chunked\r\n")

    with server.connect() as connection:
        connection.send(head + b"0\r\n" + trailers)
        refused = connection.answer()
        connection.send(head)
        connection.send(b"0\r\n")
        connection.send(trailers)
        refused_again = connection.answer()

    assert refused.status_code == refused_again.status_code == 401
    stored = server.service.client.get(task, headers=bearer(user)).json()["data"]
    assert stored["completed"] is False


def test_an_idempotency_key_and_a_request_id_in_trailers_have_no_effect(server: Server) -> None:
    user, _ = server.new_task()
    more = b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
    create = (
        request("POST", f"/api/{user}/tasks", user, more)
        + b'd\r\n{"title":"x"}\r\n0\r\nIdempotency-Key: one\r\nX-Request-ID: mine\r\n\r\n'
    )

    with server.connect() as connection:
        connection.send(create)
        first = connection.answer()
        connection.send(create)
        second = connection.answer()

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["data"]["id"] != second.json()["data"]["id"]
    assert "mine" not in (first.headers["X-Request-ID"], second.headers["X-Request-ID"])


def test_a_head_that_is_too_long_never_takes_the_place_of_the_answer_before(
    server: Server,
) -> None:
    user, task = server.new_task()

    with server.connect() as connection, closing(sqlite3.connect(server.file)) as database:
        database.execute("BEGIN EXCLUSIVE")  # the answer to a write has to wait
        connection.send(request("PATCH", f"{task}/complete", user))
        connection.send_to_closed(b"GET /" + b"x" * 150_000)
        database.rollback()
        head = connection.head()

    assert head.startswith(b"HTTP/1.1 200 ")
    assert server.service.client.get(task, headers=bearer(user)).json()["data"]["completed"]


AMBIGUOUS = {
    "both lengths": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "both, the other way around": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    "two lengths": b"Content-Length: 5\r\nContent-Length: 0\r\n",
    "a list of lengths": b"Content-Length: 5, 0\r\n",
    "a sign": b"Content-Length: +5\r\n",
    "a hexadecimal length": b"Content-Length: 0x5\r\n",
    "a space before the colon": b"Content-Length : 5\r\n",
    "an encoding that is none": b"Transfer-Encoding: xchunked\r\n",
    "chunked twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    "a vertical tab": b"Transfer-Encoding: \x0bchunked\r\n",
}


@pytest.mark.parametrize("framing", AMBIGUOUS.values(), ids=AMBIGUOUS)
@pytest.mark.parametrize("body", [b"", b"0\r\n\r\n"], ids=["no body", "no chunk"])
def test_a_length_that_could_be_read_in_two_ways_is_refused(
    server: Server, framing: bytes, body: bytes
) -> None:
    user, task = server.new_task()

    with server.connect() as connection:
        connection.send(request("POST", "/health", more=framing) + body)
        connection.send_to_closed(request("DELETE", task, user, b"Connection: close\r\n"))
        received = connection.rest()

    assert received.count(b"HTTP/1.1 ") == 1
    assert server.service.client.get(task, headers=bearer(user)).status_code == 200


@pytest.mark.without_sql
@pytest.mark.parametrize("header", ["Upgrade", "Expect"])
def test_every_answer_to_a_request_in_doubt_says_that_the_connection_ends(
    client: TestClient, header: str
) -> None:
    answers = [client.get(path, headers={header: "x"}) for path in ("/health", "/nowhere", TASKS)]

    assert [answer.status_code for answer in answers] == [200, 404, 401]
    assert {answer.headers["Connection"] for answer in answers} == {"close"}


@pytest.mark.without_sql
def test_an_upgrade_with_a_body_is_refused_in_the_one_shape(client: TestClient) -> None:
    answer = client.post(TASKS, json={"title": "x"}, headers={"Upgrade": "h2c"})

    assert answer.status_code == 400
    assert answer.json() == {
        "error": "A request with a body must not ask for an upgrade: send it as HTTP/1.1, without"
        " the header Upgrade",
        "code": "VALIDATION_ERROR",
    }
