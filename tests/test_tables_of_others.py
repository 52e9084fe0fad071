"""Tables that other code made or fills, read and written by a service in a zone of its own."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cluster import ROLE, Cluster, Database
from conftest import OWNER, bearer
from endpoints import Endpoint, each_endpoint_of_one_task, refusal
from service import Service

TASKS = f"/api/{OWNER}/tasks"

TABLES = {
    # What the plan's code makes with the versions that the plan names.
    "the plan's": {
        "postgresql": """
            CREATE TABLE tasks (
                id SERIAL NOT NULL PRIMARY KEY,
                user_id VARCHAR NOT NULL,
                title VARCHAR(200) NOT NULL,
                description VARCHAR(1000),
                completed BOOLEAN NOT NULL,
                created_at TIMESTAMP WITHOUT TIME ZONE NOT NULL,
                updated_at TIMESTAMP WITHOUT TIME ZONE NOT NULL
            )
        """,
        "sqlite": """
            CREATE TABLE tasks (
                id INTEGER NOT NULL PRIMARY KEY,
                user_id VARCHAR NOT NULL,
                title VARCHAR(200) NOT NULL,
                description VARCHAR(1000),
                completed BOOLEAN NOT NULL,
                created_at DATETIME NOT NULL,
                updated_at DATETIME NOT NULL
            )
        """,
    },
    "somebody's": {
        "postgresql": """
            CREATE TABLE tasks (
                updated_at TIMESTAMP, created_at TIMESTAMP, completed BOOLEAN,
                description TEXT, title TEXT, user_id TEXT NOT NULL, id SERIAL PRIMARY KEY
            )
        """,
        "sqlite": """
            CREATE TABLE tasks (
                updated_at, created_at TEXT, completed INTEGER,
                description TEXT, title TEXT, user_id TEXT NOT NULL, id INTEGER PRIMARY KEY
            )
        """,
    },
}


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


@pytest.fixture(
    scope="module",
    params=[(tables, backend) for tables in TABLES for backend in TABLES[tables]],
    ids=" on ".join,
)
def running(
    request: pytest.FixtureRequest, run_service: Callable[..., Service]
) -> Iterator[Deployment]:
    tables, backend = request.param
    if backend == "sqlite":
        folder = request.getfixturevalue("tmp_path_factory").mktemp("others")
        url, run_sql = _on_sqlite(folder / "tasks.db")
        run_sql(TABLES[tables][backend])
    else:
        url, run_sql = _on_postgresql(request.getfixturevalue("cluster"))
        run_sql(TABLES[tables][backend])
        run_sql(f"ALTER TABLE tasks OWNER TO {ROLE}")
    with run_service(NEON_DATABASE_URL=url, TZ="America/New_York") as service:
        service.wait_until_started()
        yield Deployment(service, run_sql)
    assert "Crash" not in service.log()


@pytest.fixture
def zoneless(running: Deployment) -> Deployment:
    """On an empty table whose times have no zone."""
    running.run_sql("DELETE FROM tasks")
    return running


# --- times without a zone ---


def test_times_are_now_in_a_table_without_zones(zoneless: Deployment) -> None:
    before = datetime.now(UTC)
    created = zoneless.task("POST", json={"title": "Buy groceries"})
    after = datetime.now(UTC)

    assert before <= datetime.fromisoformat(created["created_at"]) <= after
    assert created["updated_at"] == created["created_at"]
    assert created["created_at"].endswith("Z")
    assert zoneless.task("GET", f"/{created['id']}") == created
    assert zoneless.call("GET").json()["data"] == [created]


def test_a_change_moves_updated_at_to_now_in_a_table_without_zones(zoneless: Deployment) -> None:
    created = zoneless.task("POST", json={"title": "Buy groceries"})
    path = f"/{created['id']}"

    before = datetime.now(UTC)
    updated = zoneless.task("PUT", path, json={"title": "Buy bread"})
    toggled = zoneless.task("PATCH", f"{path}/complete")
    after = datetime.now(UTC)

    times = [datetime.fromisoformat(task["updated_at"]) for task in (updated, toggled)]
    assert before <= times[0] <= times[1] <= after
    assert toggled["created_at"] == updated["created_at"] == created["created_at"]
    assert zoneless.task("GET", path) == toggled


def test_a_stored_time_without_a_zone_is_utc(zoneless: Deployment) -> None:
    task_id = zoneless.add("'2026-01-12 12:45:00.000000'", "'2026-07-12 12:45:00.123456'")

    task = zoneless.task("GET", f"/{task_id}")

    assert task["created_at"] == "2026-01-12T12:45:00Z"
    assert task["updated_at"] == "2026-07-12T12:45:00.123456Z"


def test_updated_at_does_not_move_back_in_a_table_without_zones(zoneless: Deployment) -> None:
    task_id = zoneless.add("'2026-01-12 12:45:00.000000'", "'2999-01-12 12:45:00.000000'")

    task = zoneless.task("PATCH", f"/{task_id}/complete")

    assert task["updated_at"] == "2999-01-12T12:45:00Z"


@each_endpoint_of_one_task
@pytest.mark.parametrize("task_id", [2**31, 2**63 - 1])
def test_an_id_beyond_the_columns_type_is_of_no_task(
    zoneless: Deployment, endpoint: Endpoint, task_id: int
) -> None:
    answer = endpoint.call(zoneless.service.client, task_id=task_id, headers=bearer())

    assert refusal(answer) == (404, "NOT_FOUND")
