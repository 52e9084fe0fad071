"""Values that other writers could leave before 0005, and what 0004 and 0005 make of them: what
1.1.0 showed instead.
"""

from datetime import UTC, datetime

import sqlalchemy as sa

REQUIRED = ("id", "user_id", "title", "completed", "created_at", "updated_at", "priority", "tags")
TIMES = ("created_at", "updated_at", "completed_at")
TIMES_CHECK = "ck_tasks_times"
EARLIEST, LATEST = "0001-01-01 00:00:00.000000", "9999-12-31 23:59:59.999999"
# As SQLAlchemy writes a time on SQLite, so that texts compare as the times do.
WRITTEN_TIME = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-2][0-9]:[0-5][0-9]:[0-5][0-9]."
WRITTEN_TIME += "[0-9]" * 6


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
        _rewrite_times(connection)
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


def _rewrite_times(connection: sa.Connection) -> None:
    """Write each time as SQLAlchemy does: SQLite stores anything. What is no time becomes null."""
    for name in TIMES:
        odd = connection.exec_driver_sql(
            f"SELECT id, {name} FROM tasks WHERE NOT ({is_time(name, 'sqlite')})"  # noqa: S608
        )
        for task_id, written in odd.all():
            connection.exec_driver_sql(
                f"UPDATE tasks SET {name} = ? WHERE id = ?",  # noqa: S608
                (_rewritten(written), task_id),
            )


def _rewritten(written: object) -> str | None:
    try:
        time = datetime.fromisoformat(str(written))
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return time.replace(tzinfo=None).isoformat(" ", "microseconds")
