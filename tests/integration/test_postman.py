"""The collection that Postman makes of the OpenAPI document works as it is imported."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fixtures import RunService
from pages import PAGES
from service import Service
from users import token_for

from openapi import TASK

pytestmark = pytest.mark.integration

PACKAGES = Path(__file__).parent / "node_modules"
# What docs/api.md says to choose: the converter's names of Postman's settings.
SETTINGS = "parametersResolution=Example,enableOptionalParameters=false"


@pytest.fixture
def service(run_service: RunService, tmp_path: Path) -> Iterator[Service]:
    """A service with a new database."""
    assert PACKAGES.is_dir(), "run `make integration`, which installs Postman's packages"
    with run_service(NEON_DATABASE_URL=f"sqlite:///{tmp_path / 'tasks.db'}") as service:
        yield service.wait_until_started()


def run(folder: Path, program: str, *arguments: str) -> str:
    """What a program of node's packages prints, once it has ended well."""
    process = subprocess.run(
        [PACKAGES / ".bin" / program, *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout


def imported(folder: Path, service: Service, folders: str) -> None:
    """Make `collection.json` of the document, with requests in folders by path or by tag."""
    (folder / "openapi.json").write_text(service.client.get("/openapi.json").text)
    options = f"{SETTINGS},folderStrategy={folders}"
    run(folder, "openapi2postmanv2", "-s", "openapi.json", "-o", "collection.json", "-O", options)


def answers(folder: Path, service: Service, user_id: str) -> list[tuple[str, int]]:
    """Each request of the collection, by name, and the status of its answer."""
    run(
        folder,
        "newman",
        *("run", "collection.json", "--reporters", "json", "--reporter-json-export", "run.json"),
        *("--env-var", f"baseUrl={service.origin}"),
        *("--env-var", f"bearerToken={token_for(user_id)}"),
    )
    executions: list[dict[str, Any]] = json.loads((folder / "run.json").read_text())["run"][
        "executions"
    ]
    return [(execution["item"]["name"], execution["response"]["code"]) for execution in executions]


@pytest.mark.parametrize("folders", ["Paths", "Tags"])
def test_every_request_succeeds_in_the_order_of_the_collection(
    service: Service, tmp_path: Path, folders: str
) -> None:
    imported(tmp_path, service, folders)

    answered = answers(tmp_path, service, TASK["user_id"])

    operations = [
        operation
        for path in service.client.get("/openapi.json").json()["paths"].values()
        for operation in path.values()
    ]
    assert sorted(answered) == sorted(
        (operation["summary"], min(map(int, operation["responses"]))) for operation in operations
    )


def test_the_api_page_names_the_user_of_the_examples() -> None:
    assert f"`USER_ID={TASK['user_id']} make token`" in PAGES["docs/api.md"]
