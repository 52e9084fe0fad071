"""Which entries of the list are keys, and for which tokens."""

from typing import Any

import pytest
from answers import assert_opened, assert_unauthorized
from fixtures import Ask
from key_server import KeyServer
from signing import (
    ABSENT,
    base64url,
    hs256,
    make_key,
)
from users import OWNER, SECRET

OTHER_KIND: dict[str, dict[str, Any]] = {
    "for encryption": {"use": "enc"},
    "for another use": {"use": "tls"},
    "for another algorithm": {"alg": "ES256"},
    "for RSA": {"alg": "RS256"},
    "for HMAC": {"alg": "HS256"},
    "for no algorithm": {"alg": "none"},
    "for the wrong type of algorithm": {"alg": ["EdDSA"]},
    "of another type": {"kty": "EC"},
    "of an unknown type": {"kty": "AKP"},
    "of no type": {"kty": None},
    "of another curve": {"crv": "X25519"},
    "of a larger curve": {"crv": "Ed448"},
    "of an unknown curve": {"crv": "P-1"},
    "of the wrong type of curve": {"crv": ["Ed25519"]},
    "without its point": {"x": None},
    "with an empty point": {"x": ""},
    "with half its point": {"x": "AAAA"},
    "with a point that is no base64": {"x": "é!"},
    "with a name that is a number": {"kid": 1},
    "with a name that is a list": {"kid": ["a-key"]},
}


@pytest.mark.parametrize("changes", OTHER_KIND.values(), ids=list(OTHER_KIND))
def test_a_key_that_is_not_for_signatures_of_its_kind_serves_nobody_and_spoils_nothing(
    server: KeyServer, ask: Ask, changes: dict[str, Any]
) -> None:
    key, good = make_key(), make_key(kid="a-good-key")
    server.keys = [{**key.jwk, **changes}, good.jwk]

    response = ask(server.token(key, OWNER))
    of_the_good_key = ask(server.token(good, OWNER))

    assert_unauthorized(response)
    assert_opened(of_the_good_key)


@pytest.mark.parametrize("entry", [None, 1, "a-key", [], {}, {"kid": "a-key"}, {"kty": "OKP"}])
def test_an_entry_that_is_no_key_spoils_nothing(server: KeyServer, ask: Ask, entry: Any) -> None:
    good = make_key(kid="a-good-key")
    server.keys = [entry, good.jwk]

    response = ask(server.token(good, OWNER))

    assert_opened(response)


@pytest.mark.parametrize("use", [{}, {"use": "sig"}, {"key_ops": ["verify"]}, {"x5t": "x"}])
def test_a_key_may_say_that_it_is_for_signatures(
    server: KeyServer, ask: Ask, use: dict[str, Any]
) -> None:
    server.keys = [{**make_key().jwk, **use}]

    response = ask(server.token(make_key(), OWNER))

    assert_opened(response)


@pytest.mark.parametrize("kid", ["a-secret", ABSENT])
@pytest.mark.parametrize("digest", ["HS256", "HS384", "HS512"])
def test_a_symmetric_key_in_the_list_is_no_secret(
    server: KeyServer, ask: Ask, digest: str, kid: Any
) -> None:
    secret = "a-listed-secret-of-at-least-32-bytes"
    listed = {"kty": "oct", "alg": digest, "kid": "a-secret", "k": base64url(secret.encode())}
    server.keys = [listed, make_key().jwk]
    assert_opened(ask(server.token(make_key(), OWNER)))

    response = ask(
        hs256(
            server.claims(OWNER),
            {"alg": digest, "kid": "a-secret"} if kid is not ABSENT else {"alg": digest},
            secret=secret,
            digest=digest,
        )
    )

    assert_unauthorized(response)


def test_the_shared_secret_does_not_stand_in_for_a_key(server: KeyServer, ask: Ask) -> None:
    tokens = [
        hs256(server.claims(OWNER), {"alg": algorithm, "kid": make_key().kid}, secret=SECRET)
        for algorithm in ("EdDSA", "Ed25519", "ES256", "ES512", "RS256")
    ]

    responses = [ask(token) for token in tokens]

    for response in responses:
        assert_unauthorized(response)


@pytest.mark.parametrize("listed_for", ["PS256", "RS256"])
def test_ps256_is_refused_with_a_line_that_says_so(
    server: KeyServer, ask: Ask, logged: list[str], listed_for: str
) -> None:
    key = make_key("PS256")
    server.keys = [{**key.jwk, "alg": listed_for}, make_key(kid="a-good-key").jwk]

    response = ask(server.token(key, OWNER))

    assert_unauthorized(response)
    assert any("PS256" in line for line in logged)


@pytest.mark.parametrize(
    "kid", [ABSENT, None, "", 1, True, ["a-key"], {"a-key": 1}, "k" * 5000, "\0", "\ud800", "a-KEY"]
)
def test_a_token_that_names_no_listed_key_is_401(server: KeyServer, ask: Ask, kid: Any) -> None:
    response = ask(make_key().token(server.claims(OWNER), kid=kid))

    assert_unauthorized(response)
