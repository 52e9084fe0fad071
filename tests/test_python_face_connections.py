"""Sessions of a test, and how they share connections with the app and with each other."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import httpx2
import pytest
from endpoints import TASKS
from fastapi.testclient import TestClient
from fixtures import Overrides
from six_endpoints import WRITTEN, contents, drive_all_six_endpoints
from sqlalchemy import text
from sqlalchemy.engine import URL
from sqlmodel import Session, SQLModel, create_engine, select
from users import OWNER, bearer

import database
import main
from driver import postgres
from models import Task
from settings import get_settings


@pytest.fixture
def postgresql_tables(postgresql_url: URL, monkeypatch: pytest.MonkeyPatch) -> Iterator[URL]:
    """A PostgreSQL with an empty table, which the app uses too."""
    engine = database.make_engine(postgresql_url)
    monkeypatch.setattr(database, "engine", engine)
    database.create_tables()
    with engine.connect() as connection:
        connection.execute(Task.__table__.delete())  # type: ignore[attr-defined]
    yield postgresql_url
    engine.dispose()


@pytest.mark.usefixtures("signed_in")
def test_a_session_may_stream(overrides: Overrides, postgresql_tables: URL) -> None:
    engine = create_engine(postgresql_tables)
    with Session(engine) as storing:
        storing.add_all([Task(user_id=OWNER, title=title) for title in ("first", "second")])
        storing.commit()

    with Session(engine.execution_options(stream_results=True)) as session:
        overrides[database.get_db] = lambda: session
        listed = TestClient(main.app).get(TASKS).json()["data"]

    engine.dispose()
    assert [task["title"] for task in listed] == ["second", "first"]


def in_process() -> httpx2.AsyncClient:
    """A client whose requests run in the event loop that sends them."""
    return httpx2.AsyncClient(
        transport=httpx2.ASGITransport(main.app), base_url="http://test", headers=bearer()
    )


@pytest.mark.usefixtures("signed_in")
def test_sessions_may_be_more_than_their_engine_has_connections(
    overrides: Overrides, postgresql_tables: URL
) -> None:
    engine = create_engine(postgresql_tables, pool_size=2, max_overflow=0)

    def own_session() -> Iterator[Session]:
        with Session(engine) as session:
            yield session

    async def send() -> set[int]:
        async with in_process() as client:
            answers = await asyncio.gather(*(client.get(TASKS) for _ in range(20)))
        return {answer.status_code for answer in answers}

    overrides[database.get_db] = own_session

    assert asyncio.run(send()) == {200}
    engine.dispose()


@pytest.mark.usefixtures("postgresql_tables")
def test_sessions_that_have_all_connections_do_not_stop_the_event_loop() -> None:
    async def send() -> tuple[int, int]:
        async with in_process() as client:
            with ExitStack() as sessions:
                for _ in range(get_settings().database_pool_size):
                    session = sessions.enter_context(contextmanager(database.get_db)())
                    session.execute(text("SELECT 1"))
                waiting = asyncio.create_task(client.get(TASKS))
                await asyncio.sleep(0)
                health = await client.get("/health")
                assert not waiting.done()
            return health.status_code, (await waiting).status_code

    assert asyncio.run(send()) == (200, 200)


@pytest.mark.usefixtures("postgresql_tables")
def test_a_session_of_the_app_may_change_many_tasks_at_once() -> None:
    with contextmanager(database.get_db)() as session:
        tasks = [Task(user_id=OWNER, title=title) for title in ("é", "%s", "'")]
        session.add_all(tasks)
        session.commit()
        for task in tasks:
            task.title += "!"
        session.commit()

    with contextmanager(database.get_db)() as session:
        titles = session.exec(select(Task.title)).all()
    assert sorted(titles) == ["%s!", "'!", "é!"]


@pytest.mark.usefixtures("signed_in")
@pytest.mark.parametrize("backend", ["postgresql", "sqlite"])
def test_a_test_can_roll_everything_back(
    request: pytest.FixtureRequest, overrides: Overrides, tmp_path: Path, backend: str
) -> None:
    url = (
        request.getfixturevalue("postgresql_url")
        if backend == "postgresql"
        else URL.create("sqlite", database=str(tmp_path / "tasks.db"))
    )
    options = {} if backend == "postgresql" else {"connect_args": {"check_same_thread": False}}
    engine = create_engine(url, **options)
    SQLModel.metadata.create_all(engine)

    with Session(engine) as session:
        before = contents(session)
    with engine.connect() as connection:
        transaction = connection.begin()
        connection.execute(Task.__table__.delete())  # type: ignore[attr-defined]
        with Session(connection) as session:
            overrides[database.get_db] = lambda: session

            drive_all_six_endpoints(TestClient(main.app))

            written = contents(session)
        transaction.rollback()
    with Session(engine) as session:
        after = contents(session)
    engine.dispose()

    assert written == WRITTEN
    assert after == before


def test_what_is_written_through_an_engine_without_autocommit_is_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'tasks.db'}")
    monkeypatch.setattr(database, "engine", engine)
    database.create_tables()

    drive_all_six_endpoints(TestClient(main.app, headers=bearer()))

    with Session(engine) as session:
        assert [task.title for task in session.exec(select(Task))]
    engine.dispose()


def test_other_connections_of_the_process_are_psycopg2s_own(
    postgresql_url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are not hurried, and they can copy."""
    monkeypatch.setattr(postgres, "BLOCKING_SECONDS", 0.05)
    engine = create_engine(postgresql_url)

    with engine.connect() as connection:
        connection.execute(text("CREATE TEMP TABLE numbers (number int)"))
        cursor: Any = connection.connection.cursor()
        cursor.copy_expert("COPY numbers FROM STDIN", StringIO("1\n2\n"))
        slept = connection.execute(text("SELECT pg_sleep(0.2), count(*) FROM numbers")).one()

    engine.dispose()
    assert slept[1] == 2
