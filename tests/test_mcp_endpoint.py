"""What stands around the tools of `/mcp`: who is refused, in which order; where to get a token."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
from answers import assert_unavailable, refusal
from assistant import call, rpc
from endpoints import JSON, ORIGIN, TASKS
from fastapi.testclient import TestClient
from fixtures import Overrides, SetEnvironment
from key_server import SERVER_ERROR, KeyServer
from log_lines import kept_lines
from signing import make_key
from sqlmodel import Session, SQLModel, StaticPool, create_engine, select
from users import MCP_URL, OWNER, bearer

import database
import main
from auth import get_current_user
from models import Task

METADATA = "http://localhost:8000/.well-known/oauth-protected-resource/mcp"
BOTH_PLACES = [
    "/.well-known/oauth-protected-resource/mcp",
    "/.well-known/oauth-protected-resource",
]
FOREIGN = {"Origin": "https://elsewhere.example"}
TEXT = {"Content-Type": "text/plain"}
NO_TOKEN = {"Authorization": "Bearer nonsense"}
TOO_LARGE = b" " * (64 * 1024 + 1)


# --- what is refused, and in which order ---


@pytest.mark.without_sql
@pytest.mark.parametrize(
    ("headers", "content", "expected"),
    [
        (FOREIGN | NO_TOKEN | TEXT, TOO_LARGE, (413, "PAYLOAD_TOO_LARGE")),
        (FOREIGN | NO_TOKEN | TEXT, b"{", (403, "FORBIDDEN")),
        (NO_TOKEN | TEXT, b"{", (401, "UNAUTHORIZED")),
        (bearer() | TEXT, b"{", (400, "VALIDATION_ERROR")),
    ],
    ids=["413", "403", "401", "400"],
)
def test_the_size_is_judged_first_then_the_origin_the_token_and_the_media_type(
    client: TestClient, headers: dict[str, str], content: bytes, expected: tuple[int, str]
) -> None:
    response = client.post("/mcp", headers=headers, content=content)

    assert refusal(response) == expected


@pytest.mark.without_sql
def test_what_is_no_json_is_refused_in_the_packages_words(alice: TestClient) -> None:
    response = alice.post("/mcp", headers=JSON, content=b"{")

    assert response.status_code == 400
    assert response.json()["error"]["code"] == -32700


@pytest.mark.without_sql
@pytest.mark.parametrize(
    "media_type", ["", "text/json", "application/jsonx", "application/x-www-form-urlencoded"]
)
def test_another_media_type_than_json_is_400(alice: TestClient, media_type: str) -> None:
    response = alice.post("/mcp", headers={"Content-Type": media_type}, content=b"{}")

    assert refusal(response) == (400, "VALIDATION_ERROR")
    assert "Content-Type: application/json" in response.json()["error"]


@pytest.mark.without_sql
@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "Application/JSON"])
def test_json_may_name_its_charset_in_any_letter_case(alice: TestClient, media_type: str) -> None:
    body = b'{"jsonrpc": "2.0", "id": 1, "method": "ping"}'

    response = alice.post("/mcp", headers={"Content-Type": media_type}, content=body)

    assert response.json() == {"jsonrpc": "2.0", "id": 1, "result": {}}


@pytest.mark.without_sql
@pytest.mark.parametrize(
    "origin",
    [
        "https://elsewhere.example",
        "null",
        "",
        "http://localhost:8000",  # the endpoint's own
        "http://localhost:30000",
        "HTTP://LOCALHOST:3000",
        f"{ORIGIN}/",
    ],
)
def test_a_page_that_cors_does_not_let_in_is_403(alice: TestClient, origin: str) -> None:
    response = alice.post("/mcp", headers={"Origin": origin})

    assert refusal(response) == (403, "FORBIDDEN")
    assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.without_sql
def test_a_second_origin_is_judged_too(alice: TestClient) -> None:
    headers = [*alice.headers.items(), ("Origin", ORIGIN), ("Origin", "https://elsewhere.example")]

    response = alice.post("/mcp", headers=headers)

    assert refusal(response) == (403, "FORBIDDEN")


@pytest.mark.without_sql
@pytest.mark.parametrize("origin", [ORIGIN, "https://tasks-x.example"])
def test_a_page_that_cors_lets_in_reaches_the_tools(
    alice: TestClient, set_environment: SetEnvironment, origin: str
) -> None:
    set_environment(CORS_ORIGIN_REGEX=r"https://tasks-[a-z]\.example")
    alice.headers["Origin"] = origin

    response = rpc(alice, "ping")

    assert response.status_code == 200


# --- what a page can read ---


@pytest.mark.without_sql
@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {}, 405),
        ("POST", {"Content-Length": "70000"}, 413),
        ("POST", NO_TOKEN, 401),
        ("POST", bearer() | TEXT, 400),
        ("POST", bearer() | JSON, 400),
    ],
)
def test_a_page_can_read_what_is_refused(
    client: TestClient, method: str, headers: dict[str, str], status: int
) -> None:
    response = client.request(method, "/mcp", headers=headers | {"Origin": ORIGIN})

    assert response.status_code == status
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "WWW-Authenticate" in response.headers["Access-Control-Expose-Headers"]
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.without_sql
def test_a_browser_may_send_the_protocols_headers(client: TestClient) -> None:
    asked = "authorization,content-type,mcp-protocol-version,mcp-method,mcp-name"

    response = client.options(
        "/mcp",
        headers={
            "Origin": ORIGIN,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": asked,
        },
    )

    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Headers"] == asked


@pytest.mark.without_sql
def test_keys_that_cannot_be_fetched_are_503(
    client: TestClient, server: KeyServer, set_environment: SetEnvironment
) -> None:
    set_environment(CORS_ORIGINS=ORIGIN)
    server.mood = SERVER_ERROR
    token = server.token(make_key(), OWNER)

    response = client.post("/mcp", headers={"Authorization": f"Bearer {token}", "Origin": ORIGIN})

    assert_unavailable(response)


# --- where a token is got ---


@pytest.mark.without_sql
@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer nonsense", "Basic YTpi"])
def test_a_401_tells_where_the_metadata_is(client: TestClient, authorization: str) -> None:
    response = client.post("/mcp", headers={"Authorization": authorization})

    assert refusal(response) == (401, "UNAUTHORIZED")
    assert response.headers.get_list("WWW-Authenticate") == [
        f'Bearer resource_metadata="{METADATA}"'
    ]


@pytest.mark.without_sql
def test_behind_a_prefix_the_metadata_is_at_the_origin(
    client: TestClient, set_environment: SetEnvironment
) -> None:
    set_environment(MCP_URL="https://example.com/tasks/mcp")

    response = client.post("/mcp")

    assert response.headers["WWW-Authenticate"] == (
        'Bearer resource_metadata="https://example.com/.well-known/oauth-protected-resource/tasks/mcp"'
    )


@pytest.mark.without_sql
@pytest.mark.parametrize("path", BOTH_PLACES)
@pytest.mark.parametrize(
    ("environment", "resource", "issuer"),
    [
        ({}, MCP_URL, "http://localhost:3000/api/auth"),
        (
            {"MCP_URL": "https://api.example.com/mcp/", "BETTER_AUTH_URL": "https://app.example"},
            "https://api.example.com/mcp",
            "https://app.example/api/auth",
        ),
        (
            {"BETTER_AUTH_URL": "https://app.example/auth/", "BETTER_AUTH_ISSUER": "urn:app"},
            MCP_URL,
            "https://app.example/auth",
        ),
    ],
    ids=["default", "own URLs", "a base path"],
)
def test_the_metadata_names_the_front_ends_better_auth(
    client: TestClient,
    set_environment: SetEnvironment,
    path: str,
    environment: dict[str, str],
    resource: str,
    issuer: str,
) -> None:
    set_environment(**environment)

    response = client.get(path, headers={"Origin": ORIGIN})

    assert response.json() == {
        "resource": resource,
        "authorization_servers": [issuer],
        "bearer_methods_supported": ["header"],
        "resource_name": "Tasks",
    }
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN


@pytest.mark.without_sql
def test_the_api_tells_nothing_of_the_metadata(client: TestClient) -> None:
    response = client.get(TASKS)

    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.without_sql
def test_the_document_of_the_api_does_not_list_the_endpoint(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]

    assert not {"/mcp", *BOTH_PLACES} & paths.keys()


# --- what is logged ---


def test_the_line_of_a_call_names_the_tool_and_nothing_that_was_sent(alice: TestClient) -> None:
    with kept_lines("tasks") as lines:
        added = call(alice, "add_task", title="Buy groceries", description="Milk")
        refused = call(alice, "add_task", title="Buy groceries", due_date="soon")
        unknown = call(alice, "Buy groceries", title="Milk")
        listed = rpc(alice, "tools/list")

    assert [line.partition(" ms")[2] for line in lines] == [" add_task", " add_task", "", ""]
    assert all(line.startswith("POST /mcp 200 ") for line in lines)
    assert not any(word in "\n".join(lines) for word in ("groceries", "Milk", "soon", OWNER))
    assert {answer.status_code for answer in (added, refused, unknown, listed)} == {200}


def test_the_package_has_nothing_to_say_of_a_call(
    alice: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        call(alice, "list_tasks")

    assert not [record for record in caplog.records if record.name.startswith("mcp")]


# --- what others' tests rely on ---


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("enters", [False, True])
def test_a_session_and_a_user_of_a_test_take_the_place_of_the_apps(
    overrides: Overrides, enters: bool, times: int
) -> None:
    engine = create_engine(
        "sqlite://", connect_args={"check_same_thread": False}, poolclass=StaticPool
    )
    SQLModel.metadata.create_all(engine)
    with Session(engine) as session:
        overrides[database.get_db] = lambda: session
        overrides[get_current_user] = lambda: {"id": "demo", "email": None}
        client = TestClient(main.app)

        for _ in range(times):
            run_with(client, enters, lambda client: call(client, "add_task", title="Buy milk"))

        tasks = session.exec(select(Task)).all()
        assert [(task.user_id, task.title) for task in tasks] == [("demo", "Buy milk")] * times
    engine.dispose()


def run_with(client: TestClient, enters: bool, act: Callable[[TestClient], Any]) -> None:
    if not enters:
        act(client)
        return
    with client:
        act(client)
