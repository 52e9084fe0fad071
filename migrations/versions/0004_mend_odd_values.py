"""No null where a task has a value, and no time outside the years 1 to 9999, whoever writes.

What is there is mended, and no longer taken from now on. 0005 validates the constraints for all
rows, in a transaction of its own: this one ends with the table locked.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic import op
from alembic.operations import BatchOperations

from migrations.odd_values import REQUIRED, TIMES_CHECK, are_times, mend

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    connection = op.get_bind()
    mend(connection)
    table = sa.inspect(connection)
    present = {check["name"] for check in table.get_check_constraints("tasks")}
    optional = [
        column["name"]
        for column in table.get_columns("tasks")
        if column["name"] in REQUIRED and column["nullable"]
    ]
    if connection.dialect.name == "postgresql":
        checks = {f"ck_tasks_{name}": f"{name} IS NOT NULL" for name in optional}
        checks[TIMES_CHECK] = are_times("postgresql")
        for name in checks.keys() - present:
            op.execute(f"ALTER TABLE tasks ADD CONSTRAINT {name} CHECK ({checks[name]}) NOT VALID")
    elif optional or TIMES_CHECK not in present:
        with _rebuilt(sa.CheckConstraint(are_times("sqlite"), name=TIMES_CHECK)) as batch:
            for name in optional:
                batch.alter_column(name, nullable=False)


def downgrade() -> None:
    """Take the constraint on times, which holds a column of 0002, and keep what was mended."""
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint(TIMES_CHECK, "tasks", if_exists=True)
    else:
        with _rebuilt() as batch:
            batch.drop_constraint(TIMES_CHECK)


@contextmanager
def _rebuilt(*constraints: sa.CheckConstraint) -> Iterator[BatchOperations]:
    """Copy the table on SQLite, which cannot change a table so. No id is given again."""
    connection = op.get_bind()
    last = None
    if connection.scalar(sa.text("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'")):
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
