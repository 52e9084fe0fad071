"""The engine, its pool, sessions, and the tables.

A request sends one statement, and waits for it without blocking the event loop. On PostgreSQL it
runs in a greenlet on the loop itself: psycopg2 asks a wait callback to wait for its socket, and
the callback lets the event loop do it (`_wait`), so that a thousand requests can wait without a
thousand threads. On SQLite, and in whatever session a test puts in the place of `get_db`, it runs
in FastAPI's thread pool.

The engine is in AUTOCOMMIT: no `BEGIN` or `COMMIT` travels, and nothing needs a connection to
remember anything between statements, as PgBouncer's transaction mode requires.
"""

import asyncio
import logging
import random
import select
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import psycopg2
from anyio.to_thread import run_sync
from fastapi.concurrency import run_in_threadpool
from psycopg2.extensions import POLL_OK, POLL_READ, set_wait_callback
from psycopg2.extensions import connection as PsycopgConnection
from sqlalchemy import delete, event, false
from sqlalchemy.engine import URL, Connection, Dialect, Engine
from sqlalchemy.exc import (
    DBAPIError,
    DisconnectionError,
    InterfaceError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import QueuePool, StaticPool
from sqlalchemy.util import await_only, greenlet_spawn
from sqlalchemy.util.concurrency import in_greenlet
from sqlmodel import Session, SQLModel, create_engine

import models
from admission import Overloaded, Turns
from settings import get_settings

log = logging.getLogger("tasks.database")

# The longest that PostgreSQL works on one statement, waiting for locks included.
STATEMENT_SECONDS = 4
# The longest that a thread waits for PostgreSQL: for a new connection, which wakes a sleeping Neon,
# or for a statement at the start.
THREAD_SECONDS = 5
# The longest that a request whose turn has come works: it takes a connection and sends a statement.
# Without an answer by then, the server did not even report its own limit: it is silent.
WORK_SECONDS = 5.25
# What the server is given to report its own limit. It always gives up before the request does, so
# that a connection is never replaced while the server still works for it.
REPORT_SECONDS = 1
A_DAY_SECONDS = 24 * 3600
# When it makes sense to come back after a 503: in general, and (at random between) in an overload.
RETRY_SECONDS = 2
OVERLOAD_RETRY_SECONDS = (2, 6)
# The longest that a writer waits for other writers of the SQLite file.
SQLITE_LOCK_SECONDS = 5
# Serialises workers that start together. Any number does, as long as nobody else uses it.
CREATE_TABLES_LOCK = 7_233_710_045


# What passes by itself, by SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html
PASSING_CLASSES = frozenset(
    {
        "08",  # connection exception
        "40",  # transaction rollback: a deadlock, say
        "53",  # insufficient resources: disk full, out of memory, too many connections
        "55",  # object not in prerequisite state: a lock that was not to be had
        "57",  # operator intervention: shutdown, start, statement timeout
        "58",  # system error: what its disk did not do
    }
)
READ_ONLY = "25006"
PASSING_STATES = frozenset(
    {
        READ_ONLY,  # a replica, or a primary during its failover
        "25P03",  # idle in transaction too long, as the database is set up
        "25P04",  # likewise, a transaction that took too long
        "72000",  # snapshot too old
    }
)

T = TypeVar("T")


# When the current request gives up, by `time.monotonic`.
_deadline: ContextVar[float] = ContextVar("deadline", default=float("inf"))


class DatabaseUnavailable(Exception):
    """The database cannot be reached, or did not answer in time. The text is for the log."""

    def __init__(self, reason: str, retry_after: int = RETRY_SECONDS) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


def make_engine(url: URL) -> Engine:
    """An engine for `url` that connects on first use."""
    if url.get_backend_name() == "sqlite":
        return _make_sqlite_engine(url)
    return _make_postgresql_engine(url)


def _make_sqlite_engine(url: URL) -> Engine:
    in_memory = url.database in {None, "", ":memory:"}
    engine = create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        hide_parameters=True,
        connect_args={"check_same_thread": False, "timeout": SQLITE_LOCK_SECONDS},
        **({"poolclass": StaticPool} if in_memory else _pool_options()),
    )

    @event.listens_for(engine, "connect")
    def use_write_ahead_log(connection: sqlite3.Connection, record: object) -> None:
        # So that readers and a writer do not wait for each other. It is the file's, not the
        # connection's: while another worker switches it, SQLite refuses at once.
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode = WAL")

    return engine


class OwnConnection(PsycopgConnection):
    """A connection of this service, which `_wait` tells from others in the process."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.opened = time.monotonic()
        self.is_new = True


class BoundedCursor(psycopg2.extensions.cursor):
    """Sends a limit of time with each statement.

    In the statement's own query string the limit costs no round trip and ends with it. PgBouncer
    refuses it as a connection's option, and a plain SET would reach other clients there.
    """

    def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002 (psycopg2's name)
        left = _deadline.get() - time.monotonic() - REPORT_SECONDS
        if left <= 0:
            raise psycopg2.OperationalError("connecting left no time for the statement")
        limit = min(left, STATEMENT_SECONDS)
        super().execute(f"SET LOCAL statement_timeout = {limit * 1000:.0f}; {query}", vars)


# When an engine's server was last found silent or read-only: an idle connection that is older
# counts as dead.
_distrusted: WeakKeyDictionary[Engine, float] = WeakKeyDictionary()


def _make_postgresql_engine(url: URL) -> Engine:
    engine = create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        hide_parameters=True,
        use_native_hstore=False,  # would ask every new connection for a type that is not used
        connect_args={
            "connection_factory": OwnConnection,
            "cursor_factory": BoundedCursor,
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": THREAD_SECONDS * 1000,
            "application_name": "tasks-api",
        },
        pool_reset_on_return=None,  # in AUTOCOMMIT there is nothing to roll back
        **_pool_options(),
    )

    @event.listens_for(engine, "do_connect")
    def connect_in_thread(
        dialect: Dialect, record: object, args: list[Any], options: dict[str, Any]
    ) -> PsycopgConnection | None:
        # libpq resolves names blockingly, and asynchronously it ignores `connect_timeout`.
        if in_greenlet():
            connect = partial(psycopg2.connect, *args, **options)
            connection: PsycopgConnection = await_only(run_sync(connect, abandon_on_cancel=True))
            return connection
        return None

    @event.listens_for(engine, "checkout")
    def refuse_dead(connection: OwnConnection, record: object, proxy: object) -> None:
        if connection.is_new:
            # What ails it, its statement will say. SQLAlchemy replaces only two in a row.
            connection.is_new = False
            return
        # A server says nothing on an idle connection but that it closes it: readable means closed.
        # So neither a ping, which costs a round trip, nor a retry, which could do a thing twice.
        if _ready(connection.fileno(), POLL_READ, seconds=0):
            raise DisconnectionError("closed by the server while idle")
        if connection.opened < _distrusted.get(engine, 0):
            raise DisconnectionError("the server failed on another one")

    return engine


def _pool_options() -> dict[str, Any]:
    # No overflow: the size is the promise to the server. `_turns` lets in only as many requests,
    # so the pool itself never makes one wait.
    return {
        "pool_size": get_settings().database_pool_size,
        "max_overflow": 0,
        "pool_timeout": WORK_SECONDS,
        "pool_use_lifo": True,  # the rest idles, so that Neon can close it and sleep
    }


engine = make_engine(get_settings().database)


def describe(engine: Engine) -> str:
    """Which database this is, for the log: nothing of it is secret."""
    url = engine.url
    if url.get_backend_name() == "sqlite":
        return f"SQLite, {url.database or 'in memory'}"
    return f"PostgreSQL, database {url.database} at {url.host or url.query['host']}"


def create_tables() -> None:
    """Create what is missing. Workers that start together take turns."""
    with engine.connect() as connection:
        try:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.exec_driver_sql("BEGIN")
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({CREATE_TABLES_LOCK})")
            SQLModel.metadata.create_all(connection)
            connection.exec_driver_sql("COMMIT")
        except BaseException:
            connection.invalidate()  # the pool must not keep one with a transaction open
            raise


WRITE_NOTHING = delete(models.Task).where(false())


def probe(db: Connection | Session) -> None:
    """Fail unless the table can be written to: a read-only database refuses this too."""
    db.execute(WRITE_NOTHING)


def get_db() -> Iterator[Session]:
    """A session, as a dependency or a generator. Tests override it in
    `app.dependency_overrides`."""
    with Session(engine) as session:
        yield session


# What a request's statement runs in: the engine, or the session that stands in for `get_db`.
Source = Engine | Session


class GetSource:
    """What the endpoints depend on in the place of `get_db`, and what `get_db` is replaced by.

    FastAPI enters and leaves a synchronous generator in two hops to a thread, and an ORM session
    around one statement costs as much as the statement. So they take the engine; but this is equal
    to `get_db`, so FastAPI finds an override of `get_db` here too, and they take its session.
    """

    async def __call__(self) -> Source:
        return engine

    def __eq__(self, other: object) -> bool:
        return other is get_db or isinstance(other, GetSource)

    def __hash__(self) -> int:
        return hash(get_db)


async def run(source: Source, work: Callable[[Connection | Session], T]) -> T:
    """Do `work` and commit it, without blocking the event loop.

    The connection is back in the pool when this returns. Raises `DatabaseUnavailable` when no turn
    comes within `TURN_SECONDS`, and then nothing was sent; or when the database cannot be reached
    or does not answer within `WORK_SECONDS`. What was sent is never sent again.
    """
    try:
        async with _turns():
            return await _work(source, work)
    except Overloaded as refusal:
        # Those that are refused together had better not come back together.
        retry_after = random.randint(*OVERLOAD_RETRY_SECONDS)  # noqa: S311 (no secret)
        raise DatabaseUnavailable(str(refusal), retry_after) from None


async def _work(source: Source, work: Callable[[Connection | Session], T]) -> T:
    deadline = _deadline.set(time.monotonic() + WORK_SECONDS)
    try:
        async with asyncio.timeout(WORK_SECONDS):
            if _waits_on_loop(source):
                return await greenlet_spawn(_commit, source, work)
            return await run_in_threadpool(_commit, source, work)
    except (TimeoutError, PoolTimeoutError) as error:
        if isinstance(source, Engine):
            _distrusted[source] = time.monotonic()
        raise DatabaseUnavailable(f"no answer within {WORK_SECONDS} s") from error
    except DBAPIError as error:
        if isinstance(source, Engine) and _is_read_only(error):
            _distrust_replica(source)
        if is_unavailable(error):
            raise DatabaseUnavailable(reason_of(error)) from error
        raise
    finally:
        _deadline.reset(deadline)


def _commit(source: Source, work: Callable[[Connection | Session], T]) -> T:
    if isinstance(source, Engine):
        with source.connect() as connection:
            result = work(connection)
            connection.commit()  # sends nothing in AUTOCOMMIT; a test's engine may have none
        return result
    try:
        result = work(source)
        source.commit()
    except BaseException:
        source.rollback()
        raise
    return result


def _distrust_replica(engine: Engine) -> None:
    """After a failover, connections from before it may lead to what is a replica now.

    Not each time: a database that stays read-only still serves reads over the new ones.
    """
    now = time.monotonic()
    if now - _distrusted.get(engine, -float("inf")) > RETRY_SECONDS:
        _distrusted[engine] = now


_turns_of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Turns] = WeakKeyDictionary()


def _turns() -> Turns:
    """A turn for each connection of the pool."""
    loop = asyncio.get_running_loop()
    turns = _turns_of_loop.get(loop)
    if turns is None:
        turns = _turns_of_loop[loop] = Turns(get_settings().database_pool_size)
    return turns


def _waits_on_loop(source: Source) -> bool:
    # SQLAlchemy learns the server's version on the first connection, holding a lock that a
    # greenlet must not wait for; nor must it wait for a connection that a session of `get_db` has,
    # in a thread. Then, and on Windows, whose event loop does not watch file descriptors, psycopg2
    # waits in a thread.
    return (
        isinstance(source, Engine)
        and source.dialect.driver == "psycopg2"
        and getattr(source.dialect, "server_version_info", None) is not None
        and isinstance(source.pool, QueuePool)
        and source.pool.checkedout() < source.pool.size()
        and sys.platform != "win32"
    )


def is_unavailable(error: DBAPIError) -> bool:
    """Whether what went wrong passes without a change of the code or of the database."""
    code = getattr(error.orig, "pgcode", None)
    if code is not None:
        return code[:2] in PASSING_CLASSES or code in PASSING_STATES
    if getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
        return False  # SQLite's word for a wrong statement
    return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)


def _is_read_only(error: DBAPIError) -> bool:
    return getattr(error.orig, "pgcode", None) == READ_ONLY


def reason_of(error: DBAPIError) -> str:
    """What went wrong, without a text that may quote a statement's values."""
    code = getattr(error.orig, "pgcode", None)
    if code is None:  # it is about the connection (or the SQLite file), not about a statement
        return str(error.orig).strip().partition("\n")[0]
    return f"{type(error.orig).__name__}, SQLSTATE {code}"


def _wait(connection: PsycopgConnection) -> None:
    """psycopg2's wait callback: https://www.psycopg.org/docs/advanced.html#green-support"""
    # The callback is the process's: it must not hurry the connections of others, a test's say.
    limit = THREAD_SECONDS if isinstance(connection, OwnConnection) else A_DAY_SECONDS
    deadline = min(time.monotonic() + limit, _deadline.get())
    while (state := connection.poll()) != POLL_OK:
        if in_greenlet():
            _wait_on_loop(connection.fileno(), state)
        elif not _ready(connection.fileno(), state, deadline - time.monotonic()):
            raise psycopg2.OperationalError("the database did not answer in time")


set_wait_callback(_wait)


def _wait_on_loop(descriptor: int, state: int) -> None:
    loop = asyncio.get_running_loop()
    ready = loop.create_future()
    is_read = state == POLL_READ
    (loop.add_reader if is_read else loop.add_writer)(descriptor, _wake, ready)
    try:
        await_only(ready)
    finally:
        (loop.remove_reader if is_read else loop.remove_writer)(descriptor)


def _wake(waiting: "asyncio.Future[None]") -> None:
    if not waiting.done():
        waiting.set_result(None)


def _ready(descriptor: int, state: int, seconds: float) -> bool:
    """Whether the socket becomes readable (or writable) within `seconds`."""
    if sys.platform == "win32":
        waiting = (
            [descriptor] if state == POLL_READ else [],
            [descriptor] if state != POLL_READ else [],
        )
        return any(select.select(*waiting, [], max(seconds, 0)))
    poll = select.poll()
    poll.register(descriptor, select.POLLIN if state == POLL_READ else select.POLLOUT)
    return bool(poll.poll(max(seconds, 0) * 1000))
