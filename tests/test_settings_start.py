"""What a process needs to start, and what it tells then."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from endpoints import ORIGIN
from processes import ROOT, start_python
from service import START_SECONDS, Service
from sqlalchemy.engine import URL
from users import PASSWORD, SECRET

import main
from settings import StartupError

STOP_SECONDS = 60
IMPORT_EVERYTHING = """
import importlib, pathlib
for path in sorted(pathlib.Path.cwd().glob("*.py")):
    importlib.import_module(path.stem)
import routes.tasks
"""


def test_importing_every_module_without_a_setting_neither_fails_nor_connects(
    app_folder: Path,
) -> None:
    before = sorted(app_folder.rglob("*"))

    python = start_python(app_folder, "-c", IMPORT_EVERYTHING)
    output, errors = python.communicate()

    assert (python.returncode, output, errors) == (0, "", "")
    assert sorted(app_folder.rglob("*")) == before


@pytest.mark.usefixtures("environment")
def test_a_server_is_told_in_one_line_why_it_cannot_start() -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, str]:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message)

    with pytest.raises(StartupError):
        asyncio.run(main.app({"type": "lifespan", "app": main.app, "state": {}}, receive, send))

    [failure] = sent
    assert failure["type"] == "lifespan.startup.failed"
    [line] = failure["message"].splitlines()
    assert line.startswith("BETTER_AUTH_SECRET is not set")


@pytest.fixture
def serve(app_folder: Path, tmp_path: Path) -> Callable[..., Service]:
    """Runs the app of `app_folder` in the environment that its arguments name."""

    def serve(**environment: str) -> Service:
        return Service(app_folder, tmp_path / "log", environment)

    return serve


def refused(service: Service) -> str:
    """The line that tells why the server does not start."""
    with service:
        assert service.process.wait(timeout=START_SECONDS) != 0
    assert "Traceback" not in service.log()
    [line] = [line for line in service.log().splitlines() if "BETTER_AUTH_SECRET" in line]
    return line


@pytest.mark.parametrize("secret", [None, ""])
def test_the_server_does_not_start_without_a_secret(
    app_folder: Path, serve: Callable[..., Service], secret: str | None
) -> None:
    environment = {} if secret is None else {"BETTER_AUTH_SECRET": secret}

    line = refused(serve(**environment))

    assert "not set" in line
    assert list(app_folder.glob("*.db")) == []


def test_the_server_does_not_start_with_the_placeholder_of_the_example(
    app_folder: Path, serve: Callable[..., Service]
) -> None:
    example = (ROOT / ".env.example").read_text()
    [placeholder] = re.findall(r"^BETTER_AUTH_SECRET=(.+)$", example, re.MULTILINE)
    (app_folder / ".env").write_text(example)

    line = refused(serve())

    assert "placeholder" in line
    assert placeholder not in line


def test_the_first_run_needs_no_database_and_says_where_the_tasks_are(
    app_folder: Path, serve: Callable[..., Service]
) -> None:
    (app_folder / ".env").write_text(f"BETTER_AUTH_SECRET={SECRET}\nNEON_DATABASE_URL=\n")

    with serve() as service:
        client = service.wait_until_started().client
        health, ready = client.get("/health"), client.get("/ready")
        log = service.log()

    assert health.json() == {"status": "healthy"}
    assert ready.json() == {"status": "ready"}
    assert str(app_folder / "tasks.db") in log
    assert "WARNING" in log
    assert SECRET not in log
    assert (app_folder / "tasks.db").exists()


def test_the_start_names_the_database_and_never_its_password(
    serve: Callable[..., Service], postgresql_url: URL
) -> None:
    url = postgresql_url.set(password=PASSWORD) if not postgresql_url.password else postgresql_url
    rendered = url.render_as_string(hide_password=False)

    with serve(BETTER_AUTH_SECRET=SECRET, NEON_DATABASE_URL=rendered) as service:
        health = service.wait_until_started().client.get("/health")
        service.process.terminate()
        service.process.wait(timeout=STOP_SECONDS)
        log = service.log()

    assert health.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "PostgreSQL" in log
    assert str(url.password) not in log
    assert SECRET not in log
