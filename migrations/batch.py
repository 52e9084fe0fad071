"""`ALTER TABLE tasks` on both databases: SQLite, which cannot change a column, copies the table."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations

SEQUENCES = "SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'"


@contextmanager
def alter_tasks(*constraints: sa.CheckConstraint) -> Iterator[BatchOperations]:
    """Change columns and constraints. On SQLite the copy has these constraints too, and gives no id
    again.
    """
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        with op.batch_alter_table("tasks") as batch:
            yield batch
        return
    last = None
    if connection.scalar(sa.text(SEQUENCES)):
        last = connection.scalar(sa.text("SELECT seq FROM sqlite_sequence WHERE name = 'tasks'"))
    with op.batch_alter_table(
        "tasks",
        recreate="always",
        table_args=constraints,
        table_kwargs={"sqlite_autoincrement": True},
        reflect_kwargs={"listeners": [("column_reflect", _keep_affinity)]},
    ) as batch:
        yield batch
    if last is not None:
        op.execute("DELETE FROM sqlite_sequence WHERE name = 'tasks'")
        op.execute(f"INSERT INTO sqlite_sequence VALUES ('tasks', {last})")  # noqa: S608


def _keep_affinity(inspector: object, table: object, column: dict[str, Any]) -> None:
    """Give a column without a type the one that takes every value as it is, too."""
    if isinstance(column["type"], sa.types.NullType):
        column["type"] = sa.BLOB()
