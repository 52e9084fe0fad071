"""The `Idempotency-Key` that a task was created with.

The index is made in the transaction: no row has a key yet, so reading the table is all it takes.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

LENGTHS = {"idempotency_key": 255, "idempotency_mark": 81}
INDEX = "ix_tasks_idempotency_key"
HAS_KEY = sa.text("idempotency_key IS NOT NULL")


def upgrade() -> None:
    table = sa.inspect(op.get_bind())
    present = {column["name"] for column in table.get_columns("tasks")}
    # `SQLModel.metadata.create_all` makes the whole table, and notes no revision.
    for name, length in LENGTHS.items():
        if name not in present:
            op.add_column("tasks", sa.Column(name, sa.String(length), nullable=True))
    if INDEX not in {index["name"] for index in table.get_indexes("tasks")}:
        op.create_index(
            INDEX,
            "tasks",
            ["user_id", "idempotency_key"],
            unique=True,
            postgresql_where=HAS_KEY,
            sqlite_where=HAS_KEY,
        )


def downgrade() -> None:
    op.drop_index(INDEX, "tasks")
    for name in LENGTHS:
        op.drop_column("tasks", name)
