"""A start that can never succeed ends at once, with one line that says what to do."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest
from cluster import ROLE, ROLE_WITH_PASSWORD, SUPERUSER, Cluster, Database
from fixtures import RunService, SetEnvironment
from gate import Gate
from places import migrate, refusal_of_a_start
from ports import free_port
from sqlalchemy.engine import make_url
from waiting import eventually

import database
import main
from database import make_engine
from settings import StartupError

# Less than the pause before a second try, if there were one, and the start of Python.
EXIT_SECONDS = 60


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
    cluster: Cluster, caplog: pytest.LogCaptureFixture, url: str, words: list[str]
) -> None:
    name = Database(cluster).name

    line = refusal_of_a_start(url.format(port=cluster.port, name=name))

    assert line.startswith("The database cannot be used (PostgreSQL, database ")
    assert [word for word in words if word not in line] == []
    assert "hunter2" not in line + caplog.text
    assert "trying again" not in caplog.text


def test_a_start_at_a_database_that_does_not_let_it_in_ends_at_once(
    cluster: Cluster, run_service: RunService
) -> None:
    server = f"127.0.0.1:{cluster.port}/{Database(cluster).name}"

    with run_service(
        NEON_DATABASE_URL=f"postgresql://{ROLE_WITH_PASSWORD}:hunter2@{server}"
    ) as service:
        service.process.wait(timeout=EXIT_SECONDS)

    assert service.process.returncode == 3
    log = service.log()
    line = log.splitlines()[-2]
    assert "The database cannot be used (PostgreSQL, database " in line
    assert "password authentication failed" in line
    assert [word for word in ("hunter2", "trying again", "Traceback") if word in log] == []


def test_advice_names_the_variable_that_was_used(
    cluster: Cluster, set_environment: SetEnvironment
) -> None:
    url = f"postgresql://{ROLE}@127.0.0.1:{cluster.port}/elsewhere"
    set_environment(DATABASE_URL=url)

    line = refusal_of_a_start(url)

    assert line.endswith("; create it, or correct DATABASE_URL")


def test_a_start_without_the_right_to_create_tables_names_the_grant_that_helps(
    cluster: Cluster, empty_database: Database
) -> None:
    cluster.run(f"ALTER DATABASE {empty_database.name} OWNER TO {SUPERUSER}")

    line = refusal_of_a_start(empty_database.url())
    _, _, grant = line.rpartition("; ")
    empty_database.run(grant)
    migrate(empty_database.url())

    assert grant == f"GRANT USAGE, CREATE ON SCHEMA public TO {ROLE}"


def test_a_start_at_an_sqlite_file_that_cannot_be_opened_says_what_helps(tmp_path: Path) -> None:
    line = refusal_of_a_start(f"sqlite:///{tmp_path}")

    assert "unable to open database file" in line
    assert "this user must be able to write to the file and to its folder" in line
    assert "or NEON_DATABASE_URL must name a Post" in line


def test_a_start_at_a_file_of_another_kind_says_so(tmp_path: Path) -> None:
    other = tmp_path / "notes.db"
    other.write_text("Buy groceries. " * 100)

    line = refusal_of_a_start(f"sqlite:///{other}")

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


def test_a_start_is_patient_and_then_says_what_was_the_matter(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with (
        caplog.at_level("WARNING", "tasks.start"),
        pytest.raises(StartupError, match=r"cannot be reached .*: .*refused"),
    ):
        migrate(f"postgresql://nobody@127.0.0.1:{free_port()}/tasks")

    assert caplog.text.count("trying again") == 2


def test_a_start_gives_signals_back_to_the_server(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)

    migrate(f"sqlite:///{tmp_path / 'tasks.db'}")

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
