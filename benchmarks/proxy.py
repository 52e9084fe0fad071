"""Stands between a server and PostgreSQL: makes the database far away, and counts round trips."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import uvloop

# What libpq and asyncpg call the socket in the folder that a URL's `host` names.
SOCKET_NAME = ".s.PGSQL.5432"
READ_BYTES = 2**18
START_SECONDS = 10


class Proxy:
    """Forwards every byte `delay` seconds later, each way.

    A round trip is what a client sends after an answer (or first of all), up to the next answer,
    counted for each connection and summed.
    """

    def __init__(self, target: str, delay: float) -> None:
        self.target = target
        self.delay = delay
        self.round_trips = 0
        self._connections: set[asyncio.Task[None]] = set()

    async def serve(self, path: str, started: Future[Callable[[], object]]) -> None:
        """Serve until the function that `started` gets is called, in whatever thread."""
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        server = await asyncio.start_unix_server(self._accept, path)
        started.set_result(lambda: loop.call_soon_threadsafe(stopped.set))
        await stopped.wait()
        server.close()
        # The servers have ended, so that these will, too, after the delay.
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, from_client: StreamReader, to_client: StreamWriter) -> None:
        connection = asyncio.create_task(self._forward(from_client, to_client))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _forward(self, from_client: StreamReader, to_client: StreamWriter) -> None:
        from_server, to_server = await asyncio.open_unix_connection(self.target)
        was_answered = True

        def count() -> None:
            nonlocal was_answered
            self.round_trips += was_answered
            was_answered = False

        def note_answer() -> None:
            nonlocal was_answered
            was_answered = True

        await asyncio.gather(
            self._pump(from_client, to_server, count),
            self._pump(from_server, to_client, note_answer),
        )

    async def _pump(
        self, source: StreamReader, sink: StreamWriter, seen: Callable[[], None]
    ) -> None:
        # libuv runs the timers of one millisecond in the order in which they were started, so
        # nothing overtakes.
        later = asyncio.get_running_loop().call_later
        while data := await source.read(READ_BYTES):
            seen()
            later(self.delay, sink.write, data)
        later(self.delay, sink.close)


@contextmanager
def proxied(socket_folder: str, delay: float = 0.0) -> Iterator[tuple[Proxy, str]]:
    """A proxy to the PostgreSQL whose socket is in that folder, and the folder of its own socket.

    It runs in a thread: while it works, this process waits for the load generator.
    """
    proxy = Proxy(str(Path(socket_folder) / SOCKET_NAME), delay)
    started: Future[Callable[[], object]] = Future()
    with TemporaryDirectory() as folder:
        serving = proxy.serve(str(Path(folder) / SOCKET_NAME), started)
        thread = Thread(target=uvloop.run, args=(serving,), daemon=True)
        thread.start()
        stop = started.result(START_SECONDS)
        try:
            yield proxy, folder
        finally:
            stop()
            thread.join()
