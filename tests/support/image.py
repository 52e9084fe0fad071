"""The Dockerfile, read and followed without Docker: its steps run in a folder instead of an image.

What it cannot show is the base image: the steps run on this machine's Python and shell.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from processes import ROOT

DOCKERFILE = ROOT / "Dockerfile"
# How this machine reaches a package index.
NETWORK = re.compile(r"PIP_\w+|\w+_PROXY|SSL_CERT_\w+", re.IGNORECASE)
# The folders that the Dockerfile makes. The others of its paths are the base image's.
MADE = re.compile(r"(?<![\w./])/(?=(?:app|build|opt)\b)")


class Instruction(NamedTuple):
    name: str
    value: str


def instructions() -> list[Instruction]:
    """The Dockerfile's instructions in order, each on one line."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", "")
    return [Instruction(*line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def values(name: str) -> list[str]:
    return [instruction.value for instruction in instructions() if instruction.name == name]


def context() -> list[PurePosixPath]:
    """The files that `COPY . ./` copies: those that .dockerignore leaves."""
    rules = [rule for rule in (ROOT / ".dockerignore").read_text().splitlines() if rule[:1] != "#"]
    # `os.walk` does not mind folders that other tests remove meanwhile.
    files = (
        PurePosixPath(Path(folder, name).relative_to(ROOT))
        for folder, _, names in os.walk(ROOT)
        for name in names
    )
    return sorted(path for path in files if not is_ignored(path, rules))


def is_ignored(path: PurePosixPath, rules: list[str]) -> bool:
    """The last rule that fits the path, or a folder above it, counts."""
    ignored = False
    for rule in rules:
        pattern = rule.removeprefix("!").rstrip("/").split("/")
        if pattern[0] == "**":
            fits = any(fnmatchcase(part, pattern[1]) for part in path.parts)
        else:
            parts = path.parts[: len(pattern)]
            fits = len(parts) == len(pattern) and all(map(fnmatchcase, parts, pattern))
        if fits:
            ignored = not rule.startswith("!")
    return ignored


class Image:
    """What the Dockerfile makes, in `folder` instead of at the root of an image."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # The base image's programs.
        self._environment = {"PATH": f"{folder}/base/bin:/usr/bin:/bin"}
        self._workdir = folder

    def build(self) -> None:
        programs = self.folder / "base" / "bin"
        programs.mkdir(parents=True)
        (programs / "python").symlink_to(_python_for_everybody())
        (programs / "pip").write_text(f'#!/bin/sh\nexec {sys.executable} -m pip "$@"\n')
        (programs / "pip").chmod(0o755)
        for name, value in instructions():
            if name == "COPY":
                self._copy(*value.split())
            elif name == "RUN":
                self._run(value)
            elif name == "WORKDIR":
                self._workdir = Path(self._placed(value))
                self._workdir.mkdir()
            elif name == "ENV":
                self._set(value)
        subprocess.run(["chmod", "-R", "a-w", self.folder], check=True)

    def start(
        self, command: list[str], log: Path, user: int | None, **environment: str
    ) -> "subprocess.Popen[bytes]":
        """Start the command of a CMD or HEALTHCHECK as this user."""
        with log.open("ab") as output:
            return subprocess.Popen(
                command,
                cwd=self._workdir,
                env=self._environment | environment,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def files(self) -> dict[Path, float]:
        """Every file and folder, and when it was changed."""
        return {path: path.lstat().st_mtime for path in self.folder.rglob("*")}

    def _placed(self, text: str) -> str:
        return MADE.sub(f"{self.folder}/", text)

    def _copy(self, *arguments: str) -> None:
        *sources, target = arguments
        if sources[0].startswith("--from="):
            assert sources[1] == target, "both stages are in one folder here"
            return
        to = self._workdir / self._placed(target)
        for path in context() if sources == ["."] else map(PurePosixPath, sources):
            (to / path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copy(ROOT / path, to / path)
            # As a clone under the umask 077 would be.
            (to / path).chmod(0o600)

    def _run(self, command: str) -> None:
        network = {name: value for name, value in os.environ.items() if NETWORK.fullmatch(name)}
        subprocess.run(
            ["sh", "-c", self._placed(command)],
            cwd=self._workdir,
            env=network | self._environment,
            umask=0o022,
            check=True,
        )

    def _set(self, value: str) -> None:
        for name, text in re.findall(r"(\w+)=(\S+)", self._placed(value)):
            path = self._environment["PATH"]
            self._environment[name] = text.replace("$PATH", path)


def _python_for_everybody() -> Path:
    """A Python that other users can reach too: one in somebody's home folder they cannot."""
    candidates = [Path(sys.base_prefix) / "bin" / "python3", Path("/usr/bin/python3")]
    for python in candidates:
        if all(folder.stat().st_mode & 0o001 for folder in python.resolve().parents):
            return python
    raise AssertionError("No Python can be reached by other users")


def command() -> list[str]:
    """What a container runs."""
    [value] = values("CMD")
    return list(json.loads(value))


def healthcheck() -> list[str]:
    [value] = values("HEALTHCHECK")
    return list(json.loads(value.partition("CMD ")[2]))
