"""The SQL: one statement for each act, built once, each scoped to its owner.

`OwnTasks` is the only way to the table, and it runs nothing but `Scoped` statements.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any, TypeVar

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
from sqlalchemy.orm.util import identity_key
from sqlmodel import Session

from database import Source, run
from models import Task, utc_now
from postgres import BoundedCursor, let_others_run
from times import EARLIEST, LATEST

log = logging.getLogger("tasks.queries")

# What `TaskRead` describes.
TaskRow = dict[str, Any]
T = TypeVar("T")

# Of a long list: what is read and written before the event loop serves others.
ROWS_AT_ONCE = 200

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

    async def newest_first(
        self, write: Callable[[Iterator[list[TaskRow]]], T], *, completed: bool | None
    ) -> T:
        """What `write` makes of all of them, or only of those that are (or are not) completed.

        It gets them part by part while they are read, so that a long list is never whole as
        Python's objects, and lets the event loop serve others in between.
        """
        if completed is None:
            return await self._run(LIST, write)
        return await self._run(LIST_BY_COMPLETION, write, completed=completed)

    async def get(self, task_id: int) -> TaskRow | None:
        return await self._run(GET, _first, task_id=task_id)

    async def create(self, title: str, description: str | None) -> TaskRow:
        new = {"title": title, "description": description, "now": utc_now()}
        task = await self._run(CREATE, _first, **new)
        assert task
        return task

    async def update(self, task_id: int, changes: dict[str, Any]) -> TaskRow | None:
        if not changes:
            return await self.get(task_id)
        values = {f"new_{field}": value for field, value in changes.items()}
        update = update_of(*sorted(changes))
        return await self._run(update, _first, task_id=task_id, now=utc_now(), **values)

    async def toggle(self, task_id: int) -> TaskRow | None:
        return await self._run(TOGGLE, _first, task_id=task_id, now=utc_now())

    async def delete(self, task_id: int) -> TaskRow | None:
        return await self._run(DELETE, _first, task_id=task_id)

    async def _run(
        self, scoped: Scoped, make: Callable[[Iterator[list[TaskRow]]], T], **values: Any
    ) -> T:
        parameters = {**values, "owner": self.owner}

        def execute(db: Connection | Session) -> T:
            if isinstance(db, Session):
                rows = db.execute(scoped.statement, parameters).all()
                _tell(db, scoped.statement, [row.id for row in rows])
                return make(_tasks_of([rows]))
            result = db.execute(scoped.statement, parameters)
            if isinstance(result.cursor, BoundedCursor):
                # It has read the whole result by now, and gives Python's types by itself.
                return make(_tasks_of(_parts(result.cursor.fetchmany)))
            return make(_tasks_of(_parts(result.fetchmany)))

        return await run(self._source, execute)


def _tell(session: Session, statement: Executable, task_ids: Sequence[int]) -> None:
    """Let a test's session forget what it knew of tasks that a statement has changed."""
    for task_id in task_ids:
        known = session.identity_map.get(identity_key(Task, task_id))
        if known and isinstance(statement, Update):
            session.expire(known)
        elif known and isinstance(statement, Delete):
            session.expunge(known)


def _parts(fetch: Callable[[int], Sequence[Sequence[Any]]]) -> Iterator[Sequence[Sequence[Any]]]:
    while rows := fetch(ROWS_AT_ONCE):
        yield rows
        if len(rows) < ROWS_AT_ONCE:
            return
        let_others_run()


def _tasks_of(parts: Iterable[Sequence[Sequence[Any]]]) -> Iterator[list[TaskRow]]:
    for rows in parts:
        tasks: list[TaskRow] = []
        unlike_stored: list[int] = []
        for task_id, user_id, title, description, completed, created_at, updated_at in rows:
            task = {
                "id": task_id,
                "user_id": user_id,
                "title": title,
                "description": description,
                "completed": completed,
                "created_at": created_at,
                "updated_at": updated_at,
            }
            # `is`, as comparing datetimes would take ten times as long.
            if (
                title is None
                or completed is None
                or created_at is None
                or created_at is EARLIEST
                or created_at is LATEST
                or updated_at is None
                or updated_at is EARLIEST
                or updated_at is LATEST
            ):
                _replace_nulls(task)
                unlike_stored.append(task_id)
            tasks.append(task)
        if unlike_stored:
            log.warning(
                "Nulls and times outside the years 1 to 9999 are shown as other values: tasks %s",
                ", ".join(map(str, unlike_stored)),
            )
        yield tasks


def _replace_nulls(task: TaskRow) -> None:
    """Give a task of another writer what the API promises: no nulls but the description's."""
    created_at, updated_at = task["created_at"], task["updated_at"]
    task["title"] = task["title"] or ""
    task["completed"] = bool(task["completed"])
    task["created_at"] = created_at or updated_at or EARLIEST
    task["updated_at"] = updated_at or created_at or EARLIEST


def _first(parts: Iterator[list[TaskRow]]) -> TaskRow | None:
    return next((task for part in parts for task in part), None)
