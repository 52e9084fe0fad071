"""Keys come from the configured URL alone."""

from collections.abc import Iterator
from typing import Any

import key_server
import pytest
from answers import assert_opened, assert_unauthorized, assert_unavailable
from fixtures import Ask, SetEnvironment
from key_server import KeyServer
from signing import (
    ABSENT,
    better_auth_claims,
    make_key,
)
from users import OWNER


@pytest.fixture
def stranger() -> Iterator[KeyServer]:
    """Another key server, whose key signs forgeries."""
    with KeyServer(make_key(kid="a-stranger's-key", holder="stranger")) as stranger:
        yield stranger


@pytest.mark.parametrize("kid", ["a-key", "a-stranger's-key", ABSENT])
@pytest.mark.parametrize("parameter", ["jku", "x5u", "jwk", "iss"])
def test_a_token_cannot_bring_its_key_or_name_where_it_is(
    server: KeyServer, stranger: KeyServer, ask: Ask, parameter: str, kid: Any
) -> None:
    key = make_key(kid="a-stranger's-key", holder="stranger")
    values = {"jwk": key.jwk, "iss": stranger.origin}
    header = {"kid": kid, parameter: values.get(parameter, stranger.jwks_url)}

    forgery = key.token(server.claims(OWNER), **header)
    of_the_stranger = key.token(stranger.claims(OWNER), **header)

    assert_unauthorized(ask(forgery))
    assert_unauthorized(ask(of_the_stranger))
    assert stranger.fetches == 0


def test_a_redirect_is_not_followed(server: KeyServer, stranger: KeyServer, ask: Ask) -> None:
    server.mood = key_server.redirects_to(stranger.jwks_url)
    key = make_key(kid="a-stranger's-key", holder="stranger")

    response = ask(server.token(key, OWNER))

    assert_unavailable(response)
    assert stranger.fetches == 0


@pytest.mark.parametrize(
    ("path", "jwks_path"),
    [
        ("", "/api/auth/jwks"),
        ("/", "/api/auth/jwks"),
        ("/api/auth", "/api/auth/jwks"),
        ("/auth/", "/auth/jwks"),
    ],
)
def test_a_path_in_the_front_ends_url_is_its_base_path_as_in_better_auth(
    server: KeyServer, ask: Ask, set_environment: SetEnvironment, path: str, jwks_path: str
) -> None:
    set_environment(BETTER_AUTH_URL=f"{server.origin}{path}")

    response = ask(server.token(make_key(), OWNER))

    assert_opened(response)
    assert [path for path, _ in server.requests] == [jwks_path]


def test_the_keys_may_be_elsewhere_than_the_front_end(
    server: KeyServer, ask: Ask, set_environment: SetEnvironment
) -> None:
    set_environment(
        BETTER_AUTH_URL="https://app.example", BETTER_AUTH_JWKS_URL=f"{server.origin}/keys?a=b"
    )
    token = make_key().token(better_auth_claims("https://app.example", OWNER))

    response = ask(token)

    assert_opened(response)
    assert [path for path, _ in server.requests] == ["/keys?a=b"]
