"""What works without the lifespan or an environment, and what the lifespan leaves behind."""

import gc
from pathlib import Path

import pytest
import uvicorn
from fastapi.testclient import TestClient
from log_lines import kept_lines
from processes import start_python
from six_endpoints import WRITTEN, contents, drive_all_six_endpoints
from sqlalchemy import Engine
from sqlmodel import Session, SQLModel
from users import bearer
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

import main


def test_the_lifespan_need_not_be_entered(engine: Engine) -> None:
    with engine.begin() as connection:
        SQLModel.metadata.drop_all(connection)
        SQLModel.metadata.create_all(connection)

    drive_all_six_endpoints(TestClient(main.app, headers=bearer()))

    with Session(engine) as session:
        assert contents(session) == WRITTEN


@pytest.mark.usefixtures("engine")
def test_the_lifespan_leaves_the_garbage_collectors_thresholds_as_they_were() -> None:
    before = gc.get_threshold()

    with TestClient(main.app):
        assert gc.get_threshold() != before

    assert gc.get_threshold() == before


@pytest.mark.usefixtures("engine")
def test_the_lifespan_leaves_uvicorns_connections_as_they_were() -> None:
    before = HttpToolsProtocol.__init__

    with TestClient(main.app):
        assert HttpToolsProtocol.__init__ is not before

    assert HttpToolsProtocol.__init__ is before


@pytest.mark.usefixtures("engine")
def test_connections_of_another_uvicorn_are_left_alone_and_the_log_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(uvicorn, "__version__", "1.0.0")
    before = HttpToolsProtocol.__init__

    with kept_lines("tasks.server") as lines, TestClient(main.app):
        assert HttpToolsProtocol.__init__ is before

    (line,) = lines
    assert "Connections are not bounded: protocol.py was written for uvicorn" in str(line)


OVERRIDES = """
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

def drive(client):
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
WITHOUT_LIFESPAN = f"""{OVERRIDES}
drive(TestClient(app))
"""
WITH_LIFESPAN = f"""{OVERRIDES}
with TestClient(app) as client:
    drive(client)
"""


@pytest.mark.parametrize("script", [WITHOUT_LIFESPAN, WITH_LIFESPAN], ids=["without", "with"])
def test_with_overrides_no_environment_is_needed_and_no_file_is_made(
    app_folder: Path, script: str
) -> None:
    files = sorted(app_folder.rglob("*"))
    # Users who can write everywhere, as in a container, are stopped by the comparison alone.
    app_folder.chmod(0o500)

    try:
        output, errors = start_python(app_folder, "-W", "error", "-c", script).communicate()
    finally:
        app_folder.chmod(0o700)

    assert output.splitlines() == ["200 200 200 200", "Buy milk True", "200"], errors
    assert sorted(app_folder.rglob("*")) == files


IN_A_DATABASE_OF_ITS_OWN = """
from fastapi.testclient import TestClient
from sqlalchemy import inspect

import database
from auth import get_current_user
from main import app

app.dependency_overrides[get_current_user] = lambda: {"id": "demo", "email": None}
with TestClient(app) as client:
    print(client.get("/api/demo/tasks").status_code, inspect(database.engine).get_table_names())
"""


def test_with_a_user_in_place_alone_the_tables_are_made_and_no_secret_is_needed(
    app_folder: Path,
) -> None:
    python = start_python(app_folder, "-c", IN_A_DATABASE_OF_ITS_OWN, NEON_DATABASE_URL="sqlite://")

    output, errors = python.communicate()

    assert output.splitlines() == ["200 ['alembic_version', 'tasks']"], errors


WITH_A_SESSION_ALONE = """
from fastapi.testclient import TestClient

from database import get_db
from main import app

app.dependency_overrides[get_db] = lambda: None
with TestClient(app):
    pass
"""


def test_with_a_session_in_place_alone_a_secret_is_needed(app_folder: Path) -> None:
    python = start_python(app_folder, "-c", WITH_A_SESSION_ALONE)

    _, errors = python.communicate()

    assert errors.splitlines()[-1] == (
        "settings.StartupError: BETTER_AUTH_SECRET is not set: use the front end's own value"
    )
