"""What reads and writes many tasks, as SQL: conditions, orders, pages, and what has them."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, Literal, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    String,
    bindparam,
    case,
    delete,
    func,
    or_,
    select,
    tuple_,
)

from models import Task
from schemas import TaskRow
from sql.dialects import HasTags, IsAlone
from sql.scope import OWNER, Scoped
from sql.tasks import COLUMNS, table


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


def where(names: frozenset[str]) -> tuple[ColumnElement[bool], ...]:
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


def position_of(task: TaskRow, order: Order) -> Position:
    value = getattr(task, order.sort)
    match order.sort:
        case "priority":
            value = PRIORITIES.get(value, 0)
        case "due_date":
            value = value or NO_DUE_DATE[order.descending]
    return Position(value, task.id)


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
    statement = select(*COLUMNS).where(*where(shape.conditions))
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
    return Scoped(select(func.count(), completed).where(*where(conditions)))


@cache
def deletion_of(conditions: frozenset[str]) -> Scoped:
    return Scoped(delete(Task).where(IsAlone(OWNER), *where(conditions)))
