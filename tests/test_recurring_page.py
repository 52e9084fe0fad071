"""What docs/recurring.md shows: the dates of series, and the SQL that finds due reminders."""

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from pages import PAGES, fences, sections, tables
from sqlalchemy import URL, Engine, create_engine
from sqlmodel import Session, SQLModel
from users import OWNER

from models import Task
from recurrence import Rule, day_of, next_due_date

PAGE = PAGES["docs/recurring.md"]
[CASES] = tables(sections(PAGE)["Which date comes next"])
TABLE, ROUTE = (
    next(fence.text for fence in fences(sections(PAGE)["By mail"]) if fence.language == language)
    for language in ("sql", "ts")
)
CLAIM, SENT = re.findall(r"^const [A-Z]+ = `(.*?)`;", ROUTE, re.MULTILINE | re.DOTALL)
ADDRESS = "alice@example.com"


def texts(cell: str) -> list[str]:
    return re.findall("`(.+?)`", cell)


@pytest.mark.parametrize("case", CASES, ids=" ".join)
def test_the_next_due_date_is_that_of_the_table(case: list[str]) -> None:
    first, [recurrence], [completed], following = map(texts, case)
    fields = json.loads(recurrence)
    rule = Rule(fields["pattern"], fields.get("interval", 1), fields.get("end_date"))
    due_date = next(iter(first), None)
    day = day_of(due_date)

    expected: list[str | None] = [*following] or [None]

    dates = []
    for _ in expected:
        due_date = next_due_date(rule, due_date, day, datetime.fromisoformat(completed))
        dates.append(due_date)

    assert dates == expected


@pytest.fixture
def tables_of_both(postgresql_url: URL) -> Iterator[Engine]:
    """The service's table, Better Auth's, and the page's."""
    schema = f"reminders_{uuid4().hex}"
    engine = create_engine(
        postgresql_url.update_query_dict({"options": f"-csearch_path={schema}"}),
        isolation_level="AUTOCOMMIT",
    )
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
        SQLModel.metadata.create_all(connection)
        connection.exec_driver_sql('CREATE TABLE "user" (id text PRIMARY KEY, email text)')
        connection.exec_driver_sql('INSERT INTO "user" VALUES (%s, %s)', (OWNER, ADDRESS))
        connection.exec_driver_sql(TABLE)
        yield engine
        connection.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE")
    engine.dispose()


@pytest.fixture
def remind(tables_of_both: Engine) -> Callable[..., int]:
    """Stores a task with a reminder so long ago; gives its id."""

    def store(ago: timedelta = timedelta(minutes=1), **values: Any) -> int:
        with Session(tables_of_both) as session:
            given = {"user_id": OWNER, "title": "Buy groceries", **values}
            task = Task(**given, remind_at=datetime.now(UTC) - ago)
            session.add(task)
            session.commit()
            assert task.id
            return task.id

    return store


@pytest.fixture
def run(tables_of_both: Engine) -> Callable[..., Any]:
    """Runs a statement of the route, or of the test."""

    def execute(statement: str, *values: Any) -> list[dict[str, Any]]:
        with tables_of_both.connect() as connection:
            result = connection.exec_driver_sql(re.sub(r"\$\d", "%s", statement), values)
            return [dict(row) for row in result.mappings()] if result.returns_rows else []

    return execute


def test_a_due_reminder_comes_with_what_its_mail_needs(
    remind: Callable[..., int], run: Callable[..., Any]
) -> None:
    # The run before may have been more than a day ago.
    task_id = remind(timedelta(hours=25), due_date="2026-12-01")

    [reminder] = run(CLAIM)

    assert datetime.fromisoformat(reminder.pop("remind_at")) < datetime.now(UTC)
    assert reminder == {
        "task_id": task_id,
        "title": "Buy groceries",
        "due_date": "2026-12-01",
        "email": ADDRESS,
    }


@pytest.mark.parametrize(
    "values",
    [
        {"ago": timedelta(minutes=-5)},
        {"ago": timedelta(days=2, minutes=1)},
        {"completed": True},
        {"user_id": "without-an-account"},
    ],
    ids=str,
)
def test_no_other_reminder_is_due(
    remind: Callable[..., int], run: Callable[..., Any], values: dict[str, Any]
) -> None:
    remind(**values)

    assert run(CLAIM) == []


def test_runs_at_the_same_time_share_the_reminders(
    remind: Callable[..., int], run: Callable[..., Any]
) -> None:
    due = {remind() for _ in range(20)}

    with ThreadPoolExecutor(4) as pool:
        claims = [*pool.map(run, [CLAIM] * 8)]

    claimed = [reminder["task_id"] for claim in claims for reminder in claim]
    assert sorted(claimed) == sorted(due)


def test_a_reminder_that_was_not_sent_is_claimed_again_after_ten_minutes(
    remind: Callable[..., int], run: Callable[..., Any]
) -> None:
    sent, failed = remind(), remind()
    reminders = {reminder["task_id"]: reminder for reminder in run(CLAIM)}
    run(SENT, sent, reminders[sent]["remind_at"])

    within = [run("UPDATE sent_reminders SET claimed_at = now() - interval '9 min'"), run(CLAIM)]
    later = [run("UPDATE sent_reminders SET claimed_at = now() - interval '11 min'"), run(CLAIM)]

    assert within == [[], []]
    assert later == [[], [reminders[failed]]]
    assert run(CLAIM) == []


def test_a_reminder_that_is_moved_is_another_one(
    remind: Callable[..., int], run: Callable[..., Any]
) -> None:
    task_id = remind()
    [first] = run(CLAIM)
    run(SENT, task_id, first["remind_at"])

    run("UPDATE tasks SET remind_at = remind_at + interval '10 seconds'")

    [second] = run(CLAIM)
    assert (second["task_id"], second["remind_at"] > first["remind_at"]) == (task_id, True)
