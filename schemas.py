"""What goes over the wire, in and out."""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, NotRequired

from msgspec import Struct
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
)
from pydantic.config import JsonDict

# `TypedDict` of Python before 3.12 is not pydantic's.
from typing_extensions import TypeAliasType, TypedDict

from models import (
    DEFAULT_PRIORITY,
    DESCRIPTION_MAX,
    INTERVAL_MAX,
    TAG_MAX,
    TAGS_MAX,
    TASK_ID_MAX,
    TITLE_MAX,
    Pattern,
    Priority,
)

DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
MINUTE = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
# A day; a local time; an instant. `datetime.fromisoformat` would take week dates and hour 24, too.
DUE_DATE = re.compile(
    rf"({DAY})(?:T({MINUTE})(?:(:[0-5][0-9])(?:\.[0-9]{{1,9}})?)?(Z|[+-]{MINUTE})?)?"
)
INSTANT = rf"{DAY}T{MINUTE}(?::[0-5][0-9](?:\.[0-9]{{1,9}})?)?(?:Z|[+-]{MINUTE})"


def _trimmed(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _lower_case(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def canonical_due_date(value: str) -> str | None:
    """The form in which a due date is stored, compared and given back; None for an empty text."""
    if not value:
        return None
    parts = DUE_DATE.fullmatch(value)
    if not parts:
        raise ValueError("no due date")
    day, minute, second, zone = parts.groups()
    if not minute:
        return date.fromisoformat(day).isoformat()
    time = datetime.fromisoformat(f"{day}T{minute}{second or ':00'}{zone or ''}")
    if not zone:
        return time.isoformat()
    try:
        return time.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    except OverflowError:
        raise ValueError("not in the years 1 to 9999 of UTC") from None


def _day(value: str) -> str:
    if not re.fullmatch(DAY, value):
        raise ValueError("no day")
    return date.fromisoformat(value).isoformat()


def _instant(value: Any) -> datetime | None:
    if value is None or value == "":
        return None
    canonical = canonical_due_date(value) if isinstance(value, str) else None
    if not canonical or not canonical.endswith("Z"):
        raise ValueError("no instant")
    return datetime.fromisoformat(canonical)


def _few_distinct(tags: list[str] | None) -> list[str]:
    distinct = list(dict.fromkeys(tags or ()))
    if len(distinct) > TAGS_MAX:
        raise ValueError("too many tags")
    return distinct


def _canonical_number(value: Any) -> Any:
    """Refuse what `int` would take too: `+1`, `1.0`, `1_000`, ` 1`, `٣`, `01`, and true."""
    if isinstance(value, str):
        return value if value.isascii() and value.isdigit() and value[0] != "0" else None
    return value if type(value) is int else None


def _absent_not_null(schema: JsonDict) -> None:
    """A field that may be left out has no default to show: absent is not null."""
    properties = schema["properties"]
    assert isinstance(properties, dict)
    for field in properties.values():
        assert isinstance(field, dict)
        field.pop("default", None)


# The patterns keep NUL out, which PostgreSQL cannot store, and say in the published schema that a
# title is more than white space.
Title = Annotated[
    str,
    Field(strict=True, min_length=1, max_length=TITLE_MAX, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$"),
    BeforeValidator(_trimmed),
]
Description = Annotated[str, Field(strict=True, max_length=DESCRIPTION_MAX, pattern=r"^[^\x00]*$")]
Completed = Annotated[bool, Field(strict=True)]
AnyCasePriority = Annotated[Priority, BeforeValidator(_lower_case)]
DueDate = Annotated[
    str,
    Field(strict=True),
    AfterValidator(canonical_due_date),
    WithJsonSchema({"type": "string", "pattern": f"^(?:{DUE_DATE.pattern})?$"}),
]
Tag = Annotated[
    str,
    Field(strict=True, min_length=1, max_length=TAG_MAX, pattern=r"^[^\x00]*$"),
    BeforeValidator(_trimmed),
]
# One error is enough: a body has room for 30,000.
Tags = Annotated[Annotated[list[Tag], Field(fail_fast=True)] | None, AfterValidator(_few_distinct)]


class NewRecurrence(TypedDict):
    """How often a task comes again: every so many days, weeks, months or years."""

    pattern: Annotated[Pattern, BeforeValidator(_lower_case)]
    interval: NotRequired[
        Annotated[
            Annotated[int, Field(strict=True, ge=1, le=INTERVAL_MAX)] | None,
            Field(description="1 unless given."),
        ]
    ]
    end_date: NotRequired[
        Annotated[
            Annotated[
                str,
                Field(strict=True),
                AfterValidator(_day),
                WithJsonSchema({"type": "string", "format": "date"}),
            ]
            | None,
            Field(description="The last day that a task may be due."),
        ]
    ]


def _whole(recurrence: NewRecurrence) -> dict[str, Any]:
    """Name all that a recurrence has, in one order, as it is stored, compared and given back."""
    return {
        "pattern": recurrence["pattern"],
        "interval": recurrence.get("interval") or 1,
        "end_date": recurrence.get("end_date"),
    }


SetRecurrence = Annotated[NewRecurrence, AfterValidator(_whole)]
Reminder = Annotated[
    datetime | None,
    BeforeValidator(_instant),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "pattern": f"^(?:{INSTANT})?$"}, {"type": "null"}]}
    ),
]
# The document leaves the greatest id out: JavaScript reads 2^63 - 1 as 2^63.
TaskId = Annotated[
    int,
    Field(ge=1, le=TASK_ID_MAX),
    BeforeValidator(_canonical_number),
    WithJsonSchema({"type": "integer", "minimum": 1}),
]

SEARCH_MAX = 200
LIMIT_MAX = 200
OFFSET_MAX = 1_000_000

TITLE_RULE = f"Trimmed, then 1 to {TITLE_MAX} characters."
DUE_DATE_RULE = (
    "A day (2026-12-01), a local time (2026-12-01T09:00) or an instant (2026-12-01T09:00Z), given"
    " back in the same kind. An empty text means none."
)
TAGS_RULE = (
    f"Up to {TAGS_MAX} texts, each trimmed, then 1 to {TAG_MAX} characters. One that was there"
    " before is dropped."
)
REMINDER_RULE = (
    "A time with a zone (2026-12-01T08:00:00Z), given back in UTC. An empty text means none."
)
RECURRENCE_EXAMPLE = {"pattern": "weekly", "interval": 2, "end_date": None}


class TaskCreate(BaseModel):
    """A new task. Other fields are ignored, so that a front end can send a whole task."""

    model_config = ConfigDict(json_schema_extra=_absent_not_null)

    title: Title = Field(description=TITLE_RULE, examples=["Buy groceries"])
    description: Description | None = Field(default=None, examples=["Milk, eggs, bread"])
    priority: AnyCasePriority = Field(
        default=DEFAULT_PRIORITY, description=f"{DEFAULT_PRIORITY} unless given.", examples=["high"]
    )
    due_date: DueDate | None = Field(
        default=None, description=DUE_DATE_RULE, examples=["2026-12-01"]
    )
    tags: Tags = Field(default=[], description=TAGS_RULE, examples=[["shopping"]])
    recurrence: SetRecurrence | None = Field(default=None, examples=[RECURRENCE_EXAMPLE])
    remind_at: Reminder = Field(
        default=None, description=REMINDER_RULE, examples=["2026-12-01T08:00:00Z"]
    )


class TaskUpdate(BaseModel):
    """The fields to change. What is left out stays as it is; other fields are ignored."""

    model_config = ConfigDict(json_schema_extra=_absent_not_null)

    # The defaults are never used as values: `changes()` gives only what was sent, and null is
    # refused where the type does not allow it.
    title: Title = Field(default="", description=TITLE_RULE, examples=["Buy groceries"])
    description: Description | None = Field(
        default=None, description="Null clears it.", examples=["Milk, eggs, bread"]
    )
    completed: Completed = Field(default=False, examples=[True])
    priority: AnyCasePriority = Field(default=DEFAULT_PRIORITY, examples=["high"])
    due_date: DueDate | None = Field(
        default=None, description=f"{DUE_DATE_RULE} Null clears it.", examples=["2026-12-01"]
    )
    tags: Tags = Field(
        default=[], description=f"{TAGS_RULE} Null clears them.", examples=[["shopping"]]
    )
    recurrence: SetRecurrence | None = Field(
        default=None,
        description="It replaces the whole recurrence; null clears it.",
        examples=[RECURRENCE_EXAMPLE],
    )
    remind_at: Reminder = Field(
        default=None,
        description=f"{REMINDER_RULE} Null clears it.",
        examples=["2026-12-01T08:00:00Z"],
    )

    def changes(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True)


class TaskCompletion(BaseModel):
    """Whether the task is to be completed. Without it, the task is toggled."""

    model_config = ConfigDict(json_schema_extra=_absent_not_null)

    completed: Completed = Field(default=False, examples=[True])


class TasksCompletion(BaseModel):
    """Whether the tasks are to be completed."""

    completed: Completed = Field(examples=[True])


class TaskRow(Struct, frozen=True, gc=False):  # no task is part of a cycle
    """A task as it is read and sent, described by `Task`."""

    id: int
    user_id: str
    title: str
    description: str | None
    completed: bool
    priority: Priority
    due_date: str | None
    tags: list[str]
    recurrence: dict[str, Any] | None
    remind_at: datetime | None
    completed_at: datetime | None
    created_at: datetime
    updated_at: datetime


class Recurrence(BaseModel):
    """How often a task comes again: every so many days, weeks, months or years."""

    pattern: Pattern
    interval: int
    end_date: str | None = Field(description="The last day that a task may be due.")


class Task(BaseModel):
    """A task as it is sent."""

    model_config = ConfigDict(from_attributes=True)  # a test may answer with a `Task`

    id: int = Field(ge=1, examples=[1])
    user_id: str = Field(examples=["user_abc123"])
    title: str = Field(examples=["Buy groceries"])
    description: str | None = Field(examples=["Milk, eggs, bread"])
    completed: bool = Field(examples=[False])
    priority: Priority = Field(examples=["high"])
    due_date: str | None = Field(
        description="A day (2026-12-01), a local time (2026-12-01T09:00:00) or an instant"
        " (2026-12-01T08:00:00Z).",
        examples=["2026-12-01"],
    )
    tags: list[str] = Field(examples=[["shopping"]])
    # The example is a task that does not come again.
    recurrence: Recurrence | None = Field(examples=[None])
    remind_at: datetime | None = Field(
        description="When the front end is to remind of it; the service only stores it.",
        examples=["2026-12-01T08:00:00Z"],
    )
    completed_at: datetime | None = Field(
        description="When the task became completed; null while it is pending.",
        examples=["2026-01-12T10:00:00.123456Z"],
    )
    created_at: datetime = Field(examples=["2026-01-12T10:00:00.123456Z"])
    updated_at: datetime = Field(examples=["2026-01-12T10:00:00.123456Z"])


class TaskResponse(BaseModel):
    data: Task
    message: str


class TaskChangedResponse(TaskResponse):
    next_task: Task | None = Field(
        description="The recurring task that follows the one that was completed; else null."
    )


class TaskListResponse(BaseModel):
    data: list[Task]
    message: str
    next_cursor: str | None = Field(
        description="The `cursor` of the next page; null at the end, and without a `limit`."
    )


class TaskStats(BaseModel):
    total: int
    pending: int
    completed: int


class TaskStatsResponse(BaseModel):
    data: TaskStats
    message: str


class UpdatedCount(BaseModel):
    updated: int
    created: int = Field(description="How many recurring tasks follow those that were completed.")


class TasksCompletedResponse(BaseModel):
    data: UpdatedCount
    message: str


class DeletedCount(BaseModel):
    deleted: int


class TasksDeletedResponse(BaseModel):
    data: DeletedCount
    message: str


class TaskDeletedResponse(BaseModel):
    data: None
    message: str


ErrorCode = TypeAliasType(
    "ErrorCode",
    Literal[
        "VALIDATION_ERROR",
        "UNAUTHORIZED",
        "FORBIDDEN",
        "NOT_FOUND",
        "METHOD_NOT_ALLOWED",
        "PAYLOAD_TOO_LARGE",
        "IDEMPOTENCY_KEY_REUSED",
        "SERVER_ERROR",
        "SERVICE_UNAVAILABLE",
    ],
)


class ErrorResponse(BaseModel):
    """Every answer that is not a success."""

    error: str = Field(description="What is wrong, for people.")
    code: ErrorCode = Field(description="What is wrong, for programs.")


class Index(BaseModel):
    """Where to go from the address of the API."""

    name: str
    docs: str
    openapi: str
    health: str


class Health(BaseModel):
    status: Literal["healthy"]


class Readiness(BaseModel):
    status: Literal["ready"]
