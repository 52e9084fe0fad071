"""Connections on which the event loop itself waits: a thousand requests wait without a thread."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import psycopg2
from anyio.to_thread import run_sync
from psycopg2.extensions import POLL_OK, POLL_WRITE
from sqlalchemy import Executable
from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ClauseElement

from driver import postgres
from driver.postgres import BoundedCursor, OwnConnection
from sql.scope import Counted, Probe, Scoped, Together

Part = list[tuple[Any, ...]]

# What the socket of an idle connection takes at once. Linux has room for 16 KiB (`tcp_wmem`).
SENT_AT_ONCE_BYTES = 4096


class Pool:
    """The connections of one event loop.

    Whoever executes a statement has a turn (`admission.py`), and holds one connection: there are
    never more connections than turns.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._idle: list[_Watched] = []
        # Connections that were opened before are not used again.
        self._trusted_since = 0.0

    async def execute(
        self, scoped: Scoped | Together | Probe, values: Mapping[str, Any], size: int
    ) -> list[Part]:
        """Execute a statement, or several as one message, which PostgreSQL takes for a transaction;
        gives the last one's rows in parts of `size`, or how many it changed.
        """
        connection, query = None, None
        try:
            connection = self._take() or await self._connected()
            # Compiled now: a first connection completes the dialect.
            *before, query = [
                _query_of(statement, self.engine.dialect) for statement in scoped.statements
            ]
            if isinstance(scoped, Counted):
                query = query.counted()
            cursor = await connection.execute([*before, query], values)
            return await _parts_of(cursor, size)
        except psycopg2.Error as error:
            is_lost = connection is not None and connection.is_lost_by(error, self.engine.dialect)
            if is_lost:
                self._replace_all()  # what happened to one concerns the others
            raise DBAPIError.instance(
                query and query.sql,
                None,
                error,
                psycopg2.Error,
                hide_parameters=True,
                connection_invalidated=is_lost,
                dialect=self.engine.dialect,
            ) from error
        except TimeoutError:
            # The server did not even report its own statement timeout: it is silent.
            self._replace_all()
            raise
        except asyncio.CancelledError:
            if time.monotonic() >= postgres.deadline.get():
                self._replace_all()  # the act's limit has cancelled it first
            raise
        finally:
            if connection:
                self._put_back(connection)

    def close(self) -> None:
        self._replace_all(opened_until=float("inf"))

    def _take(self) -> "_Watched | None":
        # The last one that was used, so that the rest idles and Neon can suspend.
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable():
                return connection
        return None

    async def _connected(self) -> "_Watched":
        # Connecting resolves names, which blocks.
        async with asyncio.timeout(_seconds_left()):
            return _Watched(await run_sync(self._connect, abandon_on_cancel=True))

    def _connect(self) -> OwnConnection:
        """Connect as the engine does; it may have a connection of the start."""
        connection = self.engine.raw_connection()
        own = connection.dbapi_connection
        assert isinstance(own, OwnConnection)
        connection.detach()
        return own

    def _put_back(self, connection: "_Watched") -> None:
        if connection.is_usable() and connection.opened > self._trusted_since:
            connection.rest()
            self._idle.append(connection)
        else:
            connection.close()

    def _replace_all(self, opened_until: float | None = None) -> None:
        """Close all connections: the idle ones now, each of the others once its statement ends."""
        self._trusted_since = opened_until or time.monotonic()
        while self._idle:
            self._idle.pop().close()


class _Watched:
    """A connection whose socket the event loop watches, also while the connection is idle: then it
    becomes readable only when the server closes it.
    """

    def __init__(self, connection: OwnConnection) -> None:
        self.opened = connection.opened
        self._connection = connection
        self._descriptor = connection.fileno()
        self._answered: asyncio.Future[None] | None = None
        self._is_ended = False
        self._is_sending = False
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._descriptor, self._go_on)

    async def execute(
        self, queries: "Sequence[_Query]", values: Mapping[str, Any]
    ) -> BoundedCursor:
        cursor: BoundedCursor = self._connection.cursor()  # type: ignore[assignment]
        if len(queries) == 1:
            [query] = queries
            cursor.send(query.sql, query.bound(values))
        else:
            written = [cursor.mogrify(query.sql, query.bound(values)) for query in queries]
            cursor.send(b"; ".join(written), statements=len(written))
        answered = self._answered = self._loop.create_future()
        # `asyncio.timeout` would cost three times as much.
        limit = self._loop.call_later(_seconds_left(), _give_up, answered)
        if len(cursor.query or b"") > SENT_AT_ONCE_BYTES:
            self._go_on()  # with what is not sent yet
        try:
            await answered
        finally:
            limit.cancel()
        return cursor

    def is_lost_by(self, error: psycopg2.Error, dialect: Dialect) -> bool:
        own = self._connection
        is_closed = bool(own.closed) or dialect.is_disconnect(error, None, None)  # type: ignore[arg-type]
        return is_closed or postgres.is_astray(own, error)

    def is_usable(self) -> bool:
        """Whether the next statement may be sent. A statement that was given up is under way."""
        connection = self._connection
        return not (
            self._is_ended
            or connection.closed
            or connection.isexecuting()
            or connection.has_late_timeout
        )

    def rest(self) -> None:
        self._answered = None

    def close(self) -> None:
        self._watch_no_more()
        self._connection.close()

    def _go_on(self) -> None:
        """Read what has come, or send what is left to be sent."""
        if self._answered is None:
            self.close()  # by the server, while idle
        elif self._answered.done():
            self._watch_no_more()  # by the server, while the rows are taken
        else:
            try:
                state = self._connection.poll()
            except psycopg2.Error as error:
                if self._connection.closed:
                    self._watch_no_more()  # libpq has closed the descriptor
                self._answered.set_exception(error)
                return
            if state == POLL_OK:
                self._connection.note_answer()
                self._answered.set_result(None)
            if (state == POLL_WRITE) != self._is_sending:
                self._is_sending = not self._is_sending
                if self._is_sending:
                    self._loop.add_writer(self._descriptor, self._go_on)
                else:
                    self._loop.remove_writer(self._descriptor)

    def _watch_no_more(self) -> None:
        if not self._is_ended:  # once: the descriptor may be another socket's by now
            self._is_ended = True
            self._loop.remove_reader(self._descriptor)
            self._loop.remove_writer(self._descriptor)


def _seconds_left() -> float:
    return postgres.deadline.get() - time.monotonic()


def _give_up(answered: "asyncio.Future[None]") -> None:
    if not answered.done():
        answered.set_exception(TimeoutError())


async def _parts_of(cursor: BoundedCursor, size: int) -> list[Part]:
    """Fetch all rows now: later, the connection is another request's. psycopg2 converts types
    itself. The event loop serves others between two parts.
    """
    if cursor.description is None:
        return [[(cursor.rowcount,)]]
    parts = []
    while part := cursor.fetchmany(size):
        parts.append(part)
        if len(part) < size:
            break
        await asyncio.sleep(0)
        if _seconds_left() <= 0:
            raise TimeoutError
    return parts


class _Query(NamedTuple):
    """A compiled statement: SQL with psycopg2's `%(name)s`, and what its values need."""

    sql: str
    constants: Mapping[str, Any]
    processors: Mapping[str, Callable[[Any], Any]]

    def counted(self) -> "_Query":
        """Give each value that a write returns, and how often: the rows would be many."""
        counted = "SELECT value, count(*) FROM changed GROUP BY value"
        return self._replace(sql=f"WITH changed (value) AS ({self.sql}) {counted}")

    def bound(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        bound = {**self.constants, **values}
        for name, process in self.processors.items():
            bound[name] = process(bound[name])
        return bound


@lru_cache(maxsize=1024)  # a client can ask for thousands
def _query_of(statement: Executable, dialect: Dialect) -> _Query:
    assert isinstance(statement, ClauseElement)
    compiled = statement.compile(dialect=dialect)
    assert isinstance(compiled, SQLCompiler)
    assert not compiled.prefetch, "Python's default of a column: name its value in the statement"
    names = compiled.bind_names
    processors = {
        name: bind.type.dialect_impl(dialect).bind_processor(dialect)
        for bind, name in names.items()
    }
    return _Query(
        compiled.string,
        {name: bind.value for bind, name in names.items() if not bind.required},
        {name: process for name, process in processors.items() if process},
    )


_pools: WeakKeyDictionary[asyncio.AbstractEventLoop, Pool] = WeakKeyDictionary()


@contextmanager
def opened(engine: Engine) -> Iterator[None]:
    """Give this event loop connections of its own, where it can wait for them: not on Windows,
    whose event loop does not watch sockets of other code.
    """
    if sys.platform == "win32" or not postgres.is_made_here(engine):
        yield
        return
    loop = asyncio.get_running_loop()
    pool = _pools[loop] = Pool(engine)
    try:
        yield
    finally:
        del _pools[loop]
        pool.close()


def of(engine: Engine) -> Pool | None:
    """Get this event loop's connections to what the engine connects to, if it has any."""
    pool = _pools.get(asyncio.get_running_loop())
    return pool if pool and pool.engine is engine else None
