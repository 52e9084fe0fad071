"""Recurrence and reminder of a task, and what tells which task follows which.

No row is touched: the columns are null, or have a constant default, for a 1.1.0 that writes beside.
The index is made in the transaction: no row is in it yet, so reading the table is all it takes.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

COLUMNS = ("recurrence", "remind_at", "due_day", "is_followed", "predecessor_id")
INDEX = "ix_tasks_predecessor"
IS_SUCCESSOR = sa.text("predecessor_id IS NOT NULL")


def upgrade() -> None:
    is_sqlite = op.get_bind().dialect.name == "sqlite"
    table = sa.inspect(op.get_bind())
    present = {column["name"] for column in table.get_columns("tasks")}
    for column in (
        sa.Column("recurrence", sa.JSON(), nullable=True),
        sa.Column("remind_at", sa.DateTime(timezone=True)),
        sa.Column("due_day", sa.SmallInteger(), nullable=True),
        sa.Column("is_followed", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("predecessor_id", sa.Integer() if is_sqlite else sa.BigInteger(), nullable=True),
    ):
        # `SQLModel.metadata.create_all` makes the whole table, and notes no revision.
        if column.name not in present:
            op.add_column("tasks", column)
    if INDEX not in {index["name"] for index in table.get_indexes("tasks")}:
        op.create_index(
            INDEX,
            "tasks",
            ["user_id", "predecessor_id"],
            unique=True,
            postgresql_where=IS_SUCCESSOR,
            sqlite_where=IS_SUCCESSOR,
        )


def downgrade() -> None:
    op.drop_index(INDEX, "tasks")
    for name in COLUMNS:
        op.drop_column("tasks", name)
