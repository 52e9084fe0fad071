"""What test_connections.py sees in other processes, in this one, where coverage sees it too."""

import socket
from collections.abc import Iterator
from threading import Thread

import pytest
import uvicorn
from connections import request
from endpoints import TASKS
from log_lines import kept_lines
from ports import free_port
from sqlalchemy import insert
from sqlalchemy.engine import Engine
from users import OWNER, bearer
from waiting import eventually

import main
from models import Task
from protocol import PIECE_BYTES, UNFINISHED_BYTES_MAX

pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

HEALTH = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture
def port(no_tasks: None) -> Iterator[int]:
    """Where uvicorn serves the app, in a thread."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(main.app, port=port, ws="none", log_config=None))
    thread = Thread(target=server.run)
    thread.start()
    eventually("the start", lambda: server.started, seconds=30)
    yield port
    server.should_exit = True
    thread.join()


def answer_to(port: int, *parts: bytes) -> bytes:
    """Send these parts; gives what comes until the server closes."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        for part in parts:
            connection.sendall(part)
        while received := connection.recv(64 * 1024):
            answer += received
    return answer


def test_pipelined_requests_are_all_answered(port: int) -> None:
    answer = answer_to(port, HEALTH * 500 + LAST)

    assert answer.count(b"HTTP/1.1 200 OK") == 501


def test_a_header_section_beyond_the_bound_is_400_in_the_one_shape(port: int) -> None:
    # What is parsed with the first line does not count; every byte of the rest is needed.
    first = b"GET /health HTTP/1.1\r\nA: ".ljust(PIECE_BYTES, b"x")

    answer = answer_to(port, first, b"x" * (UNFINISHED_BYTES_MAX + 1))

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"connection: close" in head
    assert b'"code":"VALIDATION_ERROR"' in body


def test_trailers_are_no_headers(port: int) -> None:
    token = bearer()["Authorization"].encode()
    head = f"POST {TASKS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n".encode()

    answer = answer_to(
        port,
        head + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        b'd\r\n{"title":"x"}\r\n0\r\nAuthorization: ' + token + b"\r\n\r\n",
    )

    assert answer.startswith(b"HTTP/1.1 401 ")


def test_clients_that_go_while_requests_wait_behind_a_long_list_leave_no_error(
    engine: Engine, port: int
) -> None:
    long_list = [{"user_id": OWNER, "title": "x", "description": "x" * 1000}] * 10_000
    with engine.begin() as connection:
        connection.execute(insert(Task), long_list)
    lists = request("GET", TASKS, OWNER) * 3

    with kept_lines("tasks") as lines, kept_lines("uvicorn.error") as errors:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(lists)
            client.recv(1)

        eventually("the end of the request", lambda: lines, seconds=30)
    assert [line.partition(" 200 ")[0] for line in lines] == ["GET /api/{user_id}/tasks"]
    assert errors == []
