"""psycopg2: an engine whose connections are asynchronous, within limits, and to several hosts.

An asynchronous connection does not block: whoever waits for it calls `poll` once its socket is
ready. A thread waits in `_wait`; how the event loop waits is in `pool.py`.
"""

import logging
import select
import socket
import sys
import time
from contextvars import ContextVar
from typing import Any

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_READ, new_type, register_type
from psycopg2.extensions import connection as PsycopgConnection
from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL, Dialect, Engine, ExceptionContext
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import NullPool

from times import parse_postgresql

log = logging.getLogger("tasks.driver")

# How these limits depend on each other and on others: docs/architecture.md, "Limits of time".

# The longest that PostgreSQL executes one statement, waiting for locks included.
STATEMENT_SECONDS = 4
# The time for the server to report its own statement timeout. The server always gives up before the
# request does, so that no connection is replaced while the server still works for it.
REPORT_SECONDS = 1
# The longest that a blocking call waits for PostgreSQL: for a new connection, which resumes a
# suspended Neon, or for a statement in a thread, unless it migrates.
BLOCKING_SECONDS = 5
# The longest that connecting waits for one address of several.
ADDRESS_SECONDS = 2
# The longest that a migration waits for a table, and that requests wait behind it for the same.
MIGRATION_LOCK_SECONDS = 0.5
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
    """An asynchronous connection. It is in autocommit, which cannot be changed: SQLAlchemy's calls
    to commit, or to change it, have nothing to do.
    """

    # When the current statement's timeout comes, by `time.monotonic`.
    timeout_comes = 0.0
    # Whether the next statement may get the timeout of the last one.
    has_late_timeout = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.opened = time.monotonic()

    def commit(self) -> None: ...

    def rollback(self) -> None: ...

    def set_isolation_level(self, level: object) -> None: ...

    def note_answer(self) -> None:
        # A timeout that comes when PostgreSQL looks for it no more, as while it sends the rows that
        # a write returns, ends the next statement on this connection instead.
        self.has_late_timeout = time.monotonic() >= self.timeout_comes


class BoundedCursor(psycopg2.extensions.cursor):
    """Sends a `statement_timeout` with each statement.

    A SET LOCAL in the statement's own query string costs no round trip and ends with the statement.
    PgBouncer refuses the setting as a connection's option, and would show a plain SET to others.
    """

    connection: OwnConnection

    def send(self, query: str | bytes, values: Any = None, statements: int = 1) -> None:
        """Send a statement, whose result is there once the connection's `poll` says so. Several
        share the time: PostgreSQL limits each of them.
        """
        began = time.monotonic()
        left = deadline.get() - began - REPORT_SECONDS
        if left <= 0:
            raise psycopg2.OperationalError("connecting left no time for the statement")
        limit = max(1, int(min(left, STATEMENT_SECONDS) * 1000 / statements))  # 0 is no limit
        text = query if isinstance(query, str) else query.decode()
        super().execute(f"SET LOCAL statement_timeout = {limit}; {text}", values)
        self.connection.timeout_comes = began + limit / 1000

    def execute(self, query: Any, vars: Any = None) -> None:  # noqa: A002 (psycopg2's name)
        """Send a statement, and block this thread until its result is there."""
        self.send(query, vars)
        _wait(self.connection, time.monotonic() + BLOCKING_SECONDS)
        self.connection.note_answer()


CONNECT_ARGS = {
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
        executemany_mode="values_plus_batch",  # psycopg2's own is not asynchronous
        connect_args={
            **CONNECT_ARGS,
            "async_": True,
            "connection_factory": OwnConnection,
            "cursor_factory": BoundedCursor,
        },
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
    """An engine for transactions whose statements block, and take as long as they take."""
    engine = create_engine(
        url,
        hide_parameters=True,
        use_native_hstore=False,
        connect_args=CONNECT_ARGS,
        poolclass=NullPool,
    )
    event.listen(engine, "do_connect", _connect)
    return engine


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
    """Try one address after the other, those that were silent last.

    libpq ignores `connect_timeout` where it is asynchronous: the first silent address would take
    all the time.
    """
    attempts = _attempts(options)
    attempts.sort(key=lambda attempt: _silent.get(_place(attempt), 0))
    limit = ADDRESS_SECONDS if len(attempts) > 1 else BLOCKING_SECONDS
    end = min(time.monotonic() + BLOCKING_SECONDS, deadline.get())
    refusals = []
    for attempt in attempts:
        began = time.monotonic()
        try:
            connection: PsycopgConnection = psycopg2.connect(
                **{**attempt, "connect_timeout": limit}
            )
            if connection.async_:
                _wait(connection, min(began + limit, end))
        except psycopg2.OperationalError as error:
            refusals.append(str(error).strip().partition("\n")[0])
            if time.monotonic() - began >= limit:
                _silent[_place(attempt)] = time.monotonic()
        else:
            _silent.pop(_place(attempt), None)
            register_type(TIMES, connection)
            return connection
    raise psycopg2.OperationalError("; ".join(dict.fromkeys(refusals)))


# When attempts were last silent, by their address and port.
_silent: dict[tuple[Any, Any], float] = {}


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
    """Have SQLAlchemy replace the pool's connections on next use, if the error says so."""
    connection = context.connection and context.connection.connection.dbapi_connection
    if isinstance(connection, OwnConnection) and is_astray(connection, context.original_exception):
        context.is_disconnect = True


def is_astray(connection: OwnConnection, error: BaseException) -> bool:
    """Whether the error says that the connection, as older ones do after a failover, leads to the
    former primary, a replica now.
    """
    is_old = time.monotonic() - connection.opened > YOUNG_SECONDS
    return is_old and getattr(error, "pgcode", None) == READ_ONLY


def is_made_here(engine: Engine) -> bool:
    """Whether the engine's connections are `OwnConnection`s.

    `event.contains` would go by the engine's address, which may be that of a former one.
    """
    return getattr(engine.dialect, "do_ping", None) is _is_open


def _wait(connection: PsycopgConnection, end: float) -> None:
    """Block this thread until the connection has done what it was told; close it at the `end`."""
    end = min(end, deadline.get())
    while (state := connection.poll()) != POLL_OK:
        if not _is_ready(connection.fileno(), state, end - time.monotonic()):
            connection.close()
            raise psycopg2.OperationalError("the database did not answer in time")


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
