"""The six endpoints under `/api/{user_id}/tasks`, each scoped to its owner."""

import json
import re
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Annotated, Any, NoReturn
from urllib.parse import quote, unquote

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from auth import CurrentUser, verify_user_access
from database import GetSource, Source
from errors import (
    Forbidden,
    InvalidFilter,
    InvalidTaskId,
    InvalidTitle,
    ServiceUnavailable,
    TaskNotFound,
    Unauthorized,
    documented,
    documented_headers,
)
from queries import OwnTasks, TaskRow
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

ENCODED_SLASH_OR_PERCENT = re.compile(rb"%2[5fF]")


class JSONBodyRequest(Request):
    """FastAPI parses a body before any dependency runs. A body that is not JSON must not be judged
    before the caller is known, so it passes for now, as something that no schema accepts.
    """

    async def json(self) -> Any:
        try:
            body = (await self.body()).decode()
            # No schema here takes a number, and Python refuses integers of many digits.
            return json.loads(body, parse_int=float, parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            return "not JSON"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def path_of(scope: Scope) -> str:
    """The path to match: as it was sent, where it matters. A user's id may hold a slash, which is
    `%2F` in the URL and a separator in ASGI's decoded path, or a percent sign, which TestClient
    decodes twice.
    """
    sent = scope.get("raw_path") or b""
    if ENCODED_SLASH_OR_PERCENT.search(sent):
        return str(sent, "latin-1")
    path: str = scope["path"]
    return path


class TaskRoute(APIRoute):
    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        path = path_of(scope)
        if path == scope["path"]:
            return super().matches(scope)
        match, matched = super().matches({**scope, "path": path})
        parameters = matched.get("path_params", {})
        matched["path_params"] = {name: unquote(value) for name, value in parameters.items()}
        return match, matched

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        if self.body_field is None:
            return handle

        async def handle_json_body(request: Request) -> Response:
            return await handle(JSONBodyRequest(request.scope, request.receive))

        return handle_json_body


class JSONInParts(Response):
    """Sends a body part by part and lets each go, so that what a slow reader has not taken yet is
    kept once: the server would copy what is sent as a whole.
    """

    media_type = "application/json"

    def __init__(self, parts: list[bytes]) -> None:
        super().__init__(headers={"Content-Length": str(sum(map(len, parts)))})
        self.parts = deque(parts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **start})
        while self.parts:
            part = self.parts.popleft()
            await send({"type": "http.response.body", "body": part, "more_body": bool(self.parts)})


async def own_tasks(
    user_id: Annotated[str, Path(description="The token's `sub`.", examples=["user_abc123"])],
    current_user: CurrentUser,
    source: Annotated[Source, Depends(GetSource())],
) -> OwnTasks:
    """The only tasks that a request can reach: those of the token's user."""
    verify_user_access(user_id, current_user)
    return OwnTasks(current_user["id"], source)


Tasks = Annotated[OwnTasks, Depends(own_tasks)]
PathId = Annotated[TaskId, Path(examples=[1])]

router = APIRouter(
    prefix="/api/{user_id}/tasks",
    tags=["tasks"],
    route_class=TaskRoute,
    responses=documented(Unauthorized, Forbidden, ServiceUnavailable),
)

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
    responses=documented(InvalidFilter),
    openapi_extra={"parameters": [STATUS_PARAMETER]},
)
async def list_tasks(
    tasks: Tasks,
    shown: Annotated[TaskFilter, Query(validation_alias=FILTER_NAMES)] = "all",
) -> Response:
    """List the user's tasks, newest first."""
    parts = await tasks.newest_first(
        partial(TaskListResponse.written, message="Tasks retrieved"), completed=COMPLETED[shown]
    )
    return JSONInParts(parts)


@router.post(
    "",
    status_code=201,
    responses={
        201: documented_headers({"Location": "/api/user_abc123/tasks/1"}),
        **documented(InvalidTitle),
    },
)
async def create_task(
    new: TaskCreate, tasks: Tasks, request: Request, response: Response
) -> TaskResponse:
    """Create a task. `Location` is its path."""
    task = await tasks.create(new.title, new.description)
    prefix = request.scope.get("root_path", "")  # what a proxy strips from the path
    path = f"{prefix}/api/{quote(tasks.owner, safe='')}/tasks/{task['id']}"
    response.headers["Location"] = path
    return TaskResponse.of(task, "Task created")


@router.get("/{task_id}", responses=documented(InvalidTaskId, TaskNotFound))
async def get_task(task_id: PathId, tasks: Tasks) -> TaskResponse:
    """Get one task."""
    task = found(await tasks.get(task_id))
    return TaskResponse.of(task, "Task retrieved")


@router.put("/{task_id}", responses=documented(InvalidTitle, TaskNotFound))
async def update_task(task_id: PathId, changes: TaskUpdate, tasks: Tasks) -> TaskResponse:
    """Change the fields that the body names; the others stay."""
    task = found(await tasks.update(task_id, changes.changes()))
    return TaskResponse.of(task, "Task updated")


@router.delete("/{task_id}", responses=documented(InvalidTaskId, TaskNotFound))
async def delete_task(task_id: PathId, tasks: Tasks) -> TaskDeletedResponse:
    """Delete a task for good. Its id is not given again."""
    found(await tasks.delete(task_id))
    return TaskDeletedResponse(data=None, message="Task deleted")


@router.patch("/{task_id}/complete", responses=documented(InvalidTaskId, TaskNotFound))
async def toggle_task_completion(task_id: PathId, tasks: Tasks) -> TaskResponse:
    """Mark a pending task as completed, or a completed one as pending. No body is needed."""
    task = found(await tasks.toggle(task_id))
    state = "completed" if task["completed"] else "incomplete"
    return TaskResponse.of(task, f"Task marked as {state}")


def found(task: TaskRow | None) -> TaskRow:
    if task is None:
        raise TaskNotFound
    return task
