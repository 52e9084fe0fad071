"""Plugins of pytest that developers have beside ours."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from processes import ROOT

pytestmark = pytest.mark.integration


def test_the_tests_run_beside_the_newest_pytest_asyncio(tmp_path: Path) -> None:
    install = ["pip", "install", "--quiet", "--no-deps", "--target", str(tmp_path)]
    subprocess.run([sys.executable, "-m", *install, "pytest-asyncio"], check=True)

    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/test_dev_token.py"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    assert "asyncio: mode=" in run.stdout
