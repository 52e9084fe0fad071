"""The Dockerfile: what stands in it, and the image that buildah makes of it, without a registry."""

import json
import os
import subprocess
from pathlib import Path
from typing import NamedTuple

from processes import ROOT

DOCKERFILE = ROOT / "Dockerfile"
# What the base image has of Debian's packages. Debian's Python is older than the one that is named.
BASE_PACKAGES = "python3-pip,python-is-python3,ca-certificates"
PIP_CONFIGURATION = "etc/pip.conf"
AUTHORITIES = "etc/ssl/certs/ca-certificates.crt"
# What an engine does for `--read-only --tmpfs /tmp --security-opt no-new-privileges --user`. The
# command is process 1, to which signals mean what they mean in a container.
START = """
mount --bind "$0" "$0"
mount -t proc proc "$0/proc"
mount --rbind /dev "$0/dev"
mount -t tmpfs tmpfs "$0/tmp"
mount -o remount,bind,ro "$0"
exec setpriv --no-new-privs unshare --root="$0" "$@"
"""


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


def command() -> list[str]:
    """What a container runs."""
    [value] = values("CMD")
    return list(json.loads(value))


class Image:
    """The image of the last commit, and of what `ignored` adds: texts by the files' names."""

    def __init__(self, folder: Path, ignored: dict[str, str]) -> None:
        assert os.getuid() == 0, "only root may make an image and run it here"
        self._folder = folder
        self.base = folder / "base" / "base.tar"
        self._make_base()
        self._build(ignored)
        inspected = json.loads(self._buildah("inspect", "--type=image", "tasks-api"))
        self.config = inspected["Docker"]["config"]
        container = self._buildah("from", "--pull-never", "tasks-api").strip()
        self.root = Path(self._buildah("mount", container).strip())

    def start(
        self, command: list[str], log: Path, user: str, environment: dict[str, str]
    ) -> "subprocess.Popen[bytes]":
        """Start a command in a container as this user, on files that nobody may write."""
        variables = [*self.config["Env"], *map("=".join, environment.items())]
        with log.open("ab") as output:
            return subprocess.Popen(
                [
                    *("unshare", "--mount", "--pid", "--fork"),
                    *("sh", "-ec", START, self.root),
                    *(f"--wd={self.config['WorkingDir']}", f"--setuid={user}", f"--setgid={user}"),
                    *("env", "-i", *variables, *command),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def _make_base(self) -> None:
        """Make what the Dockerfile's FROM names."""
        self.base.parent.mkdir()
        # The file is there for the settings of pip to be mounted upon: of a mount nothing stays.
        made = f'touch "$1/{PIP_CONFIGURATION}"'
        packages = f"--include={BASE_PACKAGES}"
        _run(
            *("mmdebstrap", "--quiet", "--variant=essential", packages, f"--customize-hook={made}"),
            *("trixie", self.base),
        )
        dockerfile = self.base.with_name("Dockerfile")
        dockerfile.write_text(f"FROM scratch\nADD {self.base.name} /\n")
        name, *_ = values("FROM")[-1].split()
        self._buildah("build", "--isolation=chroot", f"--tag=localhost/{name}", dockerfile.parent)

    def _build(self, ignored: dict[str, str]) -> None:
        context = self._folder / "clone"
        _run("git", "clone", "--quiet", ROOT, context)
        for name, text in ignored.items():
            (context / name).write_text(text)
        # As a clone under the umask 077 is.
        _run("chmod", "-R", "go=", context)
        settings = self._folder / "pip.conf"
        settings.write_text("\n".join(["[global]", *_settings_of_pip()]))
        volumes = [f"--volume={settings}:/{PIP_CONFIGURATION}:ro"]
        authorities = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
        if authorities:
            volumes.append(f"--volume={authorities}:/{AUTHORITIES}:ro")
        self._buildah(
            *("build", "--isolation=chroot", "--network=host", "--pull-never", *volumes),
            # The format that has a HEALTHCHECK.
            *("--format=docker", "--tag=tasks-api", context),
        )

    def _buildah(self, *arguments: str | Path) -> str:
        storage = f"--root={self._folder / 'storage'}", f"--runroot={self._folder / 'run'}"
        return _run("buildah", "--storage-driver=vfs", *storage, *arguments)


def process_of(container: "subprocess.Popen[bytes]") -> int:
    """The id, outside of the container, of its process 1."""
    [process] = Path(f"/proc/{container.pid}/task/{container.pid}/children").read_text().split()
    return int(process)


def _settings_of_pip() -> list[str]:
    """How this machine reaches a package index, but for paths, which are not those of an image."""
    settings = {
        name.removeprefix("PIP_").lower().replace("_", "-"): value
        for name, value in os.environ.items()
        if name.startswith("PIP_") and not value.startswith("/")
    }
    return [f"{name} = {value}" for name, value in settings.items()]


def _run(*command: str | Path) -> str:
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout
