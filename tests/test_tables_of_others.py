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
from places import Place, on_postgresql, on_sqlite, refusal_of_a_start, served
from psycopg2 import errors
from service import Service
from users import OWNER, bearer

import schemas
from models import INTERVAL_MAX

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
REFUSALS = (errors.CheckViolation, errors.NotNullViolation, sqlite3.IntegrityError)
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


# --- values that the API does not have, which other writers left ---

EARLIEST = "0001-01-01T00:00:00Z"
LATEST = "9999-12-31T23:59:59.999999Z"
A_TIME = "2026-01-12T12:45:00Z"
STORED_TIME = "'2026-01-12 12:45:00.000000'"
# Both times of a task, as they are stored, and as they are shown.
ODD_TIMES = {
    "postgresql": [
        ("'-infinity'", "'4713-01-01 00:00:00Z BC'", EARLIEST, EARLIEST),
        ("'0001-12-31 23:59:59Z BC'", "'12000-01-01 00:00:00Z'", EARLIEST, LATEST),
        ("'10000-01-01 00:00:00Z'", "'infinity'", LATEST, LATEST),
    ],
    "sqlite": [
        ("'yesterday'", STORED_TIME, A_TIME, A_TIME),
        ("1768221900", "x'00'", EARLIEST, EARLIEST),
        ("''", "'2026-01-12T18:15:00+05:30'", A_TIME, A_TIME),
        ("'2026-01-12T12:45:00Z'", "'2026-01-12 12:45'", A_TIME, A_TIME),
        ("'2026-02-30 12:45:00.000000'", STORED_TIME, A_TIME, A_TIME),
    ],
}
TIMES_OF_ANY = [
    (STORED_TIME, STORED_TIME, A_TIME, A_TIME),
    ("null", STORED_TIME, A_TIME, A_TIME),
    (STORED_TIME, "null", A_TIME, A_TIME),
    ("null", "null", EARLIEST, EARLIEST),
    ("'0001-01-01 00:00:00.000000'", "'9999-12-31 23:59:59.999999'", EARLIEST, LATEST),
]


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A table of other code, which no service has seen yet."""
    tables, backend = request.param
    if backend == "sqlite":
        place = on_sqlite(tmp_path / "tasks.db")
    else:
        place = on_postgresql(request.getfixturevalue("cluster"))
    place.run(TABLES[tables][backend])
    if backend == "postgresql":
        place.run(f"ALTER TABLE tasks OWNER TO {ROLE}")
    return place


with_nulls = pytest.mark.parametrize("place", WITH_NULLS, ids=" on ".join, indirect=True)


def insert(created_at: str, updated_at: str, title: str = "'x'", completed: str = "false") -> str:
    return (
        "INSERT INTO tasks (user_id, title, completed, created_at, updated_at) VALUES"
        f" ('{OWNER}', {title}, {completed}, {created_at}, {updated_at}) RETURNING id"
    )


def zoned(time: str, place: Place) -> str:
    """A stored time that means UTC in any column."""
    is_plain = place.backend == "postgresql" and time.endswith("'") and "00Z" not in time
    return f"{time[:-1]}+00'" if is_plain and time[1:2].isdigit() and "BC" not in time else time


@with_nulls
@pytest.mark.usefixtures("in_new_york")
def test_the_start_mends_what_other_writers_left(place: Place) -> None:
    expected = {}
    for created_at, updated_at, *shown in [*TIMES_OF_ANY, *ODD_TIMES[place.backend]]:
        [(task_id,)] = place.run(insert(zoned(created_at, place), zoned(updated_at, place)))
        expected[task_id] = shown
    [(of_nulls,)] = place.run(insert("null", "null", "null", "null"))
    place.run(f"UPDATE tasks SET priority = null, tags = null WHERE id = {of_nulls}")
    expected[of_nulls] = [EARLIEST, EARLIEST]

    with served(place.url) as client:
        tasks = client.get(TASKS).json()["data"]
        one = client.get(f"{TASKS}/{of_nulls}").json()["data"]

    shown_times = {task["id"]: [task["created_at"], task["updated_at"]] for task in tasks}
    assert shown_times == expected
    assert (one["title"], one["completed"]) == ("", False)
    assert (one["priority"], one["tags"]) == ("medium", [])
    for task in tasks:
        schemas.Task.model_validate(task)


@with_nulls
def test_the_database_refuses_them_from_then_on(place: Place) -> None:
    place.migrate()
    place.run(insert(zoned(STORED_TIME, place), zoned(STORED_TIME, place)))
    odd = {time for times in ODD_TIMES[place.backend] for time in times[:2]} - {STORED_TIME}

    for time in {*odd, "null"}:
        with pytest.raises(REFUSALS):
            place.run(insert(zoned(time, place), zoned(STORED_TIME, place)))
        with pytest.raises(REFUSALS):
            place.run(f"UPDATE tasks SET updated_at = {zoned(time, place)}")
        for column in ("completed_at", "remind_at") if time != "null" else ():
            with pytest.raises(REFUSALS):
                place.run(f"UPDATE tasks SET {column} = {zoned(time, place)}")
    for column in ("user_id", "title", "completed", "priority", "tags"):
        with pytest.raises(REFUSALS):
            place.run(f"UPDATE tasks SET {column} = null")


@with_nulls
def test_the_database_takes_no_recurrence_that_the_api_would_not_give(place: Place) -> None:
    place.migrate()
    place.run(insert(zoned(STORED_TIME, place), zoned(STORED_TIME, place)))
    end = '"end_date": "2026-12-31"'
    every = f'"interval": {INTERVAL_MAX}'

    for taken in (
        f'{{"pattern":"daily",{every},{end}}}',
        '{"interval": 1, "end_date": null,\n "pattern": "yearly", "note": "x"}',
    ):
        place.run(f"UPDATE tasks SET recurrence = '{taken}'")
    place.run("UPDATE tasks SET recurrence = null")
    for refused in (
        *("", "weekly", '"weekly"', "null", "5", "[]", "{}", '{"pattern": "daily"}'),
        f'[{{"pattern": "daily", {every}, {end}}}]',
        f'{{"pattern": "hourly", {every}, {end}}}',
        f'{{"pattern": "\\u0000", {every}, {end}}}',
        f'{{"pattern": null, {every}, {end}}}',
        f'{{"pattern": "daily", {every}, {every}}}',
        *(
            f'{{"pattern": "daily", "interval": {interval}, {end}}}'
            for interval in (0, -1, 1.5, "2.0", "1e2", INTERVAL_MAX + 1, '"1"', "null")
        ),
        *(
            f'{{"pattern": "daily", {every}, "end_date": {end_date}}}'
            for end_date in ("5", '""', '"tomorrow"', "{}")
        ),
    ):
        with pytest.raises((*REFUSALS, errors.InvalidTextRepresentation)):
            place.run(f"UPDATE tasks SET recurrence = '{refused}'")


@pytest.mark.parametrize("backend", ["postgresql", "sqlite"])
def test_a_start_on_a_task_of_nobody_says_what_is_wrong(
    request: pytest.FixtureRequest, tmp_path: Path, backend: str
) -> None:
    if backend == "sqlite":
        place = on_sqlite(tmp_path / "tasks.db")
    else:
        place = on_postgresql(request.getfixturevalue("cluster"))
    place.run(TABLES["somebody's"][backend].replace("user_id TEXT NOT NULL", "user_id TEXT"))
    if backend == "postgresql":
        place.run(f"ALTER TABLE tasks OWNER TO {ROLE}")
    place.run(insert(STORED_TIME, STORED_TIME).replace(f"'{OWNER}'", "null"))

    line = refusal_of_a_start(place.url)

    assert line.endswith("a row of the table tasks has no user_id: set it, or delete the row")
