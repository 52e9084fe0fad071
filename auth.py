"""Who is calling (authentication, 401), and whose tasks they may touch (authorization, 403)."""

import logging
from typing import Annotated, TypedDict

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer

from errors import Forbidden, ServiceUnavailable, Unauthorized
from keys import KeysUnavailable
from settings import get_settings
from tokens import TokenRefused, verifier_of

log = logging.getLogger("tasks.auth")


class CurrentUser(TypedDict):
    id: str
    email: str | None


class BearerToken(HTTPBearer):
    """Declares the security scheme in the OpenAPI document; `get_current_user` reads the token."""

    async def __call__(self, request: Request) -> None:  # type: ignore[override]
        return None


bearer_token = BearerToken(
    bearerFormat="JWT", description="A token of the front end's Better Auth, or of `make token`."
)


async def get_current_user(
    request: Request, declared: Annotated[None, Security(bearer_token)] = None
) -> CurrentUser:
    """The user that the request's bearer token names. Raises 401 for any other request."""
    try:
        token = await verifier_of(get_settings()).verify(_token_of(request))
    except TokenRefused as refusal:
        log.info("Token refused: %s", refusal)
        raise Unauthorized from None
    except KeysUnavailable as reason:
        log.warning("Token not checked, since the key server cannot be asked: %s", reason)
        raise ServiceUnavailable from None
    return {"id": token.user_id, "email": token.email}


def verify_user_access(user_id: str, current_user: CurrentUser) -> None:
    """Raise 403 unless `user_id`, which a URL names, is the current user's."""
    if user_id != current_user["id"]:
        raise Forbidden


async def get_owner(
    user_id: str, current_user: Annotated[CurrentUser, Depends(get_current_user)]
) -> str:
    """The owner of everything that a request may touch: the token's user."""
    verify_user_access(user_id, current_user)
    return current_user["id"]


Owner = Annotated[str, Depends(get_owner)]


def _token_of(request: Request) -> str:
    headers = request.headers.getlist("authorization")
    if not headers:
        raise TokenRefused("missing")
    scheme, _, token = headers[0].partition(" ")
    if len(headers) > 1 or scheme.lower() != "bearer":
        raise TokenRefused("not sent as one bearer token")
    return token
