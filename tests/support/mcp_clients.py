"""Clients of MCP that nobody here wrote, on node."""

import json
import os
import subprocess
import tempfile
from typing import Any

from pages import ROOT

FOLDER = ROOT / "tests" / "integration"
TOOLS = ["add_task", "list_tasks", "complete_task", "update_task", "delete_task"]
SDK, SDK_WITH_INITIALIZE = "SDK, with server/discover", "SDK, with initialize"
AI_SDK, MCP_REMOTE = "AI SDK", "mcp-remote"


def seen_by(client: str, url: str, **access: Any) -> Any:
    """What the client sees that lists the tools and adds a task; mcp_clients.mjs says `access`."""
    assert (FOLDER / "node_modules").is_dir(), "run `make integration`, which installs the clients"
    argument = json.dumps({"client": client, "url": url, **access})
    with tempfile.TemporaryDirectory() as home:  # where mcp-remote keeps what it is given
        node = subprocess.run(
            ["node", FOLDER / "mcp_clients.mjs", argument],
            env={"PATH": os.environ["PATH"], "HOME": home},
            capture_output=True,
            text=True,
            check=False,
        )
    assert node.returncode == 0, node.stderr
    return json.loads(node.stdout.splitlines()[-1])
