"""The SQL: one statement for each act, built once, each scoped to its owner.

`OwnTasks` is the only way to the table, and it runs nothing but `Scoped` statements.
"""

import logging
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Delete,
    Executable,
    Insert,
    Select,
    Update,
    bindparam,
    case,
    delete,
    false,
    insert,
    not_,
    select,
    type_coerce,
    update,
)

from database import Executor, Rows
from models import Task, utc_now
from schemas import TaskCreate, TaskRead
from times import EARLIEST, LATEST

log = logging.getLogger("tasks.queries")

TaskRow = dict[str, Any]  # as `TaskRead` describes it

table = Task.__table__  # type: ignore[attr-defined]
FIELDS = tuple(TaskRead.model_fields)
COLUMNS = tuple(table.c[field] for field in FIELDS)

OWNER: BindParameter[str] = bindparam("owner")
THIS_TASK = table.c.id == bindparam("task_id", type_=BigInteger)
NOW = bindparam("now", type_=table.c.updated_at.type)
# Servers' clocks differ: keep the later time, so that `updated_at` never moves back.
CHANGED = case((table.c.updated_at > NOW, table.c.updated_at), else_=NOW)


class Scoped:
    """A statement that reads and writes one owner's tasks only, and gives them back."""

    def __init__(self, statement: Select[Any] | Insert | Update | Delete) -> None:
        self.statement: Executable
        if isinstance(statement, Insert):
            self.statement = statement.values(user_id=OWNER).returning(*COLUMNS)
        elif isinstance(statement, Select):
            self.statement = statement.where(table.c.user_id == OWNER)
        else:
            self.statement = statement.where(table.c.user_id == OWNER).returning(*COLUMNS)


NEWEST_FIRST = select(*COLUMNS).order_by(table.c.created_at.desc(), table.c.id.desc())
LIST = Scoped(NEWEST_FIRST)
LIST_BY_COMPLETION = Scoped(NEWEST_FIRST.where(table.c.completed == bindparam("completed")))
GET = Scoped(select(*COLUMNS).where(THIS_TASK))
CREATE = Scoped(
    insert(table).values(
        {field: bindparam(field) for field in TaskCreate.model_fields}
        | {"completed": False, "created_at": NOW, "updated_at": NOW}
    )
)
TOGGLE = Scoped(
    update(Task).where(THIS_TASK).values(completed=not_(table.c.completed), updated_at=CHANGED)
)
DELETE = Scoped(delete(Task).where(THIS_TASK))


@cache
def update_of(*fields: str) -> Scoped:
    """The update of these fields: with three of them there are seven."""
    # The type lets a test's session, which evaluates what is set, find no value rather than None.
    values: dict[str, Any] = {
        field: type_coerce(bindparam(f"new_{field}"), table.c[field].type) for field in fields
    }
    return Scoped(update(Task).where(THIS_TASK).values(values | {"updated_at": CHANGED}))


# A read-only database refuses this too. The only statement without a scope: it reaches no row.
WRITE_NOTHING = delete(Task).where(false()).returning(table.c.id)


class OwnTasks:
    """The tasks of one owner. A task that is not theirs is None."""

    def __init__(self, owner: str, executor: Executor) -> None:
        self.owner = owner
        self._executor = executor

    async def list(self, *, completed: bool | None) -> Iterator[list[TaskRow]]:
        """All of them, or only those that are (or are not) completed, newest first.

        They come in parts of at most `ROWS_AT_ONCE`, each made of its rows when it is asked for.
        """
        if completed is None:
            return _parts_of(await self._run(LIST))
        return _parts_of(await self._run(LIST_BY_COMPLETION, completed=completed))

    async def get(self, task_id: int) -> TaskRow | None:
        return _first_of(await self._run(GET, task_id=task_id))

    async def create(self, new: Mapping[str, Any]) -> TaskRow:
        task = _first_of(await self._run(CREATE, now=utc_now(), **new))
        assert task
        return task

    async def update(self, task_id: int, changes: Mapping[str, Any]) -> TaskRow | None:
        if not changes:
            return await self.get(task_id)
        values = {f"new_{field}": value for field, value in changes.items()}
        statement = update_of(*sorted(changes))
        return _first_of(await self._run(statement, task_id=task_id, now=utc_now(), **values))

    async def toggle(self, task_id: int) -> TaskRow | None:
        return _first_of(await self._run(TOGGLE, task_id=task_id, now=utc_now()))

    async def delete(self, task_id: int) -> TaskRow | None:
        return _first_of(await self._run(DELETE, task_id=task_id))

    async def _run(self, scoped: Scoped, **values: Any) -> Rows:
        return await self._executor.execute(scoped.statement, {**values, "owner": self.owner})


def _parts_of(rows: Rows) -> Iterator[list[TaskRow]]:
    for part in rows:
        tasks = [dict(zip(FIELDS, row, strict=True)) for row in part]
        odd = [
            task["id"]
            for task, row in zip(tasks, part, strict=True)
            # `is`, as comparing datetimes takes longer.
            if (None in row and _replace_nulls(task))
            or (time := task["created_at"]) is EARLIEST
            or time is LATEST
            or (time := task["updated_at"]) is EARLIEST
            or time is LATEST
        ]
        if odd:
            log.warning(
                "Nulls and times outside the years 1 to 9999 are shown as other values: tasks %s",
                ", ".join(map(str, odd)),
            )
        yield tasks


def _first_of(rows: Rows) -> TaskRow | None:
    return next((task for part in _parts_of(rows) for task in part), None)


def _replace_nulls(task: TaskRow) -> bool:
    """Give a task of another writer what the API promises: no nulls but the description's. Tells
    whether there were any.
    """
    stand_ins = {
        "title": "",
        "completed": False,
        "created_at": task["updated_at"] or EARLIEST,
        "updated_at": task["created_at"] or EARLIEST,
    }
    missing = {field: value for field, value in stand_ins.items() if task[field] is None}
    task |= missing
    return bool(missing)
