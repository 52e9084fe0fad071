"""What the log says of a token that names a listed key."""

from collections.abc import Callable

import pytest
from answers import assert_unauthorized
from fixtures import Ask
from junk import badly_signed_junk
from key_server import KeyServer
from signing import (
    ABSENT,
    SigningKey,
    make_key,
)
from users import OWNER

Make = Callable[[KeyServer, SigningKey], str]
REASONS: dict[str, Make] = {
    "expired": lambda server, key: server.token(key, OWNER, exp=1),
    "audience": lambda server, key: server.token(key, OWNER, aud="urn:tasks"),
    "issuer": lambda server, key: server.token(key, OWNER, iss="urn:tasks"),
    "unknown key": lambda server, _key: server.token(make_key(kid="unknown"), OWNER),
    "signature": lambda server, _key: badly_signed_junk(server, 1),
    "expiry": lambda server, key: server.token(key, OWNER, exp=ABSENT),
    "subject": lambda server, key: server.token(key, OWNER, sub=ABSENT),
    "key id": lambda server, key: key.token(server.claims(OWNER), kid=ABSENT),
    "type": lambda server, key: key.token(server.claims(OWNER), typ="dpop+jwt"),
    "cnf": lambda server, key: server.token(key, OWNER, cnf={"jkt": "x"}),
}


@pytest.mark.parametrize(("reason", "make"), REASONS.items(), ids=list(REASONS))
def test_the_log_names_the_reason_of_a_refusal_and_never_the_token(
    server: KeyServer, ask: Ask, logged: list[str], reason: str, make: Make
) -> None:
    token = make(server, make_key())

    assert_unauthorized(ask(token))

    (line,) = logged
    assert reason in line.lower()
    assert not [piece for piece in token.split(".") if piece in line]


def test_the_log_says_what_was_expected_of_the_audience(
    server: KeyServer, ask: Ask, logged: list[str]
) -> None:
    ask(server.token(make_key(), OWNER, aud="https://elsewhere.example"))

    (line,) = logged
    assert server.origin in line
    assert "https://elsewhere.example" in line


def test_what_a_token_claims_cannot_write_lines_into_the_log(
    server: KeyServer, ask: Ask, logged: list[str]
) -> None:
    ask(server.token(make_key(), OWNER, aud="x\nINFO tasks.auth forged"))
    ask(server.token(make_key(), OWNER, iss="x\r\nINFO tasks.auth forged"))
    ask(make_key().token(server.claims(OWNER), alg="x\nINFO tasks.auth forged"))

    assert not [line for line in logged if "\n" in line or "\r" in line]
