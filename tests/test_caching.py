from collections.abc import Callable

import pytest
from endpoints import TASKS, Endpoint, each_endpoint
from fastapi.testclient import TestClient

from models import Task


@each_endpoint
def test_nothing_on_the_way_may_keep_personal_data(
    alice: TestClient, stored: Callable[..., Task], endpoint: Endpoint
) -> None:
    task = stored()

    response = endpoint.call(alice, task_id=task.id)

    assert response.is_success
    assert response.headers.get_list("Cache-Control") == ["no-store"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", TASKS, 401),
        ("GET", TASKS, 401),
        ("GET", "/nowhere", 404),
        ("PUT", "/health", 405),
        ("GET", "/health", 200),
        ("HEAD", "/health", 200),
        ("GET", "/ready", 200),
        ("GET", "/docs", 200),
        ("GET", "/docs/swagger-ui.css", 200),
        ("GET", "/openapi.json", 200),
    ],
)
def test_nothing_else_may_be_kept_either(
    client: TestClient, method: str, path: str, status: int
) -> None:
    response = client.request(method, path)

    assert response.status_code == status
    assert response.headers.get_list("Cache-Control") == ["no-store"]


@pytest.mark.without_sql
@pytest.mark.parametrize("origin", ["http://localhost:3000", "http://evil.example"])
def test_a_preflight_may_not_be_kept(client: TestClient, origin: str) -> None:
    headers = {"Origin": origin, "Access-Control-Request-Method": "GET"}

    response = client.options(TASKS, headers=headers)

    assert response.headers.get_list("Cache-Control") == ["no-store"]


@pytest.mark.without_sql
def test_a_refused_large_body_may_not_be_kept(client: TestClient) -> None:
    response = client.post(TASKS, content=b"x" * 100_000)

    assert response.status_code == 413
    assert response.headers.get_list("Cache-Control") == ["no-store"]


@pytest.mark.without_sql
@pytest.mark.usefixtures("unreachable")
def test_that_the_service_is_unavailable_may_not_be_kept(alice: TestClient) -> None:
    response = alice.get(TASKS)

    assert response.status_code == 503
    assert response.headers.get_list("Cache-Control") == ["no-store"]
