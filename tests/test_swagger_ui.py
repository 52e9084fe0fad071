"""The page `/docs`, which needs nothing of another host."""

import re
from collections.abc import Iterator
from urllib.parse import urljoin

import httpx2
import pytest
from fastapi.testclient import TestClient
from fixtures import RunService

import main

PREFIX = "/prefix"


@pytest.fixture(scope="module")
def page() -> httpx2.Response:
    return TestClient(main.app).get("/docs")


@pytest.fixture(scope="module")
def prefixed(
    run_service: RunService, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx2.Client]:
    """What a proxy sends that strips a prefix from the path."""
    url = f"sqlite:///{tmp_path_factory.mktemp('docs') / 'tasks.db'}"
    with run_service("--root-path", PREFIX, NEON_DATABASE_URL=url) as service:
        yield service.wait_until_started().client


def urls_in(page: httpx2.Response) -> list[str]:
    """What a browser loads for the page: its files, its icon and the document."""
    return re.findall(r"""(?:src=|href=|url: )["'](.*?)["']""", page.text)


def test_the_page_shows_the_document(page: httpx2.Response) -> None:
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert "/openapi.json" in urls_in(page)


def test_the_page_names_no_other_host(page: httpx2.Response) -> None:
    paths = [url for url in urls_in(page) if not url.startswith("data:image/svg+xml,")]

    assert len(paths) == len(urls_in(page)) - 1
    assert [urljoin("http://host.example", path) for path in paths] == [
        f"http://host.example{path}" for path in paths
    ]
    assert "//" not in re.sub(r"http://www\.w3\.org/2000/svg|<!--.*?-->", "", page.text)


def test_every_file_that_the_page_names_is_there(page: httpx2.Response) -> None:
    client = TestClient(main.app)
    files = [client.get(path) for path in urls_in(page) if path.startswith("/")]

    types = [file.headers["Content-Type"].partition(";")[0] for file in files]
    assert [file.status_code for file in files] == [200] * 3
    assert types == ["text/css", "text/javascript", "application/json"]


def test_the_files_are_found_through_a_proxy_that_strips_a_prefix(
    prefixed: httpx2.Client,
) -> None:
    paths = [url for url in urls_in(prefixed.get("/docs")) if url.startswith("/")]

    answers = [prefixed.get(path.removeprefix(PREFIX)) for path in paths]

    assert all(path.startswith(f"{PREFIX}/") for path in paths)
    assert [answer.status_code for answer in answers] == [200] * 3


def test_the_head_of_a_file_has_its_length_and_no_body() -> None:
    client = TestClient(main.app)
    path = "/docs/swagger-ui-bundle.js"

    head, file = client.head(path), client.get(path)

    assert head.status_code == 200
    assert head.content == b""
    assert int(head.headers["Content-Length"]) == len(file.content)


@pytest.mark.parametrize("path", ["/docs/favicon-32x32.png", "/docs/..%2Fmain.py", "/redoc"])
def test_nothing_else_of_the_package_or_of_the_service_is_sent(path: str) -> None:
    response = TestClient(main.app).get(path)

    assert (response.status_code, response.json()["code"]) == (404, "NOT_FOUND")
