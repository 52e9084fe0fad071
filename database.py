"""The engine and its pool, sessions, and the tables: made, migrated, and checked to be current."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, column, event, false, select, table
from sqlalchemy.engine import URL, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool
from sqlmodel import Session, create_engine

from driver import postgres
from driver.executors import WORK_SECONDS, EngineExecutor, lacks_tables
from models import Task
from settings import StartupError, get_settings

log = logging.getLogger("tasks.database")

# The longest that a writer waits for other writers of the SQLite file.
SQLITE_LOCK_SECONDS = 5
# Serialises workers that start together, 1.0.0's too.
CREATE_TABLES_LOCK = 7_233_710_045
MIGRATIONS = Path(__file__).with_name("migrations")
# The last migration, which makes the tables that this code needs. Migrations are numbered, so that
# a later one is greater.
REVISION = max(path.name[:4] for path in MIGRATIONS.glob("versions/[0-9]*.py"))


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
    with engine.connect() as connection:
        # Where PgBouncer refuses transactions, this connection hears why: it does not block.
        connection.exec_driver_sql("BEGIN")
        connection.exec_driver_sql("ROLLBACK")
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


class GetExecutor:
    """The dependency of the endpoints: gives the engine's executor, or an override of `get_db`.

    FastAPI runs a synchronous generator in two hops to a thread, and an ORM session around one
    statement costs as much as the statement: production avoids both. An instance equals `get_db`,
    so that FastAPI finds an override of `get_db` for it, whose session
    a `SessionExecutor` takes.
    """

    async def __call__(self) -> EngineExecutor:
        return EngineExecutor(engine)

    def __eq__(self, other: object) -> bool:
        return other is get_db or isinstance(other, GetExecutor)

    def __hash__(self) -> int:
        return hash(get_db)
