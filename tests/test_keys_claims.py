"""The claims of a token that a listed key signed."""

from time import time
from typing import Any

import pytest
from answers import assert_opened, assert_unauthorized
from fixtures import Ask, SetEnvironment
from key_server import KeyServer
from signing import (
    ABSENT,
    make_key,
)
from users import OWNER

AN_HOUR = 3600
BAD_CLAIMS: dict[str, dict[str, Any]] = {
    "no issuer": {"iss": ABSENT},
    "an issuer that is null": {"iss": None},
    "an empty issuer": {"iss": ""},
    "another issuer": {"iss": "https://elsewhere.example"},
    "a list of issuers": {"iss": ["{origin}"]},
    "an issuer that only begins right": {"iss": "{origin}.example"},
    "an issuer that ends too early": {"iss": "http://127.0.0.1"},
    "no audience": {"aud": ABSENT},
    "an audience that is null": {"aud": None},
    "an empty audience": {"aud": ""},
    "no audience in the list": {"aud": []},
    "another audience": {"aud": "https://elsewhere.example"},
    "other audiences": {"aud": ["https://elsewhere.example", "better-auth:session-cache"]},
    "an audience that holds the right one": {"aud": "{origin}.example"},
    "a list in the list": {"aud": [["{origin}"]]},
    "an object with the audience": {"aud": {"{origin}": 1}},
    "an audience that is a number": {"aud": 1},
    "no expiry": {"exp": ABSENT},
    "an expiry that is null": {"exp": None},
    "an expiry that is true": {"exp": True},
    "an expiry that is a text": {"exp": "99999999999"},
    "an expiry that is infinite": {"exp": float("inf")},
    "an expiry that is not a number": {"exp": float("nan")},
    "an expiry an hour ago": {"exp": int(time()) - AN_HOUR},
    "a start tomorrow": {"nbf": int(time()) + 24 * AN_HOUR},
    "no subject": {"sub": ABSENT},
    "an empty subject": {"sub": ""},
    "a subject that is a number": {"sub": 1},
    "a subject with NUL": {"sub": "user_alice\0"},
    "a subject with half a surrogate pair": {"sub": "\ud800"},
    "a subject of 256 characters": {"sub": "u" * 256},
    "a confirmation of its holder by DPoP": {"cnf": {"jkt": "x"}},
    "a confirmation of its holder that is null": {"cnf": None},
}


@pytest.mark.parametrize("changes", BAD_CLAIMS.values(), ids=list(BAD_CLAIMS))
def test_a_token_for_other_ends_is_401(
    server: KeyServer, ask: Ask, changes: dict[str, Any]
) -> None:
    response = ask(server.token(make_key(), OWNER, **at(server, changes)))

    assert_unauthorized(response)


def at(server: KeyServer, changes: dict[str, Any]) -> dict[str, Any]:
    """The claims with the server's origin where `{origin}` stands."""

    def filled(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace("{origin}", server.origin)
        if isinstance(value, list):
            return [filled(item) for item in value]
        if isinstance(value, dict):
            return {filled(name): item for name, item in value.items()}
        return value

    return {name: filled(value) for name, value in changes.items()}


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": ["{origin}"]},
        {"aud": ["https://elsewhere.example", "{origin}"]},
        {"iat": ABSENT},
        {"email": ABSENT},
        {"id": "somebody-else"},
        {"nbf": 0},
        {"jti": "a"},
    ],
)
def test_a_token_with_more_or_less_than_usual_is_good(
    server: KeyServer, ask: Ask, changes: dict[str, Any]
) -> None:
    response = ask(server.token(make_key(), OWNER, **at(server, changes)))

    assert_opened(response)


@pytest.mark.parametrize(("name", "seconds"), [("exp", -10), ("exp", 10), ("nbf", 10)])
def test_times_have_thirty_seconds_of_leeway(
    server: KeyServer, ask: Ask, name: str, seconds: int
) -> None:
    response = ask(server.token(make_key(), OWNER, **{name: int(time()) + seconds}))

    assert_opened(response)


@pytest.mark.parametrize("kind", ["better-auth.session-cache+jwt", ABSENT])
def test_a_session_cache_cookie_is_401(server: KeyServer, ask: Ask, kind: Any) -> None:
    claims = {
        "session": {"id": "s", "token": "t", "userId": OWNER},
        "user": {"id": OWNER},
        "sid": "t",
        "sub": OWNER,
        "iat": int(time()),
        "exp": int(time()) + 300,
        "iss": server.origin,
        "aud": "better-auth:session-cache",
    }

    response = ask(make_key().token(claims, typ=kind))

    assert_unauthorized(response)


@pytest.mark.parametrize(
    ("variable", "claim"), [("BETTER_AUTH_ISSUER", "iss"), ("BETTER_AUTH_AUDIENCE", "aud")]
)
def test_the_issuer_and_the_audience_can_be_set(
    server: KeyServer, ask: Ask, set_environment: SetEnvironment, variable: str, claim: str
) -> None:
    set_environment(**{variable: "urn:tasks"})

    accepted = ask(server.token(make_key(), OWNER, **{claim: "urn:tasks"}))
    refused = ask(server.token(make_key(), OWNER))

    assert_opened(accepted)
    assert_unauthorized(refused)


def test_a_verified_token_is_judged_anew_when_the_front_end_is_another(
    server: KeyServer, ask: Ask, set_environment: SetEnvironment
) -> None:
    token = server.token(make_key(), OWNER)
    assert_opened(ask(token))
    set_environment(BETTER_AUTH_AUDIENCE="urn:tasks")

    response = ask(token)

    assert_unauthorized(response)
