"""The table in hash partitions, made by the SQL that docs/scaling.md shows."""

import pytest
from pages import PAGES, fences, sections
from sqlalchemy import Engine

from driver import postgres

# The parameter of the fixture `engine`.
PARTITIONED = "partitioned"
# The files that run on a partitioned table too: all about what the endpoints do.
FILES = ("test_tasks_", "test_lists_", "test_stats", "test_bulk", "test_idempotency")


def is_meant(item: pytest.Item) -> bool:
    """Whether a test is to run: on a partitioned table only if its file is one of `FILES`."""
    of_test = item.callspec.params if hasattr(item, "callspec") else {}
    return of_test.get("engine") != PARTITIONED or item.path.name.startswith(
        (*FILES, "test_partitions")
    )


def partition(engine: Engine) -> None:
    [sql] = [
        fence.text
        for fence in fences(sections(PAGES["docs/scaling.md"])["Partitions"])
        if fence.language == "sql"
    ]
    with postgres.make_migration_engine(engine.url).begin() as connection:
        connection.exec_driver_sql(sql)
