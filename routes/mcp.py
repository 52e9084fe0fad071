"""The Model Context Protocol: each tool answers with one act of `OwnTasks`, and is judged as the
API's endpoints are.

A `StreamableHTTPSessionManager` serves one request. Kept for the whole process, as the package's
documentation has it, it would need a lifespan, and could start only once.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)
from msgspec import to_builtins
from msgspec.json import encode
from pydantic import BaseModel, Field
from starlette.datastructures import MutableHeaders
from starlette.types import Receive, Scope, Send

from auth import User, UserOfTools
from errors import (
    INVALID,
    Forbidden,
    ServerError,
    ValidationFailed,
    api_error_of,
    validated,
)
from parameters import ListParameters, cursor_of
from queries import OwnTasks
from routes.answers import JSON
from routes.dependencies import GivenExecutor
from routes.tasks import found
from schemas import Completed, Task, TaskCreate, TaskId, TaskRow, TaskUpdate
from settings import get_settings

# Its lines are noise at INFO: one for the start and one for the end of each request.
logging.getLogger("mcp").setLevel(logging.WARNING)

INSTRUCTIONS = (
    "The signed-in user's own to-do list. Find a task with list_tasks before you change or delete"
    " it."
)
LIMIT_UNLESS_GIVEN = 50

Arguments = Mapping[str, Any]
Content = dict[str, Any]


class OneTask(BaseModel):
    """Which task a tool is about."""

    task_id: TaskId = Field(description="The task's id, as list_tasks gives it.")


class ChangesOfOneTask(TaskUpdate, OneTask):
    """The fields to change. What is left out stays as it is."""


class CompletionOfOneTask(OneTask):
    """Whether the task is to be completed."""

    completed: Completed = Field(default=True, description="true unless given.")


# --- what the tools do; the docstrings are published ---


async def add_task(tasks: OwnTasks, arguments: Arguments) -> Content:
    """Add a task to the user's list. Returns the new task."""
    new = validated(TaskCreate, arguments, "body")
    created = await tasks.create(new.model_dump())
    assert created is not None  # there was no key
    return told(created.task, "created")


# The names of arguments to those of query parameters.
LISTED_BY = {
    "status": "filter",
    **{name: name for name in ListParameters.model_fields if name not in {"filter", "offset"}},
}


async def list_tasks(tasks: OwnTasks, arguments: Arguments) -> Content:
    """List the user's tasks, newest first unless asked otherwise. Returns a page of them, and
    next_cursor, which gives the next page as cursor; it is null at the end.
    """
    given = {
        name: arguments[argument]
        for argument, name in LISTED_BY.items()
        if arguments.get(argument) not in (None, "")
    }
    if "tag" in given and not isinstance(given["tag"], list):
        given["tag"] = [given["tag"]]
    wanted = validated(ListParameters, {"limit": LIMIT_UNLESS_GIVEN, **given}, "query")
    order = wanted.wanted_order
    page = await tasks.page(wanted.selected, order, limit=wanted.limit, after=wanted.cursor)
    return {
        "tasks": [shown(task) for part in page.parts for task in part],
        "next_cursor": cursor_of(order, page.end) if page.end else None,
    }


async def complete_task(tasks: OwnTasks, arguments: Arguments) -> Content:
    """Mark a task as completed, or as pending if completed is false. Returns the task, and as
    next_task the one that follows a recurring task.
    """
    task_id = task_id_in(arguments)
    wanted = validated(CompletionOfOneTask, arguments, "body")
    task, next_task = found(await tasks.update(task_id, {"completed": wanted.completed}))
    status = "completed" if task.completed else "pending"
    return {**told(task, status), "next_task": next_task and shown(next_task)}


async def update_task(tasks: OwnTasks, arguments: Arguments) -> Content:
    """Change the fields of a task that are given; the others stay. Returns the task, and as
    next_task the one that follows a recurring task which was completed.
    """
    task_id = task_id_in(arguments)
    changes = validated(TaskUpdate, arguments, "body")
    task, next_task = found(await tasks.update(task_id, changes.changes()))
    return {**told(task, "updated"), "next_task": next_task and shown(next_task)}


async def delete_task(tasks: OwnTasks, arguments: Arguments) -> Content:
    """Delete a task for good. Returns its id and title."""
    task = found(await tasks.delete(task_id_in(arguments)))
    return {"task_id": task.id, "status": "deleted", "title": task.title}


def task_id_in(arguments: Arguments) -> int:
    return validated(OneTask, arguments, "path").task_id


def told(task: TaskRow, status: str) -> Content:
    return {"task_id": task.id, "status": status, "title": task.title, "task": shown(task)}


def shown(task: TaskRow) -> Content:
    content: Content = to_builtins(task)
    del content["user_id"]
    return content


# --- how the tools are described ---


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """Give the model's JSON schema without references: in a schema around it they lead nowhere."""
    schema = model.model_json_schema(by_alias=False)
    definitions = schema.pop("$defs", {})

    def inlined(part: Any) -> Any:
        if isinstance(part, list):
            return [inlined(item) for item in part]
        if not isinstance(part, dict):
            return part
        name = str(part.get("$ref")).rpartition("/")[2]
        whole = {**definitions.get(name, {}), **part}
        return {key: inlined(item) for key, item in whole.items() if key != "$ref"}

    return dict(inlined(schema))


def object_of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [*properties]}


def outcome_of(*status: str, **others: Any) -> dict[str, Any]:
    id_and_title = {"task_id": {"type": "integer"}, "title": {"type": "string"}}
    return object_of(**id_and_title, status={"type": "string", "enum": status}, **others)


def list_arguments() -> dict[str, Any]:
    parameters = schema_of(ListParameters)["properties"]
    properties = {argument: parameters[name] for argument, name in LISTED_BY.items()}
    for schema in properties.values():
        schema.pop("default", None)  # null, for absent
    for name, changes in {
        "status": {"enum": ["all", "pending", "completed"], "description": "all unless given."},
        "limit": {"description": f"{LIMIT_UNLESS_GIVEN} unless given."},
    }.items():
        properties[name] |= changes
    tags = properties["tag"]
    properties["tag"] = {
        "anyOf": [tags["items"], {"type": "array", "items": tags["items"]}],
        "description": "A tag, or several: tasks that have them all.",
    }
    return {"type": "object", "properties": properties}


TASK = schema_of(Task)
del TASK["properties"]["user_id"]
TASK["required"].remove("user_id")
NEXT_TASK = {"anyOf": [TASK, {"type": "null"}]}

Act = Callable[[OwnTasks, Arguments], Awaitable[Content]]
READ_ONLY = ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
ADDING = READ_ONLY.model_copy(update={"read_only_hint": False, "idempotent_hint": False})
SETTING = READ_ONLY.model_copy(update={"read_only_hint": False})
DESTRUCTIVE = SETTING.model_copy(update={"destructive_hint": True})


def described(
    act: Act,
    title: str,
    takes: dict[str, Any],
    gives: dict[str, Any],
    hints: ToolAnnotations,
) -> Tool:
    return Tool(
        name=act.__name__,
        title=title,
        description=" ".join(str(act.__doc__).split()),
        input_schema=takes,
        output_schema=gives,
        annotations=hints,
    )


ACTS: Mapping[str, Act] = {
    act.__name__: act for act in (add_task, list_tasks, complete_task, update_task, delete_task)
}
TOOLS = [
    described(
        add_task, "Add a task", schema_of(TaskCreate), outcome_of("created", task=TASK), ADDING
    ),
    described(
        list_tasks,
        "List tasks",
        list_arguments(),
        object_of(tasks={"type": "array", "items": TASK}, next_cursor={"type": ["string", "null"]}),
        READ_ONLY,
    ),
    described(
        complete_task,
        "Complete a task",
        schema_of(CompletionOfOneTask),
        outcome_of("completed", "pending", task=TASK, next_task=NEXT_TASK),
        SETTING,
    ),
    described(
        update_task,
        "Change a task",
        schema_of(ChangesOfOneTask),
        outcome_of("updated", task=TASK, next_task=NEXT_TASK),
        DESTRUCTIVE,
    ),
    described(delete_task, "Delete a task", schema_of(OneTask), outcome_of("deleted"), DESTRUCTIVE),
]


# --- the server ---


async def list_of_tools(
    context: ServerRequestContext, params: PaginatedRequestParams | None
) -> ListToolsResult:
    return ListToolsResult(tools=TOOLS)


async def call_tool(context: ServerRequestContext, params: CallToolRequestParams) -> CallToolResult:
    """Everything is caught here: the package would tell old clients an exception's text."""
    act = ACTS.get(params.name)
    if act is None:
        raise MCPError(INVALID_PARAMS, "Unknown tool")
    request = context.request
    assert isinstance(request, Request)
    request.scope["tool"] = params.name  # for the log
    try:
        content = await act(request.state.tasks, params.arguments or {})
        text = encode(content).decode()
    except Exception as exception:
        error = api_error_of(exception)
        if isinstance(error, ServerError):
            raise MCPError(INTERNAL_ERROR, error.detail) from None
        return CallToolResult(content=[TextContent(text=error.detail)], is_error=True)
    return CallToolResult(content=[TextContent(text=text)], structured_content=content)


@cache
def server_of(version: str) -> Server:
    server: Server = Server(
        "tasks-api",
        title="Tasks",
        version=version,
        instructions=INSTRUCTIONS,
        on_list_tools=list_of_tools,
        on_call_tool=call_tool,
        get_tool_input_schema={tool.name: tool.input_schema for tool in TOOLS}.get,
    )
    # Its spans would hold what the client sends.
    server.middleware.clear()
    return server


class MCPResponse(Response):
    """What the package answers."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        manager = StreamableHTTPSessionManager(
            server_of(scope["app"].version), json_response=True, stateless=True
        )
        async with manager.run():
            await manager.handle_request(scope, receive, send)


# --- the endpoints ---

router = APIRouter(include_in_schema=False)


async def refuse_other_origins(request: Request) -> None:
    """The specification wants it, against DNS rebinding; a client that is no browser sends none."""
    if not all(map(get_settings().allows, request.headers.getlist("origin"))):
        raise Forbidden


async def tasks_of_caller(
    user: Annotated[User, Depends(UserOfTools())], executor: GivenExecutor
) -> OwnTasks:
    return OwnTasks(user["id"], executor)


@router.post("/mcp", dependencies=[Depends(refuse_other_origins)])
async def serve_mcp(
    request: Request, tasks: Annotated[OwnTasks, Depends(tasks_of_caller)]
) -> Response:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != JSON:
        raise ValidationFailed(INVALID["body", "undeclared"])
    # The package takes it in lower case alone.
    MutableHeaders(scope=request.scope)["Content-Type"] = JSON
    request.state.tasks = tasks
    return MCPResponse()


@router.get("/.well-known/oauth-protected-resource")
@router.get("/.well-known/oauth-protected-resource/mcp")
async def protected_resource() -> JSONResponse:
    """Tell clients where to get a token (RFC 9728)."""
    settings = get_settings()
    return JSONResponse(
        {
            "resource": settings.mcp_url,
            "authorization_servers": [settings.better_auth_base_url],
            "bearer_methods_supported": ["header"],
            "resource_name": "Tasks",
        }
    )
