"""Requests whose end the server and their sender may see at different places."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

# `Upgrade`: uvicorn's parser httptools takes what follows the headers for the other protocol. The
# body never arrives, and what is read later is parsed as further requests. CONNECT does the same.
# `Expect`: a sender that has its answer may keep back the body that the server still waits for.
IN_DOUBT = frozenset({b"upgrade", b"expect"})
# A proxy may have gone by the other one (RFC 9112, section 6.1).
BOTH_LENGTHS = frozenset({b"content-length", b"transfer-encoding"})


class FramingInDoubt:
    """Closes the connection after the answer to a request whose end is in doubt, so that none of
    its bytes is taken for another request. Those that were read as such wait until this one is
    answered, and after `Connection: close` uvicorn starts none of them.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and _is_in_doubt(scope):
            send = _closing(send)
        await self.app(scope, receive, send)


def _is_in_doubt(scope: Scope) -> bool:
    names = {name for name, _ in scope["headers"]}
    return scope["method"] == "CONNECT" or not names.isdisjoint(IN_DOUBT) or names >= BOTH_LENGTHS


def _closing(send: Send) -> Send:
    async def send_close(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"connection", b"close")]
        await send(message)

    return send_close
