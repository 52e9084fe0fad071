"""The table as 1.0.0 makes it. One that is there is adopted, with every row.

The plan's code makes one with ids of 32 bits, and with times without a zone, which are UTC: it
becomes 1.0.0's. Of any other table the columns stay as they are.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

INDEXES = {
    "ix_tasks_newest": ["user_id", "created_at", "id"],
    "ix_tasks_newest_by_completion": ["user_id", "completed", "created_at", "id"],
}
# What `Field(index=True)` in the plan's code makes; those above serve what it serves.
INDEX_OF_PLAN = "ix_tasks_user_id"
USER_ID_MAX = 255
# The columns of the plan's table and of 1.0.0's, and whether they may be null.
COLUMNS = {
    "id": False,
    "user_id": False,
    "title": False,
    "description": True,
    "completed": False,
    "created_at": False,
    "updated_at": False,
}


def upgrade() -> None:
    connection = op.get_bind()
    if not sa.inspect(connection).has_table("tasks"):
        _create("tasks")
    elif connection.dialect.name == "sqlite":
        _adopt_on_sqlite(connection)
    else:
        _adopt_on_postgresql(connection)
    present = {index["name"] for index in sa.inspect(connection).get_indexes("tasks")}
    if INDEX_OF_PLAN in present:
        op.drop_index(INDEX_OF_PLAN, "tasks")
    for name, columns in INDEXES.items():
        if name not in present:
            op.create_index(name, "tasks", columns)


def downgrade() -> None:
    """Keep the table, since its rows may be older than this migration. 1.0.0 and the plan's code
    run on it as it is.
    """


def _create(name: str) -> None:
    op.create_table(
        name,
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("user_id", sa.String(USER_ID_MAX), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("description", sa.String(1000), nullable=True),
        sa.Column("completed", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sqlite_autoincrement=True,
    )


def _adopt_on_postgresql(connection: sa.Connection) -> None:
    """Change the types that differ, in one statement: each would write the whole table again."""
    columns = sa.inspect(connection).get_columns("tasks")
    if not COLUMNS.items() <= {(column["name"], column["nullable"]) for column in columns}:
        return
    changes = []
    for column in columns:
        name, kind = column["name"], column["type"]
        if name == "id" and isinstance(kind, sa.INTEGER):
            changes.append("ALTER id TYPE BIGINT")
        elif name in {"created_at", "updated_at"} and _is_without_zone(kind):
            changes.append(f"ALTER {name} TYPE TIMESTAMPTZ USING {name} AT TIME ZONE 'UTC'")
        elif name == "user_id" and _is_unlimited(kind) and _fits_user_id(connection):
            changes.append(f"ALTER user_id TYPE VARCHAR({USER_ID_MAX})")
    if changes:
        op.execute(f"ALTER TABLE tasks {', '.join(changes)}")
        op.execute("ANALYZE tasks")  # a new type takes a column's statistics away
    sequence = connection.scalar(sa.text("SELECT pg_get_serial_sequence('tasks', 'id')"))
    kind = connection.scalar(
        sa.text("SELECT seqtypid::regtype::text FROM pg_sequence WHERE seqrelid = :it ::regclass"),
        {"it": sequence},
    )
    if kind == "integer":
        op.execute(f"ALTER SEQUENCE {sequence} AS BIGINT")


def _is_without_zone(kind: sa.types.TypeEngine[object]) -> bool:
    return isinstance(kind, sa.DateTime) and not kind.timezone


def _is_unlimited(kind: sa.types.TypeEngine[object]) -> bool:
    return isinstance(kind, sa.VARCHAR) and kind.length is None


def _fits_user_id(connection: sa.Connection) -> bool:
    longest = connection.scalar(sa.text("SELECT max(length(user_id)) FROM tasks"))
    return (longest or 0) <= USER_ID_MAX


def _adopt_on_sqlite(connection: sa.Connection) -> None:
    """Copy the plan's table into one that gives no id twice: SQLite cannot change a table so."""
    made = connection.scalar(sa.text("SELECT sql FROM sqlite_schema WHERE name = 'tasks'"))
    columns = sa.inspect(connection).get_columns("tasks")
    present = {column["name"]: column["nullable"] for column in columns}
    if "AUTOINCREMENT" in made.upper() or present != COLUMNS:
        return
    _create("tasks_adopted")
    names = ", ".join(COLUMNS)
    op.execute(f"INSERT INTO tasks_adopted ({names}) SELECT {names} FROM tasks")  # noqa: S608
    op.drop_table("tasks")
    op.rename_table("tasks_adopted", "tasks")
