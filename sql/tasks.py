"""What reads and writes one task, as SQL."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    String,
    Update,
    bindparam,
    case,
    delete,
    func,
    insert,
    not_,
    null,
    select,
    type_coerce,
    update,
)
from sqlalchemy.dialects import postgresql

from models import Task
from schemas import TaskCreate, TaskRow
from sql.scope import Scoped

table = Task.__table__  # type: ignore[attr-defined]
# When a completed task became so: a task that 1.0.0 completed shows its last change. What 1.0.0
# left behind in a pending one does not show.
KNOWN_COMPLETION = func.coalesce(table.c.completed_at, table.c.updated_at)
COMPUTED = {"completed_at": case((table.c.completed, KNOWN_COMPLETION)).label("completed_at")}
COLUMNS = tuple(COMPUTED.get(field, table.c[field]) for field in TaskRow.__struct_fields__)

THIS_TASK = table.c.id == bindparam("task_id", type_=BigInteger)
NOW = bindparam("now", type_=table.c.updated_at.type)
# Servers' clocks differ: keep the later time, so that `updated_at` never moves back.
CHANGED = case((table.c.updated_at > NOW, table.c.updated_at), else_=NOW)

GET = Scoped(select(*COLUMNS).where(THIS_TASK))
DELETE = Scoped(delete(Task).where(THIS_TASK).returning(*COLUMNS))

NEW_TASK = {field: bindparam(field) for field in TaskCreate.model_fields} | {
    "completed": False,
    "is_followed": False,
    "created_at": NOW,
    "updated_at": NOW,
}
CREATE = Scoped(insert(table).values(NEW_TASK).returning(*COLUMNS))
# A task that has the key already is given back as it is; its mark tells that it is not the new one.
_once = postgresql.insert(table).values(
    **NEW_TASK,
    idempotency_key=bindparam("key", type_=String),
    idempotency_mark=bindparam("mark", type_=String),
)
CREATE_ONCE = Scoped(
    _once.on_conflict_do_update(
        index_elements=[table.c.user_id, table.c.idempotency_key],
        index_where=table.c.idempotency_key.is_not(None),
        set_={"idempotency_key": _once.excluded.idempotency_key},
    ).returning(*COLUMNS, table.c.idempotency_mark)
)


def changes_of(values: Mapping[str, ColumnElement[Any]]) -> dict[str, ColumnElement[Any]]:
    """These values, and what follows them."""
    completed = values.get("completed", table.c.completed)
    completed_at = case(
        (not_(completed), null()), (table.c.completed, KNOWN_COMPLETION), else_=CHANGED
    )
    followers = {"updated_at": CHANGED, "completed_at": completed_at}
    if "due_date" in values:
        is_same = table.c.due_date.is_not_distinct_from(values["due_date"])
        followers["due_day"] = case((is_same, table.c.due_day), else_=null())
    return {**values, **followers}


def changed(values: Mapping[str, ColumnElement[Any]]) -> Update:
    """The update of tasks to these values."""
    return update(Task).values(changes_of(values))


def new_value(field: str) -> ColumnElement[Any]:
    # The type lets a test's session, which evaluates what is set, find no value rather than None.
    return type_coerce(bindparam(f"new_{field}"), table.c[field].type)


@cache
def update_of(*fields: str) -> Scoped:
    """The update of these fields, of which there are as many as there are combinations. None of
    them is `completed`: `sql/series.py` has that.
    """
    values = {field: new_value(field) for field in fields}
    return Scoped(changed(values).where(THIS_TASK).returning(*COLUMNS))
