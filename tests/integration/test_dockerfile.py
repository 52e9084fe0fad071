"""The Dockerfile's steps, run one by one without Docker: as a user of any number, on files that
nobody may write.
"""

import os
import random
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import pytest
from endpoints import TASKS
from image import Image, command, healthcheck, values
from ports import free_port
from processes import ROOT
from users import SECRET, bearer
from waiting import eventually

pytestmark = pytest.mark.integration

START_SECONDS = 30
STOP_SECONDS = 20
# Only root can become somebody else. Kubernetes and OpenShift run an image as any number.
USER = random.randint(20_000, 60_000) if os.getuid() == 0 else None


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    # Not in pytest's folder, which is closed to other users.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        image = Image(Path(folder) / "image")
        image.folder.mkdir()
        image.build()
        yield image


@pytest.fixture
def data() -> Iterator[Path]:
    """A folder that the container's user may write."""
    with tempfile.TemporaryDirectory() as folder:
        if USER is not None:
            os.chown(folder, USER, USER)
        yield Path(folder)


class Container:
    def __init__(self, image: Image, log: Path, **environment: str) -> None:
        self.image = image
        self.port = free_port()
        self.log = log
        self.environment = {"PORT": str(self.port), "BETTER_AUTH_SECRET": SECRET, **environment}
        self.process = image.start(command(), log, USER, **self.environment)

    def health(self) -> int:
        """The exit status of the image's HEALTHCHECK."""
        check = self.image.start(healthcheck(), self.log, USER, **self.environment)
        return check.wait(timeout=STOP_SECONDS)


Run = Callable[..., Container]


@pytest.fixture
def run(image: Image, tmp_path: Path) -> Iterator[Run]:
    with ExitStack() as stack:

        def run(**environment: str) -> Container:
            container = Container(image, tmp_path / "log", **environment)
            stack.callback(container.process.wait)
            stack.callback(container.process.kill)
            return container

        yield run


def test_the_container_serves_and_writes_nothing_of_its_own(
    image: Image, run: Run, data: Path
) -> None:
    before = image.files()

    container = run(DATABASE_URL=f"sqlite:///{data / 'tasks.db'}")
    eventually("the start", lambda: "startup complete" in container.log.read_text(), seconds=30)
    created = httpx2.post(
        f"http://127.0.0.1:{container.port}{TASKS}",
        json={"title": "Buy groceries"},
        headers=bearer(),
        trust_env=False,
    )

    assert created.status_code == 201
    assert image.files() == before


def test_the_health_check_tells_a_container_that_serves_from_one_that_does_not(
    run: Run, data: Path
) -> None:
    container = run(
        DATABASE_URL=f"sqlite:///{data / 'tasks.db'}",
        # Meant for the way out; a check that took it would never come back.
        http_proxy="http://127.0.0.1:9",
    )
    eventually("a healthy container", lambda: container.health() == 0, seconds=START_SECONDS)

    container.process.kill()
    container.process.wait()

    assert container.health() == 1


def test_sigterm_reaches_the_server(run: Run, data: Path) -> None:
    container = run(DATABASE_URL=f"sqlite:///{data / 'tasks.db'}")
    eventually("the start", lambda: "startup complete" in container.log.read_text(), seconds=30)

    container.process.send_signal(signal.SIGTERM)
    container.process.wait(timeout=STOP_SECONDS)

    assert "Application shutdown complete" in container.log.read_text()


def test_a_container_without_a_database_says_so_at_once(run: Run) -> None:
    container = run()

    assert container.process.wait(timeout=START_SECONDS) == 3
    log = container.log.read_text()
    assert "Traceback" not in log
    assert re.search(
        r"The database cannot be used \(SQLite, .*tasks\.db\): unable to open database file; this"
        " user must be able to write to the file and to its folder, or NEON_DATABASE_URL must name"
        " a PostgreSQL",
        log,
    )


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_package_has_a_wheel_for_the_images_python(tmp_path: Path, machine: str) -> None:
    [version] = {version for image in values("FROM") for version in re.findall(r"[\d.]+", image)}
    platforms = [f"--platform=manylinux_2_{minor}_{machine}" for minor in range(17, 42)]

    pip = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--dry-run", "--quiet"),
            *("--ignore-installed", "--only-binary=:all:", f"--target={tmp_path}"),
            *(f"--python-version={version}", *platforms, "-r", "requirements.txt"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert pip.returncode == 0, pip.stderr
