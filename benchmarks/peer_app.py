"""The peer in the same framework: FastAPI with asyncpg, written plainly by somebody who knows both.

Coroutines, a pool without overflow, prepared statements (asyncpg's default), one statement for each
request, and pydantic models that FastAPI validates and serialises.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Literal

import asyncpg  # type: ignore[import-untyped]
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request
from fastapi.middleware.cors import CORSMiddleware
from jose import JWTError, jwt
from pydantic import BaseModel, Field

from benchmarks import peer_sql

SECRET = os.environ["BETTER_AUTH_SECRET"]
POOL_SIZE = 20

Title = Annotated[str, Field(min_length=1, max_length=200)]
Description = Annotated[str, Field(max_length=1000)]
Priority = Literal["low", "medium", "high"]
DueDate = Annotated[
    str,
    Field(pattern=r"^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?$"),
]
Tags = Annotated[list[Annotated[str, Field(min_length=1, max_length=50)]], Field(max_length=10)]


class TaskCreate(BaseModel):
    title: Title
    description: Description | None = None
    priority: Priority = "medium"
    due_date: DueDate | None = None
    tags: Tags = []


class TaskUpdate(BaseModel):
    title: Title = ""
    description: Description | None = None
    completed: bool = False
    priority: Priority = "medium"
    due_date: DueDate | None = None
    tags: Tags = []


class TaskRead(BaseModel):
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


class TaskResponse(BaseModel):
    data: TaskRead | None
    message: str


class TaskListResponse(BaseModel):
    data: list[TaskRead]
    message: str


async def get_owner(request: Request, user_id: str) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme != "Bearer":
        raise HTTPException(401, "Missing token")
    try:
        claims = jwt.decode(token, SECRET, algorithms=["HS256"], options={"verify_aud": False})
    except JWTError:
        raise HTTPException(401, "Invalid token") from None
    if claims.get("sub") != user_id:
        raise HTTPException(403, "Access denied")
    return user_id


async def get_pool(request: Request) -> asyncpg.Pool:
    pool: asyncpg.Pool = request.app.state.pool
    return pool


Owner = Annotated[str, Depends(get_owner)]
Pool = Annotated[asyncpg.Pool, Depends(get_pool)]

Filter = Literal["all", "pending", "completed"]

router = APIRouter(prefix="/api/{user_id}/tasks")


@router.get("")
async def list_tasks(
    owner: Owner, pool: Pool, shown: Annotated[Filter, Query(alias="filter")] = "all"
) -> TaskListResponse:
    if shown == "all":
        rows = await pool.fetch(peer_sql.LIST, owner)
    else:
        rows = await pool.fetch(peer_sql.LIST_BY_COMPLETION, owner, shown == "completed")
    return TaskListResponse(data=[TaskRead(**row) for row in rows], message="Tasks retrieved")


@router.post("", status_code=201)
async def create_task(new: TaskCreate, owner: Owner, pool: Pool) -> TaskResponse:
    values = (new.title, new.description, new.priority, new.due_date, new.tags)
    row = await pool.fetchrow(peer_sql.CREATE, owner, *values, datetime.now(UTC))
    return TaskResponse(data=found(row), message="Task created")


@router.get("/{task_id}")
async def get_task(task_id: int, owner: Owner, pool: Pool) -> TaskResponse:
    row = await pool.fetchrow(peer_sql.GET, task_id, owner)
    return TaskResponse(data=found(row), message="Task retrieved")


@router.put("/{task_id}")
async def update_task(task_id: int, new: TaskUpdate, owner: Owner, pool: Pool) -> TaskResponse:
    changes = new.model_dump(exclude_unset=True)
    statement = peer_sql.update_of(tuple(changes))
    row = await pool.fetchrow(statement, task_id, owner, datetime.now(UTC), *changes.values())
    return TaskResponse(data=found(row), message="Task updated")


@router.delete("/{task_id}")
async def delete_task(task_id: int, owner: Owner, pool: Pool) -> TaskResponse:
    if await pool.fetchval(peer_sql.DELETE, task_id, owner) is None:
        raise HTTPException(404, "Task not found")
    return TaskResponse(data=None, message="Task deleted")


@router.patch("/{task_id}/complete")
async def toggle_task(task_id: int, owner: Owner, pool: Pool) -> TaskResponse:
    task = found(await pool.fetchrow(peer_sql.TOGGLE, task_id, owner, datetime.now(UTC)))
    state = "completed" if task.completed else "incomplete"
    return TaskResponse(data=task, message=f"Task marked as {state}")


def found(row: asyncpg.Record | None) -> TaskRead:
    if row is None:
        raise HTTPException(404, "Task not found")
    return TaskRead(**row)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(
        os.environ["NEON_DATABASE_URL"], min_size=POOL_SIZE, max_size=POOL_SIZE
    ) as pool:
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)
app.add_middleware(
    CORSMiddleware,
    allow_origins=["http://localhost:3000"],
    allow_credentials=True,
    allow_methods=["*"],
    allow_headers=["*"],
)
app.include_router(router)


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "healthy"}
