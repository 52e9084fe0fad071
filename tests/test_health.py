from collections.abc import Iterator

import pytest
from answers import refusal
from fastapi.testclient import TestClient
from sqlalchemy import Engine, event


@pytest.fixture
def connections(client: TestClient, engine: Engine) -> Iterator[list[object]]:
    """The connections that are taken from the pool from now on."""
    assert client
    taken: list[object] = []

    def take(connection: object, *_: object) -> None:
        taken.append(connection)

    event.listen(engine, "checkout", take)
    yield taken
    event.remove(engine, "checkout", take)


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
    client: TestClient, connections: list[object], path: str
) -> None:
    client.get(path)
    client.head(path)

    assert connections == []


def test_readiness_asks_the_database(client: TestClient, connections: list[object]) -> None:
    client.get("/ready")
    client.head("/ready")

    assert len(connections) == 2


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
