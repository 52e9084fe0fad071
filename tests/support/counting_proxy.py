"""Between the service and PostgreSQL: counts the round trips."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sqlalchemy.engine import URL


class CountingProxy:
    """Forwards to PostgreSQL, and counts what clients send first of all or after an answer."""

    def __init__(self, target: URL) -> None:
        self.round_trips = 0
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets = [self._listener]
        self.url = target.difference_update_query(["host"]).set(
            host="127.0.0.1", port=self._listener.getsockname()[1]
        )
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _connect(self) -> socket.socket:
        folder = self._target.query.get("host")
        port = self._target.port or 5432
        if self._target.host or not isinstance(folder, str):
            return socket.create_connection((self._target.host or "127.0.0.1", port))
        to_server = socket.socket(socket.AF_UNIX)
        to_server.connect(str(Path(folder) / f".s.PGSQL.{port}"))
        return to_server

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = self._connect()
                self._sockets += [client, server]
                answered = threading.Event()
                answered.set()
                for source, sink, is_client in ((client, server, True), (server, client, False)):
                    threading.Thread(
                        target=self._forward, args=(source, sink, answered, is_client), daemon=True
                    ).start()

    def _forward(
        self,
        source: socket.socket,
        sink: socket.socket,
        answered: threading.Event,
        is_client: bool,
    ) -> None:
        with suppress(OSError):
            while data := source.recv(2**16):
                if not is_client:
                    answered.set()
                elif answered.is_set():
                    answered.clear()
                    self.round_trips += 1
                sink.sendall(data)


def trips_of(proxy: CountingProxy, request: Callable[[], object]) -> int:
    before = proxy.round_trips
    request()
    return proxy.round_trips - before
