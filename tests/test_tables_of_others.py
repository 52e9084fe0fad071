"""Tables that other code made or fills, read and written by a service in a zone of its own.

They are neither 1.0.0's nor the plan's, which are adopted: test_migrations.py.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from answers import refusal
from cluster import ROLE, Cluster, Database
from endpoints import TASKS, Endpoint, each_endpoint_of_one_task
from fixtures import RunService
from service import Service
from users import OWNER, bearer

import schemas

# The columns that came after 1.0.0 have defaults. The migration adds what is missing.
TABLES = {
    # In another order, with other types that hold the same, and with nulls.
    "somebody's": {
        "postgresql": """
            CREATE TABLE tasks (
                updated_at TIMESTAMP, created_at TIMESTAMP, completed BOOLEAN,
                description TEXT, title TEXT, user_id TEXT NOT NULL, id SERIAL PRIMARY KEY,
                tags TEXT[] DEFAULT '{}', due_date TEXT,
                priority TEXT DEFAULT 'medium'
            )
        """,
        "sqlite": """
            CREATE TABLE tasks (
                updated_at, created_at TEXT, completed INTEGER,
                description TEXT, title TEXT, user_id TEXT NOT NULL, id INTEGER PRIMARY KEY,
                tags TEXT DEFAULT '[]', due_date TEXT,
                priority TEXT DEFAULT 'medium'
            )
        """,
    },
    "a zoned": {
        "postgresql": """
            CREATE TABLE tasks (
                id BIGSERIAL PRIMARY KEY, user_id TEXT NOT NULL, title TEXT, description TEXT,
                completed BOOLEAN, created_at TIMESTAMPTZ, updated_at TIMESTAMPTZ,
                priority TEXT DEFAULT 'medium', due_date TEXT, tags TEXT[] DEFAULT '{}',
                completed_at TIMESTAMPTZ
            )
        """,
    },
}
ZONELESS = [("somebody's", backend) for backend in TABLES["somebody's"]]
WITH_NULLS = [
    (tables, backend) for tables in ("somebody's", "a zoned") for backend in TABLES[tables]
]


@dataclass
class Deployment:
    """A running service in New York, on a database in Kolkata whose table is not the service's."""

    service: Service
    run_sql: Callable[[str], list[tuple[Any, ...]]]

    def call(self, method: str, path: str = "", **options: Any) -> httpx2.Response:
        return self.service.client.request(method, TASKS + path, headers=bearer(), **options)

    def task(self, method: str, path: str = "", **options: Any) -> dict[str, Any]:
        answer = self.call(method, path, **options)
        assert answer.is_success, answer.text
        task: dict[str, Any] = answer.json()["data"]
        return task

    def warnings(self) -> list[str]:
        """The lines of the log that say which tasks are shown otherwise than stored."""
        return [line for line in self.service.log().splitlines() if "tasks.queries" in line]

    def add(self, created_at: str, updated_at: str, values: str = "'Buy groceries', false") -> int:
        """Store a task as another writer does. Gives its id."""
        ((task_id,),) = self.run_sql(
            "INSERT INTO tasks (user_id, title, completed, created_at, updated_at)"
            f" VALUES ('{OWNER}', {values}, {created_at}, {updated_at}) RETURNING id"
        )
        return int(task_id)


def _on_postgresql(cluster: Cluster) -> tuple[str, Callable[[str], list[tuple[Any, ...]]]]:
    database = Database(cluster)
    cluster.run(f"ALTER DATABASE {database.name} SET timezone = 'Asia/Kolkata'")
    return database.url(), database.run


def _on_sqlite(file: Path) -> tuple[str, Callable[[str], list[tuple[Any, ...]]]]:
    def run(statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            return connection.execute(statement).fetchall()

    return f"sqlite:///{file}", run


@pytest.fixture(scope="module")
def running(request: pytest.FixtureRequest, run_service: RunService) -> Iterator[Deployment]:
    tables, backend = request.param
    if backend == "sqlite":
        folder = request.getfixturevalue("tmp_path_factory").mktemp("others")
        url, run_sql = _on_sqlite(folder / "tasks.db")
    else:
        url, run_sql = _on_postgresql(request.getfixturevalue("cluster"))
    run_sql(TABLES[tables][backend])
    if backend == "postgresql":
        run_sql(f"ALTER TABLE tasks OWNER TO {ROLE}")
    with run_service(NEON_DATABASE_URL=url, TZ="America/New_York") as service:
        service.wait_until_started()
        yield Deployment(service, run_sql)
    assert "Crash" not in service.log()


@pytest.fixture
def deployment(running: Deployment) -> Deployment:
    """Without tasks."""
    running.run_sql("DELETE FROM tasks")
    return running


def on(tables: list[tuple[str, str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        "running", tables, ids=" on ".join, indirect=True, scope="module"
    )


# --- times without a zone ---


@on(ZONELESS)
def test_times_are_now_in_a_table_without_zones(deployment: Deployment) -> None:
    before = datetime.now(UTC)
    created = deployment.task("POST", json={"title": "Buy groceries"})
    after = datetime.now(UTC)

    assert before <= datetime.fromisoformat(created["created_at"]) <= after
    assert created["updated_at"] == created["created_at"]
    assert created["created_at"].endswith("Z")
    assert deployment.task("GET", f"/{created['id']}") == created
    assert deployment.call("GET").json()["data"] == [created]


@on(ZONELESS)
def test_a_change_moves_updated_at_to_now_in_a_table_without_zones(deployment: Deployment) -> None:
    created = deployment.task("POST", json={"title": "Buy groceries"})
    path = f"/{created['id']}"

    before = datetime.now(UTC)
    updated = deployment.task("PUT", path, json={"title": "Buy bread"})
    toggled = deployment.task("PATCH", f"{path}/complete")
    after = datetime.now(UTC)

    times = [datetime.fromisoformat(task["updated_at"]) for task in (updated, toggled)]
    assert before <= times[0] <= times[1] <= after
    assert toggled["created_at"] == updated["created_at"] == created["created_at"]
    assert deployment.task("GET", path) == toggled


@on(ZONELESS)
def test_a_stored_time_without_a_zone_is_utc(deployment: Deployment) -> None:
    task_id = deployment.add("'2026-01-12 12:45:00.000000'", "'2026-07-12 12:45:00.123456'")

    task = deployment.task("GET", f"/{task_id}")

    assert task["created_at"] == "2026-01-12T12:45:00Z"
    assert task["updated_at"] == "2026-07-12T12:45:00.123456Z"


@on(ZONELESS)
def test_updated_at_does_not_move_back_in_a_table_without_zones(deployment: Deployment) -> None:
    task_id = deployment.add("'2026-01-12 12:45:00.000000'", "'2999-01-12 12:45:00.000000'")

    task = deployment.task("PATCH", f"/{task_id}/complete")

    assert task["updated_at"] == "2999-01-12T12:45:00Z"


@on(ZONELESS)
def test_a_task_is_completed_now_in_a_table_without_zones(deployment: Deployment) -> None:
    path = f"/{deployment.task('POST', json={'title': 'Buy groceries'})['id']}"

    before = datetime.now(UTC)
    completed = deployment.task("PATCH", f"{path}/complete")
    after = datetime.now(UTC)

    assert before <= datetime.fromisoformat(completed["completed_at"]) <= after
    assert completed["completed_at"] == completed["updated_at"]
    assert deployment.task("GET", path) == completed
    renamed = deployment.task("PUT", path, json={"title": "Buy bread"})
    assert renamed["completed_at"] == completed["completed_at"]


@on(ZONELESS)
def test_a_task_that_1_0_0_completed_keeps_its_last_change_in_a_table_without_zones(
    deployment: Deployment,
) -> None:
    times = ("'2026-01-12 12:45:00.000000'", "'2026-07-12 12:45:00.123456'")
    task_id = deployment.add(*times, "'Buy groceries', true")
    path = f"/{task_id}"

    shown = deployment.task("GET", path)
    renamed = deployment.task("PUT", path, json={"title": "Buy bread"})
    fetched = deployment.task("GET", path)

    completions = [task["completed_at"] for task in (shown, renamed, fetched)]
    assert completions == ["2026-07-12T12:45:00.123456Z"] * 3


@each_endpoint_of_one_task
@pytest.mark.parametrize("task_id", [2**31, 2**63 - 1])
@on(ZONELESS)
def test_an_id_beyond_the_columns_type_is_of_no_task(
    deployment: Deployment, endpoint: Endpoint, task_id: int
) -> None:
    answer = endpoint.call(deployment.service.client, task_id=task_id, headers=bearer())

    assert refusal(answer) == (404, "NOT_FOUND")


# --- rows that Python cannot read, or the contract does not know ---

EARLIEST = "0001-01-01T00:00:00Z"
LATEST = "9999-12-31T23:59:59.999999Z"
A_TIME = "2026-01-12T12:45:00Z"
TITLE = "A secret"

each_unreadable = pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("'-infinity'", EARLIEST),
        ("'4713-01-01 00:00:00Z BC'", EARLIEST),
        ("'0001-12-31 23:59:59Z BC'", EARLIEST),
        ("'12000-01-01 00:00:00Z'", LATEST),
        ("'10000-01-01 00:00:00Z'", LATEST),
        ("'infinity'", LATEST),
    ],
)
on_postgresql = on([one for one in WITH_NULLS if one[1] == "postgresql"])


@each_unreadable
@on_postgresql
def test_a_time_that_python_cannot_read_is_the_nearest_one(
    deployment: Deployment, stored: str, shown: str
) -> None:
    values = f"'{TITLE}', false"
    usual = deployment.add(f"'{A_TIME}'", f"'{A_TIME}'")
    odd = deployment.add(stored, stored, values)

    listed = {task["id"]: task for task in deployment.call("GET").json()["data"]}

    assert f"tasks {odd} " in deployment.warnings()[-1]
    assert TITLE not in deployment.service.log()
    assert listed.keys() == {usual, odd}
    assert listed[usual]["created_at"] == A_TIME
    assert (listed[odd]["created_at"], listed[odd]["updated_at"]) == (shown, shown)
    assert deployment.task("GET", f"/{odd}") == listed[odd]


@each_unreadable
@on_postgresql
def test_a_task_with_a_time_that_python_cannot_read_is_written_once(
    deployment: Deployment, stored: str, shown: str
) -> None:
    path = f"/{deployment.add(stored, stored)}"

    updated = deployment.task("PUT", path, json={"title": "Buy bread"})
    toggled = deployment.task("PATCH", f"{path}/complete")
    deleted = deployment.call("DELETE", path)

    assert (updated["title"], updated["created_at"]) == ("Buy bread", shown)
    assert (toggled["completed"], toggled["created_at"]) == (True, shown)
    assert deleted.status_code == 200
    assert deployment.run_sql("SELECT * FROM tasks") == []


@pytest.mark.parametrize(
    ("created_at", "updated_at", "shown"),
    [
        ("null", f"'{A_TIME}'", A_TIME),
        (f"'{A_TIME}'", "null", A_TIME),
        ("null", "null", EARLIEST),
    ],
)
@on(WITH_NULLS)
def test_a_time_that_is_null_is_the_other_one(
    deployment: Deployment, created_at: str, updated_at: str, shown: str
) -> None:
    task_id = deployment.add(created_at, updated_at)
    before = deployment.warnings()

    [task] = deployment.call("GET").json()["data"]

    assert (task["created_at"], task["updated_at"]) == (shown, shown)
    [warning] = deployment.warnings()[len(before) :]
    assert f"tasks {task_id} " in warning


@on(WITH_NULLS)
def test_nulls_are_an_empty_title_a_pending_state_a_medium_priority_and_no_tags(
    deployment: Deployment,
) -> None:
    deployment.add(f"'{A_TIME}'", f"'{A_TIME}'", "null, null")
    deployment.run_sql("UPDATE tasks SET priority = null, tags = null")

    [task] = deployment.call("GET").json()["data"]

    assert (task["title"], task["completed"]) == ("", False)
    assert (task["priority"], task["tags"]) == ("medium", [])
    assert (task["due_date"], task["completed_at"]) == (None, None)
    assert deployment.task("GET", f"/{task['id']}") == task


@on(WITH_NULLS)
def test_a_row_of_nulls_is_a_task_as_the_document_describes_it(deployment: Deployment) -> None:
    task_id = deployment.add("null", "null", "null, null")
    fields = schemas.Task.model_fields.keys() - {"id", "user_id"}
    deployment.run_sql(f"UPDATE tasks SET {', '.join(f'{field} = null' for field in fields)}")

    task = deployment.task("GET", f"/{task_id}")

    schemas.Task.model_validate(task)


@pytest.mark.parametrize("stored", ["'yesterday'", "''", "1768221900", "x'00'"])
@on([("somebody's", "sqlite")])
def test_what_is_no_time_on_sqlite_is_as_null(deployment: Deployment, stored: str) -> None:
    deployment.add(stored, f"'{A_TIME}'")
    deployment.add(f"'{A_TIME}'", f"'{A_TIME}'")

    tasks = deployment.call("GET").json()["data"]

    assert [task["created_at"] for task in tasks] == [A_TIME, A_TIME]


@on(WITH_NULLS)
def test_usual_rows_are_not_in_the_log(deployment: Deployment) -> None:
    deployment.add(f"'{A_TIME}'", f"'{A_TIME}'")
    before = deployment.warnings()

    deployment.call("GET")

    assert deployment.warnings() == before
