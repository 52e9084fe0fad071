"""The six endpoints under `/api/{user_id}/tasks`, each scoped to its owner."""

from typing import Annotated
from urllib.parse import quote, unquote

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from auth import CurrentUser, verify_user_access
from database import EngineExecutor, GetExecutor, executor_of
from errors import (
    INVALID,
    Forbidden,
    ServiceUnavailable,
    TaskNotFound,
    Unauthorized,
    ValidationFailed,
)
from openapi import documented, documented_headers
from queries import OwnTasks, TaskRow
from routes.answers import success, successful_list
from routes.body import JSONBodyRoute
from schemas import (
    FILTER_NAMES,
    TaskCreate,
    TaskDeletedResponse,
    TaskFilter,
    TaskId,
    TaskListResponse,
    TaskResponse,
    TaskUpdate,
)


async def own_tasks(
    user_id: Annotated[str, Path(description="The token's `sub`.", examples=["user_abc123"])],
    current_user: CurrentUser,
    given: Annotated[EngineExecutor, Depends(GetExecutor())],
) -> OwnTasks:
    """The only tasks that a request can reach: those of the token's user."""
    verify_user_access(unquote(user_id), current_user)
    return OwnTasks(current_user["id"], executor_of(given))


Tasks = Annotated[OwnTasks, Depends(own_tasks)]
PathId = Annotated[TaskId, Path(examples=[1])]

router = APIRouter(
    prefix="/api/{user_id}/tasks",
    tags=["tasks"],
    route_class=JSONBodyRoute,
    responses=documented(Unauthorized, Forbidden, ServiceUnavailable),
)

INVALID_FILTER = ValidationFailed(INVALID["query", "filter"])
INVALID_TITLE = ValidationFailed(INVALID["body", "title"])
INVALID_TASK_ID = ValidationFailed(INVALID["path", "task_id"])

COMPLETED: dict[TaskFilter, bool | None] = {"all": None, "pending": False, "completed": True}
STATUS_PARAMETER = {
    "name": "status",
    "in": "query",
    "required": False,
    "deprecated": True,
    "description": "Another name for `filter`, which counts if both are there.",
    "schema": {"type": "string", "enum": list(COMPLETED), "title": "Status"},
}


@router.get(
    "",
    response_model=TaskListResponse,
    responses=documented(INVALID_FILTER),
    openapi_extra={"parameters": [STATUS_PARAMETER]},
)
async def list_tasks(
    tasks: Tasks,
    shown: Annotated[TaskFilter, Query(validation_alias=FILTER_NAMES)] = "all",
) -> Response:
    """List the user's tasks, newest first."""
    parts = await tasks.list(completed=COMPLETED[shown])
    return successful_list(parts, "Tasks retrieved")


@router.post(
    "",
    status_code=201,
    response_model=TaskResponse,
    responses={
        201: documented_headers({"Location": "/api/user_abc123/tasks/1"}),
        **documented(INVALID_TITLE),
    },
)
async def create_task(new: TaskCreate, tasks: Tasks, request: Request) -> Response:
    """Create a task. `Location` is its path."""
    task = await tasks.create(new.model_dump())
    location = (
        f"{request.scope.get('root_path', '')}/api/{quote(tasks.owner, safe='')}/tasks/{task['id']}"
    )
    return success(task, "Task created", status=201, headers={"Location": location})


@router.get(
    "/{task_id}", response_model=TaskResponse, responses=documented(INVALID_TASK_ID, TaskNotFound)
)
async def get_task(task_id: PathId, tasks: Tasks) -> Response:
    """Get one task."""
    return success(found(await tasks.get(task_id)), "Task retrieved")


@router.put(
    "/{task_id}",
    response_model=TaskResponse,
    responses=documented(INVALID_TITLE, INVALID_TASK_ID, TaskNotFound),
)
async def update_task(task_id: PathId, changes: TaskUpdate, tasks: Tasks) -> Response:
    """Change the fields that the body names; the others stay."""
    return success(found(await tasks.update(task_id, changes.changes())), "Task updated")


@router.delete(
    "/{task_id}",
    response_model=TaskDeletedResponse,
    responses=documented(INVALID_TASK_ID, TaskNotFound),
)
async def delete_task(task_id: PathId, tasks: Tasks) -> Response:
    """Delete a task for good. Its id is not given again."""
    found(await tasks.delete(task_id))
    return success(None, "Task deleted")


@router.patch(
    "/{task_id}/complete",
    response_model=TaskResponse,
    responses=documented(INVALID_TASK_ID, TaskNotFound),
)
async def toggle_task_completion(task_id: PathId, tasks: Tasks) -> Response:
    """Mark a pending task as completed, or a completed one as pending. No body is needed."""
    task = found(await tasks.toggle(task_id))
    state = "completed" if task["completed"] else "incomplete"
    return success(task, f"Task marked as {state}")


def found(task: TaskRow | None) -> TaskRow:
    if task is None:
        raise TaskNotFound
    return task
