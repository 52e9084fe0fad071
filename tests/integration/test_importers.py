"""What Postman, Bruno and Insomnia make of the OpenAPI document, by their own importers."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fixtures import RunService
from pages import PAGES
from service import Service
from users import bearer

from openapi import TASK

pytestmark = pytest.mark.integration

HERE = Path(__file__).parent
OWNER = str(TASK["user_id"])
TASKS = f"/api/{OWNER}/tasks"
# The variables that docs/api.md says to set, beside the token, with `localhost:8000` for the host.
SET = {
    "Postman": {"baseUrl": "http://localhost:8000"},
    "Bruno": {"baseUrl": "http://localhost:8000"},
    "Insomnia": {"host": "localhost:8000", "user_id": OWNER},
}
each_importer = pytest.mark.parametrize("importer", SET)


@pytest.fixture(scope="module")
def service(run_service: RunService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    url = f"sqlite:///{tmp_path_factory.mktemp('importers') / 'tasks.db'}"
    with run_service(NEON_DATABASE_URL=url) as service:
        yield service.wait_until_started()


@pytest.fixture(scope="module")
def imported(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What each importer makes of the document."""
    assert (HERE / "node_modules").is_dir(), "run `make integration`, which installs the importers"
    document = tmp_path_factory.mktemp("document") / "openapi.json"
    document.write_text(service.client.get("/openapi.json").text)
    node = subprocess.run(
        ["node", HERE / "importers.mjs", document], capture_output=True, text=True, check=True
    )
    return json.loads(node.stdout.splitlines()[-1])


def request_of(imported: Any, importer: str, name: str) -> Any:
    [request] = [one for one in imported[importer]["requests"] if one["name"] == name]
    return request


def url_of(imported: Any, importer: str, name: str, service: Service) -> str:
    """Where the request goes once the variables are set as docs/api.md says."""
    request = request_of(imported, importer, name)
    variables = imported[importer]["variables"] | SET[importer]
    url: str = request["url"]
    while variable := re.search(r"\{\{ *(\w+) *\}\}", url):
        value = variables[variable[1]]
        shown = value[0] if isinstance(value, list) else value
        url = url.replace(variable[0], shown)
    url = url.replace("localhost:8000", service.origin.removeprefix("http://"))
    return url.replace(":user_id", OWNER)


@each_importer
def test_every_request_goes_to_the_service_once_the_variables_are_set_that_the_page_names(
    imported: Any, service: Service, importer: str
) -> None:
    url = url_of(imported, importer, "List Tasks", service)

    answer = service.client.get(url, headers=bearer(OWNER))

    assert url == f"{service.origin}{TASKS}"
    assert answer.status_code == 200
    row = next(
        line for line in PAGES["docs/api.md"].splitlines() if line.startswith(f"| {importer}")
    )
    for name in SET[importer]:
        assert f"`{name}`" in row


@each_importer
@pytest.mark.parametrize("ticked", ["all", "filter"])
def test_to_delete_many_tasks_as_imported_leaves_those_that_are_pending(
    imported: Any, service: Service, importer: str, ticked: str
) -> None:
    created = service.client.post(TASKS, json={"title": "Pending"}, headers=bearer(OWNER))
    request = request_of(imported, importer, "Delete Tasks")
    query = request["query"] if ticked == "all" else {"filter": request["query"]["filter"]}

    answer = service.client.request(
        request["method"],
        url_of(imported, importer, "Delete Tasks", service),
        params=query,
        headers=bearer(OWNER),
    )

    assert answer.status_code in {200, 400}
    left = service.client.get(created.headers["Location"], headers=bearer(OWNER))
    assert left.status_code == 200


@pytest.mark.parametrize("name", ["Complete Tasks", "Delete Tasks"])
def test_bruno_fills_in_the_filter_that_costs_least(imported: Any, name: str) -> None:
    assert request_of(imported, "Bruno", name)["query"]["filter"] == "completed"
