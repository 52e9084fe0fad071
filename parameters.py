"""What the list takes, what selects many tasks, and the cursor of a page.

A model validates a mapping of names to texts (of `tag`, to several; a `limit` may be a number), and
raises `ValidationError`. Of the aliases of a field, which are the names of query parameters, the
first that is there counts; the field's own name is the first of them.
"""

import re
from base64 import urlsafe_b64encode
from binascii import a2b_base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, cast, get_args

from msgspec import Meta
from msgspec.json import Decoder, encode
from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic.fields import FieldInfo

from models import TASK_ID_MAX
from schemas import LIMIT_MAX, OFFSET_MAX, SEARCH_MAX, AnyCasePriority, DueDate, Tag
from sql.lists import Order, Position, Sort, pattern_of

Filter = Literal["all", "pending", "active", "false", "completed", "true"]
COMPLETED: Mapping[Filter, bool | None] = {
    "all": None,
    "pending": False,
    "active": False,
    "false": False,
    "completed": True,
    "true": True,
}
Direction = Literal["asc", "desc"]
SortName = Literal[
    "created_at",
    "created",
    "updated_at",
    "due_date",
    "priority",
    "title",
    "-created_at",
    "-created",
    "-updated_at",
    "-due_date",
    "-priority",
    "-title",
]
# What people expect: newest, last changed and most urgent first; from A to Z, and soonest first.
DESCENDING_UNLESS_ASKED = frozenset({"created_at", "updated_at", "priority"})


def _order_of(name: str, direction: str | None) -> Order:
    sort = name.removeprefix("-")
    if sort == "created":
        sort = "created_at"
    if direction is None and not name.startswith("-"):
        return Order(cast(Sort, sort), sort in DESCENDING_UNLESS_ASKED)
    return Order(cast(Sort, sort), direction != "asc")


ORDERS: Mapping[tuple[SortName, Direction | None], Order] = {
    (name, direction): _order_of(name, direction)
    for name in get_args(SortName)
    for direction in (None, *get_args(Direction))
}
DIGITS = re.compile(r"0|[1-9][0-9]{0,6}")


def _digits(value: Any) -> Any:
    """Refuse what `int` would take too: `+1`, `1.0`, `1_000`, ` 1`, `٣`, `01`, and true."""
    is_canonical = isinstance(value, str) and DIGITS.fullmatch(value)
    return value if is_canonical or type(value) is int else None


def _distinct(tags: tuple[str, ...]) -> tuple[str, ...]:
    """The database looks for each tag in each task, and a URL has room for 10,000."""
    return tuple(dict.fromkeys(tags))


Text = Annotated[str, Meta(max_length=1000, pattern=r"\A[^\x00]*\Z")]
RANKS: Mapping[Sort, Any] = {
    "created_at": datetime,
    "updated_at": datetime,
    "due_date": Text,
    "priority": Annotated[int, Meta(ge=0, le=3)],
    "title": Text,
}
CURSORS: Mapping[Sort, Decoder[Any]] = {
    sort: Decoder(tuple[str, bool, rank, Annotated[int, Meta(ge=1, le=TASK_ID_MAX)]])  # type: ignore[valid-type]
    for sort, rank in RANKS.items()
}


def cursor_of(order: Order, position: Position) -> str:
    """The order and the position as JSON, in the alphabet of URLs. A cursor needs no signature:
    whatever position it holds is one among the owner's tasks.
    """
    return urlsafe_b64encode(encode((*order, *position))).decode().rstrip("=")


def position_of(cursor: str, order: Order) -> Position:
    """Raises ValueError unless the cursor is one of this order."""
    # `urlsafe_b64decode` would pass over characters outside the alphabet.
    standard = cursor.replace("-", "+").replace("_", "/")
    text = a2b_base64(standard + "=" * (-len(cursor) % 4), strict_mode=True)
    sort, descending, rank, task_id = CURSORS[order.sort].decode(text)
    if order != (sort, descending):
        raise ValueError("another order")
    if isinstance(rank, datetime) and rank.tzinfo is not UTC:
        if rank.tzinfo:
            raise ValueError("another zone")
        rank = rank.replace(tzinfo=UTC)  # of a cursor that 1.1.0 made on SQLite
    return Position(rank, task_id)


def names_of(field_name: str, field: FieldInfo) -> tuple[str, ...]:
    """The names of a query parameter, the first of which counts."""
    alias = field.validation_alias
    return tuple(map(str, alias.choices)) if isinstance(alias, AliasChoices) else (field_name,)


class Selection(BaseModel):
    """What narrows the list; of several faults, the first field's counts."""

    model_config = ConfigDict(frozen=True, loc_by_alias=False)

    filter: Filter = Field(
        default="all",
        validation_alias=AliasChoices("filter", "status", "completed"),
        description="`pending` (also `active`, `false`) or `completed` (also `true`) ones.",
    )
    priority: AnyCasePriority | None = Field(
        default=None, description="In any letter case.", examples=["high"]
    )
    tag: Annotated[tuple[Tag, ...], Field(fail_fast=True), AfterValidator(_distinct)] = Field(
        default=(),
        description="May stand several times: tasks that have them all.",
        examples=[["shopping"]],
    )
    search: Annotated[str, Field(max_length=SEARCH_MAX, pattern=r"^[^\x00]*$")] | None = Field(
        default=None,
        validation_alias=AliasChoices("search", "q"),
        description="A part of the title or description, in any letter case.",
        examples=["groceries"],
    )
    due_before: DueDate | None = Field(
        default=None, description="Excludes this time.", examples=["2026-12-08"]
    )
    due_after: DueDate | None = Field(
        default=None, description="Includes this time.", examples=["2026-12-01"]
    )

    @property
    def selected(self) -> dict[str, Any]:
        """The values of the conditions (`sql.lists.CONDITIONS`)."""
        values = {
            "completed": COMPLETED[self.filter],
            "priority": self.priority,
            "tags": list(self.tag) or None,
            "search": self.search and pattern_of(self.search),
            "due_before": self.due_before,
            "due_after": self.due_after,
        }
        return {name: value for name, value in values.items() if value is not None}


class ListParameters(Selection):
    """What the list takes."""

    sort: SortName = Field(
        default="created_at",
        validation_alias=AliasChoices("sort", "sort_by"),
        description="What to sort by; with `-` before it, in descending order.",
    )
    order: Literal["asc", "desc"] | None = Field(
        default=None,
        validation_alias=AliasChoices("order", "sort_order"),
        description="Unless it is given: newest, last changed and most urgent first, titles from A"
        " to Z, due dates soonest first.",
    )
    limit: Annotated[int, Field(ge=1, le=LIMIT_MAX), BeforeValidator(_digits)] | None = Field(
        default=None,
        description="The size of a page. Without it, the whole list comes.",
        examples=[20],
    )
    cursor: Annotated[Position | None, WithJsonSchema({"type": "string"})] = Field(
        default=None, description="The `next_cursor` of the page before, in the same order."
    )
    # Without a default that tools would fill in, also beside a `cursor`.
    offset: Annotated[int, Field(ge=0, le=OFFSET_MAX), BeforeValidator(_digits)] | None = Field(
        default=None,
        validation_alias=AliasChoices("offset", "skip"),
        description="How many tasks to leave out; not beside a `cursor`.",
    )

    @field_validator("order")
    @classmethod
    def _agrees_with_sort(cls, order: str, info: ValidationInfo) -> str:
        if order == "asc" and info.data.get("sort", "").startswith("-"):
            raise ValueError("contradicts sort")
        return order

    @field_validator("cursor", mode="plain")
    @classmethod
    def _position(cls, cursor: Any, info: ValidationInfo) -> Position | None:
        if not isinstance(cursor, str):
            raise ValueError("no text")  # noqa: TRY004 (pydantic takes a ValueError for a fault)
        valid = info.data
        if "sort" not in valid or "order" not in valid:
            return None
        return position_of(cursor, ORDERS[valid["sort"], valid["order"]])

    @field_validator("offset")
    @classmethod
    def _stands_without_cursor(cls, offset: int, info: ValidationInfo) -> int:
        if info.data.get("cursor") is not None:
            raise ValueError("stands beside a cursor")
        return offset

    @property
    def wanted_order(self) -> Order:
        return ORDERS[self.sort, self.order]


WHOLE_LIST = ListParameters()


class BulkSelection(Selection):
    """What selects many tasks to change: said in full, so that a slip never reaches more tasks than
    were meant.
    """

    # Tools that import the document fill in the first value: the one that costs least if a request
    # is sent as it was imported.
    filter: Literal["completed", "true", "pending", "active", "false", "all"] = Field(
        validation_alias=AliasChoices("filter", "status"),
        description="`completed` (also `true`), `pending` (also `active`, `false`) or `all` ones.",
        examples=["completed"],
    )
