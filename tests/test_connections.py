"""What one connection can cost a worker, without a token: memory, and the others' time."""

import json
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any

import psutil
import pytest
import uvicorn
from connections import ANSWER_SECONDS, Connection, request
from endpoints import TASKS
from fixtures import RunService
from service import GUNICORN, Service
from users import OWNER
from waiting import in_time

import lifespan

MEGABYTE = 2**20
MEMORY_BYTES_MAX = 64 * MEGABYTE
HEALTH_SECONDS_MAX = 2.5
# A server that takes nothing for so long takes nothing more.
TAKES_NOTHING_SECONDS = 1

SERVERS: dict[str, dict[str, Any]] = {
    "uvicorn": {},
    "two workers": {"workers": 2},
    "gunicorn": {"server": GUNICORN},
}


@pytest.fixture(scope="module", params=list(SERVERS.values()), ids=list(SERVERS))
def service(
    request: pytest.FixtureRequest,
    run_service: RunService,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Service]:
    """`uvicorn main:app`, with workers, and as gunicorn runs it."""
    yield from serve(tmp_path_factory.mktemp("database"), run_service, **request.param)


@pytest.fixture(scope="module")
def service_on_h11(
    run_service: RunService, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    yield from serve(tmp_path_factory.mktemp("database"), run_service, UVICORN_HTTP="h11")


def serve(folder: Path, run_service: RunService, **running: Any) -> Iterator[Service]:
    with run_service(NEON_DATABASE_URL=f"sqlite:///{folder / 'tasks.db'}", **running) as service:
        yield service.wait_until_started()
    assert not re.search("Traceback|ERROR", service.log())


HEAD = b"GET /health HTTP/1.1\r\nHost: tasks.test\r\n"
CHUNKED = b"POST /health HTTP/1.1\r\nHost: tasks.test\r\nTransfer-Encoding: chunked\r\n\r\n"
# What comes first, what is repeated, and how many bytes of it.
ATTACKS = {
    "header lines": (HEAD, b"A:b\r\n", 30 * MEGABYTE),
    "a header's value": (HEAD + b"A: ", b"x", 100 * MEGABYTE),
    "a header's name": (HEAD, b"x", 100 * MEGABYTE),
    "a URL": (b"GET /", b"x", 100 * MEGABYTE),
    "empty lines": (b"", b"\r\n", 100 * MEGABYTE),
    "requests": (b"", HEAD + b"\r\n", 11 * MEGABYTE),
    "requests of HTTP/1.0": (
        b"",
        b"GET /health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        11 * MEGABYTE,
    ),
    "requests with bodies": (
        b"",
        b"POST /health HTTP/1.1\r\nHost: tasks.test\r\nContent-Length: 1\r\n\r\nx",
        11 * MEGABYTE,
    ),
    "trailers": (CHUNKED + b"1\r\nx\r\n0\r\n", b"A:b\r\n", 30 * MEGABYTE),
    "a trailer's value": (CHUNKED + b"0\r\nA: ", b"x", 100 * MEGABYTE),
    "a chunk's extension": (CHUNKED + b"1;", b"x", 100 * MEGABYTE),
    "chunks of one byte": (CHUNKED, b"1\r\nx\r\n", 30 * MEGABYTE),
}


each_attack = pytest.mark.parametrize(
    ("first", "repeated", "length"), ATTACKS.values(), ids=ATTACKS
)


@each_attack
def test_no_connection_fills_a_worker_or_keeps_the_others_waiting(
    service: Service, first: bytes, repeated: bytes, length: int
) -> None:
    with watched(service) as watch:
        for _ in range(2):
            send_what_is_taken(service.port, first, repeated, length)

    assert watch.memory_bytes < MEMORY_BYTES_MAX
    assert in_time(watch.health_seconds, HEALTH_SECONDS_MAX)


@each_attack
def test_none_fills_a_worker_with_uvicorns_other_parser(
    service_on_h11: Service, first: bytes, repeated: bytes, length: int
) -> None:
    with watched(service_on_h11) as watch:
        for _ in range(2):
            send_what_is_taken(service_on_h11.port, first, repeated, length)

    assert watch.memory_bytes < MEMORY_BYTES_MAX


def test_what_is_too_long_is_refused_in_the_one_shape_and_ends_the_connection(
    service: Service,
) -> None:
    with Connection(service.port) as connection:
        connection.send_to_closed(HEAD + b"A: " + b"x" * 150_000)
        answer = connection.answer()
        rest = connection.rest()

    assert answer.status_code == 400
    assert answer.json() == {
        "error": "The request's line and headers must not exceed 128 KiB",
        "code": "VALIDATION_ERROR",
    }
    assert answer.headers["Connection"] == "close"
    assert rest == b""


def test_long_urls_headers_and_bodies_are_served(service: Service) -> None:
    body = json.dumps({"title": "x", "ignored": "x" * 60_000}).encode()
    described = b"Content-Type: application/json\r\nContent-Length: %d\r\n" % len(body)
    lines = b"".join(b"X-%d: %s\r\n" % (number, b"x" * 90) for number in range(400))

    with Connection(service.port) as connection:
        connection.send(request("GET", "/health?" + "x" * 60_000))
        connection.send(request("GET", "/health", more=lines))
        connection.send(request("GET", "/health", more=b"A: " + b"x" * 40_000 + b"\r\n"))
        connection.send(request("POST", TASKS, OWNER, described) + body)
        answers = [connection.answer() for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 201]


def test_a_response_is_one_packet(service: Service) -> None:
    with socket.create_connection(("127.0.0.1", service.port)) as connection:
        connection.settimeout(ANSWER_SECONDS)
        packets = []
        for _ in range(100):
            connection.sendall(request("GET", "/health"))
            packets.append(connection.recv(MEGABYTE))

    assert [packet.count(b'{"status":') for packet in packets] == [1] * 100


@pytest.mark.parametrize("number", [20, 5_000])
def test_pipelined_requests_are_answered_in_order_when_the_answers_are_read(
    service: Service, number: int
) -> None:
    requests = b"".join(
        request("GET", "/health", more=b"X-Request-ID: %d\r\n" % each) for each in range(number)
    )

    with Connection(service.port) as connection, ThreadPoolExecutor() as threads:
        sending = threads.submit(connection.send, requests)
        answers = [connection.answer() for _ in range(number)]
        sending.result()

    assert [answer.headers["X-Request-ID"] for answer in answers] == [*map(str, range(number))]


def test_the_bounds_were_written_for_the_uvicorn_that_is_installed() -> None:
    """Read `uvicorn/protocols/http/httptools_impl.py` again before this number changes."""
    assert uvicorn.__version__ == lifespan.UVICORN_VERSION


class Watch:
    """The most that a service's processes grew by, and the longest that `/health` took."""

    memory_bytes = 0
    health_seconds = 0.0

    def __init__(self, service: Service) -> None:
        self._port = service.port
        process = psutil.Process(service.process.pid)
        self._processes = [process, *process.children(recursive=True)]
        self._before = self._memory()

    def look(self) -> None:
        began = monotonic()
        with Connection(self._port) as connection:
            connection.send(request("GET", "/health"))
            assert connection.answer().status_code == 200
        self.health_seconds = max(self.health_seconds, monotonic() - began)
        self.memory_bytes = max(self.memory_bytes, self._memory() - self._before)

    def _memory(self) -> int:
        return sum(process.memory_info().rss for process in self._processes)


@contextmanager
def watched(service: Service) -> Iterator[Watch]:
    watch = Watch(service)
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            watch.look()

    with ThreadPoolExecutor() as threads:
        looking = threads.submit(look)
        try:
            yield watch
        finally:
            ended.set()
    looking.result()
    watch.look()


def send_what_is_taken(port: int, first: bytes, repeated: bytes, length: int) -> None:
    """Send without reading an answer, until the server closes or has taken nothing for long."""
    part = repeated * (MEGABYTE // len(repeated))
    with socket.create_connection(("127.0.0.1", port)) as attacker:
        attacker.settimeout(TAKES_NOTHING_SECONDS)
        with suppress(TimeoutError, ConnectionError):
            attacker.sendall(first)
            for _ in range(0, length, len(part)):
                attacker.sendall(part)
            attacker.shutdown(socket.SHUT_WR)
            while attacker.recv(MEGABYTE):
                pass
