"""What stands between the service and its database: it refuses connections, or falls silent, or
takes no more.
"""

import socket
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Self

from ports import free_port

# The most that a gate takes after it was told to take no more.
TAKEN_AT_ONCE = 4096


class Gate:
    """A proxy on a TCP port of its own, open at first.

    A connection that was there while the gate was silent stays silent for ever, as one does whose
    other end has vanished.
    """

    def __init__(self, port_behind: int, *, is_narrow: bool = False) -> None:
        self.port = free_port()
        self.accepted = 0
        self._port_behind = port_behind
        self._is_narrow = is_narrow
        self._listener: socket.socket | None = None
        self._silent = Event()
        self._takes = Event()
        self._takes.set()
        self._sockets: list[socket.socket] = []
        self.open()

    def open(self) -> None:
        self._silent = Event()
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            if self._is_narrow:
                # What it accepts inherits these; the system would keep megabytes for it.
                self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
                self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 400)
            Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def silence(self) -> None:
        """Accept connections, and give no answer on any."""
        self._silent.set()

    def hold(self) -> None:
        """Take no more of what is sent."""
        self._takes.clear()

    def let_go(self) -> None:
        self._takes.set()

    def waiting_bytes(self) -> int:
        """How much was sent to the gate, or by it, that the system keeps until it is taken."""
        total = 0
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
            _, local, remote, _, queues, *_ = line.split()
            if self.port in {int(end.partition(":")[2], 16) for end in (local, remote)}:
                total += sum(int(queue, 16) for queue in queues.split(":"))
        return total

    def refuse(self) -> None:
        """Close every connection, and refuse new ones."""
        if self._listener:
            with suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)  # wakes `accept`
            self._listener.close()
            self._listener = None
        for end in self._sockets:
            _close(end)
        self._sockets.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.refuse()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                front, _ = listener.accept()
            except OSError:
                return  # refuses from now on
            self.accepted += 1
            self._sockets.append(front)
            if self._silent.is_set():
                continue
            try:
                back = socket.create_connection(("127.0.0.1", self._port_behind))
            except OSError:
                _close(front)
                continue
            self._sockets.append(back)
            for source, sink in ((front, back), (back, front)):
                events = (self._silent, self._takes)
                Thread(target=_forward, args=(source, sink, *events), daemon=True).start()


def _forward(source: socket.socket, sink: socket.socket, silent: Event, takes: Event) -> None:
    with suppress(OSError):
        while takes.wait() and (data := source.recv(TAKEN_AT_ONCE)):
            if not silent.is_set():
                sink.sendall(data)
    _close(source)
    _close(sink)


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)  # wakes the thread that reads it
    end.close()
