"""The requests with curl and HTTPie that docs/api.md begins with, as somebody types them."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fixtures import RunService
from pages import PAGES, sections, tables
from service import Service
from users import token_for

pytestmark = pytest.mark.integration

HTTPIE = "httpie==3.2.4"
USER = "demo"
# A command that asks for a password waits for ever.
TYPED_SECONDS = 60

[CLIENTS] = tables(sections(PAGES["docs/api.md"])["Getting started"])
TYPED = {client: request.strip("`") for client, request in CLIENTS}


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a virtual environment of its own, HTTPie among them."""
    environment = tmp_path_factory.mktemp("httpie")
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    programs = environment / "bin"
    subprocess.run([programs / "pip", "install", "--quiet", HTTPIE], check=True)
    return programs


@pytest.fixture
def service(run_service: RunService, tmp_path: Path) -> Iterator[Service]:
    """A service with a new database."""
    with run_service(NEON_DATABASE_URL=f"sqlite:///{tmp_path / 'tasks.db'}") as service:
        yield service.wait_until_started()


def typed(command: str, programs: Path, service: Service, home: Path) -> Any:
    """The JSON that a command prints whose input is a terminal."""
    keyboard, terminal = pty.openpty()
    try:
        bash = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            env={
                "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
                "HOME": str(home),
                "TOKEN": token_for(USER),
                "API": f"{service.origin}/api/{USER}",
            },
            stdin=terminal,
            capture_output=True,
            text=True,
            check=True,
            timeout=TYPED_SECONDS,
        )
    finally:
        os.close(keyboard)
        os.close(terminal)
    return json.loads(bash.stdout)


def test_a_task_that_httpie_creates_is_listed_by_curl(
    programs: Path, service: Service, tmp_path: Path
) -> None:
    created = typed(TYPED["HTTPie"], programs, service, tmp_path)
    listed = typed(TYPED["curl"], programs, service, tmp_path)

    assert created["message"] == "Task created"
    assert created["data"]["title"] == "Buy groceries"
    assert listed == {"data": [created["data"]], "message": "Tasks retrieved", "next_cursor": None}
