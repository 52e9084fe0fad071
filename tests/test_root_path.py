"""Behind a proxy that strips a prefix from the path: `uvicorn --root-path /prefix`."""

from collections.abc import Iterator

import httpx2
import pytest
from conftest import OWNER, SECRET, bearer, copy_app, start_python, url_of

PREFIX = "/prefix"
TASKS = f"/api/{OWNER}/tasks"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    """What the proxy sends: paths without the prefix."""
    folder = copy_app(tmp_path_factory.mktemp("prefixed") / "app")
    arguments = ("-m", "uvicorn", "main:app", "--port", "0", "--root-path", PREFIX)
    with start_python(folder, *arguments, BETTER_AUTH_SECRET=SECRET) as process:
        url, _ = url_of(process)
        with httpx2.Client(base_url=url, headers=bearer()) as client:
            yield client
        process.terminate()
        process.communicate()


def test_location_leads_back_through_the_proxy(client: httpx2.Client) -> None:
    created = client.post(TASKS, json={"title": "Buy groceries"})

    location = created.headers["Location"]
    assert location == f"{PREFIX}{TASKS}/{created.json()['data']['id']}"
    fetched = client.get(location.removeprefix(PREFIX))
    assert fetched.json()["data"] == created.json()["data"]


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        (TASKS, {"GET", "POST"}),
        (f"{TASKS}/1", {"GET", "PUT", "DELETE"}),
        ("/api/a%2Fb/tasks", {"GET", "POST"}),
        ("/health", {"GET", "HEAD"}),
    ],
)
def test_another_method_is_refused_with_all_those_of_the_path(
    client: httpx2.Client, path: str, methods: set[str]
) -> None:
    answer = client.request("QUERY", path)

    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == methods


def test_the_docs_find_the_document_through_the_proxy(client: httpx2.Client) -> None:
    assert f"{PREFIX}/openapi.json" in client.get("/docs").text
    assert client.get("/openapi.json").json()["servers"] == [{"url": PREFIX}]
