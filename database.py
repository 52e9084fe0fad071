"""The engine, its pool, sessions, and the tables.

A request executes one statement without blocking the event loop: on PostgreSQL in a greenlet on the
loop itself (`postgres.py`); on SQLite, and in any session with which a test overrides `get_db`, in
FastAPI's thread pool.
"""

import asyncio
import logging
import random
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from fastapi.concurrency import run_in_threadpool
from sqlalchemy import (
    Connection,
    CursorResult,
    Executable,
    UpdateBase,
    column,
    event,
    false,
    select,
    table,
)
from sqlalchemy.engine import URL, Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import StaticPool
from sqlalchemy.util import greenlet_spawn
from sqlmodel import Session, create_engine

import postgres
from admission import Overloaded, Turns
from models import Task
from settings import StartupError, get_settings

log = logging.getLogger("tasks.database")

# The longest that a request whose turn has come waits for a connection and its statement. If no
# answer came by then, the server did not even report its own statement timeout: it is silent.
WORK_SECONDS = 5.25
# `Retry-After` of a 503: in general, and in an overload, where it is random within this range.
RETRY_SECONDS = 2
OVERLOAD_RETRY_SECONDS = (2, 6)
# The longest that a writer waits for other writers of the SQLite file.
SQLITE_LOCK_SECONDS = 5
# How many rows of a long list are fetched and serialized before the event loop serves others.
ROWS_AT_ONCE = 200
# Serialises workers that start together, 1.0.0's too.
CREATE_TABLES_LOCK = 7_233_710_045
MIGRATIONS = Path(__file__).with_name("migrations")
# The last migration, which makes the tables that this code needs. Migrations are numbered, so that
# a later one is greater.
REVISION = max(path.name[:4] for path in MIGRATIONS.glob("versions/[0-9]*.py"))


class DatabaseUnavailable(Exception):
    """The database cannot be reached, or did not answer in time. The text is for the log."""

    def __init__(self, reason: str, retry_after: int = RETRY_SECONDS) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class UnstorableText(Exception):
    """The database cannot store or compare a string of the request. The text is for the log."""


def make_engine(url: URL) -> Engine:
    """Make an engine for `url`, which connects on first use."""
    if url.get_backend_name() == "sqlite":
        return _make_sqlite_engine(url)
    return postgres.make_engine(url, **_pool_options())


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
        # Readers and a writer do not wait for each other in WAL mode. The mode is the file's: while
        # another worker switches the mode, SQLite refuses at once.
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode = WAL")

    return engine


def _pool_options() -> dict[str, Any]:
    # No overflow: operators size the server for `pool_size`. `_turns` admits only as many requests,
    # so that no request waits for the pool itself.
    return {
        "pool_size": get_settings().database_pool_size,
        "max_overflow": 0,
        "pool_timeout": WORK_SECONDS,
        "pool_use_lifo": True,  # the rest of the pool idles, so that Neon can suspend
    }


engine = make_engine(get_settings().database)


def describe(engine: Engine) -> str:
    """Which database this is, for the log: nothing of it is secret."""
    url = engine.url
    if url.get_backend_name() == "sqlite":
        return f"SQLite, {url.database or 'in memory'}"
    hosts = str(url.query.get("host", url.host)).replace(",", ", ")
    return f"PostgreSQL, database {url.database} at {hosts}"


_versions = table("alembic_version", column("version_num"))
# The revision that the tables are at. It fails if a column that the code needs is missing.
TABLES_REVISION = select(_versions.c.version_num, *Task.__table__.c).outerjoin_from(  # type: ignore[attr-defined]
    _versions,
    Task.__table__,  # type: ignore[attr-defined]
    false(),
)


def create_tables() -> None:
    """Create or migrate the tables. Workers that start together take turns.

    Tables at `REVISION`, or beyond it, are left alone, which takes no right to change them.
    """
    if not _are_current():
        _migrate()


def _are_current() -> bool:
    try:
        with engine.connect() as connection:
            revisions = connection.scalars(TABLES_REVISION).all()
    except DBAPIError as error:
        if lacks_tables(error):
            return False
        raise
    return max(revisions, default="") >= REVISION


def _migrate() -> None:
    """Migrate one revision at a time, each in a transaction: a lock ends with its revision."""
    # Importing Alembic takes 0.3 s, which only a start that migrates should wait.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415
    from alembic.util import CommandError  # noqa: PLC0415

    revision = ""
    while revision < REVISION:
        with migration_connection() as connection:
            # Another worker may have migrated meanwhile, and to a later revision.
            revision = max(MigrationContext.configure(connection).get_current_heads(), default="")
            if revision < REVISION:
                revision = f"{int(revision or 0) + 1:04}"
                log.info("Migrating the tables to revision %s", revision)
                config = Config(attributes={"connection": connection})
                config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
                try:
                    command.upgrade(config, revision)
                except CommandError as refusal:
                    raise StartupError(
                        f"The database cannot be used ({describe(engine)}): {refusal}"
                    ) from None
    with engine.connect() as connection:
        connection.execute(TABLES_REVISION)  # fails if a column is missing all the same


@contextmanager
def migration_connection() -> Iterator[Connection]:
    """A connection in a transaction beside which no other migration runs.

    On PostgreSQL its statements may take long, but do not wait long for a table: requests for that
    table would wait behind them. Nothing outlives the transaction, as PgBouncer's transaction mode
    requires.
    """
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.commit()
        return
    migration_engine = postgres.make_migration_engine(engine.url)
    with migration_engine.begin() as connection:
        connection.exec_driver_sql(
            "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0;"
            f"SELECT pg_advisory_xact_lock({CREATE_TABLES_LOCK})"
        )
        limit = int(postgres.MIGRATION_LOCK_SECONDS * 1000)
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {limit}")
        yield connection


def get_db() -> Iterator[Session]:
    """A session, as a dependency or a generator. Tests override it in
    `app.dependency_overrides`."""
    with Session(engine) as session:
        yield session


# The rows of a statement's result, in parts of at most `ROWS_AT_ONCE`.
Rows = Iterator[Sequence[Sequence[Any]]]


class Executor(Protocol):
    """Executes a request's one statement, and commits. A write that returns no rows gives their
    number, as one row.

    The turn that this takes counts for `owner`.
    """

    async def execute(
        self, statement: Executable, values: Mapping[str, Any], owner: str | None = None
    ) -> Rows: ...


class EngineExecutor:
    """Executes statements on connections of an engine's pool."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def execute(
        self, statement: Executable, values: Mapping[str, Any], owner: str | None = None
    ) -> Rows:
        return await _admitted(owner, self._start, statement, values)

    def _start(self, statement: Executable, values: Mapping[str, Any]) -> Awaitable[Rows]:
        run_in = greenlet_spawn if postgres.can_wait_on_loop(self._engine) else run_in_threadpool
        return run_in(self._execute, statement, values)

    def _execute(self, statement: Executable, values: Mapping[str, Any]) -> Rows:
        with self._engine.connect() as connection:
            result = connection.execute(statement, values)
            rows: Rows
            if not result.returns_rows:
                rows = iter([[(result.rowcount,)]])
            elif isinstance(result.cursor, postgres.BoundedCursor):
                # psycopg2 converts types itself. Fetch all rows now: later, the connection is
                # another request's.
                rows = iter(postgres.parts_of(result.cursor, ROWS_AT_ONCE))
            else:
                rows = iter(list(result.partitions(ROWS_AT_ONCE)))
            connection.commit()  # sends nothing in AUTOCOMMIT; a test's engine may have none
        return rows


# All sessions on an in-memory SQLite share one connection (`StaticPool`): the rollback of one must
# not end the transaction of another.
_one_at_a_time = threading.Lock()


class SessionExecutor:
    """Executes statements in a test's session, and keeps the session's objects up to date."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def execute(
        self, statement: Executable, values: Mapping[str, Any], owner: str | None = None
    ) -> Rows:
        return await _admitted(owner, run_in_threadpool, self._execute, statement, values)

    def _execute(self, statement: Executable, values: Mapping[str, Any]) -> Rows:
        fetch = {"synchronize_session": "fetch"}
        with _one_at_a_time:
            try:
                result = self._session.execute(statement, values, execution_options=fetch)
                rows: Rows
                # Not `returns_rows`: `fetch` makes any statement return some.
                if isinstance(statement, UpdateBase) and not statement.exported_columns:
                    assert isinstance(result, CursorResult)
                    rows = iter([[(result.rowcount,)]])
                else:
                    rows = iter(list(result.partitions(ROWS_AT_ONCE)))
                self._session.commit()
            except BaseException:
                self._session.rollback()
                raise
        return rows


class GetExecutor:
    """The dependency of the endpoints: gives the engine's executor, or an override of `get_db`.

    FastAPI runs a synchronous generator in two hops to a thread, and an ORM session around one
    statement costs as much as the statement: production avoids both. An instance equals `get_db`,
    so that FastAPI finds an override of `get_db` for it, whose session `executor_of` wraps.
    """

    async def __call__(self) -> EngineExecutor:
        return EngineExecutor(engine)

    def __eq__(self, other: object) -> bool:
        return other is get_db or isinstance(other, GetExecutor)

    def __hash__(self) -> int:
        return hash(get_db)


def executor_of(given: EngineExecutor | Session) -> Executor:
    """Wrap the session of an override of `get_db`; `GetExecutor` itself gives an executor."""
    return given if isinstance(given, EngineExecutor) else SessionExecutor(given)


async def _admitted(
    owner: str | None, start: Callable[..., Awaitable[Rows]], *arguments: Any
) -> Rows:
    """Wait for a turn, then await what `start` gives. No statement is ever retried.

    Raises `DatabaseUnavailable` if no turn comes within `TURN_SECONDS` (nothing was sent then), or
    if the database cannot be reached or does not answer within `WORK_SECONDS`.
    """
    turns = _turns()
    try:
        await turns.acquire(owner)
    except Overloaded as refusal:
        # Spread the retries of requests that were refused together.
        retry_after = random.randint(*OVERLOAD_RETRY_SECONDS)  # noqa: S311 (no secret)
        raise DatabaseUnavailable(str(refusal), retry_after) from None
    deadline = postgres.deadline.set(time.monotonic() + WORK_SECONDS)
    try:
        async with asyncio.timeout(WORK_SECONDS):
            return await start(*arguments)
    except (TimeoutError, PoolTimeoutError) as error:
        raise DatabaseUnavailable(f"no answer within {WORK_SECONDS} s") from error
    except DBAPIError as error:
        if is_unavailable(error):
            raise DatabaseUnavailable(reason_of(error)) from error
        if getattr(error.orig, "pgcode", None) in postgres.CANNOT_STORE_TEXT:
            raise UnstorableText(reason_of(error)) from error
        raise
    finally:
        postgres.deadline.reset(deadline)
        turns.release(owner)


_turns_of_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Turns] = WeakKeyDictionary()


def _turns() -> Turns:
    """Get this event loop's turns: one for each connection of the pool."""
    loop = asyncio.get_running_loop()
    turns = _turns_of_loop.get(loop)
    if turns is None:
        turns = _turns_of_loop[loop] = Turns(get_settings().database_pool_size)
    return turns


def is_unavailable(error: DBAPIError) -> bool:
    """Whether the error passes without a change of the code or of the database."""
    code = getattr(error.orig, "pgcode", None)
    if code is not None:
        return postgres.is_transient(code)
    if getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
        return False  # SQLite's code of a wrong statement
    return error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)


def lacks_tables(error: DBAPIError) -> bool:
    """Whether a table, or a column of one, is missing."""
    code = getattr(error.orig, "pgcode", None)
    if code is not None:
        return code in postgres.UNDEFINED
    return str(error.orig).startswith(("no such table", "no such column"))


def reason_of(error: DBAPIError) -> str:
    """Describe the error, without a text that may quote a statement's values."""
    code = getattr(error.orig, "pgcode", None)
    if code is None:  # an error of the connection or the SQLite file, not of a statement
        return str(error.orig).strip().partition("\n")[0]
    return f"{type(error.orig).__name__}, SQLSTATE {code}"
