"""`npm run setup` of the example."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from processes import ROOT

pytestmark = pytest.mark.integration

EXAMPLE = ROOT / "examples" / "nextjs"


def test_the_setup_writes_a_secret_that_nobody_else_may_read(tmp_path: Path) -> None:
    folder = tmp_path / "examples" / "nextjs"
    shutil.copytree(EXAMPLE / "lib", folder / "lib")
    for name in ("package.json", "setup.mts", "tsconfig.json"):
        shutil.copy(EXAMPLE / name, folder)
    (folder / "node_modules").symlink_to(EXAMPLE / "node_modules")

    subprocess.run(
        ["npm", "run", "setup"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        umask=0o000,
        check=True,
    )

    written = folder / ".env.local"
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert "BETTER_AUTH_SECRET=" in written.read_text()
