"""The SQL that is sent, and to whom it is scoped."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event

from driver.postgres import BoundedCursor


@contextmanager
def noting(engine: Engine, note: Callable[[str, Any, str], None]) -> Iterator[None]:
    """Gives `note` each statement that is sent from now on: its SQL, its values, and the two
    together. All that goes to PostgreSQL goes through `BoundedCursor.send`, whosever the connection
    is, and psycopg2 tells what it sent.
    """
    if engine.dialect.name == "sqlite":

        def on_sqlite(_: object, __: object, sql: str, values: Any, *___: object) -> None:
            note(sql, values, with_values(sql, values))

        event.listen(engine, "before_cursor_execute", on_sqlite)
        yield
        event.remove(engine, "before_cursor_execute", on_sqlite)
        return
    send = BoundedCursor.send

    def on_postgresql(cursor: BoundedCursor, sql: Any, values: Any = None, **options: Any) -> None:
        send(cursor, sql, values, **options)
        note(sql, values, (cursor.query or b"").decode())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BoundedCursor, "send", on_postgresql)
        yield


@contextmanager
def sent_by(engine: Engine) -> Iterator[list[str]]:
    """The SQL that is sent from now on, with its values written in."""
    sent: list[str] = []
    with noting(engine, lambda _, __, written: sent.append(written)):
        yield sent


def with_values(sql: str, values: Any) -> str:
    """The statement as it would be typed: sqlite3 counts its values."""
    remaining = iter(values)
    typed = re.sub(r"\?", lambda _: repr(next(remaining)), sql)
    assert list(remaining) == []
    return typed


def owners_in(sql: str) -> list[str]:
    """Whom the statement is scoped to: by its condition, by the row that it inserts, or by both."""
    sql = " ".join(sql.split())
    copied = re.findall(r"INSERT INTO tasks \(.+, user_id\) SELECT .+?, (\S+) AS user_id FROM", sql)
    inserted = re.search(r"INSERT INTO tasks \((.+?)\) VALUES \((.+?)\) (?:ON|RETURNING)", sql)
    if inserted:
        row = dict(zip(inserted[1].split(", "), inserted[2].split(", "), strict=False))
        return [row["user_id"]]
    _, _, condition = sql.partition(" WHERE ")
    condition = re.split(" ORDER BY | RETURNING | ON CONFLICT | FOR UPDATE", condition)[0]
    assert " OR " not in outside_parentheses(condition)
    return copied + [
        term.partition(" = ")[2]
        for term in outside_parentheses(condition).split(" AND ")
        if term.startswith("tasks.user_id = ")
    ]


def each_of(sent: list[str]) -> list[str]:
    """The statements of which the messages are made, without those that bound a transaction."""
    statements = [sql.strip() for message in sent for sql in message.split(";")]
    return [sql for sql in statements if not sql.startswith(("SET LOCAL", "BEGIN", "COMMIT"))]


def outside_parentheses(sql: str) -> str:
    """The terms of a condition, without the alternatives and queries in parentheses."""
    inner = 1
    while inner:
        sql, inner = re.subn(r"\([^()]*\)", "", sql)
    return sql
