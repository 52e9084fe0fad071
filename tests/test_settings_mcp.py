"""`MCP_URL`: with it there is an endpoint for assistants, without it nothing is loaded for one."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from log_lines import kept_lines
from processes import start_python
from users import MCP_URL

import main
from settings import get_settings


@pytest.mark.parametrize(
    ("value", "url", "metadata"),
    [
        (
            "https://api.example.com/mcp",
            "https://api.example.com/mcp",
            "https://api.example.com/.well-known/oauth-protected-resource/mcp",
        ),
        (
            "https://example.com:8443/tasks/v1/mcp/",
            "https://example.com:8443/tasks/v1/mcp",
            "https://example.com:8443/.well-known/oauth-protected-resource/tasks/v1/mcp",
        ),
        *(
            (
                f"http://{host}/mcp",
                f"http://{host}/mcp",
                f"http://{host}/.well-known/oauth-protected-resource/mcp",
            )
            for host in ("localhost", "127.0.0.1:8000", "[::1]:8000")
        ),
    ],
)
def test_the_url_is_taken_without_a_slash_at_its_end(
    environment: pytest.MonkeyPatch, value: str, url: str, metadata: str
) -> None:
    environment.setenv("MCP_URL", value)

    settings = get_settings()

    assert (settings.mcp_url, settings.resource_metadata_url) == (url, metadata)


LOADED = """
import sys
import main
from fastapi.testclient import TestClient
packages = {name.partition(".")[0] for name in sys.modules}
print(sorted(packages & {"mcp", "mcp_types", "sse_starlette"}))
client = TestClient(main.app)
print(client.post("/mcp").status_code)
print(client.get("/.well-known/oauth-protected-resource").status_code)
"""


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("", ["[]", "404", "404"]),
        (MCP_URL, ["['mcp', 'mcp_types', 'sse_starlette']", "401", "200"]),
    ],
)
def test_the_package_is_loaded_if_the_setting_is_there(
    app_folder: Path, value: str, told: list[str]
) -> None:
    python = start_python(app_folder, "-c", LOADED, MCP_URL=value)
    output, errors = python.communicate()

    assert errors == ""
    assert output.splitlines() == told


WITHOUT_THE_PACKAGE = """
import sys
sys.modules["mcp"] = None
import main
"""


def test_the_setting_without_the_package_ends_the_process_with_one_line(app_folder: Path) -> None:
    python = start_python(app_folder, "-c", WITHOUT_THE_PACKAGE, MCP_URL=MCP_URL)
    output, errors = python.communicate()

    assert (python.returncode, output) == (3, "")
    assert errors == (
        "Configuration error: MCP_URL is set, but mcp is not installed:"
        " pip install -r requirements-mcp.txt\n"
    )


def test_the_package_may_be_missing_where_the_setting_is(app_folder: Path) -> None:
    python = start_python(app_folder, "-c", WITHOUT_THE_PACKAGE)
    output, errors = python.communicate()

    assert (python.returncode, output, errors) == (0, "", "")


@pytest.mark.usefixtures("no_tasks")
def test_the_start_says_where_assistants_are_and_who_signs_their_tokens() -> None:
    with kept_lines("tasks.settings") as lines, TestClient(main.app):
        pass

    assert lines[-1] == (
        f"Assistants: at {MCP_URL}, with OAuth tokens of http://localhost:3000/api/auth too"
    )
