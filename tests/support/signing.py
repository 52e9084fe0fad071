"""Keys and tokens made by hand, byte by byte: a library would refuse to sign most forgeries."""

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from time import time
from typing import Any, Literal, assert_never

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Algorithm = Literal["EdDSA", "ES256", "ES512", "RS256", "PS256"]
PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
Signer = Callable[[bytes], bytes]
# A part of a token: an object to be written as JSON, or bytes that stand as they are.
Part = Mapping[str, Any] | bytes

ABSENT = object()
HMAC_DIGESTS = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}


def base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def base64url_number(number: int, size: int | None = None) -> str:
    return base64url(number.to_bytes(size or (number.bit_length() + 7) // 8))


def json_bytes(value: Any) -> bytes:
    """JSON without spaces, as JavaScript writes it. NaN and lone surrogates pass."""
    return json.dumps(value, separators=(",", ":")).encode()


def part(content: Part) -> str:
    return base64url(content if isinstance(content, bytes) else json_bytes(content))


def signed(header: Part, payload: Part, sign: Signer) -> str:
    """A token in the compact serialization (RFC 7515, section 3.1)."""
    signing_input = f"{part(header)}.{part(payload)}"
    return f"{signing_input}.{base64url(sign(signing_input.encode()))}"


def hmac_signer(secret: bytes, algorithm: str = "HS256") -> Signer:
    digest = HMAC_DIGESTS.get(algorithm, "sha256")
    return lambda data: hmac.digest(secret, data, digest)


def hs256(payload: Part, header: Part | None = None, *, secret: str, digest: str = "HS256") -> str:
    """A token signed with the shared secret, whatever its header says."""
    header = {"alg": "HS256", "typ": "JWT"} if header is None else header
    return signed(header, payload, hmac_signer(secret.encode(), digest))


@dataclass(frozen=True)
class SigningKey:
    """A key pair of a front end."""

    algorithm: Algorithm
    kid: str
    private: PrivateKey = field(repr=False)

    @property
    def public(self) -> ed25519.Ed25519PublicKey | ec.EllipticCurvePublicKey | rsa.RSAPublicKey:
        return self.private.public_key()

    @property
    def jwk(self) -> dict[str, Any]:
        """The public key as Better Auth lists it: `alg` and `kid` always, never `use`."""
        return {"alg": self.algorithm, **self._public_numbers(), "kid": self.kid}

    def _public_numbers(self) -> dict[str, str]:
        public = self.public
        if isinstance(public, ed25519.Ed25519PublicKey):
            raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
            return {"crv": "Ed25519", "x": base64url(raw), "kty": "OKP"}
        if isinstance(public, ec.EllipticCurvePublicKey):
            size = (public.curve.key_size + 7) // 8
            x, y = (base64url_number(n, size) for n in _point(public))
            return {"crv": f"P-{public.curve.key_size}", "kty": "EC", "x": x, "y": y}
        numbers = public.public_numbers()
        n, e = base64url_number(numbers.n), base64url_number(numbers.e)
        return {"kty": "RSA", "n": n, "e": e}

    def sign(self, data: bytes) -> bytes:
        private = self.private
        if isinstance(private, ed25519.Ed25519PrivateKey):
            return private.sign(data)
        if isinstance(private, ec.EllipticCurvePrivateKey):
            hashed = SHA512() if self.algorithm == "ES512" else SHA256()
            size = (private.curve.key_size + 7) // 8
            numbers = decode_dss_signature(private.sign(data, ec.ECDSA(hashed)))
            return b"".join(number.to_bytes(size) for number in numbers)
        if self.algorithm == "PS256":
            scheme: padding.AsymmetricPadding = padding.PSS(padding.MGF1(SHA256()), 32)
        else:
            scheme = padding.PKCS1v15()
        return private.sign(data, scheme, SHA256())

    def token(self, payload: Part, **header: Any) -> str:
        """A token signed with this key; a header parameter that is ABSENT is left out."""
        named = {"alg": self.algorithm, "kid": self.kid, **header}
        return signed(without_absent(named), payload, self.sign)


def _point(public: ec.EllipticCurvePublicKey) -> tuple[int, int]:
    numbers = public.public_numbers()
    return numbers.x, numbers.y


@lru_cache
def make_key(
    algorithm: Algorithm = "EdDSA", kid: str = "a-key", holder: str = "front end"
) -> SigningKey:
    """A key pair, the same whenever the arguments are the same."""
    match algorithm:
        case "EdDSA":
            private: PrivateKey = ed25519.Ed25519PrivateKey.generate()
        case "ES256":
            private = ec.generate_private_key(ec.SECP256R1())
        case "ES512":
            private = ec.generate_private_key(ec.SECP521R1())
        case "RS256" | "PS256":
            private = rsa.generate_private_key(65537, 2048)
        case _:
            assert_never(algorithm)
    return SigningKey(algorithm, kid, private)


def without_absent(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not ABSENT}


def better_auth_claims(origin: str, user_id: str, **changes: Any) -> dict[str, Any]:
    """The claims of `authClient.token()`; a claim that is ABSENT is left out."""
    now = int(time())
    claims = {
        "iat": now,
        "name": "Alice",
        "email": "alice@example.com",
        "emailVerified": False,
        "createdAt": "2026-01-12T10:00:00.123Z",
        "updatedAt": "2026-01-12T10:00:00.123Z",
        "id": user_id,
        "sub": user_id,
        "exp": now + 15 * 60,
        "iss": origin,
        "aud": origin,
    }
    return without_absent({**claims, **changes})
