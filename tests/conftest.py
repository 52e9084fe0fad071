"""What every test stands on: the app on a real PostgreSQL and on a real SQLite file.

The suite ignores `.env` and the environment, but for `TEST_DATABASE_URL`, which names a PostgreSQL
to use instead of the one that the suite starts; there it works in a schema of its own.
"""

import os
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from anyio.from_thread import BlockingPortal
from fastapi.testclient import TestClient
from httpx2 import Response
from sqlalchemy import Engine, delete, event, text
from sqlalchemy.engine import URL, make_url
from sqlmodel import Session, SQLModel
from users import MCP_URL, OWNER, SECRET, bearer

from settings import Settings, database_url, get_settings

TEST_DATABASE_URL = os.environ.pop("TEST_DATABASE_URL", "")

for name in Settings.model_fields:
    os.environ.pop(name.upper(), None)
Settings.model_config["env_file"] = None
os.environ["BETTER_AUTH_SECRET"] = SECRET
os.environ["MCP_URL"] = MCP_URL

# The app's modules read the settings when they are imported.

from by_fastapi import BY_FASTAPI  # noqa: E402
from cluster import Cluster, Database, running_cluster  # noqa: E402
from counting_proxy import CountingProxy  # noqa: E402
from deployments import POOL_SIZE, SingleWorker  # noqa: E402
from endpoints import ORIGIN, TASKS  # noqa: E402
from fixtures import Ask, Overrides, RunService, SetEnvironment  # noqa: E402
from key_server import KeyServer  # noqa: E402
from log_lines import QUOTING_TRIGGER, kept_lines  # noqa: E402
from openapi_document import Document  # noqa: E402
from overload import Overload, overloading  # noqa: E402
from partitions import partition  # noqa: E402
from places import current_database  # noqa: E402
from processes import copy_app  # noqa: E402
from sent_sql import sent_by  # noqa: E402
from served_client import ServedClient  # noqa: E402
from service import UVICORN, Server, Service  # noqa: E402
from signing import make_key  # noqa: E402

import auth  # noqa: E402
import database  # noqa: E402
import main  # noqa: E402
from models import Task  # noqa: E402

# Which tests run, and how: hooks.
pytest_plugins = ["layers"]


@pytest.fixture(scope="session")
def postgresql_url(request: pytest.FixtureRequest) -> Iterator[URL]:
    """A PostgreSQL that this run may use, in an empty schema of its own."""
    url = TEST_DATABASE_URL or request.getfixturevalue("cluster").url()
    yield from _own_schema(database_url(url))


@pytest.fixture(scope="session")
def partitioned_url(postgresql_url: URL) -> Iterator[URL]:
    """Another schema there, with the table in partitions."""
    for url in _own_schema(postgresql_url.difference_update_query(["options"])):
        engine = database.make_engine(url)
        SQLModel.metadata.create_all(engine)
        partition(engine)
        engine.dispose()
        yield url


def _own_schema(url: URL) -> Iterator[URL]:
    schema = f"tasks_test_{uuid4().hex}"
    engine = database.make_engine(url)
    with engine.connect() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    try:
        yield url.update_query_dict({"options": f"-csearch_path={schema}"})
    finally:
        with engine.connect() as connection:
            connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
        engine.dispose()


@pytest.fixture(scope="session")
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """The app's engine, on each of the databases in turn that `layers.databases` names."""
    if request.param in {"sqlite", BY_FASTAPI}:
        engine = _on_sqlite(tmp_path_factory.mktemp("sqlite") / "tasks.db")
    else:
        engine = database.make_engine(request.getfixturevalue(f"{request.param}_url"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "engine", engine)
        database.create_tables()
        yield engine
    engine.dispose()


def _on_sqlite(file: Path) -> Engine:
    engine = database.make_engine(make_url(f"sqlite:///{file}"))

    @event.listens_for(engine, "connect")
    def write_without_waiting_for_the_disk(connection: Any, record: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")

    return engine


@pytest.fixture
def no_tasks(engine: Engine) -> None:
    """The app's database, with nothing in it."""
    with engine.connect() as connection:
        connection.execute(Task.__table__.delete())  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def running_app(engine: Engine) -> Iterator[BlockingPortal]:
    """The event loop of the app, which serves all tests of a file, as a worker does its clients."""
    with TestClient(main.app) as client:
        assert client.portal
        yield client.portal


@pytest.fixture
def client(no_tasks: None, running_app: BlockingPortal) -> TestClient:
    """A client without a token, of an app without tasks."""
    return ServedClient(running_app)


@pytest.fixture
def alice(no_tasks: None, running_app: BlockingPortal) -> TestClient:
    """A client that sends the token of OWNER, of an app without tasks."""
    return ServedClient(running_app, headers=bearer())


@pytest.fixture
def stored(engine: Engine) -> Callable[..., Task]:
    """Stores a task without the API; gives it with what the database made of it."""

    def store(title: str = "Buy groceries", user_id: str = OWNER, **values: Any) -> Task:
        if isinstance(values.get("remind_at"), str):  # as it is sent
            values["remind_at"] = datetime.fromisoformat(values["remind_at"])
        with Session(engine, expire_on_commit=False) as session:
            task = Task(user_id=user_id, title=title, **values)
            session.add(task)
            session.commit()
            return task

    return store


@pytest.fixture
def load(engine: Engine) -> Callable[[int], Task | None]:
    """Reads a task from the database, past the API."""

    def load(task_id: int) -> Task | None:
        with Session(engine) as session:
            return session.get(Task, task_id)

    return load


@pytest.fixture
def task(stored: Callable[..., Task], load: Callable[[int], Task | None]) -> Iterator[Task]:
    """A task that the test must leave as it was."""
    before = stored(description="Milk")
    yield before
    assert before.id
    after = load(before.id)
    assert after is not None
    assert after.model_dump() == before.model_dump()


@pytest.fixture
def overrides() -> Iterator[Overrides]:
    """The app's `dependency_overrides`, without what the test put there afterwards."""
    yield main.app.dependency_overrides
    main.app.dependency_overrides.clear()


@pytest.fixture
def signed_in(overrides: Overrides) -> None:
    """Every caller is OWNER, without a token."""
    overrides[auth.get_current_user] = lambda: {"id": OWNER, "email": "alice@example.com"}


@pytest.fixture(params=["postgresql", "sqlite"])
def unreachable(
    request: pytest.FixtureRequest, tmp_path: Path, overrides: Overrides
) -> Iterator[None]:
    """The database cannot be reached: nobody listens on its port, or its folder is missing."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        urls = {
            "postgresql": f"postgresql+psycopg2://127.0.0.1:{silent.getsockname()[1]}/tasks",
            "sqlite": f"sqlite:///{tmp_path / 'missing' / 'tasks.db'}",
        }
        engine = database.make_engine(make_url(urls[request.param]))
        overrides[database.get_db] = lambda: Session(engine)
        yield
        engine.dispose()


@pytest.fixture
def app_folder(tmp_path: Path) -> Path:
    """A copy of the app's modules, where no `.env` and no database lie about."""
    return copy_app(tmp_path / "app")


@pytest.fixture(scope="session")
def run_service(tmp_path_factory: pytest.TempPathFactory) -> RunService:
    """Gives a `Service` with these options of its server, in this environment."""
    folder = copy_app(tmp_path_factory.mktemp("service") / "app")

    def run_service(
        *options: str, workers: int = 1, server: Server = UVICORN, **environment: str
    ) -> Service:
        log = tmp_path_factory.mktemp("log") / "log"
        environment = {"BETTER_AUTH_SECRET": SECRET, **environment}
        return Service(folder, log, environment, *options, workers=workers, server=server)

    return run_service


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL to stop and to block; never that of `TEST_DATABASE_URL`."""
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
def set_environment() -> Iterator[SetEnvironment]:
    """Changes settings of the running app: environment variables by name, "" for unset."""

    with pytest.MonkeyPatch.context() as patch:

        def set_environment(**values: str) -> None:
            for name, value in values.items():
                patch.setenv(name, value)
            get_settings.cache_clear()

        yield set_environment
    get_settings.cache_clear()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """An environment that names no setting, and settings that are read anew."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    get_settings.cache_clear()
    yield monkeypatch
    get_settings.cache_clear()


@pytest.fixture(scope="module")
def document() -> Document:
    """The OpenAPI document, as a client of the app reads it."""
    response = TestClient(main.app).get("/openapi.json")

    assert response.status_code == 200
    document: Document = response.json()
    return document


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """The lines of `tasks.auth`, which is what the log says about tokens."""
    with kept_lines("tasks.auth") as lines:
        yield lines


@pytest.fixture
def logged_errors() -> Iterator[list[str]]:
    """The lines of `tasks.errors`: crashes, and requests that lead nowhere."""
    with kept_lines("tasks.errors") as lines:
        yield lines


@pytest.fixture
def server(set_environment: SetEnvironment) -> Iterator[KeyServer]:
    """The front end's key server, which lists one Ed25519 key."""
    with KeyServer(make_key()) as server:
        set_environment(BETTER_AUTH_URL=server.origin)
        yield server


@pytest.fixture
def ask(client: TestClient) -> Ask:
    """Asks for the tasks of a user with this token, as a page of the front end does."""

    def ask(token: str, user_id: str = OWNER) -> Response:
        headers = {"Authorization": f"Bearer {token}", "Origin": ORIGIN}
        return client.get(f"/api/{user_id}/tasks", headers=headers)

    return ask


@pytest.fixture(name="database")
def new_database(cluster: Cluster) -> Database:
    """A database of its own for a test, whose tables are current."""
    return current_database(cluster)


@pytest.fixture
def empty_database(cluster: Cluster) -> Database:
    """A database where no service has been yet."""
    return Database(cluster)


@pytest.fixture(params=["postgresql", "sqlite"])
def url_of_two_workers(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a database of its own on each backend."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'tasks.db'}"
    return current_database(request.getfixturevalue("cluster")).url()


@pytest.fixture
def in_new_york() -> Iterator[None]:
    """The local time of this process is behind UTC."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "America/New_York")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture(scope="module")
def json_service(cluster: Cluster, run_service: RunService) -> Iterator[Service]:
    """A service that logs JSON, on a database whose errors quote the task."""
    database = current_database(cluster)
    with run_service(NEON_DATABASE_URL=database.url(), LOG_FORMAT="json") as service:
        service.wait_until_started()
        database.run(QUOTING_TRIGGER)
        yield service


@pytest.fixture
def request_id() -> str:
    return uuid4().hex


@pytest.fixture(scope="module")
def running_worker(cluster: Cluster, run_service: RunService) -> Iterator[SingleWorker]:
    database = current_database(cluster)
    with run_service(
        NEON_DATABASE_URL=database.url(), DATABASE_POOL_SIZE=str(POOL_SIZE)
    ) as service:
        service.wait_until_started()
        yield SingleWorker(service, database)
    assert "Traceback" not in service.log()
    assert "Crash" not in service.log()


@pytest.fixture
def worker(running_worker: SingleWorker) -> SingleWorker:
    """A worker that runs through many tests and is never restarted, with a user of this test."""
    return SingleWorker(running_worker.service, running_worker.database)


@pytest.fixture
def clients() -> Iterator[ThreadPoolExecutor]:
    """Threads, one for each client of a test."""
    with ThreadPoolExecutor(max_workers=100) as threads:
        yield threads


@pytest.fixture
def overload(cluster: Cluster, run_service: RunService) -> Iterator[Callable[[float], Overload]]:
    """Gives a worker whose every insert takes so many seconds."""
    with overloading(current_database(cluster), run_service) as overload:
        yield overload


@pytest.fixture
def statements(client: TestClient, engine: Engine) -> Iterator[list[str]]:
    """The SQL that is sent from now on, with its values written in."""
    assert client
    with sent_by(engine) as sent:
        yield sent


@pytest.fixture
def proxy(postgresql_url: URL, monkeypatch: pytest.MonkeyPatch) -> Iterator[CountingProxy]:
    """The app's database, behind a proxy, with its pool warm and a task in it."""
    proxy = CountingProxy(postgresql_url)
    engine = database.make_engine(proxy.url)
    monkeypatch.setattr(database, "engine", engine)
    yield proxy
    engine.dispose()
    proxy.close()


@pytest.fixture
def far_client(proxy: CountingProxy) -> Iterator[TestClient]:
    with TestClient(main.app, headers=bearer()) as client:
        client.get(TASKS)
        yield client


@pytest.fixture
def far_task(far_client: TestClient) -> int:
    """The id of the only task: one that another file left may recur."""
    with Session(database.engine) as session:
        session.execute(delete(Task))
        task = Task(user_id=OWNER, title="Far away")
        session.add(task)
        session.commit()
        assert task.id
        return task.id
