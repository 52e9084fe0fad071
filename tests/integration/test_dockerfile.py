"""The image, built of the Dockerfile by buildah and run: as any user, on files that nobody may
write. Its base is a stand-in, with Debian's own Python.
"""

import random
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from os import kill
from pathlib import Path

import httpx2
import pytest
from endpoints import TASKS
from image import Image, process_of, values
from ports import free_port
from processes import FOLDERS, ROOT
from users import SECRET, bearer
from waiting import eventually

pytestmark = pytest.mark.integration

START_SECONDS = 60
STOP_SECONDS = 20
# What may lie in a clone, and is nobody else's business.
PRIVATE = {".env": "BETTER_AUTH_SECRET=of-one-machine", "tasks.db": "somebody's tasks"}
# Kubernetes and OpenShift run an image as any number.
ANY_USER = str(random.randint(20_000, 60_000))
ON_A_TMPFS = "sqlite:////tmp/tasks.db"


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    # Not in pytest's folder, which is closed to other users.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Image(Path(folder), PRIVATE)


class Container:
    """The image's command, which runs in a container; and the image's health check."""

    def __init__(self, image: Image, log: Path, user: str, **environment: str) -> None:
        self.port = free_port()
        self._image = image
        self._log = log
        self._user = user
        self._environment = {"PORT": str(self.port), "BETTER_AUTH_SECRET": SECRET, **environment}
        self.process = self._start(image.config["Cmd"])

    def log(self) -> str:
        return self._log.read_text()

    def wait_until_started(self) -> None:
        eventually("the start", lambda: "Uvicorn running on" in self.log(), seconds=START_SECONDS)

    def kill(self, number: signal.Signals) -> None:
        if self.process.poll() is None:
            kill(process_of(self.process), number)

    def health(self) -> int:
        _, *check = self._image.config["Healthcheck"]["Test"]
        return self._start(check).wait(timeout=STOP_SECONDS)

    def _start(self, command: list[str]) -> "subprocess.Popen[bytes]":
        return self._image.start(command, self._log, self._user, self._environment)


Run = Callable[..., Container]


@pytest.fixture
def run(image: Image, tmp_path: Path) -> Iterator[Run]:
    with ExitStack() as stack:

        def run(user: str = ANY_USER, **environment: str) -> Container:
            container = Container(image, tmp_path / "log", user, **environment)
            stack.callback(container.process.wait)
            stack.callback(container.kill, signal.SIGKILL)
            return container

        yield run


def test_the_image_holds_the_code_that_runs_and_nothing_else(image: Image) -> None:
    held = {path.relative_to(image.root / "app") for path in (image.root / "app").rglob("*.*")}

    modules = [*ROOT.glob("*.py"), ROOT / "migrations/script.py.mako"]
    modules += [ROOT / "requirements.txt", ROOT / "requirements-mcp.txt"]
    modules += [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    assert {path for path in held if path.suffix != ".pyc"} == {
        path.relative_to(ROOT) for path in modules
    }


def test_the_image_has_nothing_of_the_machine_that_built_it(image: Image) -> None:
    with tarfile.open(image.base) as base:
        files = {Path(file.name): file for file in base if file.isfile() or file.islnk()}
        sizes = {
            name: base.getmember(file.linkname).size if file.islnk() else file.size
            for name, file in files.items()
        }
    made = {image.root / "app", image.root / "opt" / "venv"}

    others = (
        path
        for path in image.root.rglob("*")
        if path.is_file() and not path.is_symlink() and made.isdisjoint(path.parents)
    )

    assert {path.relative_to(image.root): path.lstat().st_size for path in others} == sizes
    assert [name.partition("=")[0] for name in image.config["Env"]] == [
        "PATH",
        "PYTHONDONTWRITEBYTECODE",
    ]


@pytest.mark.parametrize("user", [*values("USER"), ANY_USER], ids=["its own", "another"])
def test_the_container_serves_any_user_from_files_that_nobody_may_write(
    run: Run, user: str
) -> None:
    container = run(user, NEON_DATABASE_URL=ON_A_TMPFS)
    container.wait_until_started()

    created = httpx2.post(
        f"http://127.0.0.1:{container.port}{TASKS}",
        json={"title": "Buy groceries"},
        headers=bearer(),
        trust_env=False,
    )

    assert created.status_code == 201


def test_the_health_check_tells_a_container_that_serves_from_one_that_does_not(run: Run) -> None:
    container = run(
        NEON_DATABASE_URL=ON_A_TMPFS,
        # Meant for the way out; a check that took it would never come back.
        http_proxy="http://127.0.0.1:9",
    )
    container.wait_until_started()
    assert container.health() == 0

    container.kill(signal.SIGKILL)
    container.process.wait()

    assert container.health() == 1


def test_a_stop_answers_the_request_that_is_under_way(run: Run) -> None:
    container = run(NEON_DATABASE_URL=ON_A_TMPFS)
    container.wait_until_started()
    body = b'{"title": "Buy groceries"}'
    request = HTTPConnection("127.0.0.1", container.port, timeout=STOP_SECONDS)
    request.putrequest("POST", TASKS)
    for name, value in {
        **bearer(),
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Expect": "100-continue",
    }.items():
        request.putheader(name, value)
    request.endheaders()
    assert request.sock.recv(1024) == b"HTTP/1.1 100 Continue\r\n\r\n"

    container.kill(signal.SIGTERM)
    eventually("the stop begins", lambda: "Shutting down" in container.log(), seconds=STOP_SECONDS)
    request.send(body)

    assert request.getresponse().status == 201
    assert container.process.wait(timeout=STOP_SECONDS) == 0


def test_a_container_without_a_database_says_so_at_once(run: Run) -> None:
    container = run()

    assert container.process.wait(timeout=START_SECONDS) == 3
    assert "Traceback" not in container.log()
    assert re.search(
        r"The database cannot be used \(SQLite, .*tasks\.db\): unable to open database file; this"
        " user must be able to write to the file and to its folder, or NEON_DATABASE_URL must name"
        " a PostgreSQL",
        container.log(),
    )


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_package_has_a_wheel_for_the_images_python(tmp_path: Path, machine: str) -> None:
    [version] = {version for image in values("FROM") for version in re.findall(r"[\d.]+", image)}
    platforms = [f"--platform=manylinux_2_{minor}_{machine}" for minor in range(17, 42)]

    pip = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--dry-run", "--quiet"),
            *("--ignore-installed", "--only-binary=:all:", f"--target={tmp_path}"),
            *(f"--python-version={version}", *platforms),
            *("-r", "requirements.txt", "-r", "requirements-mcp.txt"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert pip.returncode == 0, pip.stderr
