"""The table: its columns, their limits, and the indexes that serve its reads."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, get_args

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    CheckConstraint,
    Index,
    Integer,
    SmallInteger,
    String,
    Text,
    false,
    text,
)
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlmodel import Field, SQLModel
from typing_extensions import TypeAliasType

from sql.dialects import IS_RECURRENCE, NoTags
from times import UTCTime, are_times

USER_ID_MAX = 255
TITLE_MAX = 200
DESCRIPTION_MAX = 1000
TAGS_MAX = 10
TAG_MAX = 50
TASK_ID_MAX = 2**63 - 1
INTERVAL_MAX = 365
IDEMPOTENCY_KEY_MAX = 255
# A SHA-256 and a random number, in hexadecimal digits, and a space between them.
IDEMPOTENCY_MARK_LENGTH = 64 + 1 + 16

# A named type has a schema of its own in the OpenAPI document.
Priority = TypeAliasType("Priority", Literal["low", "medium", "high"])
DEFAULT_PRIORITY: Priority = "medium"
Pattern = TypeAliasType("Pattern", Literal["daily", "weekly", "monthly", "yearly"])
# SQLite numbers rows by itself only in a column of the type INTEGER; it has 64 bits too.
TaskIdColumn = BigInteger().with_variant(Integer, "sqlite")
# The longest form of a due date: 2026-12-01T08:00:00Z.
DUE_DATE_LENGTH = 20


def utc_now() -> datetime:
    return datetime.now(UTC)


def _as_created(context: DefaultExecutionContext) -> datetime:
    """A new row was last changed when it was created."""
    created_at: datetime = context.get_current_parameters()["created_at"]  # type: ignore[no-untyped-call]
    return created_at


class Task(SQLModel, table=True):
    __tablename__: ClassVar[str | Callable[..., str]] = "tasks"
    __table_args__ = (
        # The list as it is read: one owner's tasks, newest first, with and without the filter.
        # Both are scanned backwards.
        Index("ix_tasks_newest", "user_id", "created_at", "id"),
        Index("ix_tasks_newest_by_completion", "user_id", "completed", "created_at", "id"),
        # One task for each key of a user. Tasks without a key are not in it.
        Index(
            "ix_tasks_idempotency_key",
            "user_id",
            "idempotency_key",
            unique=True,
            postgresql_where=text("idempotency_key IS NOT NULL"),
            sqlite_where=text("idempotency_key IS NOT NULL"),
        ),
        # One successor for each task, whoever completes it, and how often.
        Index(
            "ix_tasks_predecessor",
            "user_id",
            "predecessor_id",
            unique=True,
            postgresql_where=text("predecessor_id IS NOT NULL"),
            sqlite_where=text("predecessor_id IS NOT NULL"),
        ),
        # For other writers: Python could not read other times, nor count from other recurrences.
        *(
            CheckConstraint(condition, name=f"ck_tasks_{name}").ddl_if(dialect)
            for dialect in ("postgresql", "sqlite")
            for name, condition in {
                "times": are_times(("created_at", "updated_at", "completed_at"), dialect),
                "remind_at": are_times(("remind_at",), dialect),
                "recurrence": IS_RECURRENCE[dialect],
            }.items()
        ),
        # SQLite gives the id of a deleted last row again unless told not to.
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(
        default=None,
        primary_key=True,
        sa_type=TaskIdColumn,
    )
    user_id: str = Field(max_length=USER_ID_MAX)
    title: str = Field(max_length=TITLE_MAX)
    description: str | None = Field(default=None, max_length=DESCRIPTION_MAX)
    completed: bool = False
    created_at: datetime = Field(default_factory=utc_now, sa_type=UTCTime)
    updated_at: datetime = Field(
        default=None, nullable=False, sa_type=UTCTime, sa_column_kwargs={"default": _as_created}
    )
    # Columns that came after 1.0.0 have defaults of the server, since 1.0.0 may run beside.
    priority: str = Field(
        default=DEFAULT_PRIORITY,
        sa_type=String(max(map(len, get_args(Priority.__value__)))),
        sa_column_kwargs={"server_default": DEFAULT_PRIORITY},
    )
    # A text, since it is a day, a local time or an instant; compared by code points.
    due_date: str | None = Field(
        default=None,
        sa_type=String(DUE_DATE_LENGTH, collation="C").with_variant(
            String(DUE_DATE_LENGTH), "sqlite"
        ),
    )
    tags: list[str] = Field(
        default_factory=list,
        sa_type=ARRAY(Text).with_variant(JSON, "sqlite"),
        sa_column_kwargs={"server_default": NoTags()},
    )
    # Its pattern, interval and end date. In the column of a text that stays as it is written, the
    # keys keep their order.
    recurrence: dict[str, Any] | None = Field(default=None, sa_type=JSON(none_as_null=True))
    remind_at: datetime | None = Field(default=None, sa_type=UTCTime)
    # Null in a completed task that 1.0.0 completed (`KNOWN_COMPLETION` in sql/tasks.py).
    completed_at: datetime | None = Field(default=None, sa_type=UTCTime)
    # The `Idempotency-Key` that a task was created with, and what tells its request from others.
    idempotency_key: str | None = Field(default=None, max_length=IDEMPOTENCY_KEY_MAX)
    idempotency_mark: str | None = Field(default=None, max_length=IDEMPOTENCY_MARK_LENGTH)
    # The day of the month from which a series counts, where it is not the due date's own.
    due_day: int | None = Field(default=None, sa_type=SmallInteger)
    # Whether the task has had a successor, which may be deleted by now; and whose successor it is.
    is_followed: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    predecessor_id: int | None = Field(default=None, sa_type=TaskIdColumn)
