"""Parse a JWT (RFC 7515, 7519): from its text to algorithm, key id, claims and signature.

Nothing here verifies a signature or validates a claim.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from jose.utils import base64url_decode, base64url_encode

CHARACTERS_MAX = 8 * 1024
COMPACT_SERIALIZATION = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
# Better Auth signs JWTs for other recipients with the same keys; some differ in their type.
TYPES = ("JWT", "at+jwt")


class TokenRefused(Exception):
    """The token is not valid. The text is the reason, for the log only."""


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """A parsed JWT whose signature is not yet verified."""

    algorithm: str
    key_id: str  # empty if the header has none
    has_type: bool
    claims: dict[str, Any]
    signing_input: bytes
    signature: bytes


def parse(text: str) -> UnverifiedToken:
    if len(text) > CHARACTERS_MAX:
        raise TokenRefused("longer than 8 kB")
    parts = COMPACT_SERIALIZATION.fullmatch(text)
    if parts is None:
        # Better Auth's `session.token` has no dot; its cookie has one, before a signature.
        if text.count(".") <= 1:
            raise TokenRefused("not a JWT: is it session.token? authClient.token() gives the JWT")
        raise TokenRefused("not a JWT")
    header, claims, signature = _object_in(parts[1]), _object_in(parts[2]), _decoded(parts[3])
    algorithm, key_id = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str):
        raise TokenRefused("no algorithm")
    if not (key_id is None or isinstance(key_id, str)):
        raise TokenRefused("malformed key id")
    if header.get("typ", "JWT") not in TYPES:
        raise TokenRefused("of a type for other recipients")
    if "crit" in header or "b64" in header:
        raise TokenRefused("with a critical extension")
    signing_input = f"{parts[1]}.{parts[2]}".encode()
    return UnverifiedToken(
        algorithm, key_id or "", "typ" in header, claims, signing_input, signature
    )


def _object_in(part: str) -> dict[str, Any]:
    try:
        # `int` raises ValueError for NaN and Infinity, which are not JSON.
        value = json.loads(_decoded(part).decode(), parse_constant=int)
    except (ValueError, RecursionError):
        raise TokenRefused("not JSON inside") from None
    if not isinstance(value, dict):
        raise TokenRefused("not a JSON object inside")
    return value


def _decoded(part: str) -> bytes:
    """Decode `part`, which must be the canonical encoding of its octets (RFC 4648, section 3.5)."""
    try:
        octets: bytes = base64url_decode(part.encode())
    except ValueError:
        raise TokenRefused("not base64url inside") from None
    if base64url_encode(octets).decode() != part:
        raise TokenRefused("not base64url inside")
    return octets
