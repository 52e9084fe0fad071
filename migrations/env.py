"""What Alembic runs: on the connection of `database.create_tables`, or from the command line on one
of its own.
"""

import logging
from collections.abc import Iterable
from typing import Literal

from alembic import context
from alembic.operations import MigrationScript
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, String, inspect, text
from sqlalchemy.types import TypeDecorator
from sqlmodel import SQLModel

import database

# Whether two ids that differ in their letter case alone are one. No row is needed to ask: the texts
# take the collation, and on PostgreSQL the type, of the column.
MERGES_USERS = text(
    "SELECT count(DISTINCT user_id) = 1 FROM"
    " (SELECT user_id FROM tasks WHERE 1 = 0 UNION ALL SELECT 'a' UNION ALL SELECT 'A') AS ids"
)
IS_READABLE = text("SELECT has_table_privilege('tasks', 'SELECT')")
CURE = {
    "postgresql": 'ALTER TABLE tasks ALTER user_id TYPE VARCHAR(255) COLLATE "default"',
    "sqlite": "copy the tasks into a table whose user_id has no COLLATE",
}


def run_on(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        process_revision_directives=number,
        render_item=render,
    )
    refuse_merged_users(connection)
    context.run_migrations()


def refuse_merged_users(connection: Connection) -> None:
    """Refuse a table that takes the ids of two users for one: they would share their tasks."""
    is_sqlite = connection.dialect.name == "sqlite"
    tables = inspect(connection)
    if not tables.has_table("tasks"):
        return
    if not (is_sqlite or connection.scalar(IS_READABLE)):
        return  # of a missing right, the migrations' own error tells more
    columns = {column["name"]: column["type"] for column in tables.get_columns("tasks")}
    # A UUID, for one, has no letter case. SQLite takes any text whatever the type.
    is_text = is_sqlite or isinstance(columns["user_id"], String)
    if is_text and connection.scalar(MERGES_USERS):
        raise CommandError(
            "tasks.user_id compares without letter case, so that users would share their tasks: "
            + CURE[connection.dialect.name]
        )


def number(
    migration: MigrationContext,
    revision: str | Iterable[str | None] | Iterable[str],
    scripts: list[MigrationScript],
) -> None:
    """Give a new revision the next number: `database.create_tables` compares them."""
    head = ScriptDirectory.from_config(context.config).get_current_head()
    for script in scripts:
        script.rev_id = f"{int(head or 0) + 1:04}"


def render(kind: str, item: object, autogenerating: object) -> str | Literal[False]:
    """Write a type as the one of SQLAlchemy that it is in the database: ours may change."""
    if kind == "type" and isinstance(item, TypeDecorator):
        return f"sa.{item.impl!r}"
    return False


given = context.config.attributes.get("connection")
if context.is_offline_mode():
    raise CommandError("Migrations look at the table that is there: they cannot be printed as SQL")
if given:
    run_on(given)
else:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with database.migration_connection() as own:
        run_on(own)
