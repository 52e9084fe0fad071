"""The endpoints of tasks: each answers with one act of `OwnTasks`."""

from typing import Annotated, TypeVar
from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from errors import Forbidden, IdempotencyKeyReused, ServiceUnavailable, TaskNotFound, Unauthorized
from openapi import (
    COMPLETED_TASK,
    TASK,
    answers,
    documented,
    documented_body,
    documented_parameters,
)
from parameters import WHOLE_LIST, BulkSelection, ListParameters, Selection, cursor_of
from queries import Once
from routes.answers import success, successful_list
from routes.body import JSONBodyRoute
from routes.dependencies import IDEMPOTENCY_KEY_PARAMETER, PathId, Tasks, idempotency_key_of
from routes.query import read, read_in_full
from schemas import (
    TaskChangedResponse,
    TaskCompletion,
    TaskCreate,
    TaskDeletedResponse,
    TaskListResponse,
    TaskResponse,
    TasksCompletedResponse,
    TasksCompletion,
    TasksDeletedResponse,
    TaskStatsResponse,
    TaskUpdate,
)

T = TypeVar("T")

router = APIRouter(
    prefix="/api/{user_id}/tasks",
    tags=["tasks"],
    route_class=JSONBodyRoute,
    responses=documented(Unauthorized, Forbidden, ServiceUnavailable),
)

CREATION = {name: TASK[name] for name in TaskCreate.model_fields}
CHANGES = {"title": "Buy groceries and flowers", "tags": ["shopping", "home"]}
COMPLETION = {"completed": True}
UPDATED = answers(TaskChangedResponse, TASK | CHANGES, "Task updated", next_task=None)


@router.get(
    "",
    **answers(TaskListResponse, [TASK], "Tasks retrieved", next_cursor=None),
    openapi_extra=documented_parameters(ListParameters),
)
async def list_tasks(tasks: Tasks, request: Request) -> Response:
    """List the user's tasks, newest first unless asked otherwise; other parameters are ignored."""
    wanted = read(ListParameters, request) if request.scope["query_string"] else WHOLE_LIST
    order = wanted.wanted_order
    page = await tasks.page(
        wanted.selected, order, limit=wanted.limit, after=wanted.cursor, offset=wanted.offset or 0
    )
    next_cursor = cursor_of(order, page.end) if page.end else None
    return successful_list(page.parts, "Tasks retrieved", next_cursor)


@router.post(
    "",
    **answers(
        TaskResponse,
        TASK,
        "Task created",
        IdempotencyKeyReused,
        status=201,
        headers={
            "Location": f"/api/{TASK['user_id']}/tasks/{TASK['id']}",
            "Idempotent-Replayed": "true",
        },
    ),
    openapi_extra={"parameters": [IDEMPOTENCY_KEY_PARAMETER]},
)
async def create_task(
    new: Annotated[TaskCreate, documented_body(CREATION)], tasks: Tasks, request: Request
) -> Response:
    """Create a task. `Location` is its path."""
    key = idempotency_key_of(request)
    once = Once(key, new.model_dump(exclude_defaults=True)) if key else None
    created = await tasks.create(new.model_dump(), once)
    if created is None:
        raise IdempotencyKeyReused
    path = f"/api/{quote(tasks.owner, safe='')}/tasks/{created.task.id}"
    headers = {"Location": request.scope.get("root_path", "") + path}
    if created.is_replay:
        headers["Idempotent-Replayed"] = "true"
    return success(created.task, "Task created", status=201, headers=headers)


# The document lists paths in the order of their first routes, and a collection made of it runs in
# that order: what deletes `/{task_id}` comes after what completes it.
@router.patch(
    "/{task_id:task_id}/complete",
    **answers(TaskChangedResponse, COMPLETED_TASK, "Task marked as completed", next_task=None),
)
async def toggle_task_completion(
    task_id: PathId,
    tasks: Tasks,
    wanted: Annotated[TaskCompletion, documented_body(COMPLETION, default_factory=TaskCompletion)],
) -> Response:
    """Mark a task as completed or pending, as the body says. Without a body, a pending task becomes
    completed, and a completed one pending.
    """
    change = wanted.model_dump(exclude_unset=True)
    task, next_task = found(
        await (tasks.update(task_id, change) if change else tasks.toggle(task_id))
    )
    return success(task, f"Task {marked(task.completed)}", next_task=next_task)


@router.get("/{task_id:task_id}", **answers(TaskResponse, TASK, "Task retrieved"))
async def get_task(task_id: PathId, tasks: Tasks) -> Response:
    """Get one task."""
    return success(found(await tasks.get(task_id)), "Task retrieved")


@router.put("/{task_id:task_id}", name="update_task", **UPDATED)
@router.patch("/{task_id:task_id}", name="patch_task", **UPDATED)
async def update_task(
    task_id: PathId, changes: Annotated[TaskUpdate, documented_body(CHANGES)], tasks: Tasks
) -> Response:
    """Change the fields that the body names; the others stay."""
    task, next_task = found(await tasks.update(task_id, changes.changes()))
    return success(task, "Task updated", next_task=next_task)


@router.delete("/{task_id:task_id}", **answers(TaskDeletedResponse, None, "Task deleted"))
async def delete_task(task_id: PathId, tasks: Tasks) -> Response:
    """Delete a task for good. Its id is not given again."""
    found(await tasks.delete(task_id))
    return success(None, "Task deleted")


@router.get(
    "/stats",
    **answers(
        TaskStatsResponse, {"total": 12, "pending": 7, "completed": 5}, "Statistics retrieved"
    ),
    openapi_extra=documented_parameters(Selection),
)
async def get_task_stats(tasks: Tasks, request: Request) -> Response:
    """Count the tasks that the parameters select, which are the list's."""
    total, completed = await tasks.count(read(Selection, request).selected)
    data = {"total": total, "pending": total - completed, "completed": completed}
    return success(data, "Statistics retrieved")


@router.patch(
    "/complete",
    **answers(TasksCompletedResponse, {"updated": 3, "created": 1}, "3 tasks marked as completed"),
    openapi_extra=documented_parameters(BulkSelection),
)
async def complete_tasks(
    wanted: Annotated[TasksCompletion, documented_body(COMPLETION)], tasks: Tasks, request: Request
) -> Response:
    """Mark all tasks that the parameters select as completed, or as pending."""
    selected = read_in_full(request).selected
    updated, created = await tasks.complete_all(selected, completed=wanted.completed)
    data = {"updated": updated, "created": created}
    return success(data, f"{counted(updated)} {marked(wanted.completed)}")


@router.delete(
    "",
    **answers(TasksDeletedResponse, {"deleted": 3}, "3 tasks deleted"),
    openapi_extra=documented_parameters(BulkSelection),
)
async def delete_tasks(tasks: Tasks, request: Request) -> Response:
    """Delete all tasks that the parameters select for good."""
    deleted = await tasks.delete_all(read_in_full(request).selected)
    return success({"deleted": deleted}, f"{counted(deleted)} deleted")


def counted(number: int) -> str:
    return f"{number} task" if number == 1 else f"{number} tasks"


def marked(completed: bool) -> str:
    return "marked as completed" if completed else "marked as incomplete"


def found(one: T | None) -> T:
    if one is None:
        raise TaskNotFound
    return one
