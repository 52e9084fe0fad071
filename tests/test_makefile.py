"""What `make run` and `make example` say before they start anything, on a folder without a .venv.

Other people's programs (uvicorn, node, npm, pip) are stand-ins, which say how they were called.
"""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ports import free_port
from processes import ROOT

Make = Callable[..., "subprocess.CompletedProcess[str]"]

NODE_NEEDED = "node 20.9 or newer is needed, with npm (https://nodejs.org); found: "


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A clone in which nothing was installed yet."""
    (tmp_path / "examples" / "nextjs").mkdir(parents=True)
    for name in ("Makefile", "requirements.txt", "examples/nextjs/package-lock.json"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "programs").mkdir()
    return tmp_path


@pytest.fixture
def make(folder: Path) -> Make:
    """Runs `make` in the clone, with the stand-ins before everything else of the PATH."""
    program = shutil.which("make")
    assert program, "These tests need make"

    def make(*arguments: str, path: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [program, *arguments],
            cwd=folder,
            env={"PATH": f"{folder / 'programs'}{path}", "PYTHON": sys.executable},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return make


def stand_in(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture(params=[(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")], ids=["v4", "v6"])
def taken(request: pytest.FixtureRequest) -> Iterator[int]:
    """A port on which somebody listens."""
    family, address = request.param
    with socket.socket(family) as listening:
        try:
            listening.bind((address, 0))
        except OSError:
            pytest.skip(f"this machine has no {address}")
        listening.listen()
        yield listening.getsockname()[1]


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (("run", "PORT={taken}"), "make run PORT={next}"),
        (("example", "PORT={taken}"), "make example PORT={next}"),
        (
            ("example", "PORT={free}", "WEB_PORT={taken}"),
            "make example PORT={free} WEB_PORT={next}",
        ),
    ],
)
def test_a_taken_port_is_told_with_the_variable_before_anything_is_installed(
    make: Make, folder: Path, taken: int, arguments: tuple[str, ...], advice: str
) -> None:
    numbers = {"taken": taken, "next": taken + 1, "free": free_port()}

    ended = make(*(argument.format(**numbers) for argument in arguments))

    assert ended.returncode != 0
    assert f"Port {taken} is taken: {advice.format(**numbers)}\n" in ended.stderr
    assert not (folder / ".venv").exists()
    assert not (folder / ".env").exists()


@pytest.mark.parametrize(
    ("node", "found"),
    [
        (None, "none"),
        ('[ "$1" = --version ] && echo v18.20.8 || exit 1', "v18.20.8"),
    ],
)
def test_a_missing_or_an_older_node_is_told_before_anything_is_installed(
    make: Make, folder: Path, node: str | None, found: str
) -> None:
    if node:
        stand_in(folder / "programs" / "node", node)
        stand_in(folder / "programs" / "npm", "exit")

    ended = make("example", f"PORT={free_port()}", f"WEB_PORT={free_port()}")

    assert ended.returncode != 0
    assert f"{NODE_NEEDED}{found}\n" in ended.stderr
    assert not (folder / ".venv").exists()


def test_pip_shows_its_progress_and_nothing_on_stdout(make: Make, folder: Path) -> None:
    (folder / ".env").touch()
    (folder / "dev_token.py").touch()
    stand_in(folder / ".venv" / "bin" / "python", 'echo "$@"')

    ended = make("--silent", "token", path=f":{os.defpath}")

    assert ended.stdout == "dev_token.py\n"
    [install] = [line for line in ended.stderr.splitlines() if "pip install" in line]
    assert "--quiet" not in install


@pytest.fixture
def installed(folder: Path) -> Path:
    """The clone with everything in it; the front end serves until it is stopped."""
    stand_in(
        folder / "programs" / "node",
        '[ "$1" = -e ] && exit\n'
        'echo "front end: $BETTER_AUTH_URL $NEXT_PUBLIC_API_URL $*"\n'
        "touch started\nexec sleep 600",
    )
    stand_in(folder / "programs" / "npm", "exit")
    (folder / "examples" / "nextjs" / "node_modules").mkdir()
    (folder / ".venv").mkdir()
    (folder / ".venv" / "run").touch()
    (folder / ".env").touch()
    return folder


def test_the_front_end_ends_with_the_server(make: Make, installed: Path) -> None:
    stand_in(
        installed / ".venv" / "bin" / "uvicorn",
        'echo "server: $BETTER_AUTH_URL $*"\n'
        "until [ -e examples/nextjs/started ]; do sleep 0.1; done\nexit 3",
    )
    port, web_port = free_port(), free_port()

    ended = make("example", f"PORT={port}", f"WEB_PORT={web_port}", path=f":{os.defpath}")

    assert ended.returncode != 0
    assert "The server or the front end has ended, and so does the other\n" in ended.stderr
    page, api = f"http://localhost:{web_port}", f"http://localhost:{port}"
    assert f"server: {page} main:app --port {port}\n" in ended.stdout
    assert f"front end: {page} {api} " in ended.stdout
    assert f" dev --port {web_port}\n" in ended.stdout
