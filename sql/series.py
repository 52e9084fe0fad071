"""What follows a recurring task when it is completed, and goes when that is taken back, as SQL.

A first statement changes the task, unless a successor comes or goes with the change: then it gives
the task back as it is. The statements that follow stand or fall together. They wait for whoever
else is at it (`LOCK`), and take no value for granted that Python has counted from (`USED`).
"""

from collections.abc import Mapping
from functools import cache, reduce
from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    ColumnElement,
    SmallInteger,
    Text,
    and_,
    bindparam,
    case,
    cast,
    delete,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql

from models import Task
from sql.dialects import IsAlone, IsAmong, OfStep, TimeOfText
from sql.lists import where
from sql.scope import OWNER, Counted, Scoped, Together
from sql.tasks import COLUMNS, NOW, THIS_TASK, changed, changes_of, new_value, table

_IDS = bindparam("ids", type_=ARRAY(BigInteger).with_variant(JSON, "sqlite"))
_THESE = IsAmong(table.c.id, _IDS)
# What the values of a task were that its next due date was counted from.
USED = reduce(
    ColumnElement.concat,
    (
        func.coalesce(cast(table.c[name], Text), "") + literal("|")
        for name in ("recurrence", "due_date", "due_day", "remind_at")
    ),
)
# What a task's row has behind `COLUMNS`.
ALL_COLUMNS = (*COLUMNS, table.c.due_day, table.c.is_followed, USED)


def _of_step(name: str) -> ColumnElement[Any]:
    """A value of the task's own step: `steps` is an object of JSON, by the tasks' ids."""
    return OfStep(bindparam("steps", type_=Text), table.c.id, name)


_IS_AS_USED = _of_step("used") == USED
_HAS_NEXT = _of_step("due_date").is_not(None)
LOCK = Scoped(select(table.c.id).where(IsAlone(OWNER), _THESE).with_for_update())
_RELEASE = Scoped(
    delete(Task).where(
        IsAmong(table.c.predecessor_id, _IDS),
        not_(table.c.completed),
        table.c.updated_at == table.c.created_at,
    )
)
SUCCESSOR = Scoped(
    select(*COLUMNS).where(table.c.predecessor_id == bindparam("task_id", type_=BigInteger))
)
CREATED = Scoped(
    select(func.count()).where(IsAmong(table.c.predecessor_id, _IDS), table.c.created_at == NOW)
)


# --- one task ---


def _values_of(fields: tuple[str, ...]) -> dict[str, ColumnElement[Any]]:
    return {field: new_value(field) for field in fields} or {"completed": not_(table.c.completed)}


@cache
def first_change_of(*fields: str) -> Scoped:
    """The change of these fields, `completed` among them; without fields, the toggle."""
    values = _values_of(fields)
    is_left: ColumnElement[bool]
    if fields:
        recurs = values.get("recurrence", table.c.recurrence).is_not(None)
        is_left = and_(
            table.c.completed.is_distinct_from(values["completed"]),
            case((values["completed"], recurs), else_=table.c.is_followed),
        )
    else:
        is_left = or_(table.c.recurrence.is_not(None), table.c.is_followed)
    statement = _unless(is_left, values).where(THIS_TASK).returning(*ALL_COLUMNS)
    return Scoped(statement)


def _unless(is_left: ColumnElement[bool], values: Mapping[str, ColumnElement[Any]]) -> Any:
    """The update of tasks to these values, which gives those that are left back as they are."""
    return update(Task).values(
        {
            name: case((is_left, table.c[name]), else_=value)
            for name, value in changes_of(values).items()
        }
    )


@cache
def change_of(*fields: str, completed: bool | None) -> Together:
    """The change of these fields, with what follows; None is the toggle."""
    release = [_RELEASE] if completed is not True else []
    follow = [_successors_of(*fields)] if completed is not False else []
    values = _values_of(fields)
    statement = changed(values).where(_THESE).returning(*ALL_COLUMNS)
    if completed is not False:
        statement = statement.values(is_followed=_IS_FOLLOWED).where(
            or_(table.c.completed, _IS_AS_USED)
        )
    return Together(LOCK, *release, *follow, Scoped(statement))


_IS_FOLLOWED = case((and_(not_(table.c.completed), _HAS_NEXT), true()), else_=table.c.is_followed)


@cache
def _successors_of(*fields: str) -> Scoped:
    """The insert of the successors of tasks that become completed, and are changed in `fields`."""

    def kept(field: str) -> ColumnElement[Any]:
        return new_value(field) if field in fields else table.c[field]

    values = {
        **{name: kept(name) for name in ("title", "description", "priority", "tags", "recurrence")},
        "completed": false(),
        "due_date": _of_step("due_date"),
        "due_day": cast(_of_step("due_day"), SmallInteger),
        "remind_at": TimeOfText(_of_step("remind_at")),
        "created_at": NOW,
        "updated_at": NOW,
        "is_followed": false(),
        "predecessor_id": table.c.id,
    }
    rows = select(*(value.label(name) for name, value in values.items())).where(
        _THESE, not_(table.c.completed), _IS_AS_USED, _HAS_NEXT
    )
    statement = postgresql.insert(table).from_select(list(values), rows)
    # It has one already, which somebody has changed since: that one stays.
    return Scoped(
        statement.on_conflict_do_nothing(
            index_elements=[table.c.user_id, table.c.predecessor_id],
            index_where=table.c.predecessor_id.is_not(None),
        )
    )


# --- many tasks ---


def _is_left(*, completed: bool) -> ColumnElement[bool]:
    if not completed:
        is_followed: ColumnElement[bool] = table.c.is_followed
        return is_followed
    # SQLite 3.40 takes IS NOT NULL of this column for true, where it stands in RETURNING.
    return func.coalesce(cast(table.c.recurrence, Text), "") != ""


@cache
def first_completion_of(conditions: frozenset[str], *, completed: bool) -> Counted:
    """The update of `completed` where it differs; counts how many were left, and how many not."""
    is_left = _is_left(completed=completed)
    statement = _unless(is_left, {"completed": new_value("completed")}).where(
        IsAlone(OWNER), table.c.completed.is_distinct_from(completed), *where(conditions)
    )
    return Counted(statement.returning(is_left))


@cache
def left_of(conditions: frozenset[str], *, completed: bool, again: bool) -> Scoped:
    """The tasks that were left, though they may not recur by now; `again`, those of them that
    still are.
    """
    statement = select(*ALL_COLUMNS).where(
        table.c.completed.is_distinct_from(completed), *where(conditions)
    )
    return Scoped(statement.where(_THESE) if again else statement)


@cache
def completion_of(*, completed: bool) -> Together:
    """The update of `completed` in these tasks, where it differs, with what follows."""
    statement = changed({"completed": new_value("completed")}).where(
        _THESE, table.c.completed.is_distinct_from(completed)
    )
    if not completed:
        return Together(LOCK, _RELEASE, Scoped(statement))
    statement = statement.values(is_followed=_IS_FOLLOWED).where(_IS_AS_USED)
    return Together(LOCK, _successors_of(), Scoped(statement))
