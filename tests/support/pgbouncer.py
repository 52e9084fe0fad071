"""A real PgBouncer between the service and a cluster."""

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Self
from uuid import uuid4

import pytest
from cluster import ROLE, Cluster
from ports import free_port
from waiting import eventually

# Fewer connections than the service has.
SERVER_CONNECTIONS = 5


class PgBouncer:
    """PgBouncer before a cluster, but for its mode, and what else is named, as it is by default."""

    def __init__(
        self,
        folder: Path,
        cluster: Cluster,
        pool_mode: str = "transaction",
        server_login_retry: int = 15,
    ) -> None:
        self.port = free_port()
        self._folder = folder
        self._pool_mode = pool_mode
        self._server_login_retry = server_login_retry
        self._configuration = folder / "pgbouncer.ini"
        self._write(cluster)
        self.start()

    def lead_to(self, cluster: Cluster) -> None:
        """Point it to another cluster, while it serves."""
        self._write(cluster)
        self._process.send_signal(signal.SIGHUP)

    def _write(self, cluster: Cluster) -> None:
        users = self._folder / "users.txt"
        users.write_text(f'"{ROLE}" ""\n')
        self._configuration.write_text(
            f"""
[databases]
* = host=127.0.0.1 port={cluster.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = {self._pool_mode}
default_pool_size = {SERVER_CONNECTIONS}
server_login_retry = {self._server_login_retry}
"""
        )

    def start(self) -> None:
        program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
        if not program:
            pytest.fail("PgBouncer is not installed (Debian: apt-get install pgbouncer)")
        as_user = ["-u", "nobody"] if os.geteuid() == 0 else []  # it does not run as root
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, *as_user, str(self._configuration)], stdout=log, stderr=log
            )
        eventually("PgBouncer listens", self._listens, seconds=10)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def _listens(self) -> bool:
        assert self._process.poll() is None, (self._folder / "log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def folder_beside(cluster: Cluster) -> Path:
    """A folder that PgBouncer may read: it does not run as root."""
    folder = cluster.folder.parent / uuid4().hex
    folder.mkdir()
    return folder
