"""The endpoints under `/api/{user_id}/tasks`, each scoped to its owner."""

from typing import Annotated, Any
from urllib.parse import quote, unquote

from fastapi import APIRouter, Body, Depends, Path, Query, Request, Response

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
from openapi import COMPLETED_TASK, TASK, documented, documented_success
from queries import OwnTasks, TaskRow
from routes.answers import success, successful_list
from routes.body import JSONBodyRoute
from schemas import (
    FILTER_NAMES,
    TaskCompletion,
    TaskCreate,
    TaskDeletedResponse,
    TaskFilter,
    TaskId,
    TaskListResponse,
    TaskResponse,
    TaskUpdate,
)


async def own_tasks(
    user_id: Annotated[
        str,
        Path(
            description="The token's `sub`.", openapi_examples={"user": {"value": TASK["user_id"]}}
        ),
    ],
    current_user: CurrentUser,
    given: Annotated[EngineExecutor, Depends(GetExecutor())],
) -> OwnTasks:
    """The only tasks that a request can reach: those of the token's user."""
    verify_user_access(unquote(user_id), current_user)
    return OwnTasks(current_user["id"], executor_of(given))


Tasks = Annotated[OwnTasks, Depends(own_tasks)]
PathId = Annotated[TaskId, Path(openapi_examples={"id": {"value": TASK["id"]}})]

router = APIRouter(
    prefix="/api/{user_id}/tasks",
    tags=["tasks"],
    route_class=JSONBodyRoute,
    responses=documented(Unauthorized, Forbidden, ServiceUnavailable),
)

INVALID_FILTER = ValidationFailed(INVALID["query", "filter"])
INVALID_COMPLETED = ValidationFailed(INVALID["body", "completed"])
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
    responses=documented_success([TASK], "Tasks retrieved") | documented(INVALID_FILTER),
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
    responses=documented_success(
        TASK, "Task created", 201, {"Location": f"/api/{TASK['user_id']}/tasks/{TASK['id']}"}
    )
    | documented(INVALID_TITLE),
)
async def create_task(new: TaskCreate, tasks: Tasks, request: Request) -> Response:
    """Create a task. `Location` is its path."""
    task = await tasks.create(new.model_dump())
    location = (
        f"{request.scope.get('root_path', '')}/api/{quote(tasks.owner, safe='')}/tasks/{task['id']}"
    )
    return success(task, "Task created", status=201, headers={"Location": location})


@router.get(
    "/{task_id}",
    response_model=TaskResponse,
    responses=documented_success(TASK, "Task retrieved")
    | documented(INVALID_TASK_ID, TaskNotFound),
)
async def get_task(task_id: PathId, tasks: Tasks) -> Response:
    """Get one task."""
    return success(found(await tasks.get(task_id)), "Task retrieved")


UPDATED: dict[str, Any] = {
    "response_model": TaskResponse,
    "responses": documented_success(TASK, "Task updated")
    | documented(INVALID_TITLE, INVALID_TASK_ID, TaskNotFound),
}


@router.put("/{task_id}", name="update_task", **UPDATED)
@router.patch("/{task_id}", name="patch_task", **UPDATED)
async def update_task(task_id: PathId, changes: TaskUpdate, tasks: Tasks) -> Response:
    """Change the fields that the body names; the others stay."""
    return success(found(await tasks.update(task_id, changes.changes())), "Task updated")


@router.delete(
    "/{task_id}",
    response_model=TaskDeletedResponse,
    responses=documented_success(None, "Task deleted") | documented(INVALID_TASK_ID, TaskNotFound),
)
async def delete_task(task_id: PathId, tasks: Tasks) -> Response:
    """Delete a task for good. Its id is not given again."""
    found(await tasks.delete(task_id))
    return success(None, "Task deleted")


@router.patch(
    "/{task_id}/complete",
    response_model=TaskResponse,
    responses=documented_success(COMPLETED_TASK, "Task marked as completed")
    | documented(INVALID_COMPLETED, INVALID_TASK_ID, TaskNotFound),
)
async def toggle_task_completion(
    task_id: PathId,
    tasks: Tasks,
    wanted: Annotated[TaskCompletion, Body(default_factory=TaskCompletion)],
) -> Response:
    """Mark a task as completed or pending, as the body says. Without a body, a pending task becomes
    completed, and a completed one pending.
    """
    change = wanted.model_dump(exclude_unset=True)
    task = found(await (tasks.update(task_id, change) if change else tasks.toggle(task_id)))
    state = "completed" if task["completed"] else "incomplete"
    return success(task, f"Task marked as {state}")


def found(task: TaskRow | None) -> TaskRow:
    if task is None:
        raise TaskNotFound
    return task
