"""No null where a task has a value, and no time outside the years 1 to 9999, whoever writes.

What is there is mended, and no longer taken from now on. 0005 validates the constraints for all
rows, in a transaction of its own: this one ends with the table locked.
"""

import sqlalchemy as sa
from alembic import op

from migrations.batch import alter_tasks
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
        with alter_tasks(sa.CheckConstraint(are_times("sqlite"), name=TIMES_CHECK)) as batch:
            for name in optional:
                batch.alter_column(name, nullable=False)


def downgrade() -> None:
    """Take the constraint on times, which holds a column of 0002, and keep what was mended."""
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint(TIMES_CHECK, "tasks", if_exists=True)
    else:
        with alter_tasks() as batch:
            batch.drop_constraint(TIMES_CHECK)
