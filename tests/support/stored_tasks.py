"""Stored tasks, and how they are sent."""

from datetime import UTC, datetime
from typing import Any

from models import Task

EPOCH = datetime(2026, 1, 12, 10, 0, 0, 123456, UTC)
# What every answer has, and what it is in a task of which only the title was given.
DEFAULTS: dict[str, Any] = {
    "description": None,
    "completed": False,
    "priority": "medium",
    "due_date": None,
    "tags": [],
    "recurrence": None,
    "remind_at": None,
    "completed_at": None,
}
# A value for every field that a client can set in a new task, none of which is the default.
FULL: dict[str, Any] = {
    "title": "Buy milk",
    "description": "2 l",
    "priority": "high",
    "due_date": "2026-12-01T08:00:00Z",
    "tags": ["a", "b"],
    "recurrence": {"pattern": "weekly", "interval": 2, "end_date": "2027-12-01"},
    "remind_at": "2026-12-01T07:00:00Z",
}
# What every row has and no answer, as it is in a new task.
HIDDEN: dict[str, Any] = {
    "idempotency_key": None,
    "idempotency_mark": None,
    "due_day": None,
    "is_followed": False,
    "predecessor_id": None,
}


def wire(task: Task) -> dict[str, Any]:
    """A stored task as the contract sends it."""
    # `model_dump` leaves out what a session has not loaded.
    sent = {name: getattr(task, name) for name in Task.model_fields.keys() - HIDDEN.keys()}
    completed_at = task.completed_at or task.updated_at
    sent["completed_at"] = completed_at if task.completed else None
    return {
        name: in_utc(value) if isinstance(value, datetime) else value
        for name, value in sent.items()
    }


def in_utc(time: datetime) -> str:
    """A stored time as the contract sends it."""
    return time.isoformat().replace("+00:00", "Z")
