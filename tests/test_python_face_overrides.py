"""A session and a user of a test, in the place of those of the app."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from endpoints import TASKS
from fastapi.testclient import TestClient
from fixtures import Overrides
from six_endpoints import WRITTEN, contents, drive_all_six_endpoints
from sqlalchemy import Engine, StaticPool
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session as OrmSession
from sqlmodel import Session, SQLModel, create_engine, select
from stored_tasks import wire
from users import OWNER, bearer

import database
import main
from models import Task


def in_memory() -> Engine:
    """The engine of SQLModel's and FastAPI's tutorials on testing."""
    engine = create_engine(
        "sqlite://", connect_args={"check_same_thread": False}, poolclass=StaticPool
    )
    SQLModel.metadata.create_all(engine)
    return engine


@pytest.fixture
def session() -> Iterator[Session]:
    engine = in_memory()
    with Session(engine) as session:
        yield session
    engine.dispose()


@pytest.mark.usefixtures("signed_in")
def test_a_test_can_put_its_own_session_and_user_in_place(
    overrides: Overrides, session: Session
) -> None:
    overrides[database.get_db] = lambda: session

    drive_all_six_endpoints(TestClient(main.app))

    assert contents(session) == WRITTEN


@pytest.mark.usefixtures("signed_in")
def test_the_session_may_come_from_a_generator(overrides: Overrides, session: Session) -> None:
    def own_session() -> Iterator[Session]:
        yield session

    overrides[database.get_db] = own_session

    drive_all_six_endpoints(TestClient(main.app))

    assert contents(session) == WRITTEN


@pytest.mark.usefixtures("signed_in")
def test_each_request_may_have_a_session_of_its_own(overrides: Overrides) -> None:
    engine = in_memory()

    def own_session() -> Iterator[Session]:
        with Session(engine) as session:
            yield session

    overrides[database.get_db] = own_session

    drive_all_six_endpoints(TestClient(main.app))

    with Session(engine) as another:
        assert contents(another) == WRITTEN
    engine.dispose()


@pytest.mark.usefixtures("signed_in")
def test_what_a_request_writes_is_committed(overrides: Overrides, session: Session) -> None:
    overrides[database.get_db] = lambda: session

    TestClient(main.app).post(TASKS, json={"title": "Buy groceries"})
    session.rollback()

    assert contents(session) == [(OWNER, "Buy groceries", None, False)]


@pytest.mark.usefixtures("signed_in")
def test_the_tests_own_session_sees_what_a_request_changed(
    overrides: Overrides, session: Session
) -> None:
    overrides[database.get_db] = lambda: session
    task = Task(user_id=OWNER, title="Buy groceries")
    session.add(task)
    session.commit()

    response = TestClient(main.app).put(f"{TASKS}/{task.id}", json={"title": "Buy milk"})

    assert response.status_code == 200
    session.refresh(task)
    assert task.title == "Buy milk"


@pytest.mark.usefixtures("signed_in")
def test_a_session_that_keeps_what_it_knows_sees_what_a_request_changed(
    overrides: Overrides,
) -> None:
    engine = in_memory()
    with Session(engine, expire_on_commit=False) as session:
        overrides[database.get_db] = lambda: session
        edited, patched, toggled, deleted = (
            Task(user_id=OWNER, title="Buy milk") for _ in range(4)
        )
        session.add_all([edited, patched, toggled, deleted])
        session.commit()

        client = TestClient(main.app)
        client.put(f"{TASKS}/{edited.id}", json={"title": "Buy bread"})
        change = {"priority": "high", "due_date": "2026-12-01", "tags": ["food"], "completed": True}
        sent = client.patch(f"{TASKS}/{patched.id}", json=change).json()["data"]
        client.patch(f"{TASKS}/{toggled.id}/complete")
        client.delete(f"{TASKS}/{deleted.id}")

        assert edited.title == "Buy bread"
        assert sent == wire(patched)
        assert sent == {**sent, **change, "completed_at": sent["updated_at"]}
        assert toggled.completed is True
        assert toggled.completed_at == toggled.updated_at
        assert session.get(Task, deleted.id) is None
    engine.dispose()


DAILY = {"pattern": "daily", "interval": 1, "end_date": None}


@pytest.mark.usefixtures("signed_in")
@pytest.mark.parametrize("expires", [True, False])
def test_a_recurring_task_and_its_successor_are_the_sessions_too(
    overrides: Overrides, *, expires: bool
) -> None:
    engine = in_memory()
    client = TestClient(main.app)
    with Session(engine, expire_on_commit=expires) as session:
        overrides[database.get_db] = lambda: session
        task = Task(user_id=OWNER, title="Water the plants", recurrence=DAILY)
        session.add(task)
        session.commit()

        answer = client.patch(f"{TASKS}/{task.id}/complete").json()

        successor = session.get(Task, answer["next_task"]["id"])
        assert successor
        assert answer == {**answer, "data": wire(task), "next_task": wire(successor)}
        assert (task.completed, successor.completed) == (True, False)
        client.patch(f"{TASKS}/{task.id}/complete")
        assert session.exec(select(Task)).all() == [task]
        assert task.completed is False
        for completed, created in ((True, 1), (False, 0)):
            counted = client.patch(f"{TASKS}/complete?filter=all", json={"completed": completed})
            assert counted.json()["data"] == {"updated": 1, "created": created}
            assert task.completed is completed
        assert session.exec(select(Task)).all() == [task]
    engine.dispose()


@pytest.mark.usefixtures("signed_in")
def test_a_task_that_a_request_deleted_can_still_be_named(
    overrides: Overrides, session: Session
) -> None:
    overrides[database.get_db] = lambda: session
    task = Task(user_id=OWNER, title="Buy groceries")
    session.add(task)
    session.commit()
    client = TestClient(main.app)

    client.delete(f"{TASKS}/{task.id}")

    assert client.get(f"{TASKS}/{task.id}").status_code == 404


@pytest.mark.usefixtures("signed_in")
def test_a_session_may_have_an_engine_for_each_table(overrides: Overrides) -> None:
    engine = in_memory()
    with Session(binds={Task: engine}) as session:
        overrides[database.get_db] = lambda: session

        drive_all_six_endpoints(TestClient(main.app))

        assert contents(session) == WRITTEN
    engine.dispose()


@pytest.mark.usefixtures("signed_in")
def test_a_user_in_place_is_held_to_their_own_tasks(overrides: Overrides, session: Session) -> None:
    overrides[database.get_db] = lambda: session

    response = TestClient(main.app).get("/api/somebody/tasks")

    assert response.status_code == 403


@pytest.mark.parametrize("kind", [Session, OrmSession])
def test_requests_at_once_in_sessions_on_one_connection_all_take_place(
    overrides: Overrides, kind: type[OrmSession]
) -> None:
    engine = create_engine(
        "sqlite://", connect_args={"check_same_thread": False}, poolclass=StaticPool
    )
    SQLModel.metadata.create_all(engine)

    def get_session() -> Iterator[OrmSession]:
        with kind(engine) as session:
            yield session

    overrides[database.get_db] = get_session

    # One event loop: with overrides, FastAPI has pydantic analyse each request, in no safe way from
    # several threads.
    with (
        TestClient(main.app, headers=bearer()) as client,
        ThreadPoolExecutor(max_workers=8) as threads,
    ):
        creating = [
            threads.submit(client.post, TASKS, json={"title": "Buy groceries"}) for _ in range(40)
        ]

    assert [answer.result().status_code for answer in creating] == [201] * 40
    with Session(engine) as session:
        assert len(session.exec(select(Task)).all()) == 40
    engine.dispose()


def test_acts_at_once_on_one_connection_each_take_place_with_their_successors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The app's own engine, in memory: a transaction of one act is not for another act to end."""
    engine = database.make_engine(make_url("sqlite://"))
    monkeypatch.setattr(database, "engine", engine)
    SQLModel.metadata.create_all(engine)

    with (
        TestClient(main.app, headers=bearer()) as client,
        ThreadPoolExecutor(max_workers=8) as threads,
    ):
        body = {"title": "Water the plants", "recurrence": DAILY}
        created = [client.post(TASKS, json=body).json()["data"]["id"] for _ in range(20)]
        acts = [threads.submit(client.patch, f"{TASKS}/{task}/complete") for task in created]
        acts += [threads.submit(client.post, TASKS, json={"title": "x"}) for _ in range(20)]

        assert {act.result().status_code for act in acts} == {200, 201}
        titles = [task["title"] for task in client.get(TASKS).json()["data"]]
    assert (titles.count("Water the plants"), titles.count("x")) == (40, 20)
    engine.dispose()
