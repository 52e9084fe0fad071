"""A start that migrates, or must not: beside 1.0.0, beside later versions, with few rights."""

import io
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest
from answers import refusal
from cluster import ROLE, Cluster, Database
from endpoints import TASKS
from fixtures import RunService
from places import (
    TABLES,
    Place,
    migrate,
    on_postgresql,
    on_sqlite,
    refusal_of_a_start,
    served,
)
from processes import ROOT, start_python
from service import Service
from sqlalchemy import event
from sqlalchemy.engine import make_url
from users import OWNER, SECRET, bearer
from waiting import eventually

import database as app_database
from database import REVISION

# May read and write tasks, and change no table.
WRITER = "tasks_writer"
LATER_REVISION = f"{int(REVISION) + 1:04}"
VERSION_1 = "f2f8339b3af288451aa49d42d36bc0190cea23db"


@pytest.fixture(params=["postgresql", "sqlite"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "sqlite":
        return on_sqlite(tmp_path / "tasks.db")
    return on_postgresql(request.getfixturevalue("cluster"))


@pytest.fixture
def writer_url(cluster: Cluster, database: Database) -> Iterator[str]:
    """Where a role connects that may change no table."""
    cluster.run(f"CREATE ROLE {WRITER} LOGIN")
    database.run(f"GRANT SELECT, INSERT, UPDATE, DELETE ON tasks TO {WRITER}")
    database.run(f"GRANT SELECT ON alembic_version TO {WRITER}")
    database.run(f"GRANT USAGE ON SEQUENCE tasks_id_seq TO {WRITER}")
    yield database.url(user=WRITER)
    database.run(f"DROP OWNED BY {WRITER}")
    cluster.run(f"DROP ROLE {WRITER}")


def create(client: httpx2.Client, title: str = "Buy groceries") -> dict[str, Any]:
    answer = client.post(TASKS, json={"title": title}, headers=bearer())
    assert answer.status_code == 201, answer.text
    task: dict[str, Any] = answer.json()["data"]
    return task


def titles(client: httpx2.Client) -> list[str]:
    listed = client.get(TASKS, headers=bearer()).json()["data"]
    return [task["title"] for task in listed]


# --- tables that are current, or newer ---


def test_current_tables_need_no_right_to_change_them(writer_url: str) -> None:
    with served(writer_url) as client:
        create(client)

        assert titles(client) == ["Buy groceries"]
        assert client.get("/ready").status_code == 200


def test_a_start_with_current_tables_does_not_load_alembic(
    app_folder: Path, writer_url: str
) -> None:
    program = (
        "import sys, main, database; database.create_tables();"
        "print([name for name in sys.modules if name.partition('.')[0] in ('alembic', 'mako')])"
    )

    python = start_python(app_folder, "-c", program, NEON_DATABASE_URL=writer_url)

    assert python.communicate() == ("[]\n", "")


def test_a_start_with_current_tables_sends_one_statement(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_url(database.url()).set(drivername="postgresql+psycopg2")
    engine = app_database.make_engine(url)
    with engine.connect():
        pass  # what SQLAlchemy asks of every server
    sent: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *call: sent.append(call[2]))
    monkeypatch.setattr(app_database, "engine", engine)

    app_database.create_tables()

    engine.dispose()
    assert [statement.split()[0] for statement in sent] == ["SELECT"]


def test_tables_of_a_later_version_are_served_and_left_alone(place: Place) -> None:
    place.migrate()
    place.run(f"UPDATE alembic_version SET version_num = '{LATER_REVISION}'")
    place.run("ALTER TABLE tasks ADD COLUMN colour VARCHAR")

    with served(place.url) as client:
        task = create(client)

        assert titles(client) == ["Buy groceries"]
        assert client.get("/ready").status_code == 200
        assert "colour" not in task
    assert place.revision() == [(LATER_REVISION,)]


# --- tables that lack what the code needs ---


@pytest.mark.parametrize("revision", [REVISION, LATER_REVISION])
def test_a_start_without_a_column_that_no_migration_will_add_says_so(
    place: Place, revision: str
) -> None:
    place.migrate()
    place.run("ALTER TABLE tasks DROP COLUMN due_date")
    place.run(f"UPDATE alembic_version SET version_num = '{revision}'")

    line = refusal_of_a_start(place.url)

    assert "due_date" in line
    assert line.endswith("run the version that they were migrated for")
    assert place.revision() == [(revision,)]


def test_a_start_that_may_not_change_the_table_names_what_helps(empty_database: Database) -> None:
    for statement in TABLES["1.0.0's"]["postgresql"]:
        empty_database.run(statement)  # as the superuser, who owns the table then

    line = refusal_of_a_start(empty_database.url())

    assert "must be owner of table tasks" in line
    assert line.endswith(f"run `make migrate` as the owner, or make {ROLE} the owner")


def test_a_start_that_may_not_read_the_revision_names_the_grant_that_helps(
    writer_url: str, database: Database
) -> None:
    database.run(f"REVOKE ALL ON alembic_version FROM {WRITER}")

    line = refusal_of_a_start(writer_url)
    database.run(line.rpartition("; ")[2])

    migrate(writer_url)


@pytest.mark.parametrize(
    ("lose", "restore"),
    [
        ("tasks RENAME COLUMN tags TO labels", "tasks RENAME COLUMN labels TO tags"),
        ("tasks RENAME TO former_tasks", "former_tasks RENAME TO tasks"),
    ],
)
def test_a_service_whose_columns_are_lost_is_not_ready_until_they_are_back(
    place: Place, lose: str, restore: str
) -> None:
    with served(place.url) as client:
        place.run(f"ALTER TABLE {lose}")
        lost = client.get("/ready")
        health = client.get("/health")
        place.run(f"ALTER TABLE {restore}")
        found = client.get("/ready")

    assert refusal(lost) == (503, "SERVICE_UNAVAILABLE")
    assert (health.status_code, found.status_code) == (200, 200)


def test_a_lost_column_is_still_a_bug_to_everybody_else(place: Place) -> None:
    with served(place.url) as client:
        place.run("ALTER TABLE tasks RENAME COLUMN description TO notes")

        answer = client.get(TASKS)

    assert refusal(answer) == (500, "SERVER_ERROR")


# --- a table that merges users ---


@pytest.fixture
def caseless(tmp_path: Path) -> Place:
    """A table of 1.0.0 but for `user_id`, which compares without letter case."""
    place = on_sqlite(tmp_path / "tasks.db")
    for statement in TABLES["1.0.0's"]["sqlite"]:
        place.run(statement.replace("user_id VARCHAR(255)", "user_id VARCHAR(255) COLLATE NOCASE"))
    return place


# PostgreSQL's ways to compare so are not in the server that the tests bring:
# integration/test_caseless_user_ids.py.
def test_a_start_on_a_table_that_takes_two_users_for_one_says_so(caseless: Place) -> None:
    line = refusal_of_a_start(caseless.url)

    assert line.endswith(
        "tasks.user_id compares without letter case, so that users would share their tasks:"
        " copy the tasks into a table whose user_id has no COLLATE"
    )
    assert caseless.run("SELECT name FROM sqlite_schema WHERE name = 'alembic_version'") == []


def test_a_migration_by_hand_of_a_table_that_takes_two_users_for_one_says_so(
    caseless: Place, app_folder: Path
) -> None:
    shutil.copy(ROOT / "pyproject.toml", app_folder)

    alembic = start_python(
        app_folder, "-m", "alembic", "upgrade", "head", NEON_DATABASE_URL=caseless.url
    )

    output, errors = alembic.communicate()
    assert alembic.returncode
    assert "FAILED: tasks.user_id compares without letter case" in output + errors
    assert "Traceback" not in output + errors


# --- others at the same time ---


@pytest.mark.parametrize("table", TABLES)
def test_four_workers_migrate_a_table_once(
    place: Place, run_service: RunService, table: str
) -> None:
    place.make(table)
    zone = "+00" if place.backend == "postgresql" else ""
    time = f"'2026-01-12 12:45:00.000000{zone}'"
    place.run(
        f"INSERT INTO tasks VALUES (1, '{OWNER}', 'Buy groceries', null, false, {time}, {time})"
    )

    with run_service(workers=4, NEON_DATABASE_URL=place.url) as service:
        service.wait_until_started()

        assert titles(service.client) == ["Buy groceries"]
        assert service.log().count(f"Migrating the tables to revision {REVISION}") == 1
        assert "Traceback" not in service.log()


def test_a_migration_that_waits_for_a_table_does_not_hold_requests_up(
    empty_database: Database, run_service: RunService
) -> None:
    database = empty_database
    for statement in TABLES["1.0.0's"]["postgresql"]:
        database.run(statement)
    database.run(f"ALTER TABLE tasks OWNER TO {ROLE}")

    with run_service(NEON_DATABASE_URL=database.url()) as service:
        with (
            database.locked("SELECT count(*) FROM tasks"),
            closing(database.cluster.connect(database.name)) as another,
            another.cursor() as requests,
        ):
            # As long as a request may take; it fails if the migration holds it up for longer.
            requests.execute("SET statement_timeout = '4s'")

            def read() -> bool:
                requests.execute("SELECT count(*) FROM tasks")
                return service.log().count("lock timeout") > 1

            eventually("a second try", read, seconds=30)
        service.wait_until_started()

        assert service.client.get("/ready").status_code == 200


@pytest.fixture(scope="session")
def version_1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1.0.0's code, from the history."""
    packed = subprocess.run(
        ["git", "archive", VERSION_1], cwd=ROOT, capture_output=True, check=False
    )
    assert packed.returncode == 0, (
        f"1.0.0 ({VERSION_1}) is not in the history, which this test needs whole"
        f" (git fetch --unshallow): {packed.stderr.decode()}"
    )
    folder = tmp_path_factory.mktemp("version_1")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def run_version_1(version_1: Path, tmp_path: Path) -> Callable[[str], Service]:
    """Gives a `Service` of 1.0.0 on this database."""

    def run_version_1(url: str) -> Service:
        environment = {"BETTER_AUTH_SECRET": SECRET, "NEON_DATABASE_URL": url}
        return Service(version_1, tmp_path / "version_1.log", environment)

    return run_version_1


def test_a_rolling_deploy_is_safe(
    place: Place, run_service: RunService, run_version_1: Callable[[str], Service]
) -> None:
    with run_version_1(place.url) as old:
        old.wait_until_started()
        first = create(old.client, "before")

        with run_service(NEON_DATABASE_URL=place.url) as new:
            new.wait_until_started()
            second = create(old.client, "beside")
            third = create(new.client, "after")
            path = f"{TASKS}/{first['id']}/complete"
            toggled = old.client.patch(path, headers=bearer()).json()["data"]

            assert toggled["completed"] is True
            assert titles(old.client) == titles(new.client) == ["after", "beside", "before"]
            assert first["id"] < second["id"] < third["id"]
            assert old.client.get("/ready").status_code == 200
        assert "Traceback" not in old.log()

    with run_version_1(place.url) as rolled_back:
        rolled_back.wait_until_started()
        create(rolled_back.client, "back")
        assert titles(rolled_back.client) == ["back", "after", "beside", "before"]
    assert place.run("SELECT DISTINCT priority FROM tasks") == [("medium",)]
