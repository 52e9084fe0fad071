"""The type of a column of times: aware UTC in Python, whatever the process and the database say.

Columns without a zone hold UTC: `timestamp`, which other code may have made, and SQLite's texts.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Dialect
from sqlalchemy.dialects import sqlite
from sqlalchemy.types import TypeEngine
from sqlmodel.sql.sqltypes import UTCDateTime

# Stand for the times that PostgreSQL has and Python has not, infinity included.
EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)
# Equal to these, and told from them by identity.
MINUS_INFINITY = datetime.min.replace(tzinfo=UTC)
INFINITY = datetime.max.replace(tzinfo=UTC)
INFINITIES = {"-infinity": MINUS_INFINITY, "infinity": INFINITY}


def parse(text: str) -> datetime:
    """Parse a database's text of a time, to UTC."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is UTC:  # nearly always; a conversion costs as much as the parsing
        return time
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def parse_postgresql(text: Any, cursor: object) -> datetime | None:
    """Parse as a typecaster of psycopg2, which passes null as None. Gives the nearest time that
    Python has.
    """
    if text is None:
        return None
    try:
        return parse(text)
    except (ValueError, OverflowError):
        if text in INFINITIES:
            return INFINITIES[text]
        # Year 0001 overflows in zones east of Greenwich; years of five digits start with a 1.
        return EARLIEST if text.endswith(" BC") or text.startswith("0001-") else LATEST


def _parse_sqlite(value: Any) -> datetime | None:
    """Give None for what is no time: SQLite stores anything in any column."""
    try:
        return parse(value)
    except (TypeError, ValueError, OverflowError):
        return None


class _SQLiteTime(sqlite.DATETIME):
    def result_processor(
        self, dialect: Dialect, coltype: object
    ) -> Callable[[object], datetime | None]:
        return _parse_sqlite


class UTCTime(UTCDateTime):
    """The type of a column of times."""

    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(_SQLiteTime())  # type: ignore[no-untyped-call]
        return super().load_dialect_impl(dialect)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        time = super().process_bind_param(value, dialect)
        if time is None or dialect.driver != "psycopg2":
            return time
        # psycopg2 casts a datetime to `timestamptz`, and PostgreSQL that to a `timestamp` in the
        # session's zone. A text takes the column's type, and a `timestamp` ignores its "+00:00".
        return time.isoformat()
