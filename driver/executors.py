"""What executes a request's statement, within limits of requests and of time.

Nothing blocks the event loop: on PostgreSQL a statement waits on the loop itself (`pool.py`); on
SQLite, and in a session with which a test overrides `get_db`, in a thread.
"""

import asyncio
import random
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from types import TracebackType
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from anyio.to_thread import run_sync
from sqlalchemy import Connection, CursorResult, Result, StaticPool, UpdateBase
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlmodel import Session

from driver import pool, postgres
from driver.admission import TURN_SECONDS, Overloaded, Turns
from settings import get_settings
from sql.scope import Counted, Probe, Scoped, Together

# The longest that a request whose turn has come waits for a connection and its statement. If no
# answer came by then, the server did not even report its own statement timeout: it is silent.
WORK_SECONDS = 5.25
# `Retry-After` of a 503: in general, and in an overload, where it is random within this range.
RETRY_SECONDS = 2
OVERLOAD_RETRY_SECONDS = (2, 6)
# How many rows of a long list are fetched and serialized before the event loop serves others.
ROWS_AT_ONCE = 200

# What an executor executes. A tuple: a union is made anew wherever it is written.
EXECUTED = (Scoped, Together, Probe)

# The rows of a statement's result, in parts of at most `ROWS_AT_ONCE`.
Rows = Iterator[Sequence[Sequence[Any]]]


class DatabaseUnavailable(Exception):
    """The database cannot be reached, or did not answer in time. The text is for the log."""

    def __init__(self, reason: str, retry_after: int = RETRY_SECONDS) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class UnstorableText(Exception):
    """The database cannot store or compare a string of the request. The text is for the log."""


class Executor(Protocol):
    """Executes a request's statement, or several that stand or fall together, and commits. Gives
    the last one's rows; a write that returns no rows gives their number, as one row.
    """

    async def execute(
        self, scoped: Scoped | Together | Probe, values: Mapping[str, Any]
    ) -> Rows: ...


# All users of an in-memory SQLite share one connection (`StaticPool`): the rollback of one must not
# end the transaction of another.
_one_at_a_time = threading.Lock()


class EngineExecutor:
    """Executes statements on this event loop's connections, or in threads on the engine's own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def execute(self, scoped: Scoped | Together | Probe, values: Mapping[str, Any]) -> Rows:
        async with Admission(scoped, values):
            connections = pool.of(self._engine)
            if connections:
                return iter(await connections.execute(scoped, values, ROWS_AT_ONCE))
            return await _in_thread(self._execute, scoped, values)

    def _execute(self, scoped: Scoped | Together | Probe, values: Mapping[str, Any]) -> Rows:
        # SQLite lets one writer at a time in, in no order, and refuses whoever waited too long.
        is_sqlite = self._engine.dialect.name == "sqlite"
        alone = isinstance(self._engine.pool, StaticPool) or (
            is_sqlite and isinstance(scoped, Together)
        )
        with _one_at_a_time if alone else nullcontext(), self._engine.connect() as connection:
            if isinstance(scoped, Together):
                with _transaction(connection):
                    *before, last = scoped.statements
                    for one in before:
                        # An open result would be read on: SQLite refuses to write beside it.
                        connection.execute(one, values).close()
                    result = connection.execute(last, values)
                    return _rows_of(result, scoped)
            [statement] = scoped.statements
            rows = _rows_of(connection.execute(statement, values), scoped)
            connection.commit()  # sends nothing in AUTOCOMMIT; a test's engine may have none
        return rows


@contextmanager
def _transaction(connection: Connection) -> Iterator[None]:
    """A transaction of a connection that may be in AUTOCOMMIT."""
    is_sqlite = connection.dialect.name == "sqlite"
    # Without IMMEDIATE, SQLite would refuse the second writer that has read before.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_sqlite else "BEGIN")
    try:
        yield
        connection.exec_driver_sql("COMMIT")
    except BaseException:
        if is_sqlite:
            connection.rollback()
        else:
            connection.invalidate()  # our connections know of no transaction to roll back
        raise


def _rows_of(result: Result[Any], scoped: Scoped | Together | Probe) -> Rows:
    """Fetch all rows now. How many a write changed is asked for by its statement: a session makes
    any statement return rows.
    """
    *_, statement = scoped.statements
    if isinstance(statement, UpdateBase) and not statement.exported_columns:
        assert isinstance(result, CursorResult)
        return iter([[(result.rowcount,)]])
    if isinstance(scoped, Counted):
        return iter([list(Counter(result.scalars()).items())])
    return iter(list(result.partitions(ROWS_AT_ONCE)))


class SessionExecutor:
    """Executes statements in a test's session, and keeps the session's objects up to date."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def execute(self, scoped: Scoped | Together | Probe, values: Mapping[str, Any]) -> Rows:
        async with Admission(scoped, values):
            return await _in_thread(self._execute, scoped, values)

    def _execute(self, scoped: Scoped | Together | Probe, values: Mapping[str, Any]) -> Rows:
        fetch = {"synchronize_session": "fetch"}
        with _one_at_a_time:
            try:
                *_, result = [
                    self._session.execute(statement, values, execution_options=fetch)
                    for statement in scoped.statements
                ]
                rows = _rows_of(result, scoped)
                self._session.commit()
            except BaseException:
                self._session.rollback()
                raise
        return rows


@asynccontextmanager
async def one_act() -> AsyncIterator[None]:
    """Limit the time of several executions, one after the other, to what one alone may take."""
    seconds = TURN_SECONDS + WORK_SECONDS
    deadline = postgres.deadline.set(time.monotonic() + seconds)
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise DatabaseUnavailable(f"no answer within {seconds} s") from error
    finally:
        postgres.deadline.reset(deadline)


async def _in_thread(execute: Callable[..., Rows], *arguments: Any) -> Rows:
    async with asyncio.timeout(WORK_SECONDS):
        return await run_sync(execute, *arguments)


class Admission:
    """A turn of the statement's owner; what waits on the database meanwhile ends at
    `postgres.deadline`, with a `TimeoutError`. No statement is ever retried.

    Raises `DatabaseUnavailable` if no turn comes within `TURN_SECONDS` (nothing was sent then), or
    if the database cannot be reached or does not answer within `WORK_SECONDS`.
    """

    def __init__(self, scoped: Scoped | Together | Probe, values: Mapping[str, Any]) -> None:
        if not isinstance(scoped, EXECUTED):
            raise TypeError(
                f"executed for a request is what is scoped to its owner, not {scoped!r}"
            )
        self._owner = values.get("owner")
        self._turns = _turns()

    async def __aenter__(self) -> None:
        try:
            await self._turns.acquire(self._owner)
        except Overloaded as refusal:
            # Spread the retries of requests that were refused together.
            retry_after = random.randint(*OVERLOAD_RETRY_SECONDS)  # noqa: S311 (no secret)
            raise DatabaseUnavailable(str(refusal), retry_after) from None
        ends = min(time.monotonic() + WORK_SECONDS, postgres.deadline.get())
        self._deadline = postgres.deadline.set(ends)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        postgres.deadline.reset(self._deadline)
        self._turns.release(self._owner)
        match error:
            case TimeoutError() | PoolTimeoutError():
                raise DatabaseUnavailable(f"no answer within {WORK_SECONDS} s") from error
            case DBAPIError() if is_unavailable(error):
                raise DatabaseUnavailable(reason_of(error)) from error
            case DBAPIError() if _cannot_store_text(error):
                raise UnstorableText(reason_of(error)) from error


def _cannot_store_text(error: DBAPIError) -> bool:
    return getattr(error.orig, "pgcode", None) in postgres.CANNOT_STORE_TEXT


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
