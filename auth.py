"""Authentication (who is calling: 401) and authorization (whose tasks they may reach: 403)."""

import logging
from typing import Annotated, TypedDict

from fastapi import Depends, Request

from errors import Forbidden, ServiceUnavailable, Unauthorized
from settings import get_settings
from tokens.jws import TokenRefused
from tokens.keys import KeysUnavailable
from tokens.verifier import verifier_of

log = logging.getLogger("tasks.auth")


class User(TypedDict):
    id: str
    email: str | None


# The security scheme of the OpenAPI document.
BEARER_SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "A token of the front end's Better Auth, or of `make token`.",
}


async def get_current_user(request: Request) -> User:
    """Give the subject of the request's bearer token. Raises 401 if there is no valid token."""
    return await _user_of(request, for_tools=False)


class UserOfTools:
    """The dependency of `/mcp`: takes OAuth tokens too, and tells in its 401 where to get one.

    An instance equals `get_current_user`, so that FastAPI finds an override for it.
    """

    async def __call__(self, request: Request) -> User:
        try:
            return await _user_of(request, for_tools=True)
        except Unauthorized:
            challenge = f'Bearer resource_metadata="{get_settings().resource_metadata_url}"'
            raise Unauthorized(headers={"WWW-Authenticate": challenge}) from None

    def __eq__(self, other: object) -> bool:
        return other is get_current_user or isinstance(other, UserOfTools)

    def __hash__(self) -> int:
        return hash(get_current_user)


async def _user_of(request: Request, *, for_tools: bool) -> User:
    try:
        verifier = verifier_of(get_settings())
        token = await verifier.verify(_token_of(request), for_tools=for_tools)
    except TokenRefused as refusal:
        log.info("Token refused: %s", refusal)
        raise Unauthorized from None
    except KeysUnavailable as reason:
        log.warning("Token not checked, since the key server cannot be asked: %s", reason)
        raise ServiceUnavailable from None
    return {"id": token.user_id, "email": token.email}


CurrentUser = Annotated[User, Depends(get_current_user)]


def verify_user_access(user_id: str, current_user: User) -> None:
    """Raise 403 unless the `user_id` of a URL is the current user's."""
    if user_id != current_user["id"]:
        raise Forbidden


def _token_of(request: Request) -> str:
    headers: list[tuple[bytes, bytes]] = request.scope["headers"]
    sent = [value for name, value in headers if name == b"authorization"]
    if not sent:
        raise TokenRefused("missing")
    scheme, _, token = sent[0].decode("latin-1").partition(" ")
    if len(sent) > 1 or scheme.lower() != "bearer":
        raise TokenRefused("not sent as one bearer token")
    return token
