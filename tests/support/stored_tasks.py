"""Stored tasks, and how they are sent."""

from datetime import UTC, datetime
from typing import Any

from models import Task

EPOCH = datetime(2026, 1, 12, 10, 0, 0, 123456, UTC)


def wire(task: Task) -> dict[str, Any]:
    """A stored task as the contract sends it."""
    return {
        "id": task.id,
        "user_id": task.user_id,
        "title": task.title,
        "description": task.description,
        "completed": task.completed,
        "created_at": task.created_at.isoformat().replace("+00:00", "Z"),
        "updated_at": task.updated_at.isoformat().replace("+00:00", "Z"),
    }
