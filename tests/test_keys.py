"""Tokens signed with a key that the front end lists."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import key_server
import pytest
from answers import assert_opened, assert_unauthorized
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from fixtures import Ask
from httpx2 import Response
from key_server import KeyServer
from signing import (
    ABSENT,
    Algorithm,
    base64url,
    make_key,
    signed,
    without_absent,
)
from users import OWNER, SOMEONE_ELSE, bearer

from models import Task


@pytest.mark.parametrize("algorithm", ["EdDSA", "ES256", "ES512", "RS256"])
def test_a_key_of_each_kind_opens_its_users_tasks_and_nobody_elses(
    server: KeyServer, ask: Ask, stored: Callable[..., Task], algorithm: Algorithm
) -> None:
    key = make_key(algorithm)
    server.publish(key)
    stored("Alice's", user_id=OWNER)
    stored("Bob's", user_id=SOMEONE_ELSE)
    token = server.token(key, OWNER)

    own = ask(token)
    others = ask(token, SOMEONE_ELSE)

    assert own.status_code == 200
    assert [task["title"] for task in own.json()["data"]] == ["Alice's"]
    assert others.status_code == 403


@pytest.mark.parametrize("name_of_key", ["EdDSA", "Ed25519", ABSENT])
@pytest.mark.parametrize("name_in_token", ["EdDSA", "Ed25519"])
def test_ed25519_has_two_names_in_keys_and_in_tokens(
    server: KeyServer, ask: Ask, name_of_key: Any, name_in_token: str
) -> None:
    key = make_key()
    server.keys = [without_absent({**key.jwk, "alg": name_of_key})]

    response = ask(key.token(server.claims(OWNER), alg=name_in_token))

    assert_opened(response)


@pytest.mark.parametrize("algorithm", ["ES256", "ES512", "RS256"])
def test_ed25519_is_the_name_of_no_other_key(
    server: KeyServer, ask: Ask, algorithm: Algorithm
) -> None:
    key, good = make_key(algorithm), make_key(kid="a-good-key")
    server.keys = [{**key.jwk, "alg": "Ed25519"}, good.jwk]

    response = ask(server.token(key, OWNER))
    renamed = ask(key.token(server.claims(OWNER), alg="Ed25519"))

    assert_unauthorized(response)
    assert_unauthorized(renamed)


@pytest.mark.parametrize("name", ["EdDSA", "Ed25519", "Ed448", ABSENT])
def test_a_key_over_ed448_serves_under_no_name(server: KeyServer, ask: Ask, name: Any) -> None:
    private = Ed448PrivateKey.generate()
    x = base64url(private.public_key().public_bytes_raw())
    listed = {"kty": "OKP", "crv": "Ed448", "x": x, "alg": name, "kid": "a-key"}
    server.keys = [without_absent(listed), make_key(kid="a-good-key").jwk]

    responses = [
        ask(signed({"alg": alg, "kid": "a-key"}, server.claims(OWNER), private.sign))
        for alg in ("EdDSA", "Ed25519", "Ed448")
    ]

    for response in responses:
        assert_unauthorized(response)


def test_keys_of_every_kind_and_the_shared_secret_serve_side_by_side(
    server: KeyServer, ask: Ask
) -> None:
    algorithms: list[Algorithm] = ["EdDSA", "ES256", "ES512", "RS256"]
    keys = [make_key(algorithm, kid=f"key-{algorithm}") for algorithm in algorithms]
    server.publish(*keys)
    tokens = [server.token(key, OWNER) for key in keys]

    responses = [ask(token) for token in tokens]
    with_the_secret = ask(bearer()["Authorization"].removeprefix("Bearer "))

    for response in (*responses, with_the_secret):
        assert_opened(response)
    assert server.fetches == 1


@pytest.mark.parametrize("kind", ["JWT", "at+jwt"])
def test_a_token_may_say_that_it_is_one(server: KeyServer, ask: Ask, kind: str) -> None:
    token = make_key().token(server.claims(OWNER), typ=kind)

    response = ask(token)

    assert_opened(response)


def test_keys_are_not_asked_for_before_a_token_needs_one(server: KeyServer, ask: Ask) -> None:
    ask(bearer()["Authorization"].removeprefix("Bearer "))
    ask("junk")

    assert server.fetches == 0


def test_keys_are_asked_for_once_however_many_tokens_they_verify(
    server: KeyServer, ask: Ask
) -> None:
    tokens = [server.token(make_key(), OWNER, iat=number) for number in range(20)]

    responses = [ask(token) for token in tokens]

    for response in responses:
        assert_opened(response)
    assert server.fetches == 1


def test_first_requests_at_the_same_time_make_one_fetch(server: KeyServer, ask: Ask) -> None:
    server.mood = key_server.lists_keys_when_released
    tokens = [server.token(make_key(), OWNER, iat=number) for number in range(16)]
    together = Barrier(len(tokens))

    def ask_together(token: str) -> Response:
        together.wait()
        return ask(token)

    with ThreadPoolExecutor(len(tokens)) as pool:
        pending = [pool.submit(ask_together, token) for token in tokens]
        server.wait_for_fetch()
        server.released.set()
        responses = [request.result() for request in pending]

    for response in responses:
        assert_opened(response)
    assert server.fetches == 1


def test_the_key_server_is_sent_nothing_of_the_user(server: KeyServer, ask: Ask) -> None:
    token = server.token(make_key(), OWNER)

    ask(token)

    ((path, headers),) = server.requests
    assert path == key_server.PATH
    assert not {"authorization", "cookie", "origin", "referer"} & {n.lower() for n in headers}
    assert token not in str(headers)
