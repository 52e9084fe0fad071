"""A table in hash partitions by `user_id` is used, started on and migrated as one table is, and
every statement touches one partition. What the endpoints do there: see `layers.ON_PARTITIONS`.
"""

from collections.abc import Callable, Iterator
from typing import Any, get_args

import pytest
from alembic import command
from alembic.config import Config
from cluster import Database
from endpoints import TASKS
from fastapi.testclient import TestClient
from fixtures import RunService
from partitions import PARTITIONED, partition
from processes import ROOT
from sent_sql import each_of, noting
from six_endpoints import drive_all_six_endpoints
from sqlalchemy import Engine, inspect, text
from users import bearer

import database as app_database
from database import REVISION
from models import Task
from settings import database_url
from sql.lists import Sort

on_partitions = pytest.mark.parametrize("engine", [PARTITIONED], indirect=True)

EVERY_CONDITION = (
    "filter=pending&priority=medium&tag=home&search=buy&due_after=2026-01-01&due_before=2027-01-01"
)
KEY = {"Idempotency-Key": "once"}
# Each kind of statement that the endpoints send.
REQUESTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "list": ("GET", "", {}),
    "list with every condition": ("GET", f"?{EVERY_CONDITION}", {}),
    "list from an offset": ("GET", "?limit=1&offset=1", {}),
    "stats": ("GET", f"/stats?{EVERY_CONDITION}", {}),
    "create": ("POST", "", {"json": {"title": "x"}}),
    "create once": ("POST", "", {"json": {"title": "x"}, "headers": KEY}),
    "get": ("GET", "/{task_id}", {}),
    "put": ("PUT", "/{task_id}", {"json": {"title": "x", "completed": True, "tags": ["x"]}}),
    "patch": ("PATCH", "/{task_id}", {"json": {"due_date": None}}),
    "patch of nothing": ("PATCH", "/{task_id}", {"json": {}}),
    "toggle": ("PATCH", "/{task_id}/complete", {}),
    "set": ("PATCH", "/{task_id}/complete", {"json": {"completed": True}}),
    "delete": ("DELETE", "/{task_id}", {}),
    "complete many": ("PATCH", f"/complete?{EVERY_CONDITION}", {"json": {"completed": True}}),
    "delete many": ("DELETE", f"?{EVERY_CONDITION}", {}),
}


@pytest.fixture
def sent(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    """The statements that are sent from now on, and their values."""
    sent: list[tuple[str, Any]] = []
    with noting(engine, lambda sql, values, _: sent.append((sql, values))):
        yield sent


def plan_of(engine: Engine, sql: str, values: Any) -> dict[str, Any]:
    """PostgreSQL's plan of the statement."""
    with engine.connect() as connection:
        explained = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {sql}", values)
        [plan] = explained.scalar_one()
    found: dict[str, Any] = plan["Plan"]
    return found


def tables_in(plan: dict[str, Any]) -> set[str]:
    """The tables that are read."""
    own = {plan["Relation Name"]} if "Relation Name" in plan else set()
    return own.union(*map(tables_in, plan.get("Plans", [])))


@on_partitions
@pytest.mark.parametrize("name", REQUESTS)
def test_every_statement_touches_one_partition(
    alice: TestClient,
    stored: Callable[..., Task],
    sent: list[tuple[str, Any]],
    engine: Engine,
    name: str,
) -> None:
    values: dict[str, Any] = {"tags": ["home"], "due_date": "2026-06-01"}
    task, _ = stored(**values), stored(**values)
    with engine.connect() as connection:
        [own] = connection.scalars(text("SELECT DISTINCT tableoid::regclass::text FROM tasks"))
    method, path, options = REQUESTS[name]
    sent.clear()

    answer = alice.request(method, TASKS + path.format(task_id=task.id), **options)

    assert answer.is_success, answer.text
    [statement] = sent
    plan = plan_of(engine, *statement)
    # The plan of an insert reads nothing: a row has one partition.
    assert tables_in(plan) - {"tasks"} == (set() if method == "POST" else {own})


@on_partitions
def test_every_statement_about_a_successor_touches_one_partition(
    alice: TestClient, stored: Callable[..., Task], sent: list[tuple[Any, Any]], engine: Engine
) -> None:
    task = stored(recurrence={"pattern": "daily", "interval": 1, "end_date": None})
    with engine.connect() as connection:
        [own] = connection.scalars(text("SELECT DISTINCT tableoid::regclass::text FROM tasks"))
    sent.clear()

    for path in (f"/{task.id}/complete", "/complete?filter=all"):
        for completed in (True, False):
            answer = alice.patch(TASKS + path, json={"completed": completed})
            assert answer.is_success, answer.text

    messages = [(sql if isinstance(sql, str) else sql.decode(), values) for sql, values in sent]
    plans = [
        plan_of(engine, statement, values)
        for sql, values in messages
        for statement in each_of([sql])
    ]
    assert {table for plan in plans for table in tables_in(plan)} - {"tasks"} == {own}
    assert len(plans) > 12


@on_partitions
@pytest.mark.parametrize("sort", get_args(Sort))
def test_a_page_by_cursor_touches_one_partition(
    alice: TestClient,
    stored: Callable[..., Task],
    sent: list[tuple[str, Any]],
    engine: Engine,
    sort: str,
) -> None:
    stored(), stored()
    page: dict[str, Any] = {"limit": 1, "sort": sort}
    cursor = alice.get(TASKS, params=page).json()["next_cursor"]
    sent.clear()

    answer = alice.get(TASKS, params={**page, "cursor": cursor})

    assert answer.is_success, answer.text
    [statement] = sent
    assert len(tables_in(plan_of(engine, *statement))) == 1


@on_partitions
def test_a_row_of_each_user_lies_where_it_is_looked_for(client: TestClient, engine: Engine) -> None:
    users = [f"user_{number}" for number in range(100)]
    for user in users:
        created = client.post(f"/api/{user}/tasks", json={"title": user}, headers=bearer(user))
        assert created.status_code == 201

    listed = {
        user: client.get(f"/api/{user}/tasks", headers=bearer(user)).json()["data"]
        for user in users
    }

    assert {user: [task["title"] for task in tasks] for user, tasks in listed.items()} == {
        user: [user] for user in users
    }
    with engine.connect() as connection:
        used = connection.scalar(text("SELECT count(DISTINCT tableoid) FROM tasks"))
    assert used == 16


@pytest.fixture
def app_engine(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """The app's engine on a database without tasks."""
    engine = app_database.make_engine(database_url(database.url()))
    monkeypatch.setattr(app_database, "engine", engine)
    yield engine
    engine.dispose()


@pytest.fixture
def partitioned(app_engine: Engine) -> Engine:
    """The app's engine on an empty table in partitions."""
    partition(app_engine)
    return app_engine


def revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return found


def shape(engine: Engine) -> tuple[set[str], set[str | None]]:
    table = inspect(engine)
    columns = {column["name"] for column in table.get_columns("tasks")}
    return columns, {index["name"] for index in table.get_indexes("tasks")}


def test_a_service_starts_on_a_partitioned_table_and_serves_it(
    database: Database, partitioned: Engine, run_service: RunService
) -> None:
    with run_service(NEON_DATABASE_URL=database.url()) as service:
        service.wait_until_started()
        service.client.headers.update(bearer())

        drive_all_six_endpoints(service.client)
        assert service.client.get("/ready").status_code == 200
    assert revision(partitioned) == REVISION
    assert "Migrating" not in service.log()


def test_a_partitioned_table_of_an_older_revision_is_migrated(partitioned: Engine) -> None:
    current = shape(partitioned)
    with app_database.migration_connection() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(ROOT / "migrations"))
        command.downgrade(config, "0001")
    older = shape(partitioned)

    app_database.create_tables()

    assert (revision(partitioned), shape(partitioned)) == (REVISION, current)
    assert older != current


def test_rows_and_ids_survive_the_partition_of_a_table(
    database: Database, app_engine: Engine, run_service: RunService
) -> None:
    with run_service(NEON_DATABASE_URL=database.url()) as service:
        service.wait_until_started()
        client, headers = service.client, bearer() | KEY
        before = client.post(TASKS, json={"title": "Before"}, headers=headers).json()["data"]

        partition(app_engine)

        replay = client.post(TASKS, json={"title": "Before"}, headers=headers)
        after = client.post(TASKS, json={"title": "After"}, headers=bearer()).json()["data"]
    assert (replay.json()["data"], replay.headers["Idempotent-Replayed"]) == (before, "true")
    assert after["id"] > before["id"]
    assert database.titles() == ["Before", "After"]
