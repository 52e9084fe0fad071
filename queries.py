"""The SQL: one statement for each act, built once, each scoped to its owner.

`OwnTasks` is the only way to the table, and it runs nothing but `Scoped` statements.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Connection,
    Delete,
    Executable,
    Insert,
    Select,
    Update,
    bindparam,
    case,
    delete,
    insert,
    not_,
    select,
    update,
)
from sqlmodel import Session

from database import Source, run
from models import Task, utc_now

# What `TaskRead` describes.
TaskRow = dict[str, Any]

tasks = Task.__table__  # type: ignore[attr-defined]
# In the order in which `_tasks_of` takes them.
COLUMNS = (
    tasks.c.id,
    tasks.c.user_id,
    tasks.c.title,
    tasks.c.description,
    tasks.c.completed,
    tasks.c.created_at,
    tasks.c.updated_at,
)

OWNER: BindParameter[str] = bindparam("owner")
NOW = bindparam("now", type_=tasks.c.updated_at.type)
# The clocks of several servers differ a little; a task's last change never moves back.
CHANGED = case((tasks.c.updated_at > NOW, tasks.c.updated_at), else_=NOW)
THIS_TASK = tasks.c.id == bindparam("task_id", type_=BigInteger)


class Scoped:
    """A statement that reads and writes one owner's tasks only, and gives them back."""

    def __init__(self, statement: Select[Any] | Insert | Update | Delete) -> None:
        self.statement: Executable
        if isinstance(statement, Insert):
            self.statement = statement.values(user_id=OWNER).returning(*COLUMNS)
        elif isinstance(statement, Select):
            self.statement = statement.where(tasks.c.user_id == OWNER)
        else:
            self.statement = statement.where(tasks.c.user_id == OWNER).returning(*COLUMNS)


NEWEST_FIRST = select(*COLUMNS).order_by(tasks.c.created_at.desc(), tasks.c.id.desc())
LIST = Scoped(NEWEST_FIRST)
LIST_BY_COMPLETION = Scoped(NEWEST_FIRST.where(tasks.c.completed == bindparam("completed")))
GET = Scoped(select(*COLUMNS).where(THIS_TASK))
CREATE = Scoped(
    insert(tasks).values(
        title=bindparam("title"),
        description=bindparam("description"),
        completed=False,
        created_at=NOW,
        updated_at=NOW,
    )
)
TOGGLE = Scoped(
    update(tasks).where(THIS_TASK).values(completed=not_(tasks.c.completed), updated_at=CHANGED)
)
DELETE = Scoped(delete(tasks).where(THIS_TASK))


@cache
def update_of(*fields: str) -> Scoped:
    """The update of these fields: with three of them there are seven."""
    values: dict[str, Any] = {field: bindparam(f"new_{field}") for field in fields}
    return Scoped(update(tasks).where(THIS_TASK).values(values | {"updated_at": CHANGED}))


class OwnTasks:
    """The tasks of one owner. A task that is not theirs is None."""

    def __init__(self, owner: str, source: Source) -> None:
        self.owner = owner
        self._source = source

    async def newest_first(self, *, completed: bool | None) -> list[TaskRow]:
        """All of them, or only those that are (or are not) completed."""
        if completed is None:
            return await self._run(LIST)
        return await self._run(LIST_BY_COMPLETION, completed=completed)

    async def get(self, task_id: int) -> TaskRow | None:
        return _first(await self._run(GET, task_id=task_id))

    async def create(self, title: str, description: str | None) -> TaskRow:
        (task,) = await self._run(CREATE, title=title, description=description, now=utc_now())
        return task

    async def update(self, task_id: int, changes: dict[str, Any]) -> TaskRow | None:
        if not changes:
            return await self.get(task_id)
        values = {f"new_{field}": value for field, value in changes.items()}
        update = update_of(*sorted(changes))
        return _first(await self._run(update, task_id=task_id, now=utc_now(), **values))

    async def toggle(self, task_id: int) -> TaskRow | None:
        return _first(await self._run(TOGGLE, task_id=task_id, now=utc_now()))

    async def delete(self, task_id: int) -> TaskRow | None:
        return _first(await self._run(DELETE, task_id=task_id))

    async def _run(self, scoped: Scoped, **values: Any) -> list[TaskRow]:
        parameters = {**values, "owner": self.owner}

        def tasks_from(db: Connection | Session) -> list[TaskRow]:
            return _tasks_of(db.execute(scoped.statement, parameters).all())

        return await run(self._source, tasks_from)


def _tasks_of(rows: Iterable[Sequence[Any]]) -> list[TaskRow]:
    return [
        {
            "id": task_id,
            "user_id": user_id,
            "title": title,
            "description": description,
            "completed": completed,
            "created_at": created_at,
            "updated_at": updated_at,
        }
        for task_id, user_id, title, description, completed, created_at, updated_at in rows
    ]


def _first(tasks: list[TaskRow]) -> TaskRow | None:
    return tasks[0] if tasks else None
