"""A start that can never succeed ends at once, with one line that says what to do."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest
from cluster import ROLE, ROLE_WITH_PASSWORD, SUPERUSER, Cluster, Database
from fixtures import RunService
from gate import Gate
from ports import free_port
from service import Service
from sqlalchemy.engine import make_url
from waiting import eventually

import database
import lifespan
import main
from database import make_engine
from settings import StartupError, database_url

# Less than the pause before a second try, if there were one, and the start of Python.
EXIT_SECONDS = 60


def last_words(service: Service) -> str:
    """The one line of a service that could not start."""
    service.process.wait(timeout=EXIT_SECONDS)
    assert service.process.returncode == 3
    log = service.log()
    assert "trying again" not in log
    assert "Traceback" not in log
    return log.splitlines()[-2]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (
            f"postgresql://{ROLE_WITH_PASSWORD}:hunter2@127.0.0.1:{{port}}/{{name}}",
            ["password authentication failed", "NEON_DATABASE_URL needs the user and the password"],
        ),
        ("postgresql://stranger@127.0.0.1:{port}/{name}", ['role "stranger" does not exist']),
        (
            f"postgresql://{ROLE}@127.0.0.1:{{port}}/elsewhere",
            ['database "elsewhere" does not exist', "create it, or correct NEON_DATABASE_URL"],
        ),
        (
            f"postgresql://{ROLE}@127.0.0.1:{{port}}/{{name}}?sslmode=require",
            ["server does not support SSL", "sslmode"],
        ),
        (
            f"postgresql://{ROLE}@127.0.0.1:{{port}}/{{name}}?options=-csearch_path%3Dnowhere",
            ["no schema has been selected", "search_path must name a schema that exists"],
        ),
    ],
)
def test_a_start_at_a_database_that_does_not_let_it_in_says_what_helps_and_tries_once(
    cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    url: str,
    words: list[str],
) -> None:
    name = Database(cluster).name

    with pytest.raises(StartupError) as refusal:
        start(url.format(port=cluster.port, name=name), monkeypatch)

    assert "The database cannot be used (PostgreSQL, database " in str(refusal.value)
    assert [word for word in words if word not in str(refusal.value)] == []
    assert "\n" not in str(refusal.value)
    assert "hunter2" not in str(refusal.value) + caplog.text
    assert "trying again" not in caplog.text


def test_a_start_at_a_database_that_does_not_let_it_in_ends_at_once(
    cluster: Cluster, run_service: RunService
) -> None:
    server = f"127.0.0.1:{cluster.port}/{Database(cluster).name}"

    with run_service(
        NEON_DATABASE_URL=f"postgresql://{ROLE_WITH_PASSWORD}:hunter2@{server}"
    ) as service:
        line = last_words(service)

    assert "The database cannot be used (PostgreSQL, database " in line
    assert "password authentication failed" in line
    assert "hunter2" not in service.log()


def test_advice_names_the_variable_that_was_used(cluster: Cluster, run_service: RunService) -> None:
    url = f"postgresql://{ROLE}@127.0.0.1:{cluster.port}/elsewhere"

    with run_service(DATABASE_URL=url) as service:
        line = last_words(service)

    assert line.endswith("; create it, or correct DATABASE_URL")


def test_a_start_without_the_right_to_create_tables_names_the_grant_that_helps(
    cluster: Cluster, run_service: RunService
) -> None:
    database = Database(cluster)
    cluster.run(f"ALTER DATABASE {database.name} OWNER TO {SUPERUSER}")

    with run_service(NEON_DATABASE_URL=database.url()) as service:
        line = last_words(service)
    _, _, grant = line.rpartition("; ")
    database.run(grant)
    with run_service(NEON_DATABASE_URL=database.url()) as service:
        service.wait_until_started()

    assert grant == f"GRANT USAGE, CREATE ON SCHEMA public TO {ROLE}"


def test_a_start_at_an_sqlite_file_that_cannot_be_opened_ends_at_once(
    tmp_path: Path, run_service: RunService
) -> None:
    with run_service(NEON_DATABASE_URL=f"sqlite:///{tmp_path}") as service:
        line = last_words(service)

    assert "unable to open database file" in line
    assert "write to the file and to its folder, or NEON_DATABASE_URL must name a Post" in line


def test_a_start_at_a_file_of_another_kind_ends_at_once(
    tmp_path: Path, run_service: RunService
) -> None:
    other = tmp_path / "notes.db"
    other.write_text("Buy groceries. " * 100)

    with run_service(NEON_DATABASE_URL=f"sqlite:///{other}") as service:
        line = last_words(service)

    assert "names a file that is not SQLite's" in line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("state", ["silent", "refusing"])
def test_a_start_that_waits_for_its_database_ends_when_it_is_told_to(
    cluster: Cluster, run_service: RunService, state: str, number: signal.Signals
) -> None:
    database = Database(cluster)
    with Gate(cluster.port) as gate:
        gate.silence() if state == "silent" else gate.refuse()
        with run_service(NEON_DATABASE_URL=database.url(port=gate.port)) as service:
            eventually("the wait", lambda: "Database: PostgreSQL" in service.log(), seconds=20)
            service.process.send_signal(number)

            eventually("the end", lambda: service.process.poll() is not None, seconds=2)
            assert service.process.returncode == -number


def start(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the tables as the start does, in this process."""
    engine = make_engine(database_url(url))
    monkeypatch.setattr(database, "engine", engine)
    monkeypatch.setattr(lifespan, "DELAYS_SECONDS", (0.01, 0.01))
    try:
        asyncio.run(lifespan.create_tables_when_reachable())
    finally:
        engine.dispose()


def test_a_start_is_patient_and_then_says_what_was_the_matter(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level("WARNING", "tasks.start"),
        pytest.raises(StartupError, match=r"cannot be reached .*: .*refused"),
    ):
        start(f"postgresql+psycopg2://nobody@127.0.0.1:{free_port()}/tasks", monkeypatch)

    assert caplog.text.count("trying again") == 2


def test_a_start_names_what_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StartupError, match=r"cannot be used .*; this user must be able to write"):
        start(f"sqlite:///{tmp_path}", monkeypatch)


def test_a_start_gives_signals_back_to_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.getsignal(signal.SIGTERM)

    start(f"sqlite:///{tmp_path / 'tasks.db'}", monkeypatch)

    assert signal.getsignal(signal.SIGTERM) is before


def test_a_start_that_fails_is_told_to_the_server_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "engine", make_engine(make_url(f"sqlite:///{tmp_path}")))
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, str]:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message)

    with pytest.raises(StartupError):
        asyncio.run(main.app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send))

    [failure] = sent
    assert failure["type"] == "lifespan.startup.failed"
    assert failure["message"].startswith("The database cannot be used (SQLite, ")
    assert "\n" not in failure["message"]
