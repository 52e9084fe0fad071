"""Connections on which every byte is ours."""

import re
import socket
from contextlib import suppress
from typing import Self

import httpx2
from endpoints import ORIGIN
from users import bearer

ANSWER_SECONDS = 10


class Connection:
    """A connection on which every byte is ours."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS)
        self._received = b""
        # Each `send` is a packet of its own.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def send_to_closed(self, data: bytes) -> None:
        """Send what the server need not take."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self.send(data)

    def close_sending(self) -> None:
        with suppress(OSError):  # it may be closed already
            self._socket.shutdown(socket.SHUT_WR)

    def head(self) -> bytes:
        """The next answer up to its body."""
        while b"\r\n\r\n" not in self._received:
            self._receive()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        return head

    def answer(self) -> httpx2.Response:
        """The next answer, which has a `Content-Length`."""
        head = self.head()
        found = re.search(rb"(?im)^content-length: *(\d+)", head)
        assert found, head
        length = int(found[1])
        while len(self._received) < length:
            self._receive()
        content, self._received = self._received[:length], self._received[length:]
        return answer_of(head, content)

    def rest(self) -> bytes:
        """What comes until the server closes the connection."""
        with suppress(ConnectionResetError):  # it closes with bytes of ours unread
            while data := self._socket.recv(65536):
                self._received += data
        return self._received

    def _receive(self) -> None:
        data = self._socket.recv(65536)
        assert data, "The connection was closed before the answer was complete"
        self._received += data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()


def answer_of(head: bytes, content: bytes) -> httpx2.Response:
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    return httpx2.Response(int(status_line.split()[1]), headers=headers, content=content)


def request(method: str, path: str, user: str | None = None, more: bytes = b"") -> bytes:
    """The head of a request, with the user's token."""
    lines = [f"{method} {path} HTTP/1.1", "Host: tasks.test", f"Origin: {ORIGIN}"]
    if user:
        lines += [f"{name}: {value}" for name, value in bearer(user).items()]
    return "".join(f"{line}\r\n" for line in lines).encode() + more + b"\r\n"
