"""Priority, due date, tags, and when a task was completed.

All have defaults, since 1.0.0 may go on writing beside: PostgreSQL and SQLite keep those in the
catalog, and touch no row.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

COLUMNS = ("priority", "due_date", "tags", "completed_at")


def upgrade() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    present = {
        column["name"]: column["type"] for column in sa.inspect(op.get_bind()).get_columns("tasks")
    }
    for column in (
        sa.Column("priority", sa.String(6), nullable=False, server_default="medium"),
        sa.Column("due_date", sa.String(20, collation=None if is_sqlite else "C"), nullable=True),
        sa.Column(
            "tags",
            sa.JSON() if is_sqlite else sa.ARRAY(sa.Text()),
            nullable=False,
            server_default="[]" if is_sqlite else "{}",
        ),
        # Times of one table have one type: PostgreSQL converts between two in the session's zone.
        sa.Column("completed_at", sa.DateTime() if is_sqlite else present["updated_at"]),
    ):
        # `SQLModel.metadata.create_all` makes the whole table, and notes no revision.
        if column.name not in present:
            op.add_column("tasks", column)


def downgrade() -> None:
    for name in COLUMNS:
        op.drop_column("tasks", name)
