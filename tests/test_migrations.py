"""Migrations: from every table that there may be to the one that the code needs, and back."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from alembic.config import Config, main
from alembic.script import ScriptDirectory
from cluster import Cluster
from layers import refuse_missing_revision
from places import TABLES, Place, on_postgresql, on_sqlite
from processes import ROOT, start_python
from sqlalchemy import Column, Engine, Integer, Table, insert, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlmodel import Session, SQLModel, select
from stored_tasks import DEFAULTS, HIDDEN
from waiting import eventually

import database
from models import Task

CREATED = datetime(2026, 1, 12, 12, 45, 0, 123456, UTC)
UPDATED = datetime(2026, 7, 12, 3, 0, 0, tzinfo=UTC)
ROWS: list[dict[str, Any]] = [
    {"id": 1, "user_id": "user_alice", "title": "Buy bread 🥖", "description": None},
    {"id": 7, "user_id": "user_bob", "title": "x" * 200, "description": "y" * 1000},
]
TASKS: list[dict[str, Any]] = [
    {
        **DEFAULTS,
        **HIDDEN,
        **row,
        "completed": True,
        "created_at": CREATED,
        "updated_at": UPDATED,
    }
    for row in ROWS
]


@pytest.fixture(params=["postgresql", "sqlite"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        return on_sqlite(tmp_path / "tasks.db")
    return on_postgresql(request.getfixturevalue("cluster"))


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Engine]]:
    """Makes the app, and Alembic, use this database from now on."""
    engines: list[Engine] = []

    def use(url: str) -> Engine:
        engine = database.make_engine(database_url(url))
        engines.append(engine)
        monkeypatch.setattr(database, "engine", engine)
        return engine

    monkeypatch.chdir(ROOT)
    yield use
    for engine in engines:
        engine.dispose()


def database_url(url: str) -> Any:
    return make_url(url.replace("postgresql://", "postgresql+psycopg2://"))


@pytest.fixture
def engine(place: Place, use: Callable[[str], Engine]) -> Engine:
    return use(place.url)


def fill(place: Place) -> None:
    """Store `ROWS`, as older code does."""
    for row in ROWS:
        description = f"'{row['description']}'" if row["description"] else "null"
        zone = "+00" if place.backend == "postgresql" else ""
        place.run(
            "INSERT INTO tasks VALUES"
            f" ({row['id']}, '{row['user_id']}', '{row['title']}', {description}, true,"
            f" '2026-01-12 12:45:00.123456{zone}', '2026-07-12 03:00:00.000000{zone}')"
        )


def tasks(engine: Engine) -> list[dict[str, Any]]:
    with Session(engine) as session:
        return [task.model_dump() for task in session.exec(select(Task).order_by(text("id")))]


SHAPES = {
    "postgresql": (
        """
        SELECT column_name, data_type, udt_name, character_maximum_length,
               is_nullable, column_default, collation_name
        FROM information_schema.columns WHERE table_name = 'tasks' ORDER BY column_name
        """,
        "SELECT indexdef FROM pg_indexes WHERE tablename = 'tasks' ORDER BY 1",
        "SELECT sequencename, data_type::text, max_value FROM pg_sequences",
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = 'tasks'::regclass ORDER BY 1",
    ),
    "sqlite": (
        "SELECT name, type, \"notnull\", dflt_value, pk FROM pragma_table_xinfo('tasks')"
        " ORDER BY name",
        "SELECT sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'tasks' ORDER BY 1",
        "SELECT sql LIKE '%AUTOINCREMENT%', substr(sql, instr(sql, 'CONSTRAINT ck_'))"
        " FROM sqlite_schema WHERE name = 'tasks'",
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name != 'alembic_version'"
        " ORDER BY 1",
    ),
}


def shape(place: Place) -> list[list[tuple[Any, ...]]]:
    """Columns, defaults, collations, indexes, sequences: what a catalog says of the table."""
    return [place.run(query) for query in SHAPES[place.backend]]


@pytest.fixture
def made_by_create_all(
    place: Place, request: pytest.FixtureRequest, tmp_path: Path
) -> list[list[tuple[Any, ...]]]:
    """The shape of the table that `SQLModel.metadata.create_all` makes."""
    if place.backend == "sqlite":
        another = on_sqlite(tmp_path / "another.db")
    else:
        another = on_postgresql(request.getfixturevalue("cluster"))
    engine = database.make_engine(database_url(another.url))
    SQLModel.metadata.create_all(engine)
    engine.dispose()
    return shape(another)


# --- from each starting point ---


@pytest.mark.usefixtures("in_new_york")
@pytest.mark.parametrize("table", TABLES)
def test_a_table_of_older_code_becomes_the_codes_own_with_every_row(
    place: Place, engine: Engine, table: str, made_by_create_all: list[list[tuple[Any, ...]]]
) -> None:
    place.make(table)
    fill(place)

    database.create_tables()

    assert shape(place) == made_by_create_all
    assert tasks(engine) == TASKS
    assert place.revision() == [(database.REVISION,)]


@pytest.mark.parametrize("create", [database.create_tables, lambda: main(["upgrade", "head"])])
def test_migrations_make_what_create_all_makes(
    place: Place,
    engine: Engine,
    create: Callable[[], None],
    made_by_create_all: list[list[tuple[Any, ...]]],
) -> None:
    create()

    assert shape(place) == made_by_create_all
    assert place.revision() == [(database.REVISION,)]


def test_a_table_that_create_all_made_is_adopted(
    place: Place, engine: Engine, made_by_create_all: list[list[tuple[Any, ...]]]
) -> None:
    SQLModel.metadata.create_all(engine)
    with engine.connect() as connection:
        connection.execute(insert(Task).values(TASKS))
        connection.commit()

    database.create_tables()

    assert shape(place) == made_by_create_all
    assert tasks(engine) == TASKS


@pytest.mark.parametrize("table", [*TABLES, None])
@pytest.mark.parametrize("target", ["base", "0001"])
def test_down_and_up_again_keeps_every_row(
    place: Place,
    engine: Engine,
    table: str | None,
    target: str,
    made_by_create_all: list[list[tuple[Any, ...]]],
) -> None:
    if table:
        place.make(table)
    database.create_tables()
    with engine.connect() as connection:
        connection.execute(insert(Task).values(TASKS))
        connection.commit()

    main(["downgrade", target])
    old = place.run("SELECT * FROM tasks")
    database.create_tables()

    assert [len(row) for row in old] == [7, 7]
    assert shape(place) == made_by_create_all
    assert tasks(engine) == TASKS


def test_the_adopted_table_of_the_plan_gives_ids_of_64_bits_and_none_twice(
    place: Place, engine: Engine
) -> None:
    place.make("the plan's")
    last = 7
    if place.backend == "postgresql":
        last = 2**31 - 1
        place.run(f"SELECT setval('tasks_id_seq', {last})")
    fill(place)

    database.create_tables()
    place.run("DELETE FROM tasks WHERE id = 7")
    with Session(engine) as session:
        task = Task(user_id="x", title="x")
        session.add(task)
        session.commit()

        assert task.id == last + 1


def test_no_migration_gives_an_id_again(place: Place, engine: Engine) -> None:
    place.make("1.0.0's")
    fill(place)
    last = ROWS[-1]["id"]
    if place.backend == "postgresql":
        place.run(f"SELECT setval('tasks_id_seq', {last})")
    place.run(f"DELETE FROM tasks WHERE id = {last}")

    database.create_tables()
    main(["downgrade", "0001"])
    database.create_tables()

    with Session(engine) as session:
        task = Task(user_id="x", title="x")
        session.add(task)
        session.commit()

        assert task.id == last + 1


def test_user_ids_that_are_too_long_for_this_service_are_kept(place: Place, engine: Engine) -> None:
    place.make("the plan's")
    fill(place)
    place.run(f"UPDATE tasks SET user_id = '{'x' * 256}' WHERE id = 1")

    database.create_tables()

    assert [len(task["user_id"]) for task in tasks(engine)] == [256, 8]


ODD_REMINDERS = {
    "postgresql": [
        ("'infinity'", None),
        ("'0001-01-01 00:00:00Z BC'", None),
        ("'2026-01-12 18:15+05:30'", "2026-01-12 12:45:00"),
    ],
    "sqlite": [
        ("'tomorrow'", None),
        ("1768221900", None),
        ("'2026-01-12T18:15+05:30'", "2026-01-12 12:45:00.000000"),
    ],
}
ODD_RECURRENCES = [
    ('{"pattern": "WEEKLY"}', '{"pattern": "weekly", "interval": 1, "end_date": null}'),
    (
        '{"note": "x", "end_date": "2026-12-31", "interval": null, "pattern": "daily"}',
        '{"pattern": "daily", "interval": 1, "end_date": "2026-12-31"}',
    ),
    ('{"interval":2,"pattern":"daily","end_date":null}',) * 2,
    ('{"pattern": "hourly"}', None),
    ('{"pattern": "daily", "interval": 0.5}', None),
    ('{"pattern": "daily", "end_date": 5}', None),
    ('{"pattern": "\\u0000"}', None),
    ('{"pattern": 1e400000}', None),
    ('{"pattern": "daily", "interval": 0}', None),
    ('{"pattern": "daily", "interval": 1e400}', None),
    ("{}", None),
    ("[[]]", None),
    ("null", None),
    ("1", None),
]


def add(place: Place, **values: str) -> int:
    """Store a task as another writer does. Gives its id."""
    zone = "+00" if place.backend == "postgresql" else ""
    time = f"'2026-01-12 12:45:00.000000{zone}'"
    columns, expressions = zip(*values.items(), strict=True)
    [(task_id,)] = place.run(
        "INSERT INTO tasks (user_id, title, completed, created_at, updated_at,"
        f" {', '.join(columns)}) VALUES ('x', 'x', false, {time}, {time}, {', '.join(expressions)})"
        " RETURNING id"
    )
    return int(task_id)


def column(place: Place, name: str) -> dict[int, str | None]:
    zone = " AT TIME ZONE 'UTC'" if (place.backend, name) == ("postgresql", "remind_at") else ""
    return dict(place.run(f"SELECT id, CAST({name}{zone} AS TEXT) FROM tasks ORDER BY id"))


@pytest.mark.usefixtures("engine")
def test_what_the_api_does_not_have_in_columns_of_1_2_0_is_mended_once(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    main(["upgrade", "0006"])
    reminders = {add(place, remind_at=odd): mended for odd, mended in ODD_REMINDERS[place.backend]}
    recurrences = {add(place, recurrence=f"'{odd}'"): mended for odd, mended in ODD_RECURRENCES}
    if place.backend == "sqlite":
        recurrences[add(place, recurrence="'every week'")] = None
        recurrences[add(place, recurrence="x'00ff'")] = None

    database.create_tables()

    assert column(place, "remind_at") == reminders | dict.fromkeys(recurrences)
    assert column(place, "recurrence") == dict.fromkeys(reminders) | recurrences
    cleared = [*reminders.values(), *recurrences.values()].count(None)
    warnings = [line.getMessage() for line in caplog.records if line.levelname == "WARNING"]
    assert warnings == [
        f"Recurrences and reminders that the API does not have are null now: {cleared}"
    ]


def test_what_is_written_while_a_migration_waits_for_the_table_is_mended_too(
    cluster: Cluster, use: Callable[[str], Engine]
) -> None:
    place = on_postgresql(cluster)
    use(place.url)
    main(["upgrade", "0007"])
    [(check,)] = place.run(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'ck_tasks_remind_at'"
    )
    place.run("ALTER TABLE tasks DROP CONSTRAINT ck_tasks_remind_at")
    add(place, remind_at="'infinity'")
    place.run(f"ALTER TABLE tasks ADD CONSTRAINT ck_tasks_remind_at {check}")

    database.create_tables()

    assert check.endswith("NOT VALID")
    assert [*column(place, "remind_at").values()] == [None]
    valid = "SELECT conname FROM pg_constraint WHERE contype = 'c' AND NOT convalidated"
    assert place.run(valid) == []


def test_a_recurrence_that_a_client_changes_meanwhile_is_not_mended(
    cluster: Cluster, use: Callable[[str], Engine]
) -> None:
    place = on_postgresql(cluster)
    use(place.url)
    main(["upgrade", "0006"])
    task_id = add(place, recurrence="""'{"pattern": "WEEKLY"}'""")
    daily = '{"pattern": "daily", "interval": 1, "end_date": null}'
    waiting = "SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"

    with (
        ThreadPoolExecutor() as threads,
        closing(psycopg2.connect(place.url)) as client,
        client.cursor() as cursor,
    ):
        cursor.execute("UPDATE tasks SET recurrence = %s", [daily])
        migrated = threads.submit(database.create_tables)
        eventually("a wait", lambda: place.run(waiting) or migrated.done(), seconds=20)
        client.commit()
        migrated.exception()  # on a busy machine, a wait that was too long
    database.create_tables()

    assert column(place, "recurrence") == {task_id: daily}


BLOCKS = {
    "postgresql": ["CREATE VIEW recent AS SELECT created_at FROM tasks"],
    "sqlite": ["CREATE TABLE tasks_adopted (id INTEGER)"],
}


def test_a_migration_that_fails_changes_nothing(place: Place, engine: Engine) -> None:
    place.make("the plan's")
    fill(place)
    for statement in BLOCKS[place.backend]:
        place.run(statement)
    before = shape(place), place.run("SELECT * FROM tasks")

    with pytest.raises(DBAPIError):
        database.create_tables()

    assert (shape(place), place.run("SELECT * FROM tasks")) == before
    with pytest.raises(Exception, match="alembic_version"):
        place.revision()


def test_a_database_in_memory_is_migrated_where_it_is(use: Callable[[str], Engine]) -> None:
    engine = use("sqlite://")
    with engine.connect() as connection:
        for statement in TABLES["the plan's"]["sqlite"]:
            connection.exec_driver_sql(statement)
        connection.exec_driver_sql(
            "INSERT INTO tasks VALUES (1, 'x', 'x', null, false, '2026-01-12 12:45:00.123456',"
            " '2026-01-12 12:45:00.123456')"
        )

    database.create_tables()
    database.create_tables()

    assert [task["created_at"] for task in tasks(engine)] == [CREATED]


def test_a_failure_leaves_a_database_in_memory_alive(use: Callable[[str], Engine]) -> None:
    engine = use("sqlite://")
    with engine.connect() as connection:
        for statement in (*TABLES["the plan's"]["sqlite"], *BLOCKS["sqlite"]):
            connection.exec_driver_sql(statement)

    with pytest.raises(DBAPIError):
        database.create_tables()
    with engine.connect() as connection:
        connection.exec_driver_sql("DROP TABLE tasks_adopted")
    database.create_tables()

    assert tasks(engine) == []


# --- for a maintainer ---


def test_the_code_names_the_last_revision_and_revisions_are_numbered() -> None:
    scripts = ScriptDirectory.from_config(Config(toml_file=ROOT / "pyproject.toml"))

    revisions = [script.revision for script in scripts.walk_revisions()]

    assert scripts.get_current_head() == database.REVISION
    assert revisions[::-1] == [f"{number:04}" for number in range(1, len(revisions) + 1)]


def test_a_run_of_tests_without_a_revision_that_the_models_need_ends_with_one_line() -> None:
    notes = Table("notes", SQLModel.metadata, Column("id", Integer))

    with pytest.raises(pytest.UsageError, match=r"no revision in migrations/versions.*notes"):
        refuse_missing_revision()
    SQLModel.metadata.remove(notes)
    refuse_missing_revision()


@pytest.mark.usefixtures("engine")
def test_autogenerate_finds_no_difference() -> None:
    database.create_tables()

    main(["check"])


RUN_ALEMBIC = """
import shlex, sys
from alembic.config import main
for command in sys.argv[1:]:
    main(shlex.split(command))
"""


def test_a_generated_revision_has_the_next_number_is_formatted_and_runs(
    app_folder: Path, tmp_path: Path
) -> None:
    shutil.copy(ROOT / "pyproject.toml", app_folder)
    models = app_folder / "models.py"
    models.write_text(models.read_text() + "    colour: str | None = None\n")
    url = f"sqlite:///{tmp_path / 'tasks.db'}"

    python = start_python(
        *(app_folder, "-W", "error", "-c", RUN_ALEMBIC),
        *("upgrade head", "revision --autogenerate -m 'Add colour'", "upgrade head", "check"),
        *("current", f"downgrade {database.REVISION}"),
        NEON_DATABASE_URL=url,
    )
    output, errors = python.communicate()

    assert python.returncode == 0, errors
    following = f"{int(database.REVISION) + 1:04}"
    assert f"{following} (head)" in output.splitlines()
    [revision] = app_folder.glob(f"migrations/versions/{following}_add_colour.py")
    for command in (["check"], ["format", "--check"]):
        ruff = subprocess.run(
            [sys.executable, "-m", "ruff", *command, revision], check=False, capture_output=True
        )
        assert ruff.returncode == 0, ruff.stdout
