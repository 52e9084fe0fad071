"""The strong peer: FastAPI with asyncpg, written plainly by somebody who knows both.

Coroutines, a pool without overflow, prepared statements (asyncpg's default), one statement for each
request, and pydantic models that FastAPI validates and serialises.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import asyncpg  # type: ignore[import-untyped]
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request
from fastapi.middleware.cors import CORSMiddleware
from jose import JWTError, jwt
from pydantic import BaseModel, Field

SECRET = os.environ["BETTER_AUTH_SECRET"]
POOL_SIZE = 20

COLUMNS = "id, user_id, title, description, completed, created_at, updated_at"
NEWEST_FIRST = "ORDER BY created_at DESC, id DESC"
LIST = f"SELECT {COLUMNS} FROM tasks WHERE user_id = $1 {NEWEST_FIRST}"
LIST_BY_COMPLETION = (
    f"SELECT {COLUMNS} FROM tasks WHERE user_id = $1 AND completed = $2 {NEWEST_FIRST}"
)
GET = f"SELECT {COLUMNS} FROM tasks WHERE id = $1 AND user_id = $2"
CREATE = f"""
    INSERT INTO tasks (user_id, title, description, completed, created_at, updated_at)
    VALUES ($1, $2, $3, false, $4, $4) RETURNING {COLUMNS}
"""
UPDATE = f"""
    UPDATE tasks SET title = CASE WHEN $3 THEN $4 ELSE title END,
        description = CASE WHEN $5 THEN $6 ELSE description END,
        completed = CASE WHEN $7 THEN $8 ELSE completed END,
        updated_at = $9
    WHERE id = $1 AND user_id = $2 RETURNING {COLUMNS}
"""
TOGGLE = f"""
    UPDATE tasks SET completed = NOT completed, updated_at = $3
    WHERE id = $1 AND user_id = $2 RETURNING {COLUMNS}
"""
DELETE = "DELETE FROM tasks WHERE id = $1 AND user_id = $2 RETURNING id"


class TaskCreate(BaseModel):
    title: str = Field(min_length=1, max_length=200)
    description: str | None = Field(default=None, max_length=1000)


class TaskUpdate(BaseModel):
    title: str = Field(default="", min_length=1, max_length=200)
    description: str | None = Field(default=None, max_length=1000)
    completed: bool = False


class TaskRead(BaseModel):
    id: int
    user_id: str
    title: str
    description: str | None
    completed: bool
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
        rows = await pool.fetch(LIST, owner)
    else:
        rows = await pool.fetch(LIST_BY_COMPLETION, owner, shown == "completed")
    return TaskListResponse(data=[TaskRead(**row) for row in rows], message="Tasks retrieved")


@router.post("", status_code=201)
async def create_task(new: TaskCreate, owner: Owner, pool: Pool) -> TaskResponse:
    row = await pool.fetchrow(CREATE, owner, new.title, new.description, datetime.now(UTC))
    return TaskResponse(data=found(row), message="Task created")


@router.get("/{task_id}")
async def get_task(task_id: int, owner: Owner, pool: Pool) -> TaskResponse:
    row = await pool.fetchrow(GET, task_id, owner)
    return TaskResponse(data=found(row), message="Task retrieved")


@router.put("/{task_id}")
async def update_task(task_id: int, new: TaskUpdate, owner: Owner, pool: Pool) -> TaskResponse:
    changes: list[Any] = []
    for name in ("title", "description", "completed"):
        changes += [name in new.model_fields_set, getattr(new, name)]
    row = await pool.fetchrow(UPDATE, task_id, owner, *changes, datetime.now(UTC))
    return TaskResponse(data=found(row), message="Task updated")


@router.delete("/{task_id}")
async def delete_task(task_id: int, owner: Owner, pool: Pool) -> TaskResponse:
    if await pool.fetchval(DELETE, task_id, owner) is None:
        raise HTTPException(404, "Task not found")
    return TaskResponse(data=None, message="Task deleted")


@router.patch("/{task_id}/complete")
async def toggle_task(task_id: int, owner: Owner, pool: Pool) -> TaskResponse:
    task = found(await pool.fetchrow(TOGGLE, task_id, owner, datetime.now(UTC)))
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
