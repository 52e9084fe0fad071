"""The SQL: one statement for each act, built once, each scoped to its owner.

`OwnTasks` is the only way to the table, and it runs nothing but `Scoped` statements.
"""

import logging
from collections.abc import Iterator, Mapping
from functools import cache
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Delete,
    Executable,
    Insert,
    Select,
    Update,
    bindparam,
    case,
    delete,
    false,
    func,
    insert,
    not_,
    null,
    select,
    type_coerce,
    update,
)

from database import Executor, Rows
from models import DEFAULT_PRIORITY, Task, utc_now
from schemas import TaskCreate, TaskRead
from times import EARLIEST, LATEST

log = logging.getLogger("tasks.queries")

TaskRow = dict[str, Any]  # as `TaskRead` describes it

table = Task.__table__  # type: ignore[attr-defined]
# When a completed task became so: a task that 1.0.0 completed shows its last change. What 1.0.0
# left behind in a pending one does not show.
KNOWN_COMPLETION = func.coalesce(table.c.completed_at, table.c.updated_at)
COMPUTED = {"completed_at": case((table.c.completed, KNOWN_COMPLETION)).label("completed_at")}
FIELDS = tuple(TaskRead.model_fields)
COLUMNS = tuple(COMPUTED.get(field, table.c[field]) for field in FIELDS)

# What other writers may have left in a column that cannot be null here, by identity: comparing
# datetimes takes longer.
ODD = frozenset(map(id, (None, EARLIEST, LATEST)))
required_of = itemgetter(*(n for n, field in enumerate(FIELDS) if not table.c[field].nullable))
# What is shown instead of a null; a time has the task's other time.
STAND_INS = {"title": "", "completed": False, "priority": DEFAULT_PRIORITY, "tags": []}

OWNER: BindParameter[str] = bindparam("owner")
THIS_TASK = table.c.id == bindparam("task_id", type_=BigInteger)
NOW = bindparam("now", type_=table.c.updated_at.type)
# Servers' clocks differ: keep the later time, so that `updated_at` never moves back.
CHANGED = case((table.c.updated_at > NOW, table.c.updated_at), else_=NOW)


def changed(values: Mapping[str, ColumnElement[Any]]) -> Update:
    """The update of a task to these values, which `updated_at` and `completed_at` follow."""
    completed = values.get("completed", table.c.completed)
    completed_at = case(
        (not_(completed), null()), (table.c.completed, KNOWN_COMPLETION), else_=CHANGED
    )
    return update(Task).values({**values, "updated_at": CHANGED, "completed_at": completed_at})


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
TOGGLE = Scoped(changed({"completed": not_(table.c.completed)}).where(THIS_TASK))
DELETE = Scoped(delete(Task).where(THIS_TASK))


@cache
def update_of(*fields: str) -> Scoped:
    """The update of these fields: with six of them there are 63."""
    # The type lets a test's session, which evaluates what is set, find no value rather than None.
    values = {
        field: type_coerce(bindparam(f"new_{field}"), table.c[field].type) for field in fields
    }
    return Scoped(changed(values).where(THIS_TASK))


# A read-only database refuses this too, and so does one that lacks a column of the table. The only
# statement without a scope: it reaches no row.
WRITE_NOTHING = delete(Task).where(false()).returning(*table.c)


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
            task
            for task, row in zip(tasks, part, strict=True)
            if not ODD.isdisjoint(map(id, required_of(row)))
        ]
        if odd:
            for task in odd:
                _replace_nulls(task)
            log.warning(
                "Nulls and times outside the years 1 to 9999 are shown as other values: tasks %s",
                ", ".join(str(task["id"]) for task in odd),
            )
        yield tasks


def _first_of(rows: Rows) -> TaskRow | None:
    return next((task for part in _parts_of(rows) for task in part), None)


def _replace_nulls(task: TaskRow) -> None:
    """Give a task of another writer what the API promises: no null where none is allowed."""
    stand_ins = {
        **STAND_INS,
        "created_at": task["updated_at"] or EARLIEST,
        "updated_at": task["created_at"] or EARLIEST,
    }
    task |= {field: value for field, value in stand_ins.items() if task[field] is None}
