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
from sqlalchemy import Connection
from sqlalchemy.types import TypeDecorator
from sqlmodel import SQLModel

import database


def run_on(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        process_revision_directives=number,
        render_item=render,
    )
    context.run_migrations()


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
