"""The statements of the peers that use asyncpg: one for each request, as the service has it."""

from collections.abc import Sequence
from functools import cache

# A task that 1.0.0 completed shows its last change.
COMPLETED_AT = "CASE WHEN completed THEN coalesce(completed_at, updated_at) END"
COLUMNS = f"""
    id, user_id, title, description, completed, priority, due_date, tags,
    {COMPLETED_AT} AS completed_at, created_at, updated_at
"""
THIS_TASK = "WHERE id = $1 AND user_id = $2"
# `updated_at` never moves back.
NOW = "greatest(updated_at, $3)"

NEWEST_FIRST = "ORDER BY created_at DESC, id DESC"
LIST = f"SELECT {COLUMNS} FROM tasks WHERE user_id = $1 {NEWEST_FIRST}"
LIST_BY_COMPLETION = (
    f"SELECT {COLUMNS} FROM tasks WHERE user_id = $1 AND completed = $2 {NEWEST_FIRST}"
)
GET = f"SELECT {COLUMNS} FROM tasks {THIS_TASK}"
CREATE = f"""
    INSERT INTO tasks (user_id, title, description, priority, due_date, tags, completed,
        created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, false, $7, $7) RETURNING {COLUMNS}
"""
TOGGLE = f"""
    UPDATE tasks SET completed = NOT completed, updated_at = {NOW},
        completed_at = CASE WHEN NOT completed THEN {NOW} END
    {THIS_TASK} RETURNING {COLUMNS}
"""
DELETE = f"DELETE FROM tasks {THIS_TASK} RETURNING id"


@cache
def update_of(fields: Sequence[str]) -> str:
    """The update of these fields, whose values follow the id, the user and the time of now."""
    places = {field: f"${place}" for place, field in enumerate(fields, start=4)}
    completed_at = COMPLETED_AT
    if "completed" in places:
        completed_at = f"""
            CASE WHEN NOT {places["completed"]} THEN NULL
                WHEN completed THEN coalesce(completed_at, updated_at) ELSE {NOW} END
        """
    changes = "".join(f"{field} = {place}, " for field, place in places.items())
    return f"""
        UPDATE tasks SET {changes} updated_at = {NOW}, completed_at = {completed_at}
        {THIS_TASK} RETURNING {COLUMNS}
    """
