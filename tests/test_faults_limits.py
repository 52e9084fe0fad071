"""A statement that takes as long as its limit, and the next one."""

from collections.abc import Callable, Iterator

import pytest
from endpoints import TASKS
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from driver import executors, postgres
from models import Task

# After an update, PostgreSQL computes for about two seconds without looking for a timeout.
PRODUCTS = " + ".join(["digits * digits"] * 100)
END_LATE = f"""
CREATE FUNCTION end_late() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE digits numeric := repeat('9', 60000);
BEGIN RETURN CASE WHEN {PRODUCTS} > 0 THEN NEW END; END $$;
CREATE TRIGGER end_late AFTER UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION end_late();
"""


@pytest.fixture
def late_updates(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Updates that the server's timeout reaches when nothing can cancel them any more."""
    with engine.connect() as connection:
        connection.exec_driver_sql(END_LATE)
    monkeypatch.setattr(postgres, "STATEMENT_SECONDS", 0.5)
    monkeypatch.setattr(executors, "WORK_SECONDS", 30)
    yield
    monkeypatch.undo()
    with engine.connect() as connection:
        connection.exec_driver_sql("DROP FUNCTION end_late CASCADE")


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
@pytest.mark.usefixtures("late_updates")
def test_a_statement_that_ends_after_its_limit_does_not_make_the_next_one_fail(
    alice: TestClient, stored: Callable[..., Task]
) -> None:
    task = stored()

    updated = alice.patch(f"{TASKS}/{task.id}", json={"title": "Buy flowers"})
    listed = alice.get(TASKS)

    assert updated.elapsed.total_seconds() > postgres.STATEMENT_SECONDS
    assert (updated.status_code, listed.status_code) == (200, 200)
