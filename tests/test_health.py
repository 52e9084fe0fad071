import pytest
from answers import refusal
from fastapi.testclient import TestClient


@pytest.mark.without_sql
def test_the_index_says_where_to_go(client: TestClient) -> None:
    response = client.get("/")

    assert response.status_code == 200
    assert response.json() == {
        "name": "Tasks API",
        "docs": "/docs",
        "openapi": "/openapi.json",
        "health": "/health",
    }
    for name in ("docs", "openapi", "health"):
        assert client.get(response.json()[name]).status_code == 200


@pytest.mark.without_sql
def test_a_living_process_is_healthy(client: TestClient) -> None:
    response = client.get("/health")

    assert response.status_code == 200
    assert response.json() == {"status": "healthy"}


def test_a_process_whose_database_answers_is_ready(client: TestClient) -> None:
    response = client.get("/ready")

    assert response.status_code == 200
    assert response.json() == {"status": "ready"}


@pytest.mark.parametrize("path", ["/", "/health", "/ready"])
def test_head_is_get_without_the_body(client: TestClient, path: str) -> None:
    get = client.get(path, headers={"X-Request-ID": "same"})

    head = client.head(path, headers={"X-Request-ID": "same"})

    assert head.status_code == 200
    assert head.headers == get.headers
    assert head.content == b""


@pytest.mark.without_sql
@pytest.mark.parametrize("path", ["/", "/health"])
def test_the_index_and_health_never_ask_the_database(
    client: TestClient, statements: list[str], path: str
) -> None:
    client.get(path)
    client.head(path)

    assert statements == []


def test_readiness_asks_the_database(client: TestClient, statements: list[str]) -> None:
    client.get("/ready")
    client.head("/ready")

    assert len(statements) == 2


@pytest.mark.without_sql
@pytest.mark.usefixtures("unreachable")
def test_a_process_without_its_database_is_healthy_but_not_ready(client: TestClient) -> None:
    health, ready, head = client.get("/health"), client.get("/ready"), client.head("/ready")

    assert health.json() == {"status": "healthy"}
    assert refusal(ready) == (503, "SERVICE_UNAVAILABLE")
    assert int(ready.headers["Retry-After"]) > 0
    assert head.status_code == 503


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/", "/health", "/ready"])
def test_anybody_may_ask(client: TestClient, method: str, path: str) -> None:
    response = client.request(method, path, headers={"Authorization": "Bearer nonsense"})

    assert response.status_code == 200
