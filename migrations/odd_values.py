"""Values that other writers could leave, and what becomes of them. 0004 and 0005 make of them what
1.1.0 showed instead; 0007 and 0008 what 1.2.0 read, or null.
"""

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

log = logging.getLogger("tasks.migrations")

REQUIRED = ("id", "user_id", "title", "completed", "created_at", "updated_at", "priority", "tags")
TIMES = ("created_at", "updated_at", "completed_at")
TIMES_CHECK = "ck_tasks_times"
EARLIEST, LATEST = "0001-01-01 00:00:00.000000", "9999-12-31 23:59:59.999999"
# As SQLAlchemy writes a time on SQLite, so that texts compare as the times do.
WRITTEN_TIME = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-2][0-9]:[0-5][0-9]:[0-5][0-9]."
WRITTEN_TIME += "[0-9]" * 6
# The condition that `recurrence` is null or one that the API gives.
IS_RECURRENCE = {
    "postgresql": r"CASE WHEN CAST(recurrence AS TEXT) !~ '\\|[0-9][.eE]|[0-9]{5}'"
    " THEN (CAST(recurrence AS JSONB) @@ 'strict $.interval >= 1 && $.interval <= 365"
    ' && ($.pattern == "daily" || $.pattern == "weekly"'
    ' || $.pattern == "monthly" || $.pattern == "yearly")'
    ' && ($.end_date == null || $.end_date like_regex "^[0-9]{4}-[0-9]{2}-[0-9]{2}$")\') IS TRUE'
    " ELSE recurrence IS NULL END",
    "sqlite": "CASE WHEN json_valid(recurrence)"
    " THEN (json_extract(recurrence, '$.pattern') IN ('daily', 'weekly', 'monthly', 'yearly')"
    " AND json_type(recurrence, '$.interval') = 'integer'"
    " AND json_extract(recurrence, '$.interval') BETWEEN 1 AND 365"
    " AND (json_type(recurrence, '$.end_date') = 'null' OR json_extract(recurrence, '$.end_date')"
    " GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]')) IS TRUE ELSE recurrence IS NULL END",
}


def is_time(name: str, dialect: str) -> str:
    """The condition that a column holds a time of the years 1 to 9999."""
    if dialect == "postgresql":
        return f"{name} BETWEEN '{EARLIEST}+00' AND '{LATEST}+00'"
    return (
        f"{name} GLOB '{WRITTEN_TIME}' AND {name} > '0001' AND substr({name}, 12, 2) < '24'"
        f" AND date(substr({name}, 1, 10), '+0 days') = substr({name}, 1, 10)"
    )


def are_times(dialect: str) -> str:
    """The constraint on all times, of which `completed_at` may be null."""
    return " AND ".join(is_time(name, dialect) for name in TIMES)


def mend(connection: sa.Connection) -> None:
    dialect = connection.dialect.name
    zone, no_tags, least, greatest = "+00", "{}", "least", "greatest"
    if dialect == "sqlite":
        zone, no_tags, least, greatest = "", "[]", "min", "max"
        for name in TIMES:
            _rewrite(connection, name, is_time(name, dialect), _rewritten_time)
    earliest, latest = f"'{EARLIEST}{zone}'", f"'{LATEST}{zone}'"
    times = {
        "created_at": f"coalesce(created_at, updated_at, {earliest})",
        "updated_at": f"coalesce(updated_at, created_at, {earliest})",
        "completed_at": "completed_at",
    }
    mended = {
        "title": "coalesce(title, '')",
        "completed": "coalesce(completed, false)",
        "priority": "coalesce(priority, 'medium')",
        "tags": f"coalesce(tags, '{no_tags}')",
    }
    for name, time in times.items():
        nearest = f"{least}({greatest}({time}, {earliest}), {latest})"
        mended[name] = f"CASE WHEN {time} IS NOT NULL THEN {nearest} END"
    odd = [f"{name} IS NULL" for name in mended if name != "completed_at"]
    odd += [f"NOT ({is_time(name, dialect)})" for name in TIMES]
    changes = ", ".join(f"{name} = {value}" for name, value in mended.items())
    connection.exec_driver_sql(f"UPDATE tasks SET {changes} WHERE {' OR '.join(odd)}")  # noqa: S608


def series_checks(dialect: str) -> dict[str, str]:
    """The constraints on what 1.2.0 added, by their names."""
    return {
        "ck_tasks_remind_at": is_time("remind_at", dialect),
        "ck_tasks_recurrence": IS_RECURRENCE[dialect],
    }


def mend_series(connection: sa.Connection) -> None:
    dialect = connection.dialect.name
    is_reminder, is_recurrence = series_checks(dialect).values()
    cleared = _rewrite(connection, "recurrence", is_recurrence, _whole_recurrence)
    if dialect == "sqlite":
        cleared += _rewrite(connection, "remind_at", is_reminder, _rewritten_time)
    cleared += connection.exec_driver_sql(
        f"UPDATE tasks SET remind_at = CASE WHEN {is_reminder} THEN remind_at END,"  # noqa: S608
        f" recurrence = CASE WHEN {is_recurrence} THEN recurrence END"
        f" WHERE NOT ({is_reminder}) OR NOT ({is_recurrence})"
    ).rowcount
    if cleared:
        log.warning(
            "Recurrences and reminders that the API does not have are null now: %d", cleared
        )


def _rewrite(
    connection: sa.Connection, name: str, condition: str, rewritten: Callable[[Any], str | None]
) -> int:
    """Write each value that is not as it is to be anew. Gives how many became null."""
    odd = connection.exec_driver_sql(f"SELECT id, {name} FROM tasks WHERE NOT ({condition})")  # noqa: S608
    values = [(task_id, rewritten(written)) for task_id, written in odd]
    # A client may have changed the value meanwhile.
    change = sa.text(f"UPDATE tasks SET {name} = :value WHERE id = :id AND NOT ({condition})")  # noqa: S608
    for task_id, value in values:
        connection.execute(change, {"value": value, "id": task_id})
    return [value for _, value in values].count(None)


def _rewritten_time(written: object) -> str | None:
    """A time as SQLAlchemy writes it: SQLite stores anything. None: it is no time."""
    try:
        time = datetime.fromisoformat(str(written))
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return time.replace(tzinfo=None).isoformat(" ", "microseconds")


def _whole_recurrence(written: Any) -> str | None:
    """A recurrence with all its parts, as 1.2.0 read it. None: it is no recurrence."""
    try:
        # psycopg2 has parsed it.
        given = json.loads(written) if isinstance(written, str | bytes) else written
        interval = given.get("interval")
        parts = {
            "pattern": given["pattern"].lower(),
            "interval": 1 if interval is None else interval,
            "end_date": given.get("end_date"),
        }
        return json.dumps(parts, allow_nan=False)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
