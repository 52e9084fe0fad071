"""The constraints of 0004, for the rows that were there before it.

PostgreSQL reads the table beside requests (`VALIDATE`), and then believes the constraint that a
column has no null, so that the table is locked for a moment only.
"""

import sqlalchemy as sa
from alembic import op

from migrations.odd_values import REQUIRED, TIMES_CHECK, mend

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        return
    mend(connection)  # what others wrote while 0004 waited for the table
    checks = {check["name"] for check in sa.inspect(connection).get_check_constraints("tasks")}
    required = [name for name in REQUIRED if f"ck_tasks_{name}" in checks]
    for name in (TIMES_CHECK, *(f"ck_tasks_{column}" for column in required)):
        op.execute(f"ALTER TABLE tasks VALIDATE CONSTRAINT {name}")
    for name in required:
        op.alter_column("tasks", name, nullable=False)
        op.drop_constraint(f"ck_tasks_{name}", "tasks")


def downgrade() -> None:
    """Keep what was validated: 0004 takes the constraint away."""
