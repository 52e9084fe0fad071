"""The constraints of 0007, for the rows that were there before it.

PostgreSQL reads the table beside requests (`VALIDATE`).
"""

from alembic import op

from migrations.odd_values import mend_series, series_checks

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        mend_series(connection)  # what others wrote while 0007 waited for the table
        validations = [f"VALIDATE CONSTRAINT {name}" for name in series_checks("postgresql")]
        op.execute(f"ALTER TABLE tasks {', '.join(validations)}")


def downgrade() -> None:
    """Keep what was validated: 0007 takes the constraints away."""
