"""Each request is one line of the log."""

import re
from collections.abc import Iterator

import pytest
from cluster import Cluster
from endpoints import Endpoint, each_endpoint
from fixtures import RunService
from log_lines import LINE_SECONDS, create, lines_of
from places import current_database
from service import Service
from users import OWNER, bearer
from waiting import eventually

TEMPLATE = {"user_id": "{user_id}", "task_id": "{task_id}"}


@pytest.fixture(scope="module")
def text_service(cluster: Cluster, run_service: RunService) -> Iterator[Service]:
    with run_service(NEON_DATABASE_URL=current_database(cluster).url()) as service:
        yield service.wait_until_started()


@each_endpoint
def test_a_request_is_one_line_of_json(
    json_service: Service, request_id: str, endpoint: Endpoint
) -> None:
    answer = endpoint.call(json_service.client, headers=bearer() | {"X-Request-ID": request_id})

    (line,) = lines_of(json_service, request_id)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    milliseconds = line.pop("milliseconds")
    assert 0 < milliseconds < 10_000
    assert line == {
        "level": "INFO",
        "logger": "tasks.requests",
        "message": f"{endpoint.method} {endpoint.path.format_map(TEMPLATE)} "
        f"{answer.status_code} {milliseconds} ms",
        "request_id": request_id,
        "method": endpoint.method,
        "route": endpoint.path.format_map(TEMPLATE),
        "status": answer.status_code,
    }


def test_a_request_is_one_line_of_text(text_service: Service, request_id: str) -> None:
    create(text_service, request_id, title="Buy groceries")

    (line,) = eventually(
        "the line of the request",
        lambda: [line for line in text_service.log().splitlines() if request_id in line],
        seconds=LINE_SECONDS,
    )
    assert re.fullmatch(
        r"\S+Z INFO tasks\.requests POST /api/\{user_id\}/tasks 201 \d+\.\d ms "
        rf"request_id={request_id}",
        line,
    )


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", f"/api/{OWNER}/tasks", "/api/{user_id}/tasks", 401),
        ("DELETE", "/health", "/health", 405),
        ("HEAD", "/ready", "/ready", 200),
        ("GET", "/no/such/path", "-", 404),
    ],
)
def test_a_refused_request_is_a_line_too(
    json_service: Service, request_id: str, method: str, path: str, route: str, status: int
) -> None:
    json_service.client.request(method, path, headers={"X-Request-ID": request_id})

    line = lines_of(json_service, request_id)[-1]
    assert (line["method"], line["route"], line["status"]) == (method, route, status)


def test_uvicorn_logs_no_line_of_its_own_for_a_request(
    json_service: Service, text_service: Service, request_id: str
) -> None:
    create(json_service, request_id, title="Buy groceries")
    create(text_service, request_id, title="Buy groceries")

    lines_of(json_service, request_id)
    for running in (json_service, text_service):
        assert "uvicorn.access" not in running.log()
        assert "HTTP/1.1" not in running.log()
