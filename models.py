"""The table: its columns, their limits, and the indexes that serve its reads."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import ClassVar

from sqlalchemy import BigInteger, Index, Integer
from sqlalchemy.engine.default import DefaultExecutionContext
from sqlmodel import Field, SQLModel

from times import UTCTime

USER_ID_MAX = 255
TITLE_MAX = 200
DESCRIPTION_MAX = 1000
TASK_ID_MAX = 2**63 - 1


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
        # SQLite gives the id of a deleted last row again unless told not to.
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(
        default=None,
        primary_key=True,
        # SQLite numbers rows by itself only in a column of the type INTEGER; it has 64 bits too.
        sa_type=BigInteger().with_variant(Integer, "sqlite"),
    )
    user_id: str = Field(max_length=USER_ID_MAX)
    title: str = Field(max_length=TITLE_MAX)
    description: str | None = Field(default=None, max_length=DESCRIPTION_MAX)
    completed: bool = False
    created_at: datetime = Field(default_factory=utc_now, sa_type=UTCTime)
    updated_at: datetime = Field(
        default=None, nullable=False, sa_type=UTCTime, sa_column_kwargs={"default": _as_created}
    )
