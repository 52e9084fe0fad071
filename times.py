"""The type of a column of times: aware UTC in Python, whatever the process and the database say.

Columns without a zone hold UTC: `timestamp`, which other code may have made, and SQLite's texts.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import to_builtins
from sqlalchemy import Dialect
from sqlmodel.sql.sqltypes import UTCDateTime

EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)


def parse_postgresql(text: Any, cursor: object) -> datetime | None:
    """Parse as a typecaster of psycopg2, which passes null as None, to UTC."""
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is UTC:  # nearly always; a conversion costs as much as the parsing
            return time
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        # In the zone of the session, the first day of the years 1 to 9999 may be one of the year
        # before, and the last one of the year after.
        return EARLIEST if text.endswith(" BC") or text.startswith("0001-") else LATEST


# How SQLAlchemy writes a time on SQLite.
WRITTEN = (
    "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-2][0-9]:[0-5][0-9]:[0-5][0-9]."
    "[0-9][0-9][0-9][0-9][0-9][0-9]"
)


def are_times(columns: Sequence[str], dialect: str) -> str:
    """The condition that columns hold times of the years 1 to 9999, or null. On SQLite, these are
    texts of one form, so that texts compare as the times do.
    """
    conditions = {
        "postgresql": "{0} BETWEEN '0001-01-01 00:00:00.000000+00'"
        " AND '9999-12-31 23:59:59.999999+00'",
        "sqlite": f"{{0}} GLOB '{WRITTEN}' AND {{0}} > '0001' AND substr({{0}}, 12, 2) < '24'"
        " AND date(substr({0}, 1, 10), '+0 days') = substr({0}, 1, 10)",
    }
    return " AND ".join(conditions[dialect].format(column) for column in columns)


class UTCTime(UTCDateTime):
    """The type of a column of times."""

    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        is_utc = value is not None and value.tzinfo is UTC  # nearly always
        time = value if is_utc else super().process_bind_param(value, dialect)
        if time is None or dialect.driver != "psycopg2":
            return time
        # psycopg2 casts a datetime to `timestamptz`, and PostgreSQL that to a `timestamp` in the
        # session's zone. A text takes the column's type, and a `timestamp` ignores its "Z".
        return to_builtins(time)  # in a seventh of the time of `isoformat`
