"""What works without the lifespan or an environment, and what the lifespan leaves behind."""

import gc
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from processes import start_python
from six_endpoints import WRITTEN, contents, drive_all_six_endpoints
from sqlalchemy import Engine
from sqlmodel import Session, SQLModel
from users import bearer

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


def test_no_environment_is_needed(app_folder: Path) -> None:
    python = start_python(app_folder, "-c", WITHOUT_ENVIRONMENT)

    output, errors = python.communicate()

    assert output.splitlines() == ["200 200 200 200", "Buy milk True", "200"], errors
    assert python.returncode == 0
    assert list(app_folder.glob("*.db*")) == []
