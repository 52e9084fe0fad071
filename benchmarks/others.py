"""What the service is measured against: 1.1.0 from the history, the plan's code, and the peers."""

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

from benchmarks.progress import say
from benchmarks.servers import ROOT, SERVICE, SERVICE_APP, App, asgi

BEFORE, PLAN = "1.1.0", "plan"
FASTAPI, LITESTAR, FASTIFY = "FastAPI + asyncpg", "Litestar + asyncpg", "Fastify + pg"

VERSION_1_1 = "0956d7e51f8807508c3bf2f8da317e8d38d0129e"
FASTIFY_FOLDER = ROOT / "benchmarks" / "fastify"


def prepare_apps(folder: Path) -> dict[str, App]:
    """The service and all others, ready to be started. What is unpacked goes into the folder."""
    apps = {
        SERVICE: SERVICE_APP,
        BEFORE: asgi("main:app", _unpack_version_1_1(folder / BEFORE)),
        PLAN: asgi("benchmarks.plan_app:app"),
        FASTAPI: asgi("benchmarks.peer_app:app"),
        LITESTAR: asgi("benchmarks.litestar_app:app"),
    }
    if shutil.which("node") and shutil.which("npm"):
        say(f"{FASTIFY}: npm ci")
        npm_ci = ["npm", "ci", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"]
        subprocess.run(npm_ci, cwd=FASTIFY_FOLDER, check=True, stdout=subprocess.DEVNULL)
        apps[FASTIFY] = App(("node", "app.js"), FASTIFY_FOLDER)
    else:
        say(f"{FASTIFY} is left out: it needs node with npm (https://nodejs.org)")
    return apps


def _unpack_version_1_1(folder: Path) -> Path:
    packed = subprocess.run(
        ["git", "archive", VERSION_1_1], cwd=ROOT, capture_output=True, check=False
    )
    if packed.returncode:
        raise SystemExit(
            f"{BEFORE} ({VERSION_1_1}) is not in the history, which this needs whole"
            f" (git fetch --unshallow): {packed.stderr.decode()}"
        )
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder
