"""The commands of the README, of docs/api.md and of the beginning of docs/mcp.md, as somebody types
them who has just come.

A fresh clone of the last commit, an empty home folder, bash, and packages from the index. Two
things are not as typed: the clone's URL, and the port, as 8000 may be taken on this machine.
PowerShell's commands are not run.
"""

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from mcp_clients import TOOLS
from newcomer import PORT, Newcomer
from pages import PAGES, ROOT, fences, sections
from users import SECRET

from settings import PLACEHOLDER_SECRET

pytestmark = pytest.mark.integration

README = [fence for fence in fences(PAGES["README.md"]) if fence.language != "powershell"]
CLONE_AND_RUN, CREATE, ANSWER, WITHOUT_MAKE = [fence.text for fence in README]
API = fences(PAGES["docs/api.md"])


@pytest.fixture(scope="module")
def newcomer() -> Iterator[Newcomer]:
    # Not in pytest's folder, which keeps the last runs: this one holds two virtual environments.
    with tempfile.TemporaryDirectory() as home:
        yield Newcomer(Path(home))


@pytest.fixture(scope="module")
def created(newcomer: Newcomer) -> str:
    """What the first screen's last command prints, after the others."""
    with newcomer.serving(CLONE_AND_RUN, newcomer.home):
        return newcomer.type(CREATE, newcomer.home / "tasks-api")


@pytest.fixture(scope="module")
def installed(newcomer: Newcomer, created: str) -> Path:
    """The folder into which the first screen's commands cloned and installed."""
    assert created
    return newcomer.home / "tasks-api"


def without_times(body: str) -> Any:
    """A body's JSON, with the places of its times instead of the times."""
    return json.loads(re.sub(r'"\d{4}-\d\d-\d\dT[\d:.]+Z"', '"a time"', body))


def shape(answer: str) -> tuple[str, list[str], Any]:
    """The status line, the headers' names and the body of what `curl -i` prints."""
    head, _, body = answer.partition("\n\n")
    status, *headers = head.splitlines()
    return status, [header.partition(":")[0] for header in headers], without_times(body)


def test_the_first_screen_does_what_it_shows(created: str) -> None:
    assert shape(created) == shape(ANSWER)


def test_the_port_is_the_one_that_the_first_screen_names(
    newcomer: Newcomer, installed: Path
) -> None:
    commands = newcomer.type("unset PORT; make --dry-run run", installed)

    assert f"http://localhost:{PORT}" in CLONE_AND_RUN
    assert f"--port {PORT}" in commands


def test_it_works_without_make(newcomer: Newcomer, installed: Path) -> None:
    folder = newcomer.home / "without-make"
    newcomer.type(f"git clone --quiet {installed} {folder}", newcomer.home)
    *install, serve, token, test = WITHOUT_MAKE.splitlines()

    newcomer.type("\n".join(install), folder)
    environment = folder / ".env"
    assert PLACEHOLDER_SECRET in environment.read_text()
    environment.write_text(environment.read_text().replace(PLACEHOLDER_SECRET, SECRET))
    with newcomer.serving(serve, folder):
        _, create = CREATE.split("\n", 1)
        answer = newcomer.type(f"{token}\n{create}", folder)
    # This is one of the tests: to run them all again would not end.
    collected = newcomer.type(test, folder, PYTEST_ADDOPTS="--collect-only --quiet")

    assert shape(answer) == shape(ANSWER)
    assert "test_the_readme_is_short" in collected


def test_every_request_of_the_api_page_has_the_answer_that_it_shows(
    newcomer: Newcomer, installed: Path, tmp_path: Path
) -> None:
    prepare = next(fence.text for fence in API if fence.language == "bash")
    shown = [pair for pair in pairwise(API) if pair[0].text.startswith("curl ")]

    script = "\nprintf '\\0'\n".join([prepare, *(request.text for request, _ in shown)])
    database = f"sqlite:///{tmp_path / 'tasks.db'}"
    with newcomer.serving("make run", installed, NEON_DATABASE_URL=database):
        _, *answers = newcomer.type(script, installed).split("\0")

    assert [parts(answer) for answer in answers] == [parts(answer.text) for _, answer in shown]


def test_the_inspector_lists_the_tools_for_who_types_the_first_lines_of_the_page_of_assistants(
    newcomer: Newcomer, installed: Path
) -> None:
    serve, _, inspect = fences(sections(PAGES["docs/mcp.md"])["Your own assistant"])

    with newcomer.serving(serve.text, installed):
        listed = json.loads(newcomer.type(inspect.text, installed))

    assert [tool["name"] for tool in listed["tools"]] == TOOLS


def parts(answer: str) -> Any:
    return shape(answer) if answer.startswith("HTTP/") else without_times(answer)


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Pacific/Kiritimati"])
def test_the_api_pages_code_shows_a_day_and_a_local_time_alike_in_every_zone(zone: str) -> None:
    [due_text] = [fence.text for fence in API if fence.language == "js"]
    show = 'for (const due of ["2026-12-01", "2026-12-01T09:00:00"]) console.log(dueText(due));'

    node = subprocess.run(
        ["node", "--eval", due_text + show],
        env={"PATH": os.environ["PATH"], "TZ": zone, "LC_ALL": "en_GB.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert node.stdout.splitlines() == ["1 Dec 2026", "1 Dec 2026, 09:00"]


@pytest.mark.parametrize(
    ("version", "is_enough"),
    [("18.20.8", False), ("20.8.1", False), ("20.9.0", True), ("20.10.0", True), ("24.1.0", True)],
)
def test_the_example_takes_node_20_9_and_newer_ones(
    tmp_path: Path, version: str, is_enough: bool
) -> None:
    pretend = tmp_path / "pretend.cjs"
    pretend.write_text(
        'Object.defineProperty(process, "versions",'
        f' {{ value: {{ ...process.versions, node: "{version}" }} }});'
    )

    make = subprocess.run(
        ["make", "newer-node"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "NODE_OPTIONS": f"--require {pretend}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )

    assert (make.returncode == 0) == is_enough
