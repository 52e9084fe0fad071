"""Bodies that are too large or would be lost are refused before anything looks at the request."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from errors import APIError, PayloadTooLarge, UpgradeWithBody, answer

BODY_BYTES_MAX = 64 * 1024


class BodyLimit:
    """Reads a request's body and hands it on whole, or answers 413; or 400 where the request asks
    for another protocol, as its body does not arrive then (framing.py).

    FastAPI's own `max_body_size` answers in plain text, and only where a route reads the body.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        # From HTTP/2 on, a body needs neither header.
        is_framed = scope.get("http_version", "1.1") < "2" and b"transfer-encoding" not in headers
        if length == b"0" and is_framed:
            await self.app(scope, receive, send)
            return
        body = b""
        # Python refuses to read a number of thousands of digits.
        too_large = length.isdigit() and (len(length) > 18 or int(length) > BODY_BYTES_MAX)
        if not too_large and b"upgrade" in headers:
            await _refuse(UpgradeWithBody, scope, receive, send)
            return
        more = not too_large
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return  # the client has gone
            body += message.get("body", b"")
            too_large = len(body) > BODY_BYTES_MAX
            more = message.get("more_body", False) and not too_large
        if too_large:
            await _refuse(PayloadTooLarge, scope, receive, send)
            return

        whole: Message | None = {"type": "http.request", "body": body, "more_body": False}

        async def receive_whole() -> Message:
            nonlocal whole
            if whole is None:
                return await receive()
            message, whole = whole, None
            return message

        await self.app(scope, receive_whole, send)


async def _refuse(error: type[APIError], scope: Scope, receive: Receive, send: Send) -> None:
    await answer(error.status, error.text, error.code)(scope, receive, send)
