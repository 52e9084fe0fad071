"""The keys that verify signatures: shared secrets, and the public keys of the front end.

Public keys come from the front end's key server as a JWKS (RFC 7517). They are fetched when a token
first needs them, kept, and fetched again when a token names another key. Only the configured URL is
ever read.
"""

import asyncio
import json
import logging
import ssl
import time
from collections.abc import Container, Mapping
from functools import cache
from math import inf
from typing import Any, NamedTuple

import httpx2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jose import jwk
from jose.backends.base import Key
from jose.utils import base64url_decode, base64url_encode

from tokens.jws import TokenRefused, UnverifiedToken

log = logging.getLogger("tasks.keys")

PUBLIC_PARAMETERS = ("kty", "crv", "x", "y", "n", "e")

# The longest that one fetch takes, and that a request waits for keys.
FETCH_SECONDS = 3
WAIT_SECONDS = 4.5
ANSWER_BYTES_MAX = 256 * 1024
# The pauses after failed fetches, in which no fetch begins.
PAUSES_SECONDS = (0.5, 1, 2, 4)
# The age from which a token causes a fetch of the list, so that keys that the front end has
# withdrawn are dropped. While fetches fail, the old list counts.
STALE_SECONDS = 600

BUDGET_SECONDS = 30
BUDGET_FETCHES = 3
BUDGET_FETCHES_MAX = 8
VERIFIED_USERS_MAX = 10_000


class Algorithm(NamedTuple):
    """A signature algorithm: the kind of its keys, and the lengths of its signatures."""

    key_kind: tuple[str, str | None]  # `kty` and `crv`
    signature_bytes: Container[int]


# EdDSA over Ed25519 has two names: that of RFC 8037, and one of its own since RFC 9864.
ED25519 = Algorithm(("OKP", "Ed25519"), [64])
ALGORITHMS = {
    "EdDSA": ED25519,
    "Ed25519": ED25519,
    "ES256": Algorithm(("EC", "P-256"), [64]),
    "ES512": Algorithm(("EC", "P-521"), [132]),
    "RS256": Algorithm(("RSA", None), range(256, 2049)),  # keys have 2048 bits or more
}


class KeysUnavailable(Exception):
    """Keys cannot be fetched now."""


class Ed25519Key(Key):
    """EdDSA over Ed25519 (RFC 8037), which python-jose lacks."""

    def __init__(self, key: Mapping[str, Any], algorithm: str) -> None:
        super().__init__(key, algorithm)
        self._key = Ed25519PublicKey.from_public_bytes(base64url_decode(key["x"].encode()))

    def verify(self, msg: bytes, sig: bytes) -> bool:
        try:
            self._key.verify(sig, msg)
        except InvalidSignature:
            return False
        return True


jwk.register_key("EdDSA", Ed25519Key)


def shared_key(secret: str) -> Key:
    """Make the HS256 key whose octets are the secret's UTF-8."""
    # A JWK, because python-jose refuses a text that looks like PEM or SSH.
    octets = base64url_encode(secret.encode()).decode()
    return jwk.construct({"kty": "oct", "k": octets}, "HS256")


class PublicKey:
    """A key of the list (a JWK, RFC 7517). The key's kind, not the token, decides the algorithm."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self.id = str(parameters["kid"])
        kind = (parameters.get("kty"), parameters.get("crv"))
        names = [name for name, algorithm in ALGORITHMS.items() if algorithm.key_kind == kind]
        if not names or parameters.get("alg", names[0]) not in names:
            raise ValueError(
                f"keys of the kind {kind!r:.100} for {parameters.get('alg')!r:.100} are unsupported"
            )
        if parameters.get("use", "sig") != "sig":
            raise ValueError("it is not for signatures")
        self._algorithms = names
        self.parameters = {
            name: parameters[name] for name in PUBLIC_PARAMETERS if name in parameters
        }
        self._key = jwk.construct(self.parameters, names[0])

    def verifies(self, token: UnverifiedToken) -> bool:
        return token.algorithm in self._algorithms and bool(
            self._key.verify(token.signing_input, token.signature)
        )


class FetchBudget:
    """Limits the fetches that tokens cause, since anybody can name a key that is not listed.

    Rate limit: 3 fetches in 30 s that did not help a valid token. Useful fetches are refunded, and
    so are failed ones, which `PAUSES_SECONDS` limits. A user who was verified before may cause an
    extra fetch (8 in 30 s with these), so that a flood of forged tokens cannot block key rotation.
    """

    def __init__(self) -> None:
        # Start of each fetch to the user whose extra fetch it was; None for the first three.
        self._spent: dict[float, str | None] = {}
        self._verified_users: dict[str, None] = {}

    def spend(self, now: float, user_id: str) -> None:
        """Count a fetch for this user's token. Raises `KeysUnavailable` if none may begin."""
        since = now - BUDGET_SECONDS
        self._spent = {began: user for began, user in self._spent.items() if began > since}
        users = list(self._spent.values())
        is_within = users.count(None) < BUDGET_FETCHES
        has_extra = user_id in self._verified_users and user_id not in users
        if not is_within and not (has_extra and len(users) < BUDGET_FETCHES_MAX):
            raise KeysUnavailable("asked too often for keys that it did not have")
        self._spent[now] = None if is_within else user_id

    def refund(self, began: float) -> None:
        self._spent.pop(began, None)

    def remember(self, user_id: str) -> None:
        """Note that a token of this user was verified."""
        self._verified_users[user_id] = None
        if len(self._verified_users) > VERIFIED_USERS_MAX:
            del self._verified_users[next(iter(self._verified_users))]


def _quoted(error: Exception) -> str:
    """Describe an error for the log. The key server wrote some of the text, which could forge lines
    or fill the log.
    """
    return f"{type(error).__name__} {str(error)!r:.300}"


@cache
def _tls_context() -> ssl.SSLContext:
    return httpx2.create_ssl_context()  # reading the authorities takes tens of milliseconds


class KeyServer:
    """The keys at one URL."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._keys: dict[str, PublicKey] = {}
        self._read_at = -inf  # when the fetch that gave `_keys` began
        self._fetching: asyncio.Task[None] | None = None
        self._failures = 0
        self._paused_until = -inf
        self._budget = FetchBudget()

    def lists(self, key: PublicKey) -> bool:
        """Whether the list of the last fetch has this key still."""
        return self._keys.get(key.id) is key

    def refresh(self) -> None:
        """Start to read an old list again, without waiting for it."""
        now = time.monotonic()
        is_stale = self._keys and now - self._read_at > STALE_SECONDS
        if is_stale and now >= self._paused_until and not self._fetch_under_way():
            self._start_fetch(now)

    async def signer_of(self, token: UnverifiedToken, user_id: str) -> PublicKey:
        """Find the listed key that verifies the token's signature.

        Raises `TokenRefused` if none does, and `KeysUnavailable` if the list that would decide
        cannot be fetched.
        """
        if not token.key_id:
            raise TokenRefused("no key id")
        if len(token.signature) not in ALGORITHMS[token.algorithm].signature_bytes:
            raise TokenRefused("bad signature")
        self.refresh()
        key = self._keys.get(token.key_id)
        if key is None or not key.verifies(token):
            key = await self._new_key(token, key, user_id)
        self._budget.remember(user_id)
        return key

    async def _new_key(
        self, token: UnverifiedToken, old: PublicKey | None, user_id: str
    ) -> PublicKey:
        """Fetch the key that verifies the signature.

        The new key may have the id of an `old` one: serial ids begin again in a new database.
        """
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                if fetching := self._fetch_under_way():
                    await asyncio.shield(fetching)
                # What was read may be from before the front end had the key.
                if self._keys.get(token.key_id) is old:
                    await asyncio.shield(self._fetch_under_way() or self._start_fetch_for(user_id))
        except (TimeoutError, KeysUnavailable) as error:
            if old is None:
                raise KeysUnavailable(str(error) or "it is too slow") from None
        key = self._keys.get(token.key_id)
        if key is None:
            raise TokenRefused("unknown key")
        if key is old or not key.verifies(token):
            raise TokenRefused("bad signature")
        self._budget.refund(self._read_at)
        return key

    def _fetch_under_way(self) -> "asyncio.Task[None] | None":
        # A task of another event loop (each TestClient has its own) cannot be awaited here.
        task = self._fetching
        is_ours = task and not task.done() and task.get_loop() is asyncio.get_running_loop()
        return task if is_ours else None

    def _start_fetch_for(self, user_id: str) -> "asyncio.Task[None]":
        now = time.monotonic()
        if now < self._paused_until:
            raise KeysUnavailable("it failed a moment ago")
        self._budget.spend(now, user_id)
        return self._start_fetch(now)

    def _start_fetch(self, began: float) -> "asyncio.Task[None]":
        self._fetching = asyncio.create_task(self._fetch(began))
        # Retrieve a failure that nobody awaits, or asyncio would log it.
        self._fetching.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._fetching

    async def _fetch(self, began: float) -> None:
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                keys = self._parsed(await self._get())
        except (TimeoutError, OSError, ValueError, httpx2.HTTPError, httpx2.InvalidURL) as error:
            pause = PAUSES_SECONDS[min(self._failures, len(PAUSES_SECONDS) - 1)]
            self._failures += 1
            self._paused_until = time.monotonic() + pause
            self._budget.refund(began)
            log.warning("The key server %s gave no keys: %s", self.url, _quoted(error))
            raise KeysUnavailable("it gave no keys") from None
        self._keys, self._read_at, self._failures = keys, began, 0

    async def _get(self) -> bytes:
        async with (
            httpx2.AsyncClient(
                timeout=FETCH_SECONDS,
                follow_redirects=False,
                verify=_tls_context(),
                # A proxy of the environment does not lead to this machine.
                trust_env=httpx2.URL(self.url).host not in {"localhost", "127.0.0.1", "::1"},
            ) as client,
            client.stream("GET", self.url, headers={"Accept": "application/json"}) as response,
        ):
            if response.status_code != httpx2.codes.OK:
                raise ValueError(f"status {response.status_code}")
            body = b""
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > ANSWER_BYTES_MAX:
                    raise ValueError("its answer is too large")
            return body

    def _parsed(self, body: bytes) -> dict[str, PublicKey]:
        """Parse the usable keys of a JWKS. Raises ValueError if there is none.

        A front end that has idled may list no key, and the keys that it listed before stay valid.
        """
        try:
            listed = list(json.loads(body)["keys"])
        except (KeyError, TypeError, RecursionError):
            raise ValueError("its answer is not a JWKS") from None
        keys = {}
        faults = []
        for parameters in listed:
            try:
                key = PublicKey(parameters)
            except Exception as error:  # python-jose raises all kinds
                faults.append(error)
                continue
            known = self._keys.get(key.id)
            # Keep the object: a remembered token is valid while its key's object is listed.
            keys[key.id] = known if known and known.parameters == key.parameters else key
        if faults:
            log.warning(
                "Cannot use %d of the %d keys of the key server; the first: %s",
                len(faults),
                len(listed),
                _quoted(faults[0]),
            )
        if not keys:
            raise ValueError("it lists no usable key")
        return keys
