"""The SQL, built from parts that are written once; each statement is scoped to its owner."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, Literal, NamedTuple

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Boolean,
    ColumnElement,
    Delete,
    Executable,
    Insert,
    Integer,
    Select,
    String,
    Update,
    bindparam,
    case,
    delete,
    false,
    func,
    insert,
    not_,
    null,
    or_,
    select,
    true,
    tuple_,
    type_coerce,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

import schemas
from models import Task
from schemas import TaskCreate

table = Task.__table__  # type: ignore[attr-defined]
# When a completed task became so: a task that 1.0.0 completed shows its last change. What 1.0.0
# left behind in a pending one does not show.
KNOWN_COMPLETION = func.coalesce(table.c.completed_at, table.c.updated_at)
COMPUTED = {"completed_at": case((table.c.completed, KNOWN_COMPLETION)).label("completed_at")}
FIELDS = tuple(schemas.Task.model_fields)
COLUMNS = tuple(COMPUTED.get(field, table.c[field]) for field in FIELDS)

OWNER: BindParameter[str] = bindparam("owner")
THIS_TASK = table.c.id == bindparam("task_id", type_=BigInteger)
NOW = bindparam("now", type_=table.c.updated_at.type)
# Servers' clocks differ: keep the later time, so that `updated_at` never moves back.
CHANGED = case((table.c.updated_at > NOW, table.c.updated_at), else_=NOW)

# Tells this lock of an owner from other locks of the same database.
OWNER_LOCK = 7_233_710_046


class Scoped:
    """A statement that reads and writes one owner's tasks only. A write gives `returned` back, or
    the number of tasks if that is empty.
    """

    def __init__(
        self,
        statement: Select[*tuple[Any, ...]] | Insert | Update | Delete,
        returned: tuple[ColumnElement[Any], ...] = COLUMNS,
    ) -> None:
        self.statement: Executable
        if isinstance(statement, Insert):
            self.statement = statement.values(user_id=OWNER).returning(*returned)
        elif isinstance(statement, Select) or not returned:
            self.statement = statement.where(table.c.user_id == OWNER)
        else:
            self.statement = statement.where(table.c.user_id == OWNER).returning(*returned)


# --- one task ---

GET = Scoped(select(*COLUMNS).where(THIS_TASK))
DELETE = Scoped(delete(Task).where(THIS_TASK))

NEW_TASK = {field: bindparam(field) for field in TaskCreate.model_fields} | {
    "completed": False,
    "created_at": NOW,
    "updated_at": NOW,
}
CREATE = Scoped(insert(table).values(NEW_TASK))
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
    ),
    returned=(*COLUMNS, table.c.idempotency_mark),
)


def _changed(values: Mapping[str, ColumnElement[Any]]) -> Update:
    """The update of tasks to these values, which `updated_at` and `completed_at` follow."""
    completed = values.get("completed", table.c.completed)
    completed_at = case(
        (not_(completed), null()), (table.c.completed, KNOWN_COMPLETION), else_=CHANGED
    )
    return update(Task).values({**values, "updated_at": CHANGED, "completed_at": completed_at})


def _new(field: str) -> ColumnElement[Any]:
    # The type lets a test's session, which evaluates what is set, find no value rather than None.
    return type_coerce(bindparam(f"new_{field}"), table.c[field].type)


TOGGLE = Scoped(_changed({"completed": not_(table.c.completed)}).where(THIS_TASK))


@cache
def update_of(*fields: str) -> Scoped:
    """The update of these fields: with six of them there are 63."""
    return Scoped(_changed({field: _new(field) for field in fields}).where(THIS_TASK))


# --- many tasks ---


class IsAlone(FunctionElement[bool]):
    """True once no other statement with this condition changes the tasks of the owner: two that
    lock the same rows in different orders would wait for each other. SQLite has one writer.
    """

    type = Boolean()
    inherit_cache = True


@compiles(IsAlone)
def _lock_owner(element: IsAlone, compiler: SQLCompiler, **options: Any) -> str:
    owner = compiler.process(element.clauses, **options)
    # A query of its own is executed once, and before any row is read.
    return f"(SELECT pg_advisory_xact_lock(hashtextextended({owner}, {OWNER_LOCK}))) IS NOT NULL"


@compiles(IsAlone, "sqlite")
def _true(element: IsAlone, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(true(), **options)


class HasTags(FunctionElement[bool]):
    """Whether the first array contains all elements of the second."""

    type = Boolean()
    inherit_cache = True


@compiles(HasTags)
def _contains(element: HasTags, compiler: SQLCompiler, **options: Any) -> str:
    stored, wanted = element.clauses
    return f"{compiler.process(stored, **options)} @> {compiler.process(wanted, **options)}"


@compiles(HasTags, "sqlite")
def _contains_json(element: HasTags, compiler: SQLCompiler, **options: Any) -> str:
    stored, wanted = (compiler.process(clause, **options) for clause in element.clauses)
    return (  # of SQLAlchemy's own words for a column and a bound parameter
        f"NOT EXISTS (SELECT 1 FROM json_each({wanted}) AS wanted WHERE wanted.value NOT IN"  # noqa: S608
        f" (SELECT value FROM json_each({stored})))"
    )


def _contains_text(column: ColumnElement[Any]) -> ColumnElement[bool]:
    return column.ilike(bindparam("only_search", type_=String), escape="\\")


# What narrows a list. The value of each is bound as `only_` and its name.
CONDITIONS: Mapping[str, ColumnElement[bool]] = {
    "completed": table.c.completed == bindparam("only_completed"),
    "priority": table.c.priority == bindparam("only_priority"),
    "tags": HasTags(table.c.tags, bindparam("only_tags", type_=table.c.tags.type)),
    "search": or_(_contains_text(table.c.title), _contains_text(table.c.description)),
    "due_before": table.c.due_date < bindparam("only_due_before"),
    "due_after": table.c.due_date >= bindparam("only_due_after"),
}


def pattern_of(search: str) -> str:
    """The value of the condition `search`: the text, of which no character is a wildcard."""
    for special in ("\\", "%", "_"):
        search = search.replace(special, f"\\{special}")
    return f"%{search}%"


def _where(names: frozenset[str]) -> tuple[ColumnElement[bool], ...]:
    return tuple(condition for name, condition in CONDITIONS.items() if name in names)


Sort = Literal["created_at", "updated_at", "due_date", "priority", "title"]


class Order(NamedTuple):
    sort: Sort
    descending: bool


NEWEST_FIRST = Order("created_at", descending=True)


Rank = str | int | datetime


class Position(NamedTuple):
    """Where a page ended: the last task's rank in the order, and its id."""

    rank: Rank
    id: int


PRIORITIES = {"high": 3, "medium": 2, "low": 1}
# The rank of a task without a due date, which is last in both directions: before every digit
# downwards, after them upwards.
NO_DUE_DATE = {True: "", False: "~"}


def position_of(task: Mapping[str, Any], order: Order) -> Position:
    value = task[order.sort]
    match order.sort:
        case "priority":
            value = PRIORITIES.get(value, 0)
        case "due_date":
            value = value or NO_DUE_DATE[order.descending]
    return Position(value, task["id"])


def _rank_of(order: Order) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """What tasks are ordered by, never null, and by `id` where that is equal; and the rank of a
    position.
    """
    column = table.c[order.sort]
    position = bindparam("position_rank", type_=column.type)
    match order.sort:
        case "title":
            return func.lower(column), func.lower(position)
        case "priority":
            whens = [(column == priority, rank) for priority, rank in PRIORITIES.items()]
            return case(*whens, else_=0), bindparam("position_rank", type_=Integer)
        case "due_date":
            return func.coalesce(column, NO_DUE_DATE[order.descending]), position
        case "created_at" | "updated_at":
            return column, position


class Shape(NamedTuple):
    """What the statement of a list depends on; its values are bound."""

    conditions: frozenset[str] = frozenset()
    order: Order = NEWEST_FIRST
    is_limited: bool = False
    has_position: bool = False
    has_offset: bool = False


@lru_cache(maxsize=256)  # a client can ask for thousands of shapes
def list_of(shape: Shape) -> Scoped:
    rank, position_rank = _rank_of(shape.order)
    statement = select(*COLUMNS).where(*_where(shape.conditions))
    if shape.has_position:
        here = tuple_(rank, table.c.id)
        position = tuple_(position_rank, bindparam("position_id", type_=BigInteger))
        statement = statement.where(here < position if shape.order.descending else here > position)
    if shape.order.descending:
        statement = statement.order_by(rank.desc(), table.c.id.desc())
    else:
        statement = statement.order_by(rank, table.c.id)
    if shape.is_limited:
        statement = statement.limit(bindparam("limit", type_=Integer))
    if shape.has_offset:
        statement = statement.offset(bindparam("offset", type_=Integer))
    return Scoped(statement)


@cache
def count_of(conditions: frozenset[str]) -> Scoped:
    """How many there are, and how many of them are completed."""
    completed = func.count().filter(table.c.completed)
    return Scoped(select(func.count(), completed).where(*_where(conditions)))


@cache
def completion_of(conditions: frozenset[str]) -> Scoped:
    """The update of `completed` where it differs."""
    completed = _new("completed")
    statement = _changed({"completed": completed}).where(
        IsAlone(OWNER), table.c.completed.is_distinct_from(completed), *_where(conditions)
    )
    return Scoped(statement, returned=())


@cache
def deletion_of(conditions: frozenset[str]) -> Scoped:
    return Scoped(delete(Task).where(IsAlone(OWNER), *_where(conditions)), returned=())


# A read-only database refuses this too, and so does one that lacks a column of the table. The only
# statement without a scope: it reaches no row.
WRITE_NOTHING = delete(Task).where(false()).returning(*table.c)
