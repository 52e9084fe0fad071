"""Verify tokens: from the text of a JWT to its user.

HS256 tokens are signed with a shared secret, all others with a key of the front end's key server.
The server, not the token, chooses: an algorithm has one source of keys, a key has one algorithm.
"""

import re
import time
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from typing import Any

from models import USER_ID_MAX
from settings import Settings
from tokens.jws import TokenRefused, UnverifiedToken, parse
from tokens.keys import ALGORITHMS, KeyServer, PublicKey, shared_key

LEEWAY_SECONDS = 30
# Beyond any date; a float holds every smaller integer exactly.
TIME_MAX = 2**53
# A database stores neither NUL nor lone surrogates.
SUBJECT = re.compile(rf"[^\0\ud800-\udfff]{{1,{USER_ID_MAX}}}")
VERIFIED_TOKENS_MAX = 4096


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    user_id: str
    email: str | None
    expires: float
    key: PublicKey | None  # None if a shared secret verified the token
    is_for_api: bool  # or for the tools alone


class TokenVerifier:
    """Verifies tokens by one set of settings, and remembers the valid ones."""

    def __init__(self, settings: Settings) -> None:
        self._shared_keys = [shared_key(secret) for secret in settings.shared_secrets]
        self._key_server = KeyServer(settings.jwks_url)
        self._issuer = settings.issuer
        self._audience = settings.audience
        self._oauth_issuer = settings.better_auth_base_url
        self._mcp_url = settings.mcp_url
        self._verified: dict[str, VerifiedToken] = {}

    async def verify(self, text: str, *, for_tools: bool = False) -> VerifiedToken:
        """Parse and verify a token. An OAuth token is valid for the tools alone.

        Raises `TokenRefused` if the token is not valid, for whatever reason, and `KeysUnavailable`
        if the key that the token names cannot be fetched.
        """
        verified = self._verified.get(text)
        if verified is not None and verified.key:
            self._key_server.refresh()
        if verified is not None and self._is_still_valid(verified):
            _check_use(is_for_api=verified.is_for_api, for_tools=for_tools)
            return verified
        token = parse(text)
        # Check claims before the signature, so that only plausible tokens cause a fetch of keys.
        user_id = _subject_of(token.claims)
        _check_claims(token.claims)
        key = None
        is_for_api = True
        if token.algorithm == "HS256":
            self._check_shared_secrets(token)
        elif token.algorithm in ALGORITHMS:
            is_for_api = self._is_for_api(token)
            _check_use(is_for_api=is_for_api, for_tools=for_tools)
            key = await self._key_server.signer_of(token, user_id)
        else:
            raise TokenRefused(f"signed with {token.algorithm[:16]!r}, which is not set up")
        email, expires = token.claims.get("email"), token.claims.get("exp", inf)
        email = email if isinstance(email, str) else None
        verified = VerifiedToken(user_id, email, expires, key, is_for_api)
        self._verified[text] = verified
        if len(self._verified) > VERIFIED_TOKENS_MAX:
            del self._verified[next(iter(self._verified))]
        return verified

    def _is_still_valid(self, token: VerifiedToken) -> bool:
        """Whether the token has not expired, and the front end has not withdrawn its key."""
        return token.expires >= time.time() - LEEWAY_SECONDS and (
            token.key is None or self._key_server.lists(token.key)
        )

    def _check_shared_secrets(self, token: UnverifiedToken) -> None:
        if not any(key.verify(token.signing_input, token.signature) for key in self._shared_keys):
            raise TokenRefused(
                "bad signature: is BETTER_AUTH_SECRET, or BETTER_AUTH_SECRETS, the front end's?"
            )

    def _is_for_api(self, token: UnverifiedToken) -> bool:
        """Tell the front end's own token from an OAuth token, which says that it is for MCP_URL.

        Raises `TokenRefused` if the token says neither.
        """
        if "exp" not in token.claims:
            raise TokenRefused("no expiry")
        issuer, audience = token.claims.get("iss"), token.claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if issuer == self._issuer and self._audience in audiences:
            return True
        may_be_oauth = self._mcp_url is not None and issuer == self._oauth_issuer
        if issuer != self._issuer and not may_be_oauth:
            raise TokenRefused(f"wrong issuer: {issuer!r:.100}, not {self._issuer!r}")
        if not may_be_oauth or self._mcp_url not in audiences:
            expected = self._mcp_url if may_be_oauth else self._audience
            raise TokenRefused(f"wrong audience: {audience!r:.100}, not {expected!r}")
        if not token.has_type:
            raise TokenRefused("an OAuth token without a type")
        return False


@lru_cache(maxsize=1)
def verifier_of(settings: Settings) -> TokenVerifier:
    return TokenVerifier(settings)


def _check_use(*, is_for_api: bool, for_tools: bool) -> None:
    if not (is_for_api or for_tools):
        raise TokenRefused("an OAuth token: it opens MCP_URL alone")


def _subject_of(claims: dict[str, Any]) -> str:
    subject = claims.get("sub")
    if not isinstance(subject, str):
        raise TokenRefused("no subject: a token for other recipients")
    if not SUBJECT.fullmatch(subject):
        raise TokenRefused("malformed subject")
    return subject


def _check_claims(claims: dict[str, Any]) -> None:
    if "cnf" in claims:
        raise TokenRefused("bound to a key of its holder (cnf): not a bearer token")
    for name in ("exp", "nbf", "iat"):
        value = claims.get(name, 0)
        # The exact types, as a bool is an int.
        if type(value) not in {int, float} or not abs(value) < TIME_MAX:
            raise TokenRefused(f"malformed {name}")
    now = time.time()
    if claims.get("exp", now) < now - LEEWAY_SECONDS:
        raise TokenRefused("expired")
    if claims.get("nbf", now) > now + LEEWAY_SECONDS:
        raise TokenRefused("not valid yet")
