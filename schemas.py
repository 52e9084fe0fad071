"""What goes over the wire, in and out."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.config import JsonDict

from models import DESCRIPTION_MAX, TASK_ID_MAX, TITLE_MAX


def _trimmed(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _canonical_number(value: Any) -> Any:
    """Refuse what `int` would take too: `+1`, `1.0`, `1_000`, ` 1`, `٣`, `01`."""
    if isinstance(value, str) and not (value.isascii() and value.isdigit() and value[0] != "0"):
        return None
    return value


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
TaskId = Annotated[
    int,
    Field(ge=1, le=TASK_ID_MAX, json_schema_extra={"format": "int64"}),
    BeforeValidator(_canonical_number),
]
TaskFilter = Literal["all", "pending", "completed"]
FILTER_NAMES = AliasChoices("filter", "status")


class TaskCreate(BaseModel):
    """A new task. Other fields are ignored, so that a front end can send a whole task."""

    model_config = ConfigDict(
        json_schema_extra=_absent_not_null,
    )

    title: Title = Field(
        description="Trimmed, then 1 to 200 characters.", examples=["Buy groceries"]
    )
    description: Description | None = Field(default=None, examples=["Milk, eggs, bread"])


class TaskUpdate(BaseModel):
    """The fields to change. What is left out stays as it is; other fields are ignored."""

    model_config = ConfigDict(json_schema_extra=_absent_not_null)

    # The defaults are never used as values: `changes()` gives only what was sent, and null is
    # refused where the type does not allow it.
    title: Title = Field(
        default="", description="Trimmed, then 1 to 200 characters.", examples=["Buy groceries"]
    )
    description: Description | None = Field(
        default=None, description="Null clears it.", examples=["Milk, eggs, bread"]
    )
    completed: Completed = Field(default=False, examples=[True])

    def changes(self) -> dict[str, Any]:
        return self.model_dump(exclude_unset=True)


class TaskRead(BaseModel):
    """A task as it is sent."""

    model_config = ConfigDict(from_attributes=True)  # a test may answer with a `Task`

    id: int = Field(ge=1, examples=[1], json_schema_extra={"format": "int64"})
    user_id: str = Field(examples=["user_abc123"])
    title: str = Field(examples=["Buy groceries"])
    description: str | None = Field(examples=["Milk, eggs, bread"])
    completed: bool = Field(examples=[False])
    created_at: datetime = Field(examples=["2026-01-12T10:00:00.123456Z"])
    updated_at: datetime = Field(examples=["2026-01-12T10:00:00.123456Z"])


class TaskResponse(BaseModel):
    data: TaskRead
    message: str = Field(examples=["Task retrieved"])


class TaskListResponse(BaseModel):
    data: list[TaskRead]
    message: str = Field(examples=["Tasks retrieved"])


class TaskDeletedResponse(BaseModel):
    data: None
    message: str = Field(examples=["Task deleted"])


class ErrorResponse(BaseModel):
    """Every answer that is not a success."""

    error: str = Field(description="What is wrong, for people.")
    code: str = Field(description="What is wrong, for programs.")


class HealthResponse(BaseModel):
    status: Literal["healthy"]


class ReadyResponse(BaseModel):
    status: Literal["ready"]
