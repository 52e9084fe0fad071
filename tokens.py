"""Which tokens are good: from a JWT to its claims.

HS256 tokens are signed with a shared secret, all others with a key of the front end's key server.
The server chooses: an algorithm has one source of keys, and a key verifies one algorithm.
"""

import json
import re
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn, TypeVar

from jose.utils import base64url_decode, base64url_encode

from keys import ALGORITHMS, KeyServer, KeysUnavailable, PublicKey, shared_key
from models import USER_ID_MAX
from settings import Settings

TOKEN_CHARACTERS_MAX = 8 * 1024
LEEWAY_SECONDS = 30
SHAPE = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
# Better Auth signs JWTs for other ends with the same keys; their types tell some of them apart.
TYPES = ("JWT", "at+jwt")

# Junk of another length is refused before a key is asked for. RSA keys have 2048 bits or more.
SIGNATURE_BYTES = {
    "EdDSA": [64],
    "Ed25519": [64],
    "ES256": [64],
    "ES512": [132],
    "RS256": range(256, 2049),
}

# Far beyond any date, and within what a float holds exactly.
TIME_MAX = 2**53

FOREVER = float("inf")
VERIFIED_TOKENS_MAX = 4096
KNOWN_USERS_MAX = 10_000

T = TypeVar("T")


class TokenRefused(Exception):
    """The token is not good. The text is the reason, for the log only."""


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    user_id: str
    email: str | None
    expires: float
    # The front end's key that it was verified with, and the key's name; none for the shared secret.
    key_id: str | None = None
    key: PublicKey | None = None


@dataclass(frozen=True, slots=True)
class Token:
    """A JWT taken apart (RFC 7515, 7519), its claims not yet believed."""

    algorithm: str
    key_id: str | None
    claims: dict[str, Any]
    signed: bytes
    signature: bytes


def parse(text: str) -> Token:
    if len(text) > TOKEN_CHARACTERS_MAX:
        raise TokenRefused("longer than 8 kB")
    shape = SHAPE.fullmatch(text)
    if shape is None:
        # Better Auth's `session.token` has no dot, and its cookie one, before a signature.
        if text.count(".") <= 1:
            raise TokenRefused("not a JWT: is it session.token? authClient.token() gives the JWT")
        raise TokenRefused("not a JWT")
    header_part, claims_part, signature_part = shape.groups()
    header, claims = _object_in(header_part), _object_in(claims_part)
    algorithm, key_id = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str):
        raise TokenRefused("no algorithm")
    if not (key_id is None or isinstance(key_id, str)):
        raise TokenRefused("malformed key id")
    if header.get("typ", "JWT") not in TYPES:
        raise TokenRefused("of a type for other ends")
    if "crit" in header or "b64" in header:
        raise TokenRefused("with a critical extension")
    signed = f"{header_part}.{claims_part}".encode()
    return Token(algorithm, key_id, claims, signed, _decoded(signature_part))


def _object_in(part: str) -> dict[str, Any]:
    try:
        value = json.loads(_decoded(part).decode(), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise TokenRefused("not JSON inside") from None
    if not isinstance(value, dict):
        raise TokenRefused("not a JSON object inside")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _decoded(part: str) -> bytes:
    """The bytes, if this is the one way to write them (RFC 4648, section 3.5)."""
    try:
        value: bytes = base64url_decode(part.encode())
    except ValueError:
        raise TokenRefused("not base64url inside") from None
    if base64url_encode(value).decode() != part:
        raise TokenRefused("not base64url inside")
    return value


def _check_times(claims: dict[str, Any]) -> None:
    for name in ("exp", "nbf", "iat"):
        value = claims.get(name, 0)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not abs(value) < TIME_MAX:
            raise TokenRefused(f"malformed {name}")
    now = time.time()
    if claims.get("exp", now) < now - LEEWAY_SECONDS:
        raise TokenRefused("expired")
    if claims.get("nbf", now) > now + LEEWAY_SECONDS:
        raise TokenRefused("not valid yet")


def _subject_of(claims: dict[str, Any]) -> str:
    subject = claims.get("sub")
    if not isinstance(subject, str):
        raise TokenRefused("no subject: a token for other ends")
    if not 0 < len(subject) <= USER_ID_MAX or "\0" in subject or not _is_text(subject):
        raise TokenRefused("malformed subject")
    return subject


def _check_is_bearer(claims: dict[str, Any]) -> None:
    if "cnf" in claims:
        raise TokenRefused("bound to a key of its holder (cnf): not a bearer token")


def _is_text(value: str) -> bool:
    """Whether it is free of lone surrogates, which no database stores."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


class TokenVerifier:
    """Tells good tokens from others, as one set of settings says."""

    def __init__(self, settings: Settings) -> None:
        self._secrets = [shared_key(secret) for secret in settings.shared_secrets]
        self._key_server = KeyServer(settings.jwks_url)
        self._issuer = settings.issuer
        self._audience = settings.audience
        self._verified: dict[str, VerifiedToken] = {}
        self._known_users: dict[str, None] = {}

    async def verify(self, text: str) -> VerifiedToken:
        """The user of a good token.

        Raises `TokenRefused` for any other, whatever is wrong with it, and `KeysUnavailable` when
        the key to judge it by cannot be fetched.
        """
        known = self._verified.get(text)
        if known is not None and self._is_still_good(known):
            return known
        token = parse(text)
        # First what needs no key, so that a fetch is made for plausible tokens only.
        user_id = _subject_of(token.claims)
        _check_is_bearer(token.claims)
        _check_times(token.claims)
        key = None
        if token.algorithm == "HS256":
            self._check_shared_secrets(token)
        elif token.algorithm in ALGORITHMS:
            self._check_front_end(token.claims)
            key = await self._check_public_key(token, user_id)
            _keep(self._known_users, user_id, None, KNOWN_USERS_MAX)
        else:
            raise TokenRefused(f"signed with {token.algorithm[:16]!r}, which is not set up")
        expires = token.claims.get("exp", FOREVER)
        email = _email_of(token.claims)
        verified = VerifiedToken(user_id, email, expires, token.key_id if key else None, key)
        _keep(self._verified, text, verified, VERIFIED_TOKENS_MAX)
        return verified

    def _is_still_good(self, token: VerifiedToken) -> bool:
        """Neither expired nor verified with a key that the front end has withdrawn since."""
        return token.expires >= time.time() - LEEWAY_SECONDS and (
            token.key_id is None or self._key_server.known(token.key_id) is token.key
        )

    def _check_shared_secrets(self, token: Token) -> None:
        if not any(secret.verify(token.signed, token.signature) for secret in self._secrets):
            raise TokenRefused(
                "bad signature: is BETTER_AUTH_SECRET, or BETTER_AUTH_SECRETS, the front end's?"
            )

    def _check_front_end(self, claims: dict[str, Any]) -> None:
        if "exp" not in claims:
            raise TokenRefused("no expiry")
        issuer, audience = claims.get("iss"), claims.get("aud")
        if issuer != self._issuer:
            raise TokenRefused(f"wrong issuer: {issuer!r:.100}, not {self._issuer!r}")
        if self._audience not in (audience if isinstance(audience, list) else [audience]):
            raise TokenRefused(f"wrong audience: {audience!r:.100}, not {self._audience!r}")

    async def _check_public_key(self, token: Token, user_id: str) -> PublicKey:
        if not token.key_id:
            raise TokenRefused("no key id")
        if len(token.signature) not in SIGNATURE_BYTES[token.algorithm]:
            raise TokenRefused("bad signature")
        key = self._key_server.known(token.key_id)
        if key and key.verifies(token.algorithm, token.signed, token.signature):
            return key
        # A new key, or another one of an old name: serial names begin again in a new database.
        try:
            fresh = await self._key_server.fresh(
                token.key_id,
                other_than=key,
                user_id=user_id,
                known_user=user_id in self._known_users,
            )
        except KeysUnavailable:
            if key is None:
                raise
            fresh = key
        if fresh is None:
            raise TokenRefused("unknown key")
        if fresh is key or not fresh.verifies(token.algorithm, token.signed, token.signature):
            raise TokenRefused("bad signature")
        self._key_server.was_fruitful()
        return fresh


@lru_cache(maxsize=1)
def verifier_of(settings: Settings) -> TokenVerifier:
    return TokenVerifier(settings)


def _email_of(claims: dict[str, Any]) -> str | None:
    email = claims.get("email")
    return email if isinstance(email, str) else None


def _keep(kept: dict[str, T], name: str, value: T, most: int) -> None:
    """Keep a value in a bounded memory; the oldest makes room."""
    if len(kept) >= most and name not in kept:
        del kept[next(iter(kept))]
    kept[name] = value
