"""Whose rows a statement reaches: an executor takes nothing but what is made here."""

from collections.abc import Sequence
from typing import Any, Final

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
            self.statement = statement.values(user_id=OWNER)
            return
        tables: Sequence[FromClause] = (
            statement.get_final_froms() if isinstance(statement, Select) else [statement.table]
        )
        if not tables or not all(
            isinstance(table, Table) and "user_id" in table.c for table in tables
        ):
            raise TypeError("only a statement on tables with a user_id can be scoped to an owner")
        self.statement = statement.where(*(table.c.user_id == OWNER for table in tables))


class Probe:
    """What `/ready` executes. A read-only database refuses it, and so does one that lacks a column
    of the table. It has no owner, and reaches no row.
    """

    statement: Final = delete(Task).where(false()).returning(*Task.__table__.c)  # type: ignore[attr-defined]
