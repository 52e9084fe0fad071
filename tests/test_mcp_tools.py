"""What the tools of `/mcp` do and refuse, for clients of both eras of the protocol."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from assistant import ERAS, Assistant, call, rpc, text_of
from endpoints import TASKS
from fastapi.testclient import TestClient
from fixtures import Overrides
from mcp import Client
from mcp_types import ListToolsResult
from sqlmodel import Session
from stored_tasks import wire
from users import OWNER, SOMEONE_ELSE

import database
import main
from errors import INVALID
from models import Task

TITLES = "Title must be between 1 and 200 characters"
IDS = "Task id must be a positive integer"


NO_IDS: list[Any] = [None, True, 1.5, 1.0, 0, -1, 2**63, "", "x", "01", "+1", "1.0", "٣", [1]]


@pytest.fixture(params=ERAS)
def assistant(request: pytest.FixtureRequest, alice: TestClient) -> Assistant:
    return Assistant(alice, request.param)


def told(task: Task | None) -> dict[str, Any]:
    """The task as the tools tell it."""
    assert task
    return {name: value for name, value in wire(task).items() if name != "user_id"}


# --- what the server says of itself ---


@pytest.mark.parametrize(("mode", "era"), [("legacy", "2025-11-25"), ("auto", "2026-07-28")])
def test_the_server_names_itself_and_says_what_it_is_for(
    alice: TestClient, mode: str, era: str
) -> None:
    async def look(client: Client) -> tuple[Any, ...]:
        assert client.protocol_version == era
        return client.server_info, client.instructions, client.server_capabilities

    info, instructions, capabilities = Assistant(alice, mode).ask(look)

    assert (info.name, info.title, info.version) == ("tasks-api", "Tasks", main.app.version)
    assert instructions == (
        "The signed-in user's own to-do list. Find a task with list_tasks before you change or"
        " delete it."
    )
    assert set(capabilities.model_dump(exclude_none=True)) == {"tools"}


@pytest.mark.parametrize("revision", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
def test_a_client_gets_the_revision_that_it_begins_with(alice: TestClient, revision: str) -> None:
    client = {"name": "a client", "version": "1"}

    begun = rpc(alice, "initialize", protocolVersion=revision, capabilities={}, clientInfo=client)
    alice.headers["MCP-Protocol-Version"] = revision
    listed = call(alice, "list_tasks")

    assert begun.json()["result"]["protocolVersion"] == revision
    assert "Mcp-Session-Id" not in begun.headers
    assert listed.json()["result"]["structuredContent"] == {"tasks": [], "next_cursor": None}


def tools_of(assistant: Assistant) -> ListToolsResult:
    async def look(client: Client) -> ListToolsResult:
        return await client.list_tools()

    return assistant.ask(look)


def test_the_tools_say_what_they_do_to_tasks(assistant: Assistant) -> None:
    tools = tools_of(assistant).tools

    hints = {
        tool.name: tool.annotations and tool.annotations.model_dump(exclude_unset=True)
        for tool in tools
    }
    assert list(hints.items()) == [
        (name, dict(zip(HINTS, (read_only, destructive, idempotent, False), strict=True)))
        for name, read_only, destructive, idempotent in [
            ("add_task", False, False, False),
            ("list_tasks", True, False, True),
            ("complete_task", False, False, True),
            ("update_task", False, True, True),
            ("delete_task", False, True, True),
        ]
    ]
    for tool in tools:
        assert tool.title
        assert tool.description
        assert "Return" in tool.description


HINTS = ("read_only_hint", "destructive_hint", "idempotent_hint", "open_world_hint")
FIELDS = {"title", "description", "priority", "due_date", "tags", "recurrence", "remind_at"}
ARGUMENTS = {
    "add_task": FIELDS,
    "list_tasks": {
        *("status", "search", "priority", "tag", "due_before", "due_after"),
        *("sort", "order", "limit", "cursor"),
    },
    "complete_task": {"task_id", "completed"},
    "update_task": FIELDS | {"task_id", "completed"},
    "delete_task": {"task_id"},
}
REQUIRED = {
    "add_task": ["title"],
    "list_tasks": [],
    "complete_task": ["task_id"],
    "update_task": ["task_id"],
    "delete_task": ["task_id"],
}


def test_the_tools_say_what_they_take_without_references(assistant: Assistant) -> None:
    tools = tools_of(assistant).tools

    assert {tool.name: set(tool.input_schema["properties"]) for tool in tools} == ARGUMENTS
    assert {tool.name: tool.input_schema.get("required", []) for tool in tools} == REQUIRED
    for tool in tools:
        for schema in (tool.input_schema, tool.output_schema):
            assert schema
            assert "$ref" not in json.dumps(schema)


def test_each_argument_says_what_it_takes(assistant: Assistant) -> None:
    for tool in tools_of(assistant).tools:
        for name, schema in tool.input_schema["properties"].items():
            assert {"type", "enum", "anyOf"} & schema.keys(), f"{tool.name}: {name}"
            assert name == "title" or schema.keys() & {"description", "examples"}, name


# --- what the tools do ---


def test_a_task_is_added(assistant: Assistant, load: Callable[[int], Task | None]) -> None:
    new = {
        "title": " Buy groceries ",
        "description": "Milk",
        "priority": "HIGH",
        "due_date": "2026-12-01T09:00+01:00",
        "tags": ["shopping", "shopping"],
        "recurrence": {"pattern": "Weekly"},
        "remind_at": "2026-12-01T07:00Z",
    }

    content = assistant.content("add_task", **new)

    task = load(content["task_id"])
    assert task
    assert content == {
        "task_id": task.id,
        "status": "created",
        "title": "Buy groceries",
        "task": told(task),
    }
    assert (task.user_id, task.priority, task.tags) == (OWNER, "high", ["shopping"])
    assert task.due_date == "2026-12-01T08:00:00Z"
    assert content["task"]["recurrence"] == {"pattern": "weekly", "interval": 1, "end_date": None}


def test_tasks_are_listed_newest_first_a_page_at_a_time(
    assistant: Assistant, stored: Callable[..., Task]
) -> None:
    stored("Theirs", user_id=SOMEONE_ELSE)
    first, second, third = (stored(title) for title in ("first", "second", "third"))

    page = assistant.content("list_tasks", limit=2)
    rest = assistant.content("list_tasks", limit="2", cursor=page["next_cursor"])

    assert page["tasks"] == [told(third), told(second)]
    assert rest == {"tasks": [told(first)], "next_cursor": None}


def test_fifty_tasks_are_listed_unless_a_limit_is_given(
    assistant: Assistant, stored: Callable[..., Task]
) -> None:
    for _ in range(51):
        stored()

    page = assistant.content("list_tasks")

    assert len(page["tasks"]) == 50
    assert page["next_cursor"]


@pytest.mark.parametrize(
    ("arguments", "titles"),
    [
        ({}, ["c", "b", "a"]),
        ({"status": "pending"}, ["c", "a"]),
        ({"status": "completed"}, ["b"]),
        ({"search": "B"}, ["b"]),
        ({"priority": "High"}, ["a"]),
        ({"tag": "home"}, ["b", "a"]),
        ({"tag": ["home", "garden"]}, ["b"]),
        ({"due_before": "2026-12-02"}, ["a"]),
        ({"due_after": "2026-12-02"}, ["b"]),
        ({"sort": "title"}, ["a", "b", "c"]),
        ({"sort": "title", "order": "desc"}, ["c", "b", "a"]),
        ({"status": None, "search": "", "tag": [], "cursor": None, "limit": ""}, ["c", "b", "a"]),
        # Neither other names of query parameters nor what is none takes effect.
        ({"filter": "completed", "q": "b", "sort_by": "title", "user_id": "x"}, ["c", "b", "a"]),
        ({"completed": "true", "offset": 2, "skip": 2, "sort_order": "asc"}, ["c", "b", "a"]),
    ],
    ids=str,
)
def test_what_is_listed_can_be_narrowed_and_sorted(
    assistant: Assistant,
    stored: Callable[..., Task],
    arguments: dict[str, Any],
    titles: list[str],
) -> None:
    stored("a", priority="high", tags=["home"], due_date="2026-12-01")
    stored("b", completed=True, tags=["home", "garden"], due_date="2026-12-02")
    stored("c")

    page = assistant.content("list_tasks", **arguments)

    assert [task["title"] for task in page["tasks"]] == titles


@pytest.mark.parametrize(
    ("arguments", "status"),
    [({}, "completed"), ({"completed": True}, "completed"), ({"completed": False}, "pending")],
    ids=str,
)
def test_a_task_is_set_to_completed_or_pending_however_often(
    assistant: Assistant,
    stored: Callable[..., Task],
    load: Callable[[int], Task | None],
    arguments: dict[str, Any],
    status: str,
) -> None:
    task_id = stored().id
    assert task_id

    first = assistant.content("complete_task", task_id=task_id, **arguments)
    second = assistant.content("complete_task", task_id=str(task_id), **arguments)

    task = load(task_id)
    assert second == {
        "task_id": task_id,
        "status": status,
        "title": "Buy groceries",
        "task": told(task),
        "next_task": None,
    }
    first["task"]["updated_at"] = second["task"]["updated_at"]
    assert first == second


def test_the_fields_of_a_task_that_are_given_are_changed(
    assistant: Assistant, stored: Callable[..., Task], load: Callable[[int], Task | None]
) -> None:
    task_id = stored(description="Milk", tags=["home"]).id
    assert task_id

    content = assistant.content(
        "update_task", task_id=task_id, title="Buy bread", tags=None, user_id=SOMEONE_ELSE, id=7
    )

    task = load(task_id)
    assert task
    assert content == {
        "task_id": task_id,
        "status": "updated",
        "title": "Buy bread",
        "task": told(task),
        "next_task": None,
    }
    assert (task.user_id, task.description, task.tags) == (OWNER, "Milk", [])


@pytest.mark.parametrize("tool", ["complete_task", "update_task"])
def test_a_recurring_task_that_is_completed_is_told_with_what_follows_it(
    assistant: Assistant,
    stored: Callable[..., Task],
    load: Callable[[int], Task | None],
    tool: str,
) -> None:
    task_id = stored(recurrence={"pattern": "daily", "interval": 1, "end_date": None}).id
    assert task_id

    first = assistant.content(tool, task_id=task_id, completed=True)
    again = assistant.content(tool, task_id=task_id, completed=True)
    back = assistant.content(tool, task_id=task_id, completed=False)

    assert first["task"]["completed"] is True
    assert first["next_task"] == again["next_task"]
    assert first["next_task"]["title"] == "Buy groceries"
    assert first["next_task"].keys() == first["task"].keys()
    assert back["next_task"] is None
    assert load(first["next_task"]["id"]) is None


def test_an_update_without_a_field_changes_nothing(assistant: Assistant, task: Task) -> None:
    content = assistant.content("update_task", task_id=task.id, user_id=SOMEONE_ELSE)

    assert content["task"] == told(task)


def test_a_task_is_deleted_once(
    assistant: Assistant, stored: Callable[..., Task], load: Callable[[int], Task | None]
) -> None:
    task_id = stored().id
    assert task_id

    content = assistant.content("delete_task", task_id=task_id)
    again = assistant.refusal("delete_task", task_id=task_id)

    assert content == {"task_id": task_id, "status": "deleted", "title": "Buy groceries"}
    assert again == "Task not found"
    assert load(task_id) is None


def test_an_answer_meets_its_schema_and_stands_in_one_text_too(
    assistant: Assistant, stored: Callable[..., Task]
) -> None:
    """The client validates what it is given, once it has the schemas."""
    task_id = stored(recurrence={"pattern": "daily", "interval": 1, "end_date": None}).id

    async def use_all(client: Client) -> list[Any]:
        await client.list_tools()
        calls: dict[str, dict[str, Any]] = {
            "add_task": {"title": "Read a book"},
            "list_tasks": {},
            "complete_task": {"task_id": task_id},
            "update_task": {"task_id": task_id, "due_date": "2026-12-01", "completed": True},
            "delete_task": {"task_id": task_id},
        }
        return [await client.call_tool(tool, arguments) for tool, arguments in calls.items()]

    for result in assistant.ask(use_all):
        assert result.is_error is False
        assert json.loads(text_of(result)) == result.structured_content


# --- what the tools refuse ---


@pytest.mark.without_sql
@pytest.mark.parametrize(
    ("tool", "arguments", "text"),
    [
        ("add_task", {}, "Title is required"),
        ("add_task", {"title": ""}, TITLES),
        ("add_task", {"title": "x\0"}, TITLES),
        ("add_task", {"title": 1, "tags": [""]}, TITLES),
        ("add_task", {"title": "x", "due_date": "soon"}, INVALID["body", "due_date"]),
        ("add_task", {"title": "x", "recurrence": "daily"}, INVALID["body", "recurrence"]),
        ("update_task", {"task_id": 1, "remind_at": "noon"}, INVALID["body", "remind_at"]),
        ("list_tasks", {"status": "done"}, INVALID["query", "filter"]),
        ("list_tasks", {"status": ["all"]}, INVALID["query", "filter"]),
        ("list_tasks", {"priority": 1, "tag": 1}, INVALID["query", "priority"]),
        ("list_tasks", {"tag": 1}, INVALID["query", "tag"]),
        ("list_tasks", {"tag": {"home": 1}}, INVALID["query", "tag"]),
        ("list_tasks", {"tag": ["home", ""]}, INVALID["query", "tag"]),
        ("list_tasks", {"search": 1}, INVALID["query", "search"]),
        ("list_tasks", {"due_before": 20261201}, INVALID["query", "due_before"]),
        ("list_tasks", {"due_after": "soon"}, INVALID["query", "due_after"]),
        ("list_tasks", {"sort": 1}, INVALID["query", "sort"]),
        ("list_tasks", {"sort": "-title", "order": "asc"}, INVALID["query", "order"]),
        *(
            ("list_tasks", {"limit": limit}, INVALID["query", "limit"])
            for limit in (0, 201, -1, True, False, 1.5, 10.0, "1.0", "ten", [1], 10**30)
        ),
        *(
            ("list_tasks", {"cursor": cursor}, INVALID["query", "cursor"])
            for cursor in ("x", 1, True, ["x"])
        ),
        ("complete_task", {"task_id": 1, "completed": None}, "Completed must be true or false"),
        ("complete_task", {"task_id": 1, "completed": "true"}, "Completed must be true or false"),
        ("update_task", {"task_id": 1, "title": None}, TITLES),
        ("update_task", {"task_id": 1, "priority": "x"}, INVALID["body", "priority"]),
        *(
            (tool, {"title": None, "completed": None, "task_id": task_id}, IDS)
            for tool in ("complete_task", "update_task", "delete_task")
            for task_id in NO_IDS
        ),
        *((tool, {}, IDS) for tool in ("complete_task", "update_task", "delete_task")),
    ],
    ids=str,
)
def test_what_the_api_refuses_is_refused_in_its_words(
    alice: TestClient, tool: str, arguments: dict[str, Any], text: str
) -> None:
    assistant = Assistant(alice, ERAS[0])

    refusal = assistant.refusal(tool, **arguments)

    assert refusal == text


@pytest.mark.parametrize("tool", ["complete_task", "update_task", "delete_task"])
def test_a_task_of_somebody_else_is_not_found(
    assistant: Assistant,
    stored: Callable[..., Task],
    load: Callable[[int], Task | None],
    tool: str,
) -> None:
    theirs = stored(user_id=SOMEONE_ELSE)
    assert theirs.id

    refusal = assistant.refusal(tool, task_id=theirs.id, title="Mine", user_id=SOMEONE_ELSE)

    assert refusal == "Task not found"
    assert told(load(theirs.id)) == told(theirs)


def test_an_unknown_tool_is_an_error_of_the_protocol(assistant: Assistant) -> None:
    error = assistant.error("drop_tables", title="Buy groceries")

    assert (error.code, error.message) == (-32602, "Unknown tool")


@pytest.mark.usefixtures("unreachable")
@pytest.mark.parametrize("era", ERAS)
def test_a_model_is_told_that_the_database_is_down(alice: TestClient, era: str) -> None:
    refusal = Assistant(alice, era).refusal("list_tasks")

    assert refusal == "The service is temporarily unavailable, please try again"


def test_a_crash_is_a_generic_error_and_its_cause_stands_in_the_log_alone(
    assistant: Assistant, overrides: Overrides, logged_errors: list[str]
) -> None:
    overrides[database.get_db] = lambda: Broken(database.engine)

    error = assistant.error("add_task", title="Buy groceries")

    assert (error.code, error.message, error.data) == (-32603, "Something went wrong", None)
    [line] = logged_errors
    assert "ZeroDivisionError" in line
    assert "groceries" not in line


class Broken(Session):
    def execute(self, *_: Any, **__: Any) -> Any:
        raise ZeroDivisionError


def test_an_argument_that_no_database_stores_is_refused(alice: TestClient) -> None:
    """The client of the package would not send it."""
    body = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add_task"'
    headers = {"Content-Type": "application/json"}

    answers = [
        alice.post("/mcp", content=body + b',"arguments":{"title":%s}}}' % title, headers=headers)
        for title in (b'"\\ud800"', b"NaN", b"1e400")
    ]

    assert all(answer.status_code < 500 for answer in answers)
    assert alice.get(TASKS).json()["data"] == []
    assert call(alice, "list_tasks").json()["result"]["structuredContent"]["tasks"] == []


@pytest.mark.without_sql
@pytest.mark.parametrize(
    ("tool", "arguments", "text"),
    [
        ("add_task", {"title": "\ud800"}, TITLES),
        ("add_task", {"title": "x", "description": "\ud800"}, INVALID["body", "description"]),
        ("update_task", {"task_id": 1, "tags": ["\ud800"]}, INVALID["body", "tags"]),
        ("delete_task", {"task_id": "\ud800"}, IDS),
        ("list_tasks", {"tag": "\ud800"}, INVALID["query", "tag"]),
        ("list_tasks", {"search": "\ud800"}, INVALID["query", "search"]),
        ("list_tasks", {"cursor": "\ud800"}, INVALID["query", "cursor"]),
    ],
    ids=ascii,
)
def test_a_lone_surrogate_is_refused_in_the_apis_words_where_the_package_lets_it_pass(
    alice: TestClient, tool: str, arguments: dict[str, Any], text: str
) -> None:
    """Of the two eras, the package parses the JSON of the newer one more leniently."""
    revision = "2026-07-28"
    envelope = {
        "io.modelcontextprotocol/protocolVersion": revision,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": tool, "arguments": arguments, "_meta": envelope}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    headers = {
        "Content-Type": "application/json",
        "MCP-Protocol-Version": revision,
        "Mcp-Method": "tools/call",
        "Mcp-Name": tool,
    }

    answer = alice.post("/mcp", content=json.dumps(body), headers=headers)

    result = answer.json()["result"]
    assert (result["isError"], result["content"][0]["text"]) == (True, text)
