"""The example of a front end, built and in `next dev`: two people's day in a real browser."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from cluster import Database
from ports import free_port
from processes import ROOT, copy_app
from service import Service
from users import SECRET
from waiting import eventually

pytestmark = pytest.mark.integration

HERE = Path(__file__).parent
EXAMPLE = ROOT / "examples" / "nextjs"
NEXT = EXAMPLE / "node_modules" / "next" / "dist" / "bin" / "next"
# `next dev` compiles what a page needs when it is first asked for.
START_SECONDS = 120
# Where the walk leaves its pictures; examples/nextjs, to renew those of its README.
SCREENSHOTS = os.environ.get("EXAMPLE_SCREENSHOTS")
AS_BUILT = pytest.mark.parametrize(
    "running", [("start", "postgresql")], ids="-".join, indirect=True
)
# The furthest from UTC.
TIME_ZONE = "Pacific/Kiritimati"


@dataclass(frozen=True)
class Running:
    """The example and its API, and what can be made to fail for a while."""

    environment: dict[str, str]
    front_end: str
    api: str
    faults: dict[str, Callable[[], AbstractContextManager[None]]]


def run_in_example(*command: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        command,
        cwd=EXAMPLE,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module", params=[("start", "postgresql"), ("dev", "sqlite")], ids="-".join)
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """As built, with Better Auth's tables and the tasks in one PostgreSQL; or as `next dev` serves
    it, in React's Strict Mode, with a file for each."""
    assert NEXT.exists(), "run `make integration`, which installs the example"
    mode, database_kind = request.param
    folder = tmp_path_factory.mktemp("example")
    if database_kind == "postgresql":
        database = Database(request.getfixturevalue("cluster"))
        tasks_url = accounts_url = database.url()

        def block_writes() -> AbstractContextManager[None]:
            return database.locked("LOCK TABLE tasks IN EXCLUSIVE MODE")
    else:
        tasks_url, accounts_url = f"sqlite:///{folder / 'tasks.db'}", str(folder / "auth.db")

        def block_writes() -> AbstractContextManager[None]:
            return written(folder / "tasks.db")

    api_port, front_end_port = free_port(), free_port()
    front_end = f"http://localhost:{front_end_port}"
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ["HOME"],
        "TZ": TIME_ZONE,
        "NEXT_TELEMETRY_DISABLED": "1",
        "NEXT_PUBLIC_API_URL": f"http://localhost:{api_port}",
        "BETTER_AUTH_SECRET": SECRET,
        "BETTER_AUTH_URL": front_end,
        "DATABASE_URL": accounts_url,
    }
    api_environment = {
        "BETTER_AUTH_SECRET": SECRET,
        "BETTER_AUTH_URL": front_end,
        "NEON_DATABASE_URL": tasks_url,
    }
    run_in_example("npm", "run", "setup", environment=environment)
    if mode == "start":
        run_in_example("npm", "run", "build", environment=environment)  # holds the API's address
    app = copy_app(folder / "app")
    command = [found("node"), str(NEXT), mode, "--port", str(front_end_port)]
    services: list[Service] = []

    def start_api() -> None:
        log = folder / f"log-{len(services)}"
        service = Service(app, log, api_environment, port=api_port)
        services.append(started.enter_context(service))
        service.wait_until_started()

    @contextmanager
    def stop_api() -> Iterator[None]:
        os.killpg(services[-1].process.pid, signal.SIGKILL)
        yield
        start_api()

    with ExitStack() as started:
        started.enter_context(serving(command, environment, front_end, folder / "front-end-log"))
        start_api()
        faults = {"block writes": block_writes, "stop the API": stop_api}
        yield Running(environment, front_end, services[0].origin, faults)
    assert not any("Traceback" in service.log() for service in services)


@contextmanager
def written(file: Path) -> Iterator[None]:
    """Another process writes to this SQLite file."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.rollback()


@contextmanager
def serving(
    command: list[str], environment: dict[str, str], front_end: str, log: Path
) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=EXAMPLE,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def serves() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return all(client.get(path).is_success for path in ("/api/auth/ok", "/", "/sign-in"))
        except httpx2.TransportError:
            return False

    try:
        with httpx2.Client(base_url=front_end, timeout=START_SECONDS, trust_env=False) as client:
            eventually("the start of the example", serves, seconds=START_SECONDS)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # `next dev` serves from a process of its own
        process.wait()


def found(*programs: str) -> str:
    paths = [path for program in programs if (path := shutil.which(program))]
    assert paths, f"{programs[0]} is missing"
    return paths[0]


def walk(script: str, running: Running, screenshots: Path) -> None:
    """Run a script that drives Chromium, and do what it asks for."""
    settings = {
        "frontEnd": running.front_end,
        "api": running.environment["NEXT_PUBLIC_API_URL"],
        "browserPath": found("chromium", "google-chrome"),
        "screenshots": str(screenshots),
    }
    process = subprocess.Popen(
        [found("node"), script, json.dumps(settings)],
        cwd=HERE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    last_step = "the beginning"
    with process, ExitStack() as failing:
        assert process.stdin
        assert process.stdout
        for line in process.stdout:
            said = json.loads(line)
            last_step = said.get("step", last_step)
            if "ask" not in said:
                continue
            if said["ask"] == "mend":
                failing.close()
            else:
                failing.enter_context(running.faults[said["ask"]]())
            print(file=process.stdin, flush=True)
    assert process.returncode == 0, f"Not so: {last_step}"


def test_two_people_use_everything_that_the_example_shows(running: Running, tmp_path: Path) -> None:
    walk("walk.mjs", running, Path(SCREENSHOTS).absolute() if SCREENSHOTS else tmp_path)


def test_a_reminder_is_shown_once_in_whichever_tab_or_listed(
    running: Running, tmp_path: Path
) -> None:
    walk("reminders.mjs", running, tmp_path)


@AS_BUILT
def test_what_fails_is_said_where_it_failed_until_it_is_over(
    running: Running, tmp_path: Path
) -> None:
    walk("faults.mjs", running, tmp_path)


@AS_BUILT
def test_a_tab_never_acts_for_another_user_than_the_one_it_shows(
    running: Running, tmp_path: Path
) -> None:
    walk("two_tabs.mjs", running, tmp_path)


@AS_BUILT
def test_the_api_client_alone_sends_no_token_but_that_of_whose_tasks_it_asks_for(
    running: Running, tmp_path: Path
) -> None:
    walk("api_client.mjs", running, tmp_path)


@AS_BUILT
def test_the_types_are_those_of_the_document(running: Running, tmp_path: Path) -> None:
    generated = tmp_path / "tasks-api.d.ts"
    document = f"{running.api}/openapi.json"

    run_in_example(
        "npx", "openapi-typescript", document, "-o", str(generated),
        environment=running.environment,
    )  # fmt: skip

    assert generated.read_text() == (EXAMPLE / "lib" / "tasks-api.d.ts").read_text()
