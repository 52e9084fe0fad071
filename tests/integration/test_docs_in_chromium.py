"""`/docs` in a browser that reaches this machine and nothing else."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from fixtures import RunService

pytestmark = pytest.mark.integration

SECONDS = 120


def test_the_docs_show_every_operation_without_the_internet(
    run_service: RunService, tmp_path: Path
) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    assert browser, "This test needs Chromium (Debian: apt-get install chromium)"

    with run_service(NEON_DATABASE_URL=f"sqlite:///{tmp_path / 'tasks.db'}") as service:
        document = service.wait_until_started().client.get("/openapi.json").json()
        shown = subprocess.run(
            [
                browser,
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                f"--user-data-dir={tmp_path / 'profile'}",
                "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                "--virtual-time-budget=30000",
                "--dump-dom",
                f"{service.origin}/docs",
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=SECONDS,
        ).stdout

    operations = {
        operation["operationId"]
        for operations in document["paths"].values()
        for operation in operations.values()
    }
    assert set(re.findall(r'id="operations-(?:tasks|operation)-(\w+)"', shown)) == operations
