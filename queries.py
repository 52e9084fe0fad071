"""The tasks of one owner: the only way to the table, by nothing but `Scoped` statements."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from itertools import chain, starmap
from secrets import token_hex
from typing import Any, NamedTuple

from msgspec.structs import replace
from pydantic_core import to_json

from driver.executors import Executor, Rows, one_act
from models import utc_now
from recurrence import Rule, day_of, moved_reminder, next_due_date
from schemas import TaskRow
from sql import lists, series, tasks
from sql.lists import NEWEST_FIRST, Order, Position, Shape, position_of
from sql.scope import Scoped, Together


class Page(NamedTuple):
    """A list, in parts of at most `ROWS_AT_ONCE` tasks, each made of its rows when it is asked for;
    and where it ended, if more comes.
    """

    parts: Iterator[list[TaskRow]]
    end: Position | None = None


class Once(NamedTuple):
    """An `Idempotency-Key`, and what a request with this key must have in common with the first."""

    key: str
    compared: Mapping[str, Any]


class Created(NamedTuple):
    task: TaskRow
    is_replay: bool = False


class Changed(NamedTuple):
    """A task, and the successor that it has if it was to be completed."""

    task: TaskRow
    next_task: TaskRow | None = None


class Completed(NamedTuple):
    """How many tasks were changed, and how many successors were made."""

    updated: int
    created: int


class Found(NamedTuple):
    """A task, and what tells which other follows it."""

    task: TaskRow
    due_day: int | None
    is_followed: bool
    used: str

    @classmethod
    def of(cls, row: Sequence[Any]) -> "Found":
        *columns, due_day, is_followed, used = row
        return cls(TaskRow(*columns), due_day, is_followed, used)


# How often a change of many tasks is tried anew, where others change the same tasks meanwhile.
ATTEMPTS = 3


class OwnTasks:
    """The tasks of one owner. A task that is not theirs is None.

    `selected` has the values of the conditions (`sql.lists.CONDITIONS`) that narrow a list.
    """

    def __init__(self, owner: str, executor: Executor) -> None:
        self.owner = owner
        self._executor = executor

    async def page(
        self,
        selected: Mapping[str, Any] = {},
        order: Order = NEWEST_FIRST,
        *,
        limit: int | None = None,
        after: Position | None = None,
        offset: int = 0,
    ) -> Page:
        shape = Shape(frozenset(selected), order, limit is not None, after is not None, offset > 0)
        values = _bound(selected)
        if after:
            values |= {"position_rank": after.rank, "position_id": after.id}
        if offset:
            values["offset"] = offset
        if limit is None:
            rows = await self._run(lists.list_of(shape), **values)
            return Page(list(starmap(TaskRow, part)) for part in rows)
        # One more than is shown tells whether there is more.
        rows = await self._run(lists.list_of(shape), **values, limit=limit + 1)
        found = list(starmap(TaskRow, chain.from_iterable(rows)))
        shown = found[:limit]
        end = position_of(shown[-1], order) if len(found) > limit else None
        return Page(iter([shown]), end)

    async def get(self, task_id: int) -> TaskRow | None:
        return _first_of(await self._run(tasks.GET, task_id=task_id))

    async def create(self, new: Mapping[str, Any], once: Once | None = None) -> Created | None:
        """Create a task, unless one was created with this key. None if that was another one."""
        if once is None:
            [[row]] = await self._run(tasks.CREATE, now=utc_now(), **new)
            return Created(TaskRow(*row))
        digest = sha256(to_json(once.compared)).hexdigest()
        mark = f"{digest} {token_hex(8)}"
        values = {"now": utc_now(), "key": once.key, "mark": mark, **new}
        [[row]] = await self._run(tasks.CREATE_ONCE, **values)
        *columns, stored_mark = row
        # Another writer may have stored a key without a mark.
        if stored_mark is None or not stored_mark.startswith(digest):
            return None
        return Created(TaskRow(*columns), is_replay=stored_mark != mark)

    async def update(self, task_id: int, changes: Mapping[str, Any]) -> Changed | None:
        if "completed" in changes:
            return await self._complete(task_id, changes)
        if not changes:
            task = await self.get(task_id)
        else:
            statement = tasks.update_of(*sorted(changes))
            values = {"task_id": task_id, "now": utc_now(), **_new(changes)}
            task = _first_of(await self._run(statement, **values))
        return Changed(task) if task else None

    async def toggle(self, task_id: int) -> Changed | None:
        return await self._complete(task_id, {})

    async def _complete(self, task_id: int, changes: Mapping[str, Any]) -> Changed | None:
        """Change a task, `completed` too; without changes, toggle it."""
        fields, completed = sorted(changes), changes.get("completed")
        async with one_act():
            while True:
                now = utc_now()
                values = {"now": now, **_new(changes)}
                statement = series.first_change_of(*fields)
                found = _one_of(await self._run(statement, task_id=task_id, **values))
                if found is None:
                    return None
                if _is_left(found, completed):
                    steps = {task_id: _step_of(found, changes, now)}
                    together = series.change_of(*fields, completed=completed)
                    rows = await self._run(
                        together, ids=[task_id], steps=json.dumps(steps), **values
                    )
                    found = _one_of(rows)
                    if found is None:
                        continue  # somebody came between
                next_task = None
                if found.task.completed and found.is_followed:
                    next_task = _first_of(await self._run(series.SUCCESSOR, task_id=task_id))
                return Changed(found.task, next_task)

    async def delete(self, task_id: int) -> TaskRow | None:
        return _first_of(await self._run(tasks.DELETE, task_id=task_id))

    async def count(self, selected: Mapping[str, Any]) -> tuple[int, int]:
        """How many there are, and how many of them are completed."""
        [[(total, completed)]] = await self._run(
            lists.count_of(frozenset(selected)), **_bound(selected)
        )
        return total, completed

    async def complete_all(self, selected: Mapping[str, Any], *, completed: bool) -> Completed:
        """Set `completed` where it differs."""
        conditions, now = frozenset(selected), utc_now()
        values = {"now": now, "new_completed": completed, **_bound(selected)}
        async with one_act():
            first = series.first_completion_of(conditions, completed=completed)
            counted = chain.from_iterable(await self._run(first, **values))
            counts = {bool(is_left): int(number) for is_left, number in counted}
            updated = counts.get(False, 0)
            if not counts.get(True):
                return Completed(updated, 0)
            together = series.completion_of(completed=completed)
            ids: list[int] = []
            for _ in range(ATTEMPTS):
                # Only those that were there: their successors come meanwhile.
                statement = series.left_of(conditions, completed=completed, again=bool(ids))
                rows = await self._run(statement, ids=ids, **_bound(selected))
                left = [Found.of(row) for row in chain.from_iterable(rows)]
                ids = ids or [found.task.id for found in left]
                steps = {found.task.id: _step_of(found, {}, now) for found in left}
                [[(changed,)]] = await self._run(
                    together, ids=[*steps], steps=json.dumps(steps), **values
                )
                updated += changed
                if changed == len(left):
                    break
            created = 0
            if completed:
                [[(created,)]] = await self._run(series.CREATED, ids=ids, now=now)
            return Completed(updated, created)

    async def delete_all(self, selected: Mapping[str, Any]) -> int:
        statement = lists.deletion_of(frozenset(selected))
        [[(deleted,)]] = await self._run(statement, **_bound(selected))
        return int(deleted)

    async def _run(self, scoped: Scoped | Together, **values: Any) -> Rows:
        return await self._executor.execute(scoped, {**values, "owner": self.owner})


def _bound(selected: Mapping[str, Any]) -> dict[str, Any]:
    return {f"only_{name}": value for name, value in selected.items()}


def _new(changes: Mapping[str, Any]) -> dict[str, Any]:
    return {f"new_{field}": value for field, value in changes.items()}


def _is_left(found: Found, completed: bool | None) -> bool:
    """Whether the first statement gave the task back as it was."""
    if completed is None:
        return found.task.recurrence is not None or found.is_followed
    return found.task.completed is not completed


def _step_of(found: Found, changes: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """What a task's successor has of its own, and what that was counted from."""
    task = replace(found.task, **changes)
    step: dict[str, Any] = {"used": found.used}
    if task.recurrence is None:
        return step
    rule = Rule(*(task.recurrence[part] for part in Rule._fields))
    kept = found.due_day if task.due_date == found.task.due_date else None
    next_date = next_due_date(rule, task.due_date, kept, now)
    if next_date is None:
        return step
    if rule.pattern in {"monthly", "yearly"}:
        step["due_day"] = day_of(task.due_date, kept) or now.day
    remind_at = moved_reminder(task.remind_at, task.due_date, next_date)
    if remind_at:
        step["remind_at"] = remind_at.replace(tzinfo=None).isoformat(" ", "microseconds")
    return {**step, "due_date": next_date}


def _one_of(rows: Rows) -> Found | None:
    return next(map(Found.of, chain.from_iterable(rows)), None)


def _first_of(rows: Rows) -> TaskRow | None:
    return next(starmap(TaskRow, chain.from_iterable(rows)), None)
