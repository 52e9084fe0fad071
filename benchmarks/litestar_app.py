"""The lighter peer: Litestar with asyncpg, written plainly by somebody who knows both.

Structs of msgspec, which Litestar validates and serialises; a guard that lets owners in; otherwise
as peer_app.py.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import asyncpg  # type: ignore[import-untyped]
import jwt
from litestar import Litestar, Router, delete, get, patch, post, put
from litestar.config.cors import CORSConfig
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.exceptions import NotAuthorizedException, NotFoundException, PermissionDeniedException
from litestar.handlers import BaseRouteHandler
from litestar.params import Parameter
from msgspec import UNSET, Meta, Struct, UnsetType, structs

from benchmarks import peer_sql

SECRET = os.environ["BETTER_AUTH_SECRET"]
POOL_SIZE = 20

Title = Annotated[str, Meta(min_length=1, max_length=200)]
Description = Annotated[str, Meta(max_length=1000)]
Priority = Literal["low", "medium", "high"]
DueDate = Annotated[
    str,
    Meta(pattern=r"^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?$"),
]
Tags = Annotated[list[Annotated[str, Meta(min_length=1, max_length=50)]], Meta(max_length=10)]
Filter = Annotated[Literal["all", "pending", "completed"], Parameter(query="filter")]


class TaskCreate(Struct):
    title: Title
    description: Description | None = None
    priority: Priority = "medium"
    due_date: DueDate | None = None
    tags: Tags = []


class TaskUpdate(Struct):
    title: Title | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    completed: bool | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    due_date: DueDate | UnsetType | None = UNSET
    tags: Tags | UnsetType = UNSET


class Task(Struct):
    id: int
    user_id: str
    title: str
    description: str | None
    completed: bool
    priority: str
    due_date: str | None
    tags: list[str]
    completed_at: datetime | None
    created_at: datetime
    updated_at: datetime


class TaskResponse(Struct):
    data: Task | None
    message: str


class TaskListResponse(Struct):
    data: list[Task]
    message: str


def require_owner(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme != "Bearer":
        raise NotAuthorizedException("Missing token")
    try:
        claims = jwt.decode(token, SECRET, algorithms=["HS256"], options={"verify_aud": False})
    except jwt.InvalidTokenError:
        raise NotAuthorizedException("Invalid token") from None
    if claims.get("sub") != connection.path_params["user_id"]:
        raise PermissionDeniedException("Access denied")


@get("/")
async def list_tasks(user_id: str, state: State, shown: Filter = "all") -> TaskListResponse:
    if shown == "all":
        rows = await state.pool.fetch(peer_sql.LIST, user_id)
    else:
        rows = await state.pool.fetch(peer_sql.LIST_BY_COMPLETION, user_id, shown == "completed")
    return TaskListResponse([Task(*row) for row in rows], "Tasks retrieved")


@post("/")
async def create_task(user_id: str, data: TaskCreate, state: State) -> TaskResponse:
    values = structs.astuple(data)
    row = await state.pool.fetchrow(peer_sql.CREATE, user_id, *values, datetime.now(UTC))
    return TaskResponse(found(row), "Task created")


@get("/{task_id:int}")
async def get_task(user_id: str, task_id: int, state: State) -> TaskResponse:
    row = await state.pool.fetchrow(peer_sql.GET, task_id, user_id)
    return TaskResponse(found(row), "Task retrieved")


@put("/{task_id:int}")
async def update_task(user_id: str, task_id: int, data: TaskUpdate, state: State) -> TaskResponse:
    changes = {name: value for name, value in structs.asdict(data).items() if value is not UNSET}
    row = await state.pool.fetchrow(
        peer_sql.update_of(tuple(changes)), task_id, user_id, datetime.now(UTC), *changes.values()
    )
    return TaskResponse(found(row), "Task updated")


@delete("/{task_id:int}", status_code=200)
async def delete_task(user_id: str, task_id: int, state: State) -> TaskResponse:
    if await state.pool.fetchval(peer_sql.DELETE, task_id, user_id) is None:
        raise NotFoundException("Task not found")
    return TaskResponse(None, "Task deleted")


@patch("/{task_id:int}/complete")
async def toggle_task(user_id: str, task_id: int, state: State) -> TaskResponse:
    row = await state.pool.fetchrow(peer_sql.TOGGLE, task_id, user_id, datetime.now(UTC))
    task = found(row)
    return TaskResponse(task, f"Task marked as {'completed' if task.completed else 'incomplete'}")


def found(row: asyncpg.Record | None) -> Task:
    if row is None:
        raise NotFoundException("Task not found")
    return Task(*row)


@get("/health")
async def health() -> dict[str, str]:
    return {"status": "healthy"}


@asynccontextmanager
async def lifespan(app: Litestar) -> AsyncIterator[None]:
    async with asyncpg.create_pool(
        os.environ["NEON_DATABASE_URL"], min_size=POOL_SIZE, max_size=POOL_SIZE
    ) as pool:
        app.state.pool = pool
        yield


tasks = Router(
    "/api/{user_id:str}/tasks",
    guards=[require_owner],
    route_handlers=[list_tasks, create_task, get_task, update_task, delete_task, toggle_task],
)
app = Litestar(
    [tasks, health],
    lifespan=[lifespan],
    cors_config=CORSConfig(allow_origins=["http://localhost:3000"], allow_credentials=True),
)
