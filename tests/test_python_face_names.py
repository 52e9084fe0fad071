"""Names, where they are, and what the functions and classes under them do."""

import asyncio
import inspect
from typing import Any

import pytest
from endpoints import TASKS
from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.testclient import TestClient
from pydantic import BaseModel
from six_endpoints import contents
from sqlalchemy import Engine
from sqlmodel import Session, SQLModel
from users import OWNER, token_for

import auth
import database
import main
import models
import routes.tasks
import schemas
from models import Task


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


def test_an_answer_is_made_of_a_task(alice: TestClient) -> None:
    task = Task(id=1, user_id=OWNER, title="Buy groceries", updated_at=models.utc_now())

    answer = schemas.TaskResponse(data=task, message="Task retrieved")

    assert answer.data.title == "Buy groceries"
