import pytest
from endpoints import ORIGIN, TASKS, Endpoint, each_endpoint
from fastapi.testclient import TestClient
from users import bearer

OTHER_ORIGINS = [
    "https://localhost:3000",
    "http://localhost",
    "http://localhost:3001",
    "http://localhost:3000.evil.example",
    "http://evil.example",
    "http://127.0.0.1:3000",
    "null",
    "*",
]


def preflight(client: TestClient, path: str, method: str, origin: str = ORIGIN) -> dict[str, str]:
    response = client.options(
        path,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization, content-type, x-anything",
        },
    )
    return {"status": str(response.status_code), **response.headers}


def names(header: str) -> set[str]:
    return {name.strip().lower() for name in header.split(",")}


@pytest.mark.without_sql
@each_endpoint
def test_the_front_end_may_send_every_request_with_any_header(
    client: TestClient, endpoint: Endpoint
) -> None:
    answer = preflight(client, endpoint.url(), endpoint.method)

    assert answer["status"] == "200"
    assert answer["access-control-allow-origin"] == ORIGIN
    assert answer["access-control-allow-credentials"] == "true"
    assert names(answer["access-control-allow-methods"]) == {
        "get",
        "post",
        "put",
        "patch",
        "delete",
    }
    assert names(answer["access-control-allow-headers"]) >= {
        "authorization",
        "content-type",
        "x-anything",
    }
    assert "Origin" in answer["vary"]


@pytest.mark.without_sql
@pytest.mark.parametrize("origin", OTHER_ORIGINS)
def test_another_origin_may_not_even_ask(client: TestClient, origin: str) -> None:
    answer = preflight(client, TASKS, "GET", origin)

    assert answer["status"] == "400"
    assert "access-control-allow-origin" not in answer
    assert "Origin" in answer["vary"]


@pytest.mark.without_sql
@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND"])
def test_another_method_may_not_be_sent(client: TestClient, method: str) -> None:
    answer = preflight(client, TASKS, method)

    assert answer["status"] == "400"


@pytest.mark.parametrize("path", [TASKS, "/health", "/openapi.json"])
def test_the_front_end_may_read_the_answers_with_credentials(alice: TestClient, path: str) -> None:
    response = alice.get(path, headers={"Origin": ORIGIN})

    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert response.headers["Access-Control-Allow-Credentials"] == "true"
    assert "Origin" in response.headers["Vary"]


@pytest.mark.parametrize("path", [TASKS, "/health", "/nowhere"])
def test_no_answer_is_kept_for_another_origin(client: TestClient, path: str) -> None:
    response = client.get(path)

    assert response.headers["Vary"] == "Origin"


def test_the_front_end_may_read_the_headers_that_it_needs(alice: TestClient) -> None:
    response = alice.post(TASKS, json={"title": "x"}, headers={"Origin": ORIGIN})

    exposed = names(response.headers["Access-Control-Expose-Headers"])
    assert exposed == {
        "location",
        "retry-after",
        "www-authenticate",
        "x-request-id",
        "idempotent-replayed",
    }


@pytest.mark.parametrize("origin", OTHER_ORIGINS)
def test_another_origin_may_not_read_anything(client: TestClient, origin: str) -> None:
    paths = [TASKS, f"{TASKS}/1", "/nowhere", "/health"]

    responses = [
        client.get(path, headers={"Origin": origin, **headers})
        for path in paths
        for headers in ({}, bearer())
    ]

    for response in responses:
        assert "Access-Control-Allow-Origin" not in response.headers
        assert "Origin" in response.headers["Vary"]
