"""The tasks of one owner: the only way to the table, by nothing but `Scoped` statements."""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from itertools import chain, starmap
from secrets import token_hex
from typing import Any, NamedTuple

from pydantic_core import to_json

from driver.executors import Executor, Rows
from models import utc_now
from schemas import TaskRow
from sql import lists, tasks
from sql.lists import NEWEST_FIRST, Order, Position, Shape, position_of
from sql.scope import Scoped


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

    async def update(self, task_id: int, changes: Mapping[str, Any]) -> TaskRow | None:
        if not changes:
            return await self.get(task_id)
        values = {f"new_{field}": value for field, value in changes.items()}
        statement = tasks.update_of(*sorted(changes))
        return _first_of(await self._run(statement, task_id=task_id, now=utc_now(), **values))

    async def toggle(self, task_id: int) -> TaskRow | None:
        return _first_of(await self._run(tasks.TOGGLE, task_id=task_id, now=utc_now()))

    async def delete(self, task_id: int) -> TaskRow | None:
        return _first_of(await self._run(tasks.DELETE, task_id=task_id))

    async def count(self, selected: Mapping[str, Any]) -> tuple[int, int]:
        """How many there are, and how many of them are completed."""
        [[(total, completed)]] = await self._run(
            lists.count_of(frozenset(selected)), **_bound(selected)
        )
        return total, completed

    async def complete_all(self, selected: Mapping[str, Any], *, completed: bool) -> int:
        """Set `completed` where it differs; gives the number of tasks that were changed."""
        statement = lists.completion_of(frozenset(selected))
        [[(changed,)]] = await self._run(
            statement, now=utc_now(), new_completed=completed, **_bound(selected)
        )
        return int(changed)

    async def delete_all(self, selected: Mapping[str, Any]) -> int:
        statement = lists.deletion_of(frozenset(selected))
        [[(deleted,)]] = await self._run(statement, **_bound(selected))
        return int(deleted)

    async def _run(self, scoped: Scoped, **values: Any) -> Rows:
        return await self._executor.execute(scoped, {**values, "owner": self.owner})


def _bound(selected: Mapping[str, Any]) -> dict[str, Any]:
    return {f"only_{name}": value for name, value in selected.items()}


def _first_of(rows: Rows) -> TaskRow | None:
    return next(starmap(TaskRow, chain.from_iterable(rows)), None)
