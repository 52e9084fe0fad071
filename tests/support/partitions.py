"""The table in hash partitions, made by the SQL that docs/scaling.md shows."""

from pages import PAGES, fences, sections
from sqlalchemy import Engine

from driver import postgres

# The parameter of the fixture `engine`.
PARTITIONED = "partitioned"


def partition(engine: Engine) -> None:
    [sql] = [
        fence.text
        for fence in fences(sections(PAGES["docs/scaling.md"])["Partitions"])
        if fence.language == "sql"
    ]
    with postgres.make_migration_engine(engine.url).begin() as connection:
        connection.exec_driver_sql(sql)
