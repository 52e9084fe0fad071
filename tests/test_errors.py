import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from answers import NO_TASKS, refusal
from endpoints import ENDPOINTS, ORIGIN, TASKS, Endpoint, each_endpoint
from fastapi.testclient import TestClient
from sqlalchemy import StaticPool
from sqlmodel import Session, create_engine
from users import OWNER, bearer

import database
from auth import get_current_user

Overrides = dict[Callable[..., Any], Callable[..., Any]]


# Every method that each path has. FastAPI adds HEAD to its own page.
METHODS = {
    "/": {"GET", "HEAD"},
    "/api/a%2Fb/tasks": {"GET", "POST", "DELETE"},
    "/api/a%2Fb/tasks/1": {"GET", "PUT", "PATCH", "DELETE"},
    "/health": {"GET", "HEAD"},
    "/ready": {"GET", "HEAD"},
    "/docs": {"GET", "HEAD"},
    "/docs/swagger-ui.css": {"GET", "HEAD"},
    "/docs/swagger-ui-bundle.js": {"GET", "HEAD"},
    "/openapi.json": {"GET", "HEAD"},
    "/mcp": {"POST"},
    "/.well-known/oauth-protected-resource": {"GET"},
    "/.well-known/oauth-protected-resource/mcp": {"GET"},
}
for endpoint in ENDPOINTS:
    METHODS.setdefault(endpoint.url().partition("?")[0], set()).add(endpoint.method)
ALL_METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"}


# --- no such path ---


@pytest.mark.without_sql
@pytest.mark.parametrize(
    "path",
    [
        "/nowhere",
        "/api",
        "/api/tasks",
        f"/api/{OWNER}",
        f"{TASKS}/1/incomplete",
        f"{TASKS}/1/complete/now",
        "/API/user_alice/tasks",
        "/redoc",
        "/%00",
        "/%FF",
    ],
)
def test_an_unknown_path_is_not_found(client: TestClient, path: str) -> None:
    responses = [client.request(method, path) for method in ("GET", "POST", "DELETE")]

    assert [refusal(response) for response in responses] == [(404, "NOT_FOUND")] * 3


@pytest.mark.parametrize("path", [path for path in METHODS if path != "/"])
def test_a_slash_at_the_end_is_ignored_without_a_redirect(client: TestClient, path: str) -> None:
    without, with_one = (client.get(url, follow_redirects=False) for url in (path, f"{path}/"))

    assert with_one.status_code == without.status_code != 404
    assert with_one.text == without.text


@pytest.mark.without_sql
def test_two_slashes_at_the_end_make_another_path(client: TestClient) -> None:
    assert refusal(client.get("/health//")) == (404, "NOT_FOUND")


# --- no such method ---


@pytest.mark.without_sql
@pytest.mark.parametrize("path", METHODS)
def test_another_method_is_refused_with_all_those_of_the_path(
    client: TestClient, path: str
) -> None:
    others = ALL_METHODS - METHODS[path]

    responses = [client.request(method, path) for method in others]

    for response in responses:
        assert refusal(response) == (405, "METHOD_NOT_ALLOWED")
        assert set(response.headers["Allow"].split(", ")) == METHODS[path]


@pytest.mark.without_sql
@pytest.mark.parametrize("path", [TASKS, f"{TASKS}/1", f"{TASKS}/1/complete"])
def test_a_refused_head_has_an_allow_header_and_no_body(client: TestClient, path: str) -> None:
    response = client.head(path)

    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == METHODS[path]


# --- a crash ---


@pytest.fixture
def without_tables(overrides: Overrides) -> Iterator[None]:
    """The database answers every statement with an error, whose text has the SQL in it."""
    engine = create_engine(
        "sqlite://", connect_args={"check_same_thread": False}, poolclass=StaticPool
    )
    overrides[database.get_db] = lambda: Session(engine)
    yield
    engine.dispose()


@pytest.fixture
def log_lines(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    """Everything that the app logs in this test, as text."""
    logger = logging.getLogger("tasks")
    logger.addHandler(caplog.handler)
    yield lambda: caplog.text
    logger.removeHandler(caplog.handler)


CRASH = {"error": "Something went wrong", "code": "SERVER_ERROR"}


@each_endpoint
@pytest.mark.usefixtures("without_tables")
def test_a_crash_is_answered_without_its_cause_which_is_in_the_log(
    alice: TestClient, endpoint: Endpoint, log_lines: Callable[[], str]
) -> None:
    response = endpoint.call(alice)

    assert refusal(response) == (500, "SERVER_ERROR")
    assert response.json() == CRASH
    assert "OperationalError" in log_lines()
    assert "queries.py" in log_lines()


@pytest.mark.usefixtures("without_tables")
def test_the_log_of_a_crash_has_nothing_that_the_user_wrote(
    alice: TestClient, log_lines: Callable[[], str]
) -> None:
    private = {"title": "my secret plan", "description": "my secret steps"}

    response = alice.post(TASKS, json=private)

    assert refusal(response) == (500, "SERVER_ERROR")
    assert "secret" not in log_lines()


@pytest.mark.without_sql
@each_endpoint
def test_a_crash_of_any_dependency_is_answered_in_the_same_way(
    client: TestClient, overrides: Overrides, endpoint: Endpoint, log_lines: Callable[[], str]
) -> None:
    def crash() -> None:
        raise RuntimeError("the cause, for the operator")

    overrides[get_current_user] = crash

    response = endpoint.call(client)

    assert refusal(response) == (500, "SERVER_ERROR")
    assert response.json() == CRASH
    assert "RuntimeError: the cause, for the operator" in log_lines()


@pytest.mark.usefixtures("without_tables")
def test_the_service_goes_on_after_a_crash(alice: TestClient, overrides: Overrides) -> None:
    crashed = alice.get(TASKS)
    overrides.clear()

    response = alice.get(TASKS)

    assert crashed.status_code == 500
    assert response.json() == NO_TASKS


# --- the database is away ---


@pytest.mark.without_sql
@each_endpoint
@pytest.mark.usefixtures("unreachable")
def test_without_a_database_the_service_is_unavailable(
    alice: TestClient, endpoint: Endpoint
) -> None:
    response = endpoint.call(alice)

    assert refusal(response) == (503, "SERVICE_UNAVAILABLE")
    assert int(response.headers["Retry-After"]) > 0
    for secret in ("sqlite", "psycopg", "connect", "127.0.0.1", "SELECT", "Error:"):
        assert secret not in response.text


@pytest.mark.without_sql
@each_endpoint
@pytest.mark.usefixtures("unreachable")
def test_refusals_need_no_database(client: TestClient, endpoint: Endpoint) -> None:
    unknown = endpoint.call(client)
    foreign = endpoint.call(client, user_id="somebody", headers=bearer())

    assert refusal(unknown) == (401, "UNAUTHORIZED")
    assert refusal(foreign) == (403, "FORBIDDEN")


# --- for the browser ---


LARGE = b"x" * (64 * 1024 + 1)
REFUSED: dict[int, tuple[str, str, dict[str, Any]]] = {
    400: ("POST", TASKS, {"json": {}, "headers": bearer()}),
    401: ("GET", TASKS, {}),
    403: ("GET", "/api/somebody/tasks", {"headers": bearer()}),
    404: ("GET", f"{TASKS}/1", {"headers": bearer()}),
    405: ("PUT", TASKS, {"headers": bearer()}),
    413: ("POST", TASKS, {"content": LARGE}),
}


def assert_readable_by_the_front_end(headers: Any) -> None:
    assert headers["Access-Control-Allow-Origin"] == ORIGIN
    assert headers["Access-Control-Allow-Credentials"] == "true"
    assert "Origin" in headers["Vary"]


@pytest.mark.parametrize("status", REFUSED)
def test_a_browser_can_read_every_refusal(client: TestClient, status: int) -> None:
    method, path, options = REFUSED[status]
    headers = {"Origin": ORIGIN, **options.get("headers", {})}

    response = client.request(method, path, **{**options, "headers": headers})

    assert response.status_code == status
    assert_readable_by_the_front_end(response.headers)


@pytest.mark.without_sql
@pytest.mark.parametrize("path", ["/nowhere", f"{TASKS}//"])
def test_a_browser_can_read_that_a_path_is_unknown(client: TestClient, path: str) -> None:
    response = client.get(path, headers={"Origin": ORIGIN})

    assert response.status_code == 404
    assert_readable_by_the_front_end(response.headers)


@each_endpoint
@pytest.mark.usefixtures("without_tables")
def test_a_browser_can_read_a_crash(alice: TestClient, endpoint: Endpoint) -> None:
    response = endpoint.call(alice, headers={"Origin": ORIGIN})

    assert response.status_code == 500
    assert_readable_by_the_front_end(response.headers)


@pytest.mark.without_sql
@pytest.mark.usefixtures("unreachable")
def test_a_browser_can_read_that_the_service_is_unavailable(alice: TestClient) -> None:
    response = alice.get(TASKS, headers={"Origin": ORIGIN})

    assert response.status_code == 503
    assert_readable_by_the_front_end(response.headers)


@pytest.mark.without_sql
@pytest.mark.parametrize("path", [TASKS, "/health", "/ready", "/docs", "/openapi.json"])
def test_a_newline_at_its_end_makes_another_path(alice: TestClient, path: str) -> None:
    response = alice.get(f"{path}%0A")

    assert refusal(response) == (404, "NOT_FOUND")


@pytest.mark.without_sql
def test_a_newline_at_its_end_makes_no_id(alice: TestClient) -> None:
    assert refusal(alice.get(f"{TASKS}/1%0A")) == (400, "VALIDATION_ERROR")


@pytest.mark.without_sql
def test_the_methods_of_a_path_with_an_encoded_slash_are_its_own(client: TestClient) -> None:
    response = client.put("/api/x%2Ftasks/tasks")

    assert response.headers["Allow"] == "DELETE, GET, POST"
