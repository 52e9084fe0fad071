"""Which indexes PostgreSQL reads lists from: the table's own, and those of docs/performance.md."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from fixtures import Overrides
from pages import PAGES, fences, sections
from sqlalchemy import URL, Connection, create_engine, event, text
from sqlmodel import Session, SQLModel

import auth
import database
import main


@pytest.fixture(scope="module")
def large_table(postgresql_url: URL) -> Iterator[Connection]:
    """100,000 tasks of 100 users, interleaved; some are completed. Nothing of it is committed."""
    engine = create_engine(postgresql_url)
    with engine.connect() as connection, connection.begin() as transaction:
        connection.execute(text("CREATE SCHEMA large"))
        connection.execute(text("SET LOCAL search_path TO large"))
        connection.execute(text("SET LOCAL random_page_cost = 1.1"))
        SQLModel.metadata.create_all(connection)
        connection.execute(
            text(
                """
                INSERT INTO tasks (user_id, title, completed, created_at, updated_at)
                SELECT 'user_' || number % 100, 'Task ' || number, number / 100 % 3 = 0,
                       timestamptz '2026-01-12' + number * interval '1 minute', now()
                FROM generate_series(1, 100000) AS number
                """
            )
        )
        connection.execute(text("ANALYZE tasks"))
        yield connection
        transaction.rollback()
    engine.dispose()


def nodes_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from nodes_of(part)


def plan_of(
    connection: Connection, overrides: Overrides, query: str
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What user_42's list answers, and the nodes of PostgreSQL's plan for it."""
    sent: list[tuple[str, Any]] = []
    event.listen(
        connection, "before_cursor_execute", lambda *call: sent.append(call[2:4]), once=True
    )
    overrides[auth.get_current_user] = lambda: {"id": "user_42", "email": None}
    overrides[database.get_db] = lambda: Session(connection)

    answer = TestClient(main.app).get(f"/api/user_42/tasks{query}").json()

    [(sql, values)] = sent
    explained = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {sql}", values).scalar_one()
    plan = explained if isinstance(explained, list) else json.loads(explained)
    return answer, list(nodes_of(plan[0]["Plan"]))


@pytest.mark.parametrize(
    ("query", "count"), [("", 1000), ("?filter=pending", 666), ("?filter=completed", 334)]
)
def test_the_list_is_read_from_an_index_on_the_user_and_not_sorted(
    large_table: Connection, overrides: Overrides, query: str, count: int
) -> None:
    answer, nodes = plan_of(large_table, overrides, query)

    assert len(answer["data"]) == count
    assert [node["Node Type"] for node in nodes] == ["Index Scan"]
    assert "user_id" in nodes[0]["Index Cond"]
    assert ("completed" in nodes[0]["Index Cond"]) is bool(query)
    assert "Filter" not in nodes[0]


DOCUMENTED = {
    "own_by_title": "title",
    "own_by_change": "updated_at",
    "own_by_due_date": "due_date",
    "own_by_priority": "priority",
}


@pytest.fixture
def documented_indexes(large_table: Connection) -> Iterator[None]:
    """Those that docs/performance.md offers for other orders than the default one."""
    [sql] = [
        fence.text
        for fence in fences(sections(PAGES["docs/performance.md"])["Lists with parameters"])
        if fence.language == "sql"
    ]
    large_table.execute(text(sql.replace("CONCURRENTLY ", "")))
    large_table.execute(text("ANALYZE tasks"))
    yield
    large_table.execute(text(f"DROP INDEX {', '.join(DOCUMENTED)}"))


@pytest.mark.usefixtures("documented_indexes")
@pytest.mark.parametrize(("index", "sort"), DOCUMENTED.items())
def test_an_index_of_the_page_serves_its_order(
    large_table: Connection, overrides: Overrides, index: str, sort: str
) -> None:
    page, nodes = plan_of(large_table, overrides, f"?sort={sort}&limit=20")
    _, nodes_of_next = plan_of(
        large_table, overrides, f"?sort={sort}&limit=20&cursor={page['next_cursor']}"
    )

    for used in (nodes, nodes_of_next):
        assert [node["Node Type"] for node in used] == ["Limit", "Index Scan"]
        assert used[1]["Index Name"] == index
        assert "Filter" not in used[1]
