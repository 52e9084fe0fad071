"""Stored tasks, and how they are sent."""

from datetime import UTC, datetime
from typing import Any

from models import Task

EPOCH = datetime(2026, 1, 12, 10, 0, 0, 123456, UTC)


def wire(task: Task) -> dict[str, Any]:
    """A stored task as the contract sends it."""
    completed_at = task.completed_at or task.updated_at
    return {
        "id": task.id,
        "user_id": task.user_id,
        "title": task.title,
        "description": task.description,
        "completed": task.completed,
        "priority": task.priority,
        "due_date": task.due_date,
        "tags": task.tags,
        "completed_at": in_utc(completed_at) if task.completed else None,
        "created_at": in_utc(task.created_at),
        "updated_at": in_utc(task.updated_at),
    }


def in_utc(time: datetime) -> str:
    """A stored time as the contract sends it."""
    return time.isoformat().replace("+00:00", "Z")
