"""A key server that does not help: known keys stay good, others are 503."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from time import monotonic

import key_server
import pytest
from answers import assert_opened, assert_unauthorized, assert_unavailable
from fastapi.testclient import TestClient
from fixtures import Ask, SetEnvironment
from junk import badly_signed_junk
from key_server import FETCHES_MAX, KeyServer, Mood
from signing import (
    better_auth_claims,
    make_key,
)
from users import OWNER, bearer
from waiting import in_time

ANSWER_DEADLINE_SECONDS = 5


@contextmanager
def within_the_deadline() -> Iterator[None]:
    began = monotonic()
    yield
    assert in_time(monotonic() - began, ANSWER_DEADLINE_SECONDS)


OUTAGES: dict[str, Mood] = {
    "HTML": key_server.HTML,
    "too many requests": key_server.TOO_MANY_REQUESTS,
    "a server error": key_server.SERVER_ERROR,
    "not found": key_server.NOT_FOUND,
    "no keys": key_server.NO_KEYS,
    "half a JSON": key_server.JUNK_JSON,
    "a JSON list": key_server.NOT_A_KEY_SET,
    "keys of another shape": key_server.KEYS_OF_ANOTHER_SHAPE,
    "deeply nested JSON": key_server.DEEPLY_NESTED,
    "no UTF-8": key_server.NOT_UTF8,
    "an answer without an end": key_server.never_ends,
    "a connection closed": key_server.hangs_up,
}
every_outage = pytest.mark.parametrize("outage", OUTAGES.values(), ids=list(OUTAGES))


@every_outage
def test_while_the_key_server_does_not_help_known_keys_are_good_and_others_503(
    server: KeyServer, ask: Ask, outage: Mood
) -> None:
    assert_opened(ask(server.token(make_key(), OWNER)))
    server.mood = outage

    with within_the_deadline():
        unknown = ask(server.token(make_key(kid="the-next-key"), OWNER))
        known = ask(server.token(make_key(), OWNER, iat=1))

    assert_unavailable(unknown)
    assert_opened(known)


@every_outage
def test_a_key_server_that_never_helped_is_503(server: KeyServer, ask: Ask, outage: Mood) -> None:
    server.mood = outage

    with within_the_deadline():
        response = ask(server.token(make_key(), OWNER))

    assert_unavailable(response)


def test_a_key_server_that_sends_a_byte_at_a_time_is_503_within_five_seconds(
    server: KeyServer, ask: Ask
) -> None:
    assert_opened(ask(server.token(make_key(), OWNER)))
    server.mood = key_server.drips

    with within_the_deadline():
        unknown = ask(server.token(make_key(kid="the-next-key"), OWNER))
    with within_the_deadline():
        known = ask(server.token(make_key(), OWNER, iat=1))

    assert_unavailable(unknown)
    assert_opened(known)


def test_many_who_wait_for_a_hanging_key_server_all_have_their_answer_within_five_seconds(
    server: KeyServer, ask: Ask
) -> None:
    server.mood = key_server.hangs
    tokens = [server.token(make_key(kid=f"key-{n}"), f"user_{n}") for n in range(16)]

    with ThreadPoolExecutor(len(tokens)) as pool, within_the_deadline():
        responses = list(pool.map(ask, tokens))

    for response in responses:
        assert_unavailable(response)
    assert server.fetches <= FETCHES_MAX


def test_nobody_else_waits_for_a_hanging_key_server(
    client: TestClient, server: KeyServer, ask: Ask
) -> None:
    assert_opened(ask(server.token(make_key(), OWNER)))
    server.mood = key_server.hangs

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ask, server.token(make_key(kid="the-next-key"), OWNER))
        server.wait_for_fetch(2)
        with_the_secret = ask(bearer()["Authorization"].removeprefix("Bearer "))
        with_a_known_key = ask(server.token(make_key(), OWNER, iat=1))
        junk = ask("junk")
        health = client.get("/health")
        still_waiting = not waiting.done()
        server.released.set()
        with within_the_deadline():
            waited = waiting.result()

    assert still_waiting
    assert_opened(with_the_secret)
    assert_opened(with_a_known_key)
    assert_unauthorized(junk)
    assert health.status_code == 200
    assert_unavailable(waited)


def test_a_key_server_that_is_down_is_503_for_unknown_keys_alone(
    server: KeyServer, ask: Ask
) -> None:
    assert_opened(ask(server.token(make_key(), OWNER)))
    server.go_down()

    with within_the_deadline():
        unknown = ask(server.token(make_key(kid="the-next-key"), OWNER))
        known = ask(server.token(make_key(), OWNER, iat=1))
        with_the_secret = ask(bearer()["Authorization"].removeprefix("Bearer "))

    assert_unavailable(unknown)
    assert_opened(known)
    assert_opened(with_the_secret)


def test_a_front_end_may_start_later_than_the_service(server: KeyServer, ask: Ask) -> None:
    server.go_down()
    token = server.token(make_key(), OWNER)
    too_early = ask(token)
    server.come_back()
    retry_until = monotonic() + int(too_early.headers["Retry-After"]) + 1

    response = ask(token)
    while response.status_code == 503 and monotonic() < retry_until:
        response = ask(token)

    assert_unavailable(too_early)
    assert_opened(response)


def test_a_front_end_whose_name_does_not_resolve_is_503(
    ask: Ask, set_environment: SetEnvironment
) -> None:
    set_environment(BETTER_AUTH_URL="http://front-end.invalid:3000")
    token = make_key().token(better_auth_claims("http://front-end.invalid:3000", OWNER))

    with within_the_deadline():
        response = ask(token)

    assert_unavailable(response)


def test_a_forged_signature_under_a_known_key_is_401_while_the_key_server_is_down(
    server: KeyServer, ask: Ask
) -> None:
    assert_opened(ask(server.token(make_key(), OWNER)))
    server.go_down()

    response = ask(badly_signed_junk(server, 1))

    assert_unauthorized(response)


def test_a_list_that_lacks_the_key_is_401(server: KeyServer, ask: Ask) -> None:
    response = ask(server.token(make_key(kid="nobody-lists-this"), OWNER))

    assert_unauthorized(response)
