"""`/mcp`, as clients of MCP reach it that nobody here wrote."""

from collections.abc import Iterator

import pytest
from mcp_clients import AI_SDK, MCP_REMOTE, SDK, SDK_WITH_INITIALIZE, TOOLS, seen_by
from ports import free_port
from processes import copy_app
from service import Service
from users import OWNER, SECRET, bearer, token_for

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("mcp")
    port = free_port()
    environment = {
        "BETTER_AUTH_SECRET": SECRET,
        "NEON_DATABASE_URL": f"sqlite:///{folder / 'tasks.db'}",
        "MCP_URL": f"http://127.0.0.1:{port}/mcp",
    }
    app = copy_app(folder / "app")
    with Service(app, folder / "log", environment, port=port) as service:
        yield service.wait_until_started()


@pytest.mark.parametrize("client", [SDK, SDK_WITH_INITIALIZE, AI_SDK, MCP_REMOTE])
def test_a_client_with_a_token_of_the_api_lists_the_tools_and_adds_a_task(
    service: Service, client: str
) -> None:
    seen = seen_by(client, f"{service.origin}/mcp", token=token_for())
    stored = service.client.get(f"/api/{OWNER}/tasks", headers=bearer()).json()["data"][0]

    assert seen["tools"] == TOOLS
    assert seen["added"]["task"] == {name: stored[name] for name in stored if name != "user_id"}
