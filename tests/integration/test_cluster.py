"""Servers, PgBouncer and PostgreSQL that are killed, drained and replaced: `make cluster`."""

import subprocess
import sys

import pytest
from processes import ROOT

pytestmark = pytest.mark.integration


def test_nothing_that_was_acknowledged_is_lost_or_doubled_while_machines_fail() -> None:
    rehearsal = subprocess.run(
        [sys.executable, "-m", "benchmarks.cluster", "--seconds", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert rehearsal.returncode == 0, rehearsal.stdout + rehearsal.stderr
