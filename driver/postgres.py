"""psycopg2 on the event loop: an engine whose statements wait without a thread, within limits.

psycopg2 is synchronous, but calls a wait callback to wait for its socket. A statement runs in a
greenlet on the event loop, and the callback lets the loop wait (`_wait`): a thousand requests can
wait without a thousand threads. Outside a greenlet the callback blocks its thread.
"""

import asyncio
import logging
import select
import socket
import sys
import time
from contextvars import ContextVar
from functools import partial
from typing import Any

import psycopg2
from anyio.to_thread import run_sync
from psycopg2.extensions import POLL_OK, POLL_READ, new_type, register_type, set_wait_callback
from psycopg2.extensions import connection as PsycopgConnection
from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL, Dialect, Engine, ExceptionContext
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import NullPool, QueuePool
from sqlalchemy.util import await_only
from sqlalchemy.util.concurrency import in_greenlet

from times import parse_postgresql

log = logging.getLogger("tasks.driver")

# How these limits depend on each other and on others: docs/architecture.md, "Limits of time".

# The longest that PostgreSQL executes one statement, waiting for locks included.
STATEMENT_SECONDS = 4
# The time for the server to report its own statement timeout. The server always gives up before the
# request does, so that no connection is replaced while the server still works for it.
REPORT_SECONDS = 1
# The longest that a blocking call waits for PostgreSQL: for a new connection, which resumes a
# suspended Neon, or for a statement at the start, unless it migrates.
BLOCKING_SECONDS = 5
# The longest that connecting waits for one address of several.
ADDRESS_SECONDS = 2
# The longest that a migration waits for a table, and that requests wait behind it for the same.
MIGRATION_LOCK_SECONDS = 0.5
A_DAY_SECONDS = 24 * 3600
# A younger connection leads to the server to which the database's name resolves now.
YOUNG_SECONDS = 2

# psycopg2's typecaster of `timestamp` and `timestamptz`, by their OIDs.
TIMES = new_type((1114, 1184), "TIMES", parse_postgresql)

# Transient errors, by SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html
READ_ONLY = "25006"
TRANSIENT_STATES = frozenset(
    {
        READ_ONLY,  # a replica, or a primary during its failover
        "25P03",  # idle in transaction too long, for the database's settings
        "25P04",  # a transaction that took too long, for the database's settings
        "72000",  # snapshot too old
    }
)
TRANSIENT_CLASSES = frozenset(
    {
        "08",  # connection exception
        "40",  # transaction rollback: a deadlock, say
        "53",  # insufficient resources: disk full, out of memory, too many connections
        "55",  # object not in prerequisite state: a lock that is not available
        "57",  # operator intervention: shutdown, start, statement timeout
        "58",  # system error: an I/O error of the server's disk
    }
)
# No such table; no such column of it.
UNDEFINED = frozenset({"42P01", "42703"})
# Too long for its column; a character that the database's encoding does not have.
CANNOT_STORE_TEXT = frozenset({"22001", "22P05"})

# When the current request gives up, by `time.monotonic`. Connecting ends at the deadline,
# and a statement ends on the server before.
deadline: ContextVar[float] = ContextVar("deadline", default=float("inf"))


def is_transient(sqlstate: str) -> bool:
    """Whether the error passes without a change of the code or of the database."""
    return sqlstate[:2] in TRANSIENT_CLASSES or sqlstate in TRANSIENT_STATES


# Options by which libpq itself chooses among several addresses.
LIBPQ_CHOOSES = frozenset({"hostaddr", "service", "load_balance_hosts"})


class OwnConnection(PsycopgConnection):
    """A connection of this service, which `_wait` distinguishes from others in the process."""

    # Whether a statement may take as long as it takes.
    is_patient = False
    # Whether the next statement may get the timeout of the last one.
    has_late_timeout = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.opened = time.monotonic()
        register_type(TIMES, self)


class BoundedCursor(psycopg2.extensions.cursor):
    """Sends a `statement_timeout` with each statement.

    A SET LOCAL in the statement's own query string costs no round trip and ends with the statement.
    PgBouncer refuses the setting as a connection's option, and would show a plain SET to others.
    """

    connection: OwnConnection

    def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002 (psycopg2's name)
        began = time.monotonic()
        left = deadline.get() - began - REPORT_SECONDS
        if left <= 0:
            raise psycopg2.OperationalError("connecting left no time for the statement")
        limit = max(1, int(min(left, STATEMENT_SECONDS) * 1000))  # 0 would be no limit
        super().execute(f"SET LOCAL statement_timeout = {limit}; {query}", vars)
        # A timeout that comes when PostgreSQL looks for it no more, as while it sends the rows that
        # a write returns, ends the next statement on this connection instead.
        self.connection.has_late_timeout = time.monotonic() - began >= limit / 1000


def parts_of(cursor: BoundedCursor, size: int) -> list[list[tuple[Any, ...]]]:
    """Fetch all rows in parts of `size`. In a greenlet, the event loop runs between two parts."""
    parts = []
    while part := cursor.fetchmany(size):
        parts.append(part)
        if len(part) < size:
            break
        if in_greenlet():
            await_only(asyncio.sleep(0))
    return parts


CONNECT_ARGS = {
    "connection_factory": OwnConnection,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": BLOCKING_SECONDS * 1000,
    "application_name": "tasks-api",
    "client_encoding": "utf8",  # whatever the URL, PGCLIENTENCODING or the database says
}


def make_engine(url: URL, **pool_options: Any) -> Engine:
    """Make an engine in AUTOCOMMIT: it sends no `BEGIN` or `COMMIT`, and keeps no state in a
    connection between statements, as PgBouncer's transaction mode requires.
    """
    engine = create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        hide_parameters=True,
        use_native_hstore=False,  # a query on every new connection, for a type that is not used
        connect_args={**CONNECT_ARGS, "cursor_factory": BoundedCursor},
        pool_pre_ping=True,
        pool_reset_on_return=None,  # in AUTOCOMMIT there is nothing to roll back
        **pool_options,
    )
    engine.dialect.do_ping = _is_open  # type: ignore[method-assign, assignment]
    event.listen(engine, "first_connect", _warn_of_encoding)
    event.listen(engine, "do_connect", _connect)
    event.listen(engine, "handle_error", _invalidate)
    return engine


def make_migration_engine(url: URL) -> Engine:
    """An engine for transactions whose statements take as long as they take."""
    engine = create_engine(
        url,
        hide_parameters=True,
        use_native_hstore=False,
        connect_args=CONNECT_ARGS,
        poolclass=NullPool,
    )
    event.listen(engine, "do_connect", _connect)
    event.listen(engine, "connect", _make_patient)
    return engine


def _make_patient(connection: OwnConnection, record: object) -> None:
    connection.is_patient = True


def _is_open(connection: Any) -> bool:
    """Replace the ping of `pool_pre_ping`, which is a round trip for each request.

    An idle connection becomes readable only when the server closes it. Retries would need no ping,
    but could write twice.
    """
    if connection.has_late_timeout:
        raise DisconnectionError("a timeout of the last statement may be left")
    if _is_ready(connection.fileno(), POLL_READ, seconds=0):
        # `invalidate_pool` stays False: the other connections may live.
        raise DisconnectionError("closed by the server while idle")
    return True


def _warn_of_encoding(connection: Any, record: object) -> None:
    encoding = connection.info.parameter_status("server_encoding")
    if encoding not in {None, "UTF8"}:  # a pooler may not report it
        log.warning(
            "The database has the encoding %s and cannot store every text, which is then"
            " refused with 400: move it to one of ENCODING 'UTF8'",
            encoding,
        )


def _connect(
    dialect: Dialect, record: object, args: list[Any], options: dict[str, Any]
) -> PsycopgConnection:
    connect = partial(_connect_to_any, options)
    if in_greenlet():
        # Resolving names blocks.
        connection: PsycopgConnection = await_only(run_sync(connect, abandon_on_cancel=True))
        return connection
    return connect()


# When attempts were last silent, by their address and port.
_silent: dict[tuple[Any, Any], float] = {}


def _connect_to_any(options: dict[str, Any]) -> PsycopgConnection:
    """Try one address after the other, those that were silent last.

    libpq ignores `connect_timeout` when it is asynchronous, as it is here: the first silent address
    would take all the time.
    """
    attempts = _attempts(options)
    attempts.sort(key=lambda attempt: _silent.get(_place(attempt), 0))
    limit = ADDRESS_SECONDS if len(attempts) > 1 else BLOCKING_SECONDS
    end = min(time.monotonic() + BLOCKING_SECONDS, deadline.get())
    refusals = []
    for attempt in attempts:
        began = time.monotonic()
        outer_deadline = deadline.set(min(began + limit, end))
        try:
            connection: PsycopgConnection = psycopg2.connect(**attempt)
        except psycopg2.OperationalError as error:
            refusals.append(str(error).strip().partition("\n")[0])
            if time.monotonic() - began >= limit:
                _silent[_place(attempt)] = time.monotonic()
        else:
            _silent.pop(_place(attempt), None)
            return connection
        finally:
            deadline.reset(outer_deadline)
    raise psycopg2.OperationalError("; ".join(dict.fromkeys(refusals)))


def _attempts(options: dict[str, Any]) -> list[dict[str, Any]]:
    """Make options of their own for each address of each host."""
    if options.keys() & LIBPQ_CHOOSES or options.get("target_session_attrs") == "prefer-standby":
        return [options]
    hosts = options["host"].split(",")
    ports = str(options.get("port", "")).split(",")
    if len(ports) == 1:
        ports *= len(hosts)
    return [
        {**options, "host": host, "hostaddr": address, "port": port}
        for host, port in zip(hosts, ports, strict=True)
        for address in _addresses(host)
    ]


def _addresses(host: str) -> list[Any]:
    """Resolve `host`. Gives None for the folder of a socket, and for a name that libpq reports."""
    if host.startswith(("/", "@")):
        return [None]
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return [None]
    return list(dict.fromkeys(address[0] for *_, address in found))


def _place(attempt: dict[str, Any]) -> tuple[Any, Any]:
    return attempt.get("hostaddr") or attempt["host"], attempt.get("port")


def _invalidate(context: ExceptionContext) -> None:
    """Have SQLAlchemy invalidate the pool, whose connections are then replaced on next use, if the
    error concerns all of them.
    """
    error = context.original_exception
    if isinstance(error, asyncio.CancelledError):
        # The server did not even report its own statement timeout: its connections are dead.
        context.invalidate_pool_on_disconnect = time.monotonic() >= deadline.get()
    elif getattr(error, "pgcode", None) == READ_ONLY and context.connection:
        # After a failover, older connections lead to the former primary, a replica now.
        connection = context.connection.connection.dbapi_connection
        assert isinstance(connection, OwnConnection)
        context.is_disconnect = time.monotonic() - connection.opened > YOUNG_SECONDS


def can_wait_on_loop(engine: Engine) -> bool:
    """Whether a statement can wait on the event loop. A statement cannot

    - with another driver than psycopg2;
    - before SQLAlchemy's first connection, whose thread lock a greenlet must not wait for;
    - while sessions in threads hold the whole pool, which a greenlet must not wait for either;
    - on Windows, whose event loop does not watch file descriptors.
    """
    return (
        engine.dialect.driver == "psycopg2"
        and getattr(engine.dialect, "server_version_info", None) is not None
        and isinstance(engine.pool, QueuePool)
        and engine.pool.checkedout() < engine.pool.size()
        and sys.platform != "win32"
    )


def _wait(connection: PsycopgConnection) -> None:
    """psycopg2's wait callback: https://www.psycopg.org/docs/advanced.html#green-support"""
    # The callback is the process's: it must not hurry the connections of others, a test's say.
    if isinstance(connection, OwnConnection) and not connection.is_patient:
        end = min(time.monotonic() + BLOCKING_SECONDS, deadline.get())
    else:
        end = time.monotonic() + A_DAY_SECONDS
    while (state := connection.poll()) != POLL_OK:
        if in_greenlet():
            _let_loop_wait(connection.fileno(), state)
        elif not _is_ready(connection.fileno(), state, end - time.monotonic()):
            raise psycopg2.OperationalError("the database did not answer in time")


set_wait_callback(_wait)


def _let_loop_wait(descriptor: int, state: int) -> None:
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


def _is_ready(descriptor: int, state: int, seconds: float) -> bool:
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
