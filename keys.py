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
from collections.abc import Mapping
from functools import cache
from typing import Any

import httpx2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jose import jwk
from jose.backends.base import Key
from jose.utils import base64url_decode, base64url_encode

log = logging.getLogger("tasks.keys")

# What a key is decides its one algorithm; python-jose would let the token's header choose. EdDSA
# over Ed25519 has two names: that of RFC 8037, and one of its own since RFC 9864.
NAMES_OF_ALGORITHM = {
    ("OKP", "Ed25519"): ("EdDSA", "Ed25519"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-521"): ("ES512",),
    ("RSA", None): ("RS256",),
}
ALGORITHMS = frozenset(name for names in NAMES_OF_ALGORITHM.values() for name in names)
PUBLIC_PARAMETERS = ("kty", "crv", "x", "y", "n", "e")

# The whole of one fetch, and all that a request may wait for keys.
FETCH_SECONDS = 3
WAIT_SECONDS = 4.5
ANSWER_BYTES_MAX = 256 * 1024

# Fetches that brought no key to a good token, so many in so many seconds. A fetch that did is free,
# since no forger can cause one; and each user who was let in before has one more, so that a flood
# of junk does not use it all up.
FRUITLESS_SECONDS = 30
FRUITLESS_FETCHES = 3
FRUITLESS_FETCHES_MAX = 8
# After a failure the key server is left alone for a moment, longer each time.
PAUSES_SECONDS = (0.5, 1, 2, 4)
# A list older than this is read again when a token comes, so that a key that the front end has
# withdrawn is dropped. While that fails, the old list counts.
STALE_SECONDS = 600


class KeysUnavailable(Exception):
    """The key server cannot be asked now."""


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


class PublicKey:
    """One key and the one algorithm that it verifies."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        kind = (str(parameters.get("kty")), parameters.get("crv"))
        names = NAMES_OF_ALGORITHM.get(kind)
        if names is None or parameters.get("alg", names[0]) not in names:
            raise ValueError(
                f"keys of the kind {kind!r:.100} for {parameters.get('alg')!r:.100} are unsupported"
            )
        if parameters.get("use", "sig") != "sig":
            raise ValueError("it is not for signatures")
        self.names_of_algorithm = names
        self.parameters = {
            name: parameters[name] for name in PUBLIC_PARAMETERS if name in parameters
        }
        self._key = jwk.construct(self.parameters, names[0])

    def verifies(self, algorithm: str, message: bytes, signature: bytes) -> bool:
        return algorithm in self.names_of_algorithm and bool(self._key.verify(message, signature))


def shared_key(secret: str) -> Key:
    """The key of HS256 that is the secret's UTF-8 octets, whatever the secret looks like."""
    # As a JWK, because python-jose refuses a text that looks like PEM or SSH.
    octets = base64url_encode(secret.encode()).decode()
    return jwk.construct({"kty": "oct", "k": octets}, "HS256")


@cache
def _tls_context() -> ssl.SSLContext:
    return httpx2.create_ssl_context()  # reading the authorities takes tens of milliseconds


class KeyServer:
    """The keys at one URL."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._is_local = httpx2.URL(url).host in {"localhost", "127.0.0.1", "::1"}
        self._keys: dict[str, PublicKey] = {}
        self._read_at = -float("inf")  # when the fetch that gave `_keys` began
        self._fetching: asyncio.Task[None] | None = None
        self._failures = 0
        self._paused_until = -float("inf")
        self._fruitless: dict[float, str] = {}  # when a fetch began, and who pays ("": everybody)

    def known(self, key_id: str) -> PublicKey | None:
        """The key of this name, without waiting for anything."""
        if self._keys and time.monotonic() - self._read_at > STALE_SECONDS:
            self._join_or_start_fetch()
        return self._keys.get(key_id)

    async def fresh(
        self, key_id: str, *, other_than: PublicKey | None, user_id: str, known_user: bool
    ) -> PublicKey | None:
        """The key of this name in a list asked for from now on.

        Raises `KeysUnavailable` when the key server does not give one in time, or when none may be
        asked for now: without it nobody knows whether the token is good.
        """
        arrived = time.monotonic()
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                while self._read_at < arrived and self._keys.get(key_id) is other_than:
                    payer = self._payer_of_fetch(user_id, known_user=known_user)
                    if payer is None and not self._is_fetching():
                        raise KeysUnavailable("asked too often for keys that it did not have")
                    await asyncio.shield(self._join_or_start_fetch(payer))
        except TimeoutError:
            raise KeysUnavailable("it is too slow") from None
        return self._keys.get(key_id)

    def was_fruitful(self) -> None:
        """The list as it is brought the key of a good token: its fetch costs nothing."""
        self._fruitless.pop(self._read_at, None)

    def _payer_of_fetch(self, user_id: str, *, known_user: bool) -> str | None:
        """Who pays for a fetch for this user's token, if anybody may."""
        since = time.monotonic() - FRUITLESS_SECONDS
        self._fruitless = {at: who for at, who in self._fruitless.items() if at > since}
        payers = list(self._fruitless.values())
        if payers.count("") < FRUITLESS_FETCHES:
            return ""
        may_pay = known_user and user_id not in payers and len(payers) < FRUITLESS_FETCHES_MAX
        return user_id if may_pay else None

    def _is_fetching(self) -> bool:
        # A task of another event loop (each TestClient has its own) cannot be waited for here.
        task = self._fetching
        return bool(task and not task.done() and task.get_loop() is asyncio.get_running_loop())

    def _join_or_start_fetch(self, payer: str | None = None) -> "asyncio.Task[None]":
        """However many wait, one asks. A fetch without a payer is the service's own."""
        if self._fetching is None or not self._is_fetching():
            began = time.monotonic()
            if payer is not None and began >= self._paused_until:
                self._fruitless[began] = payer
            self._fetching = asyncio.create_task(self._fetch(began))
            # A failure is told to those who wait; there may be none.
            self._fetching.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._fetching

    async def _fetch(self, began: float) -> None:
        if began < self._paused_until:
            raise KeysUnavailable("it failed a moment ago")
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                keys = self._parsed(await self._get())
        except (TimeoutError, OSError, ValueError, httpx2.HTTPError, httpx2.InvalidURL) as error:
            pause = PAUSES_SECONDS[min(self._failures, len(PAUSES_SECONDS) - 1)]
            self._failures += 1
            self._paused_until = time.monotonic() + pause
            self._fruitless.pop(began, None)
            log.warning(
                "The key server %s gave no keys: %s %.300r",
                *(self.url, type(error).__name__, str(error)),
            )
            raise KeysUnavailable("it gave no keys") from None
        self._keys, self._read_at, self._failures = keys, began, 0

    async def _get(self) -> bytes:
        async with (
            httpx2.AsyncClient(
                timeout=FETCH_SECONDS,
                follow_redirects=False,
                verify=_tls_context(),
                trust_env=not self._is_local,  # no proxy leads to this machine
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
        """The usable keys of a JWKS. One without any is no answer: a front end that has idled may
        list none, and its tokens are good all the same."""
        try:
            listed = list(json.loads(body)["keys"])
        except (KeyError, TypeError, RecursionError):
            raise ValueError("its answer is not a JWKS") from None
        keys = {}
        faults = []
        for parameters in listed:
            try:
                key_id = str(parameters["kid"])
                key = PublicKey(parameters)
            except Exception as error:  # python-jose raises all kinds
                faults.append(error)
                continue
            known = self._keys.get(key_id)
            keys[key_id] = known if known and known.parameters == key.parameters else key
        if faults:
            log.warning(
                "Cannot use %d of the %d keys of the key server; the first: %s %.300r",
                *(len(faults), len(listed), type(faults[0]).__name__, str(faults[0])),
            )
        if not keys:
            raise ValueError("it lists no usable key")
        return keys
