"""No recurrence and no reminder that the API does not have, whoever writes.

What is there is mended, and no longer taken from now on. 0008 validates the constraints for all
rows, in a transaction of its own: this one ends with the table locked.
"""

import sqlalchemy as sa
from alembic import op

from migrations.batch import alter_tasks
from migrations.odd_values import mend_series, series_checks

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    connection = op.get_bind()
    mend_series(connection)
    checks = series_checks(connection.dialect.name)
    for check in sa.inspect(connection).get_check_constraints("tasks"):
        checks.pop(str(check["name"]), None)
    if connection.dialect.name == "postgresql":
        for name, condition in checks.items():
            op.execute(f"ALTER TABLE tasks ADD CONSTRAINT {name} CHECK ({condition}) NOT VALID")
    elif checks:
        with alter_tasks() as batch:
            for name, condition in checks.items():
                batch.create_check_constraint(name, condition)


def downgrade() -> None:
    """Take the constraints, which hold columns of 0006, and keep what was mended."""
    connection = op.get_bind()
    with alter_tasks() as batch:
        for name in series_checks(connection.dialect.name):
            batch.drop_constraint(name)
