"""The SQL that an engine sends, and to whom it is scoped."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event


@contextmanager
def sent_by(engine: Engine) -> Iterator[list[str]]:
    """The SQL that is sent from now on, with its values written in."""
    sent: list[str] = []

    def note(_connection: object, _cursor: object, sql: str, values: Any, *_: object) -> None:
        sent.append(with_values(sql, values))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(engine, "before_cursor_execute", note)


def with_values(sql: str, values: Any) -> str:
    """The statement as it would be typed. psycopg2 names its values, sqlite3 counts them."""
    if isinstance(values, dict):
        return re.sub(r"%\((\w+)\)s", lambda place: repr(values[place[1]]), sql)
    remaining = iter(values)
    typed = re.sub(r"\?", lambda _: repr(next(remaining)), sql)
    assert list(remaining) == []
    return typed


def owners_in(sql: str) -> list[str]:
    """Whom the statement is scoped to: by its condition, or by the row that it inserts."""
    sql = " ".join(sql.split())
    inserted = re.search(r"INSERT INTO tasks \((.+?)\) VALUES \((.+?)\) (?:ON|RETURNING)", sql)
    if inserted:
        row = dict(zip(inserted[1].split(", "), inserted[2].split(", "), strict=False))
        return [row["user_id"]]
    _, _, condition = sql.partition(" WHERE ")
    condition = re.split(" ORDER BY | RETURNING ", condition)[0]
    assert " OR " not in outside_parentheses(condition)
    return [
        term.partition(" = ")[2]
        for term in outside_parentheses(condition).split(" AND ")
        if term.startswith("tasks.user_id = ")
    ]


def outside_parentheses(sql: str) -> str:
    """The terms of a condition, without the alternatives and queries in parentheses."""
    inner = 1
    while inner:
        sql, inner = re.subn(r"\([^()]*\)", "", sql)
    return sql
