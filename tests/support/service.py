"""The service as its operator runs it: `uvicorn main:app`, say, in processes of its own."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import httpx2
from endpoints import ORIGIN
from ports import free_port
from waiting import eventually

START_SECONDS = 60


@dataclass(frozen=True)
class Server:
    """A program that serves the app, and what it logs: once, and once for each worker."""

    command: str
    listens: str
    started: str


UVICORN = Server(
    # `only` stops workers, which are not to be replaced for that. Clients that are busy meanwhile
    # come back to connections that are not to be closed.
    "uvicorn main:app --port {port} --workers {workers} --timeout-worker-healthcheck 60"
    " --timeout-keep-alive 60",
    "Uvicorn running on",
    "Application startup complete.",
)
GUNICORN = Server(
    "gunicorn main:app --bind 127.0.0.1:{port} --workers {workers}"
    " --worker-class uvicorn_worker.UvicornWorker",
    "Listening at",
    "Application startup complete.",
)
HYPERCORN = Server(
    "hypercorn main:app --bind 127.0.0.1:{port} --workers {workers}", "Running on", "Running on"
)


class Service:
    """Runs until its `with` ends; `environment` is all that it knows, and `log` is its output."""

    def __init__(
        self,
        folder: Path,
        log: Path,
        environment: dict[str, str],
        *options: str,
        workers: int = 1,
        server: Server = UVICORN,
        port: int | None = None,
    ) -> None:
        self.server = server
        self.port = port or free_port()
        self.workers = workers
        self.origin = f"http://127.0.0.1:{self.port}"
        self._log = log
        command = server.command.format(port=self.port, workers=workers)
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *command.split(), *options],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.client = httpx2.Client(
            base_url=self.origin,
            headers={"Origin": ORIGIN},
            timeout=30,
            limits=httpx2.Limits(max_connections=None),
            trust_env=False,
        )

    def log(self) -> str:
        return self._log.read_text()

    def wait_until_started(self) -> Self:
        """Wait until every worker serves."""

        def started() -> bool:
            assert self.process.poll() is None, self.log()
            lines = self.log()
            return self.server.listens in lines and lines.count(self.server.started) >= self.workers

        eventually("the start", started, seconds=START_SECONDS)
        return self

    def worker_ids(self) -> list[int]:
        """The ids of the processes that answer."""
        return [int(pid) for pid in re.findall(r"Started server process \[(\d+)\]", self.log())]

    @contextmanager
    def only(self, worker: int) -> Iterator[httpx2.Client]:
        """A client that only this worker can answer, as the others are stopped."""
        others = [other for other in self.worker_ids() if other != worker]
        for other in others:
            os.kill(other, signal.SIGSTOP)
        try:
            with httpx2.Client(base_url=self.origin, timeout=30, trust_env=False) as client:
                yield client
        finally:
            for other in others:
                os.kill(other, signal.SIGCONT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
