"""A database of its own for a test, PostgreSQL or SQLite, and the tables that older code made."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cluster import ROLE, Cluster, Database
from fastapi.testclient import TestClient
from users import bearer

import database
import lifespan
import main
from settings import StartupError, database_url


@dataclass(frozen=True)
class Place:
    """An empty database: where it is, and what runs one statement in it."""

    backend: str
    url: str
    run: Callable[[str], list[tuple[Any, ...]]]

    def make(self, table: str) -> None:
        """Make the table `tasks` that somebody's code makes."""
        for statement in TABLES[table][self.backend]:
            self.run(statement)
        if self.backend == "postgresql":
            self.run(f"ALTER TABLE tasks OWNER TO {ROLE}")

    def migrate(self) -> None:
        """Make the tables current, as a start does."""
        migrate(self.url)

    def revision(self) -> list[tuple[Any, ...]]:
        return self.run("SELECT version_num FROM alembic_version")


def on_postgresql(cluster: Cluster) -> Place:
    """In Kolkata."""
    empty = Database(cluster)
    cluster.run(f"ALTER DATABASE {empty.name} SET timezone = 'Asia/Kolkata'")
    return Place("postgresql", empty.url(), empty.run)


def on_sqlite(file: Path) -> Place:
    def run(statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            return connection.execute(statement).fetchall()

    return Place("sqlite", f"sqlite:///{file}", run)


def current_database(cluster: Cluster) -> Database:
    """A database whose tables are current: to migrate takes a service as long as the rest of its
    start.
    """
    return Database(cluster, template=_template(cluster))


@cache
def _template(cluster: Cluster) -> str:
    database = Database(cluster)
    migrate(database.url())
    return database.name


@contextmanager
def _app_on(url: str) -> Iterator[None]:
    """The app of this process uses this database. A start here takes a tenth of a service's."""
    engine = database.make_engine(database_url(url))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "engine", engine)
        patch.setattr(lifespan, "DELAYS_SECONDS", (0.01, 0.01))
        try:
            yield
        finally:
            engine.dispose()


def migrate(url: str) -> None:
    """Make the tables current, as a start does."""
    with _app_on(url):
        asyncio.run(lifespan.create_tables_when_reachable())


def refusal_of_a_start(url: str) -> str:
    """What a start says that can never succeed, in one line; it tries once."""
    with pytest.raises(StartupError) as refusal:
        migrate(url)
    line = str(refusal.value)
    assert line.startswith("The database cannot be used (")
    assert "\n" not in line
    return line


@contextmanager
def served(url: str) -> Iterator[TestClient]:
    """A client of the app of this process, which starts on this database."""
    with (
        _app_on(url),
        TestClient(main.app, headers=bearer(), raise_server_exceptions=False) as client,
    ):
        yield client


INDEXES = (
    "CREATE INDEX ix_tasks_newest ON tasks (user_id, created_at, id)",
    "CREATE INDEX ix_tasks_newest_by_completion ON tasks (user_id, completed, created_at, id)",
)
TABLES: dict[str, dict[str, tuple[str, ...]]] = {
    "1.0.0's": {
        "postgresql": (
            """
            CREATE TABLE tasks (
                id BIGSERIAL NOT NULL,
                user_id VARCHAR(255) NOT NULL,
                title VARCHAR(200) NOT NULL,
                description VARCHAR(1000),
                completed BOOLEAN NOT NULL,
                created_at TIMESTAMP WITH TIME ZONE NOT NULL,
                updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
                PRIMARY KEY (id)
            )
            """,
            *INDEXES,
        ),
        "sqlite": (
            """
            CREATE TABLE tasks (
                id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
                user_id VARCHAR(255) NOT NULL,
                title VARCHAR(200) NOT NULL,
                description VARCHAR(1000),
                completed BOOLEAN NOT NULL,
                created_at DATETIME NOT NULL,
                updated_at DATETIME NOT NULL
            )
            """,
            *INDEXES,
        ),
    },
    # With the versions that the plan names.
    "the plan's": {
        "postgresql": (
            """
            CREATE TABLE tasks (
                id SERIAL NOT NULL,
                user_id VARCHAR NOT NULL,
                title VARCHAR(200) NOT NULL,
                description VARCHAR(1000),
                completed BOOLEAN NOT NULL,
                created_at TIMESTAMP WITHOUT TIME ZONE NOT NULL,
                updated_at TIMESTAMP WITHOUT TIME ZONE NOT NULL,
                PRIMARY KEY (id)
            )
            """,
        ),
        "sqlite": (
            """
            CREATE TABLE tasks (
                id INTEGER NOT NULL,
                user_id VARCHAR NOT NULL,
                title VARCHAR(200) NOT NULL,
                description VARCHAR(1000),
                completed BOOLEAN NOT NULL,
                created_at DATETIME NOT NULL,
                updated_at DATETIME NOT NULL,
                PRIMARY KEY (id)
            )
            """,
        ),
    },
}
# `user_id`, "indexed", as the plan says.
TABLES["the plan's indexed"] = {
    backend: (*statements, "CREATE INDEX ix_tasks_user_id ON tasks (user_id)")
    for backend, statements in TABLES["the plan's"].items()
}
