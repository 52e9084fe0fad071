"""Whose rows a statement reaches: an executor takes nothing but what is made here."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    BindParameter,
    Delete,
    Executable,
    FromClause,
    Insert,
    Select,
    Table,
    Update,
    bindparam,
    delete,
    false,
)

from models import Task

OWNER: BindParameter[str] = bindparam("owner")


class Scoped:
    """A statement that reaches the rows of one owner alone, of each table that it names."""

    def __init__(self, statement: Select[*tuple[Any, ...]] | Insert | Update | Delete) -> None:
        self.statement: Executable
        if isinstance(statement, Insert):
            self.statement = _owned(statement)
            return
        tables: Sequence[FromClause] = (
            statement.get_final_froms() if isinstance(statement, Select) else [statement.table]
        )
        if not tables or not all(
            isinstance(table, Table) and "user_id" in table.c for table in tables
        ):
            raise TypeError("only a statement on tables with a user_id can be scoped to an owner")
        self.statement = statement.where(*(table.c.user_id == OWNER for table in tables))

    @property
    def statements(self) -> Sequence[Executable]:
        return [self.statement]


def _owned(statement: Insert) -> Insert:
    if statement.select is None:
        return statement.values(user_id=OWNER)
    assert isinstance(statement.select, Select)
    rows = statement.select.add_columns(OWNER.label("user_id"))
    scoped = Scoped(rows).statement
    assert isinstance(scoped, Select)
    return statement.from_select(rows.selected_columns.keys(), scoped, include_defaults=False)


class Counted(Scoped):
    """A write of which each value that it returns is counted, in place of the rows."""


class Together:
    """Statements that stand or fall together, of which the last one gives the rows."""

    def __init__(self, *parts: Scoped) -> None:
        if not all(isinstance(part, Scoped) for part in parts):
            raise TypeError("only what is scoped to an owner can be executed together")
        self.statements: Sequence[Executable] = [part.statement for part in parts]


class Probe:
    """What `/ready` executes. A read-only database refuses it, and so does one that lacks a column
    of the table. It has no owner, and reaches no row.
    """

    statements: Sequence[Executable] = [
        delete(Task).where(false()).returning(*Task.__table__.c)  # type: ignore[attr-defined]
    ]
