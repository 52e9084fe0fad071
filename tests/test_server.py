"""The app behind a real HTTP server, where `TestClient` might hide something."""

import json
from collections.abc import Iterator
from urllib.parse import quote, urlsplit

import httpx2
import pytest
from endpoints import JSON, ORIGIN, TASKS
from fixtures import RunService
from users import OWNER, bearer

LARGE = b'{"title":"x","ignored":"' + b"x" * 5 * 1024 * 1024 + b'"}'


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, run_service: RunService
) -> Iterator[httpx2.Client]:
    """Alice's client of a served app."""
    url = f"sqlite:///{tmp_path_factory.mktemp('server') / 'tasks.db'}"
    with run_service(NEON_DATABASE_URL=url) as service:
        client = service.wait_until_started().client
        client.headers.update(bearer())
        yield client


def in_chunks() -> Iterator[bytes]:
    for start in range(0, len(LARGE), 16 * 1024):
        yield LARGE[start : start + 16 * 1024]


@pytest.mark.parametrize("user_id", [OWNER, "100%", "%2F", "%41", "a/b", "a/tasks/1", "ü😀"])
def test_location_leads_to_the_created_task(server: httpx2.Client, user_id: str) -> None:
    path = f"/api/{quote(user_id, safe='')}/tasks"

    created = server.post(path, json={"title": "Buy groceries"}, headers=bearer(user_id))

    assert created.status_code == 201
    fetched = server.get(created.headers["Location"], headers=bearer(user_id))
    assert fetched.json() == {"data": created.json()["data"], "message": "Task retrieved"}


@pytest.mark.parametrize("path", [TASKS, "/health", "/nowhere"])
@pytest.mark.parametrize("chunked", [False, True], ids=["Content-Length", "chunked"])
def test_a_sender_of_5_mb_can_read_the_refusal(
    server: httpx2.Client, path: str, *, chunked: bool
) -> None:
    content = in_chunks() if chunked else LARGE

    response = server.post(path, content=content, headers=JSON)

    assert response.status_code == 413
    assert response.json()["code"] == "PAYLOAD_TOO_LARGE"
    assert server.get("/health").status_code == 200


def test_a_deep_body_does_not_end_the_server(server: httpx2.Client) -> None:
    content = b"[" * 30_000 + b"]" * 30_000

    response = server.post(TASKS, content=content, headers=JSON)

    assert response.status_code == 400
    assert response.json() == {"error": "Body must be a JSON object", "code": "VALIDATION_ERROR"}
    assert server.get("/health").status_code == 200


@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_head_has_the_length_of_get_and_no_body(server: httpx2.Client, path: str) -> None:
    head = server.head(path)

    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["Content-Length"] == str(len(server.get(path).content))


def test_every_header_of_a_task_is_sent_once(server: httpx2.Client) -> None:
    response = server.post(TASKS, json={"title": "x"}, headers={"Origin": ORIGIN})

    names = [name.lower() for name, _ in response.headers.multi_items()]
    assert len(names) == len(set(names))
    assert response.headers["Content-Type"] == "application/json"
    assert urlsplit(response.headers["Location"]).netloc == ""
    assert json.loads(response.content)["message"] == "Task created"
