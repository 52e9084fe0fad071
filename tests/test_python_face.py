"""What those who test against this service in Python rely on."""

import asyncio
import gc
import inspect
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from endpoints import TASKS
from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.testclient import TestClient
from processes import start_python
from pydantic import BaseModel
from sqlalchemy import Engine, StaticPool, text
from sqlalchemy.engine import URL
from sqlalchemy.orm import Session as OrmSession
from sqlmodel import Session, SQLModel, create_engine, select
from users import OWNER, bearer, token_for

import auth
import database
import main
import models
import postgres
import routes.tasks
import schemas
from models import Task
from settings import get_settings

Overrides = dict[Callable[..., Any], Callable[..., Any]]


def in_memory() -> Engine:
    """The engine of SQLModel's and FastAPI's tutorials on testing."""
    engine = create_engine(
        "sqlite://", connect_args={"check_same_thread": False}, poolclass=StaticPool
    )
    SQLModel.metadata.create_all(engine)
    return engine


def drive_all_six_endpoints(client: TestClient) -> int:
    """Create a task, list, get, update and toggle it; create and delete another one."""
    created = client.post(TASKS, json={"title": "Buy groceries"})
    assert created.status_code == 201
    task_id: int = created.json()["data"]["id"]
    path = f"{TASKS}/{task_id}"

    assert client.get(TASKS).json()["data"] == [created.json()["data"]]
    assert client.get(TASKS, params={"filter": "completed"}).json()["data"] == []
    assert client.get(path).json()["data"] == created.json()["data"]
    assert client.put(path, json={"description": "Milk"}).json()["message"] == "Task updated"
    toggled = client.patch(f"{path}/complete")
    assert toggled.json()["message"] == "Task marked as completed"

    other = client.post(TASKS, json={"title": "Read a book"}).json()["data"]["id"]
    assert client.delete(f"{TASKS}/{other}").json() == {"data": None, "message": "Task deleted"}
    assert client.get(f"{TASKS}/{other}").status_code == 404
    return task_id


def contents(session: Session) -> list[tuple[str, str, str | None, bool]]:
    return [
        (task.user_id, task.title, task.description, task.completed)
        for task in session.exec(select(Task))
    ]


WRITTEN = [(OWNER, "Buy groceries", "Milk", True)]


# --- overriding dependencies ---


@pytest.fixture
def signed_in(overrides: Overrides) -> None:
    overrides[auth.get_current_user] = lambda: {"id": OWNER, "email": "alice@example.com"}


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
        edited, toggled, deleted = (Task(user_id=OWNER, title="Buy milk") for _ in range(3))
        session.add_all([edited, toggled, deleted])
        session.commit()

        client = TestClient(main.app)
        client.put(f"{TASKS}/{edited.id}", json={"title": "Buy bread"})
        client.patch(f"{TASKS}/{toggled.id}/complete")
        client.delete(f"{TASKS}/{deleted.id}")

        assert edited.title == "Buy bread"
        assert toggled.completed is True
        assert session.get(Task, deleted.id) is None
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
            await client.get(TASKS)  # SQLAlchemy knows the server from now on
            answers = await asyncio.gather(*(client.get(TASKS) for _ in range(20)))
        return {answer.status_code for answer in answers}

    overrides[database.get_db] = own_session

    assert asyncio.run(send()) == {200}
    engine.dispose()


@pytest.mark.usefixtures("postgresql_tables")
def test_sessions_that_have_all_connections_do_not_stop_the_event_loop() -> None:
    async def send() -> tuple[int, int]:
        async with in_process() as client:
            await client.get(TASKS)  # SQLAlchemy knows the server from now on
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


@pytest.mark.usefixtures("signed_in")
def test_a_user_in_place_is_held_to_their_own_tasks(overrides: Overrides, session: Session) -> None:
    overrides[database.get_db] = lambda: session

    response = TestClient(main.app).get("/api/somebody/tasks")

    assert response.status_code == 403


def test_the_lifespan_need_not_be_entered(engine: Engine) -> None:
    with engine.begin() as connection:
        SQLModel.metadata.drop_all(connection)
        SQLModel.metadata.create_all(connection)

    drive_all_six_endpoints(TestClient(main.app, headers=bearer()))

    with Session(engine) as session:
        assert contents(session) == WRITTEN


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


WITHOUT_ENVIRONMENT = """
from fastapi.testclient import TestClient
from sqlalchemy import StaticPool
from sqlmodel import Session, SQLModel, create_engine

from auth import get_current_user
from database import get_db
from main import app
from models import Task

engine = create_engine("sqlite://", connect_args={"check_same_thread": False}, poolclass=StaticPool)
SQLModel.metadata.create_all(engine)
session = Session(engine)
app.dependency_overrides[get_db] = lambda: session
app.dependency_overrides[get_current_user] = lambda: {"id": "demo", "email": None}
client = TestClient(app)

task = client.post("/api/demo/tasks", json={"title": "Buy groceries"}).json()["data"]
path = f"/api/demo/tasks/{task['id']}"
answers = [
    client.get("/api/demo/tasks"),
    client.get(path),
    client.put(path, json={"title": "Buy milk"}),
    client.patch(f"{path}/complete"),
]
print(*(answer.status_code for answer in answers))
stored = session.get(Task, task["id"])
print(stored.title, stored.completed)
print(client.delete(path).status_code)
"""


@pytest.mark.usefixtures("engine")
def test_the_lifespan_leaves_the_garbage_collectors_thresholds_as_they_were() -> None:
    before = gc.get_threshold()

    with TestClient(main.app):
        assert gc.get_threshold() != before

    assert gc.get_threshold() == before


def test_no_environment_is_needed(app_folder: Path) -> None:
    python = start_python(app_folder, "-c", WITHOUT_ENVIRONMENT)

    output, errors = python.communicate()

    assert output.splitlines() == ["200 200 200 200", "Buy milk True", "200"], errors
    assert python.returncode == 0
    assert list(app_folder.glob("*.db*")) == []


# --- names, places and shapes ---


def test_the_names_are_where_the_contract_says() -> None:
    assert isinstance(main.app, FastAPI)
    assert isinstance(database.engine, Engine)
    assert isinstance(routes.tasks.router, APIRouter)
    assert issubclass(models.Task, SQLModel)
    assert callable(database.create_tables)
    for schema in (
        schemas.TaskCreate,
        schemas.TaskUpdate,
        schemas.TaskResponse,
        schemas.TaskListResponse,
        schemas.ErrorResponse,
    ):
        assert issubclass(schema, BaseModel)


@pytest.mark.usefixtures("client")
def test_get_db_yields_one_session() -> None:
    sessions = database.get_db()

    session = next(sessions)

    assert type(session) is Session
    assert contents(session) == []
    with pytest.raises(StopIteration):
        next(sessions)


def request_with(*headers: tuple[bytes, bytes]) -> Request:
    return Request({"type": "http", "method": "GET", "path": "/", "headers": list(headers)})


async def current_user(request: Request) -> Any:
    user = auth.get_current_user(request)
    return await user if inspect.isawaitable(user) else user


@pytest.mark.parametrize("email", ["alice@example.com", None])
def test_get_current_user_gives_id_and_email(email: str | None) -> None:
    token = token_for(**({"email": email} if email else {}))
    request = request_with((b"authorization", f"Bearer {token}".encode()))

    user = asyncio.run(current_user(request))

    assert user == {"id": OWNER, "email": email}


@pytest.mark.parametrize("headers", [[], [(b"authorization", b"Bearer nonsense")]])
def test_get_current_user_raises_401(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(HTTPException) as raised:
        asyncio.run(current_user(request_with(*headers)))

    assert raised.value.status_code == 401


def test_verify_user_access_lets_the_owner_pass() -> None:
    auth.verify_user_access(OWNER, {"id": OWNER, "email": None})


@pytest.mark.parametrize("user_id", ["", "somebody", OWNER.upper(), f"{OWNER} "])
def test_verify_user_access_raises_403_for_anybody_else(user_id: str) -> None:
    with pytest.raises(HTTPException) as raised:
        auth.verify_user_access(user_id, {"id": OWNER, "email": None})

    assert raised.value.status_code == 403


@pytest.mark.usefixtures("client")
def test_a_task_made_in_python_has_the_contracts_defaults(engine: Engine) -> None:
    with Session(engine) as session:
        task = Task(user_id=OWNER, title="Buy groceries")
        session.add(task)
        session.commit()
        session.refresh(task)

    assert task.id
    assert task.description is None
    assert task.completed is False
    assert task.created_at == task.updated_at
    assert task.created_at.utcoffset() is not None


def test_answers_are_read_into_the_schemas(alice: TestClient) -> None:
    created = alice.post(TASKS, json={"title": "Buy groceries"})
    listed = alice.get(TASKS)

    task = schemas.TaskResponse.model_validate(created.json()).data
    assert (task.title, task.completed, task.created_at) == (
        "Buy groceries",
        False,
        task.updated_at,
    )
    assert schemas.TaskListResponse.model_validate(listed.json()).data == [task]


def test_other_connections_of_the_process_are_not_hurried(
    postgresql_url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """psycopg2 has one wait callback for the whole process, and the service sets it."""
    monkeypatch.setattr(postgres, "THREAD_SECONDS", 0.05)
    engine = create_engine(postgresql_url)

    with engine.connect() as connection:
        slept = connection.execute(text("SELECT pg_sleep(0.2) IS NULL")).scalar_one()

    engine.dispose()
    assert slept is False


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


def test_an_answer_is_made_of_a_task(alice: TestClient) -> None:
    task = Task(id=1, user_id=OWNER, title="Buy groceries", updated_at=models.utc_now())

    answer = schemas.TaskResponse(data=task, message="Task retrieved")

    assert answer.data.title == "Buy groceries"


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

    def create(_: int) -> int:
        client = TestClient(main.app, headers=bearer())
        return client.post(TASKS, json={"title": "Buy groceries"}).status_code

    with ThreadPoolExecutor(max_workers=8) as clients:
        statuses = list(clients.map(create, range(40)))

    assert statuses == [201] * 40
    with Session(engine) as session:
        assert len(session.exec(select(Task)).all()) == 40
    engine.dispose()
