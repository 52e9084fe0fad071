"""Somebody who has just come, and types what the pages say."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIGKILL

import httpx2
from pages import ROOT
from ports import free_port
from waiting import eventually

INSTALL_SECONDS = 600
PORT = "8000"
# How this machine reaches a package index.
NETWORK = re.compile(
    r"PIP_\w+|NPM_CONFIG_\w+|\w+_PROXY|SSL_CERT_\w+|NODE_EXTRA_CA_CERTS", re.IGNORECASE
)


class Newcomer:
    """Somebody's home folder, in which there is nothing yet, and what they type."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = str(free_port())
        self.url = f"http://localhost:{self.port}"
        self._environment = {
            "NPM_CONFIG_USERCONFIG": str(Path.home() / ".npmrc"),
            **{name: value for name, value in os.environ.items() if NETWORK.fullmatch(name)},
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "PORT": self.port,  # for `make run` and for Next.js
            "NPM_CONFIG_YES": "true",  # npx asks before it installs
            "NEXT_TELEMETRY_DISABLED": "1",
        }

    def type(self, commands: str, folder: Path, **environment: str) -> str:
        """What the commands print, once they have ended well."""
        bash = subprocess.run(
            self._bash(commands),
            cwd=folder,
            env=self._environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert bash.returncode == 0, f"{commands}\n{bash.stdout}\n{bash.stderr}"
        return bash.stdout

    @contextmanager
    def serving(
        self, commands: str, folder: Path, path: str = "/health", **environment: str
    ) -> Iterator[None]:
        """While the commands serve, in a terminal of their own; once they do, `path` is found."""
        terminal = self.home / f"terminal-{self.port}"
        with terminal.open("wb") as output:
            bash = subprocess.Popen(
                self._bash(commands),
                cwd=folder,
                env=self._environment | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

        def is_serving() -> bool:
            assert bash.poll() is None, terminal.read_text()
            with suppress(httpx2.TransportError):
                return client.get(path).is_success
            return False

        try:
            with httpx2.Client(base_url=self.url, trust_env=False) as client:
                eventually("the start", is_serving, seconds=INSTALL_SECONDS)
            yield
        finally:
            os.killpg(bash.pid, SIGKILL)
            bash.wait()

    def _bash(self, commands: str) -> list[str]:
        typed = commands.replace("<this repository's URL>", str(ROOT)).replace(PORT, self.port)
        return ["bash", "-euo", "pipefail", "-c", typed]
