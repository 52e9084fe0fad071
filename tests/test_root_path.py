"""Behind a proxy that strips a prefix from the path: `uvicorn --root-path /prefix`."""

from collections.abc import Iterator

import httpx2
import pytest
from endpoints import TASKS
from fixtures import RunService
from users import bearer

PREFIX = "/prefix"


@pytest.fixture(scope="module")
def client(
    tmp_path_factory: pytest.TempPathFactory, run_service: RunService
) -> Iterator[httpx2.Client]:
    """What the proxy sends: paths without the prefix."""
    url = f"sqlite:///{tmp_path_factory.mktemp('prefixed') / 'tasks.db'}"
    with run_service("--root-path", PREFIX, NEON_DATABASE_URL=url) as service:
        client = service.wait_until_started().client
        client.headers.update(bearer())
        yield client


def test_location_leads_back_through_the_proxy(client: httpx2.Client) -> None:
    created = client.post(TASKS, json={"title": "Buy groceries"})

    location = created.headers["Location"]
    assert location == f"{PREFIX}{TASKS}/{created.json()['data']['id']}"
    fetched = client.get(location.removeprefix(PREFIX))
    assert fetched.json()["data"] == created.json()["data"]


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/", {"GET", "HEAD"}),
        (TASKS, {"GET", "POST", "DELETE"}),
        (f"{TASKS}/1", {"GET", "PUT", "PATCH", "DELETE"}),
        ("/api/a%2Fb/tasks", {"GET", "POST", "DELETE"}),
        ("/health", {"GET", "HEAD"}),
    ],
)
def test_another_method_is_refused_with_all_those_of_the_path(
    client: httpx2.Client, path: str, methods: set[str]
) -> None:
    answer = client.request("QUERY", path)

    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == methods


def test_the_index_leads_through_the_proxy(client: httpx2.Client) -> None:
    assert client.get("/").json() == {
        "name": "Tasks API",
        "docs": f"{PREFIX}/docs",
        "openapi": f"{PREFIX}/openapi.json",
        "health": f"{PREFIX}/health",
    }


def test_the_docs_find_the_document_through_the_proxy(client: httpx2.Client) -> None:
    assert f"{PREFIX}/openapi.json" in client.get("/docs").text
    servers = client.get("/openapi.json").json()["servers"]
    assert [server["url"] for server in servers] == [PREFIX, "/"]
