"""Python in a process of its own, with nothing in its environment but what a test names."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# The folders of the app's code, beside the modules on top.
FOLDERS = ("routes", "sql", "driver", "tokens", "migrations")


def copy_app(folder: Path) -> Path:
    """Copy the app's modules to where no `.env` and no database lie about, as compiled here, if
    PYTHONDONTWRITEBYTECODE does not forbid that.
    """
    for name in (*FOLDERS, *(path.name for path in ROOT.glob("__pycache__"))):
        # What other workers of pytest-xdist compile at this moment has a name for the moment.
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.pyc.*"))
    for module in ROOT.glob("*.py"):
        shutil.copy2(module, folder)  # with its time, by which Python knows what is compiled
    return folder


def start_python(app_folder: Path, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
    """Start Python in `app_folder` with nothing but `environment` set."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=app_folder,
        env={"PYTHONDONTWRITEBYTECODE": "1", **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
