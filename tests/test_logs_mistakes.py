"""What the log says of a front end's mistakes: another origin, a path that is not there."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from answers import refusal
from endpoints import ENDPOINTS, ORIGIN, TASKS
from fastapi.testclient import TestClient
from fixtures import Overrides, RunService, SetEnvironment
from hypothesis import given
from hypothesis import strategies as st
from log_lines import kept_lines
from service import Service
from users import OWNER

import main
from database import get_db
from logs import SHOWN_SEGMENTS
from middleware import REFUSED_ORIGINS_MAX

# What is asked here does not depend on the database.
PREFLIGHT = {"Access-Control-Request-Method": "GET"}


# --- at the start ---


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        (
            {},
            "Tokens: issued by 'http://localhost:3000', whose keys are at"
            " http://localhost:3000/api/auth/jwks, or HS256 with the shared secret."
            " Origins: http://localhost:3000",
        ),
        (
            {
                "BETTER_AUTH_URL": "https://app.example",
                "BETTER_AUTH_ISSUER": "app",
                "BETTER_AUTH_JWKS_URL": "http://front-end:3000/jwks",
                "CORS_ORIGINS": "https://a.example,https://b.example",
            },
            "Tokens: issued by 'app', whose keys are at http://front-end:3000/jwks, or HS256 with"
            " the shared secret. Origins: https://a.example, https://b.example",
        ),
    ],
)
def test_the_start_says_whose_tokens_and_which_origins_are_let_in(
    set_environment: SetEnvironment,
    overrides: Overrides,
    environment: dict[str, str],
    line: str,
) -> None:
    set_environment(**environment)
    overrides[get_db] = lambda: None

    with kept_lines("tasks.settings") as lines, TestClient(main.app):
        assert line in lines


# --- another origin ---


@pytest.fixture(scope="module")
def service(run_service: RunService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    url = f"sqlite:///{tmp_path_factory.mktemp('database') / 'tasks.db'}"
    with run_service(NEON_DATABASE_URL=url) as service:
        yield service.wait_until_started()


@pytest.fixture
def new_app(monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """A client of the app as it begins: its middleware remembers no origin."""
    monkeypatch.setattr(main.app, "middleware_stack", None)
    return TestClient(main.app)


def test_a_refused_origin_is_logged_once_with_what_lets_it_in(service: Service) -> None:
    for _ in range(3):
        service.client.options(TASKS, headers={"Origin": "http://localhost:3001", **PREFLIGHT})
        service.client.get(TASKS, headers={"Origin": "http://localhost:3001"})

    # Each is written before its answer.
    (line,) = [line for line in service.log().splitlines() if "localhost:3001" in line]
    assert (
        "INFO tasks.errors Origin refused: 'http://localhost:3001'. Allowed: http://localhost:3000."
        " Set BETTER_AUTH_URL to where the front end runs, or list every origin in CORS_ORIGINS,"
        " or patterns in CORS_ORIGIN_REGEX"
    ) in line


def test_each_refused_origin_is_logged_up_to_a_limit(
    new_app: TestClient, logged_errors: list[str]
) -> None:
    for number in range(REFUSED_ORIGINS_MAX + 20):
        new_app.get("/health", headers={"Origin": f"http://{number}.example"})

    assert len(logged_errors) == REFUSED_ORIGINS_MAX
    assert f"Origin refused: 'http://{REFUSED_ORIGINS_MAX - 1}.example'" in logged_errors[-1]


def test_no_refusal_is_logged_of_the_front_end_and_of_pages_of_the_service_itself(
    new_app: TestClient, logged_errors: list[str]
) -> None:
    for origin in (ORIGIN, str(new_app.base_url)):
        new_app.get("/health", headers={"Origin": origin})
        new_app.post(TASKS, headers={"Origin": origin})

    assert logged_errors == []


def test_an_origin_cannot_write_lines_into_the_log(service: Service) -> None:
    forged = b"x\x85\xa02001-01-01T00:00:00.000Z INFO tasks.requests forged" + b"x" * 3000

    service.client.get("/health", headers={b"Origin": forged})

    (line,) = [line for line in service.log().splitlines() if "forged" in line]
    assert "Origin refused: 'x\\x85\\xa02001-01-01" in line
    assert not set("\x85\xa0") & set(service.log())
    assert len(line) < 400


# --- no such path ---

NO_SUCH_PATH = {
    "/tasks": "/tasks",
    "/api/tasks": "/api/tasks",
    "/tasks/17": "/tasks/*",
    f"/api/{OWNER}": "/api/*",
    f"/api/{OWNER}/task": "/api/*/*",
    "/api/doc/task": "/api/*/*",
    f"/API/{OWNER}/Tasks": "/*/*/*",
    f"/api/v1/{OWNER}/tasks/1/2": "/api/*/*/tasks/*/*",
    f"//api/{OWNER}/tasks": "//api/*/tasks",
    f"/api/{OWNER}/tasks//": "/api/*/tasks/",
    f"/api/{OWNER}/tasks/1/toggle": "/api/*/tasks/*/*",
    f"/api/{OWNER}/tasks/stats/complete/now": "/api/*/tasks/stats/complete/*",
    "/api/auth/get-session": "/api/*/*",
    "/wp-login.php?user=alice": "/*",
    "/a" * 3000: "/*/*/*/*/*/*/*/*/...",
}


def test_what_a_line_shows_of_a_path_are_the_words_of_the_endpoints_paths() -> None:
    words = {part for endpoint in ENDPOINTS for part in endpoint.path.split("/") if "{" not in part}

    assert words == SHOWN_SEGMENTS


@pytest.mark.without_sql
@pytest.mark.parametrize(("path", "shown"), NO_SUCH_PATH.items(), ids=range(len(NO_SUCH_PATH)))
def test_the_log_has_a_path_that_is_not_there_without_what_may_be_a_users(
    client: TestClient, logged_errors: list[str], path: str, shown: str
) -> None:
    response = client.get(f"http://testserver{path}")

    assert refusal(response) == (404, "NOT_FOUND")
    assert logged_errors == [f"No such path: {shown}; /docs lists those that are there"]


WORDS = {"", "api", "tasks", "stats", "complete", "*"}


@given(
    st.lists(
        st.sampled_from([*sorted(WORDS), "doc", "docs", "task", "API", "auth", "undefined"])
        | st.text(max_size=30),
        max_size=12,
    )
)
def test_nothing_of_a_path_is_logged_but_words_that_are_no_users(segments: list[str]) -> None:
    path = "/none/" + "/".join(quote(segment, safe="") for segment in segments)

    with kept_lines("tasks.errors") as lines:
        TestClient(main.app).get(f"http://testserver{path}")

    (line,) = lines
    shown, _, _ = line.removeprefix("No such path: ").partition("; ")
    assert set(shown.removesuffix("/...").split("/")) <= WORDS


def test_a_task_that_is_not_there_is_no_such_line(
    alice: TestClient, logged_errors: list[str]
) -> None:
    response = alice.get(f"{TASKS}/1")

    assert refusal(response) == (404, "NOT_FOUND")
    assert logged_errors == []
