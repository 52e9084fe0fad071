"""An assistant: the MCP package's own client, in the event loop of a `TestClient`."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx2
import pytest
from fastapi.testclient import TestClient
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, ErrorData
from users import MCP_URL

import main

Answer = TypeVar("Answer")
# Clients that begin with `initialize`, and those that ask for the newest revision.
ERAS = ("legacy", "auto")


class Assistant:
    def __init__(self, client: TestClient, era: str) -> None:
        self._client = client
        self._era = era

    def ask(self, act: Callable[[Client], Awaitable[Answer]]) -> Answer:
        """Connect with the headers of the `TestClient`, and do this."""

        async def connected() -> Answer:
            async with (
                httpx2.AsyncClient(
                    transport=httpx2.ASGITransport(main.app), headers=self._client.headers
                ) as http_client,
                Client(
                    streamable_http_client(MCP_URL, http_client=http_client), mode=self._era
                ) as client,
            ):
                return await act(client)

        portal = self._client.portal
        assert portal
        return portal.call(connected)

    def call(self, tool: str, **arguments: Any) -> CallToolResult:
        async def call(client: Client) -> CallToolResult:
            return await client.call_tool(tool, arguments)

        return self.ask(call)

    def error(self, tool: str, **arguments: Any) -> ErrorData:
        """The error of a call that the protocol refuses, or that crashes."""

        async def call(client: Client) -> ErrorData:
            with pytest.raises(MCPError) as raised:
                await client.call_tool(tool, arguments)
            return raised.value.error

        return self.ask(call)

    def content(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The structured content of a call that succeeds."""
        result = self.call(tool, **arguments)
        assert not result.is_error, result.content
        assert isinstance(result.structured_content, dict)
        return result.structured_content

    def refusal(self, tool: str, **arguments: Any) -> str:
        """The text of a call that is refused in words that a model reads."""
        result = self.call(tool, **arguments)
        assert result.is_error
        assert result.structured_content is None
        return text_of(result)


def text_of(result: CallToolResult) -> str:
    [block] = result.content
    assert block.type == "text"
    return block.text


def rpc(client: httpx2.Client, method: str, **params: Any) -> httpx2.Response:
    """Send a request as it is, in the words of the old era."""
    return client.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params})


def call(client: httpx2.Client, tool: str, **arguments: Any) -> httpx2.Response:
    return rpc(client, "tools/call", name=tool, arguments=arguments)
