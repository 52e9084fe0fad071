"""A client of an app that runs already: its event loop is asked once for each request.

A `TestClient` asks it eight times, since it can read an answer in parts; that is a quarter of what
the tests of the endpoints take.
"""

from typing import Any

import httpx2
from anyio.from_thread import BlockingPortal
from fastapi.testclient import TestClient

import main


class ServedClient(TestClient):
    def __init__(self, portal: BlockingPortal, **options: Any) -> None:
        super().__init__(main.app, **options)
        self.portal = portal
        self._transport = _WholeAnswers(portal)


class _WholeAnswers(httpx2.BaseTransport):
    def __init__(self, portal: BlockingPortal) -> None:
        self._portal = portal
        self._app = httpx2.ASGITransport(main.app)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        request.read()  # what comes in parts can be given to the event loop as a whole
        return self._portal.call(self._answer, request)

    async def _answer(self, request: httpx2.Request) -> httpx2.Response:
        answer = await self._app.handle_async_request(request)
        assert isinstance(answer.stream, httpx2.AsyncByteStream)
        body = b"".join([part async for part in answer.stream])
        return httpx2.Response(
            answer.status_code, headers=answer.headers, stream=httpx2.ByteStream(body)
        )
