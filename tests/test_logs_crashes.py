"""The log names the cause of a crash, as far as the cause's text quotes nobody's data."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from answers import refusal
from cluster import ROLE, Cluster, Database
from endpoints import TASKS
from fastapi.exceptions import ResponseValidationError
from fastapi.testclient import TestClient
from fixtures import Overrides
from httpx2 import Response
from log_lines import DESCRIPTION, TITLE
from pydantic import BaseModel
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url
from users import bearer

import database
import main
from auth import get_current_user
from models import Task


def create(client: TestClient) -> Response:
    return client.post(TASKS, json={"title": TITLE, "description": DESCRIPTION}, headers=bearer())


# --- errors of PostgreSQL ---


@pytest.fixture
def postgresql(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[TestClient, Database]]:
    """A client of the app on a database of its own, where the tables are, and that database."""
    own = Database(cluster)
    engine = database.make_engine(make_url(f"postgresql+psycopg2{own.url()[len('postgresql') :]}"))
    monkeypatch.setattr(database, "engine", engine)
    with TestClient(main.app) as client:
        yield client, own


def trigger(statement: str) -> str:
    """A trigger that executes the statement for each new task."""
    return (
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN {statement}; RETURN NEW; END $$;"
        " CREATE TRIGGER refuse BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION refuse()"
    )


NAMED = {
    "ALTER TABLE tasks RENAME COLUMN description TO remarks": (
        'UndefinedColumn, SQLSTATE 42703: column "description" of relation "tasks" does not exist'
    ),
    "DROP TABLE tasks": 'UndefinedTable, SQLSTATE 42P01: relation "tasks" does not exist',
    f"REVOKE ALL ON tasks FROM {ROLE}": (
        "InsufficientPrivilege, SQLSTATE 42501: permission denied for table tasks"
    ),
    "ALTER TABLE tasks ALTER COLUMN completed TYPE integer USING 0": (
        'DatatypeMismatch, SQLSTATE 42804: column "completed" is of type integer but expression is'
        " of type boolean"
    ),
    # The detail of these three quotes the task.
    "ALTER TABLE tasks ADD COLUMN place text NOT NULL": (
        'NotNullViolation, SQLSTATE 23502: null value in column "place" of relation "tasks"'
        " violates not-null constraint"
    ),
    "CREATE UNIQUE INDEX one_title ON tasks (title); INSERT INTO tasks (user_id, title,"
    f" completed, created_at, updated_at) VALUES ('x', '{TITLE}', false, now(), now())": (
        "UniqueViolation, SQLSTATE 23505: duplicate key value violates unique constraint"
        ' "one_title"'
    ),
    "ALTER TABLE tasks ADD CONSTRAINT short CHECK (length(title) < 3)": (
        'CheckViolation, SQLSTATE 23514: new row for relation "tasks" violates check constraint'
        ' "short"'
    ),
}


@pytest.mark.parametrize(("change", "cause"), NAMED.items())
def test_the_log_has_postgresqls_own_words_where_they_quote_no_value(
    postgresql: tuple[TestClient, Database], logged_errors: list[str], change: str, cause: str
) -> None:
    client, own = postgresql
    own.run(change)

    answer = create(client)

    assert refusal(answer) == (500, "SERVER_ERROR")
    (crash,) = logged_errors
    assert cause in crash.splitlines()
    assert TITLE not in crash
    assert DESCRIPTION not in crash


QUOTING = {
    "ALTER TABLE tasks ALTER COLUMN title TYPE integer USING 1": "22P02",
    "ALTER TABLE tasks ALTER COLUMN title TYPE date USING now()": "22007",
    trigger("RAISE 'Refused: %', NEW.title"): "P0001",
    # What a function raises may have any SQLSTATE, and any text.
    trigger("RAISE 'column % does not exist', NEW.title USING ERRCODE = '42703'"): "42703",
    trigger("RAISE 'Refused' USING ERRCODE = '23505', DETAIL = NEW.title"): "23505",
    trigger("EXECUTE format('SELECT %I', NEW.title)"): "42703",
    trigger("EXECUTE format('SELECT %s', NEW.title)"): "42601",
}


@pytest.mark.parametrize(("change", "state"), QUOTING.items())
def test_the_log_has_the_sqlstate_alone_where_postgresqls_words_may_quote_a_value(
    postgresql: tuple[TestClient, Database], logged_errors: list[str], change: str, state: str
) -> None:
    client, own = postgresql
    own.run(change)

    answer = create(client)

    assert refusal(answer) == (500, "SERVER_ERROR")
    (crash,) = logged_errors
    assert [line for line in crash.splitlines() if line.endswith(f", SQLSTATE {state}")]
    assert TITLE.split()[0] not in crash
    assert DESCRIPTION not in crash


# --- errors of SQLite ---


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ("DROP TABLE tasks", "OperationalError: no such table: tasks"),
        (
            "ALTER TABLE tasks RENAME COLUMN description TO remarks",
            "OperationalError: table tasks has no column named description",
        ),
        (
            "CREATE TRIGGER refuse BEFORE INSERT ON tasks"
            f" BEGIN SELECT RAISE(ABORT, '{TITLE}'); END",
            "IntegrityError",
        ),
    ],
)
def test_the_log_has_sqlites_own_words_where_they_name_a_table_or_a_column(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    logged_errors: list[str],
    change: str,
    cause: str,
) -> None:
    engine = database.make_engine(make_url(f"sqlite:///{tmp_path / 'tasks.db'}"))
    monkeypatch.setattr(database, "engine", engine)
    database.create_tables()
    with engine.connect() as connection:
        connection.execute(text(change))

    answer = create(TestClient(main.app))

    engine.dispose()
    assert refusal(answer) == (500, "SERVER_ERROR")
    (crash,) = logged_errors
    assert cause in crash.splitlines()
    assert TITLE not in crash
    assert DESCRIPTION not in crash


# --- errors of Python ---


class Note(BaseModel):
    title: int


FIELDS: dict[str, Any] = {TITLE: DESCRIPTION}


def fail(error: Exception, cause: Exception | None = None) -> None:
    raise error from cause


# Bugs that have the title of a task in their hands, and what the log may tell of each.
BUGS: dict[str, tuple[Callable[[], Any], str]] = {
    "a missing attribute": (
        lambda: FIELDS.titles,  # type: ignore[attr-defined]
        "AttributeError: 'dict' object has no attribute 'titles'",
    ),
    "a wrong type": (
        lambda: TITLE + 1,  # type: ignore[operator]
        'TypeError: can only concatenate str (not "int") to str',
    ),
    "a text of ours": (
        lambda: fail(RuntimeError("the pool is closed"), KeyError(TITLE)),
        "RuntimeError: the pool is closed",
    ),
    "a validation": (
        lambda: Note.model_validate({"title": TITLE}),
        "ValidationError: Note, int_parsing",
    ),
    "a missing key": (lambda: FIELDS[DESCRIPTION], "KeyError"),
    "an unexpected argument": (lambda: fail(**FIELDS), "TypeError"),
    "a column that is none": (lambda: Task.__table__.c[TITLE], "KeyError"),  # type: ignore[attr-defined]
    "a number": (lambda: int(TITLE), "ValueError"),
    "an iterator": (lambda: fail(StopAsyncIteration(TITLE)), "StopAsyncIteration"),
    "a response": (
        lambda: fail(ResponseValidationError([{"type": "x", "loc": (), "input": TITLE}])),
        "ResponseValidationError",
    ),
    "a driver": (lambda: fail(psycopg2.ProgrammingError(TITLE)), "ProgrammingError"),
}


@pytest.mark.without_sql
@pytest.mark.parametrize(("bug", "cause"), BUGS.values(), ids=list(BUGS))
def test_the_log_has_pythons_words_where_they_quote_no_value(
    engine: Engine,
    overrides: Overrides,
    logged_errors: list[str],
    bug: Callable[[], Any],
    cause: str,
) -> None:
    overrides[get_current_user] = bug

    answer = create(TestClient(main.app))

    assert refusal(answer) == (500, "SERVER_ERROR")
    (crash,) = logged_errors
    assert cause in crash.splitlines()
    assert TITLE not in crash
    assert DESCRIPTION not in crash
