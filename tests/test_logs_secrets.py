"""The log tells what happened, and nothing that is secret."""

import json
import re

import pytest
from answers import refusal
from cluster import ROLE_WITH_PASSWORD, Database
from endpoints import ENDPOINTS
from fixtures import RunService
from log_lines import DESCRIPTION, LINE_SECONDS, TITLE, create, lines_of
from service import Service
from users import SECRET, token_for
from waiting import eventually


@pytest.mark.parametrize(
    ("description", "status"),
    [
        ("raise", (500, "SERVER_ERROR")),
        ("check", (500, "SERVER_ERROR")),
        ("disconnect", (503, "SERVICE_UNAVAILABLE")),
    ],
)
def test_no_title_is_told_though_the_error_of_the_database_quotes_it(
    json_service: Service, request_id: str, description: str, status: tuple[int, str]
) -> None:
    answer = create(json_service, request_id, title=TITLE, description=description)

    assert refusal(answer) == status
    assert TITLE not in answer.text
    (cause, line) = lines_of(json_service, request_id)
    assert line["status"] == answer.status_code
    assert cause["level"] in {"WARNING", "ERROR"}
    assert TITLE not in json_service.log()


def test_the_log_tells_why_the_database_closed_a_connection_in_use(
    json_service: Service, request_id: str
) -> None:
    answer = create(json_service, request_id, title=TITLE, description="close")

    assert refusal(answer) == (503, "SERVICE_UNAVAILABLE")
    (cause, _) = lines_of(json_service, request_id)
    assert cause["level"] == "WARNING"
    assert cause["message"].endswith("terminating connection due to administrator command")
    assert TITLE not in json_service.log()


def test_nothing_of_a_request_is_logged_but_method_route_and_id(
    json_service: Service, request_id: str
) -> None:
    token = token_for("user_of_this_test")
    headers = {"Authorization": f"Bearer {token}", "X-Request-ID": request_id}
    headers |= {"Cookie": "session=c00k1e", "User-Agent": "agent-007"}
    task = {"title": TITLE, "description": DESCRIPTION}

    for endpoint in ENDPOINTS:
        for user_id in ("user_of_this_test", "another_user"):
            content = json.dumps(task) if endpoint.body else None
            endpoint.call(
                json_service.client,
                user_id,
                headers=headers | {"Content-Type": "application/json"},
                content=content,
            )
    json_service.client.post("/api/x/tasks?filter=qu3ry", content=TITLE, headers=headers)
    json_service.client.get(f"/{DESCRIPTION}", headers=headers)
    json_service.client.get("/api/x/tasks", headers=headers | {"Authorization": f"Basic {token}"})
    json_service.client.get("/api/x/tasks", headers=headers | {"Authorization": f"Bearer {token}x"})

    eventually(
        "all lines", lambda: json_service.log().count(f'"{request_id}"') >= 16, seconds=LINE_SECONDS
    )
    _, claims, signature = token.split(".")
    words = [TITLE, DESCRIPTION, SECRET, "user_of_this_test", "another_user"]
    words += [claims, signature, "c00k1e", "agent-007", "qu3ry"]
    assert [word for word in words if word in json_service.log()] == []


@pytest.mark.parametrize(
    "login",
    [
        f"{ROLE_WITH_PASSWORD}:s3cr3t-w0rd@{{server}}?",
        f"{ROLE_WITH_PASSWORD}@{{server}}?password=s3cr3t-w0rd&",
        # The password holds an @ that ought to be written %40.
        f"{ROLE_WITH_PASSWORD}:first@s3cr3t-w0rd@{{server}}?",
    ],
    ids=["in its place", "as an option", "not encoded"],
)
def test_a_wrong_password_is_not_logged(
    database: Database, run_service: RunService, login: str
) -> None:
    server = f"127.0.0.1:{database.cluster.port}/{database.name}"

    with run_service(NEON_DATABASE_URL=f"postgresql://{login.format(server=server)}") as service:
        eventually(
            "a word about it",
            lambda: re.search("cannot be used|Configuration error", service.log()),
            seconds=20,
        )

    assert "s3cr3t" not in service.log()
    assert SECRET not in service.log()
    assert "Traceback" not in service.log()
