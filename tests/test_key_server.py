"""Tokens signed with a key of the front end, and the key server that lists those keys."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier
from time import monotonic, time
from typing import Any

import key_server
import pytest
from answers import assert_opened, assert_unauthorized, assert_unavailable
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from endpoints import ORIGIN
from fastapi.testclient import TestClient
from httpx2 import Response
from key_server import KeyServer, Mood
from signing import (
    ABSENT,
    Algorithm,
    SigningKey,
    base64url,
    better_auth_claims,
    hs256,
    make_key,
    signed,
    without_absent,
)
from users import OWNER, SECRET, SOMEONE_ELSE, bearer
from waiting import eventually

import keys
from models import Task

# What is asked here does not depend on the database.
pytestmark = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)

Ask = Callable[..., Response]
SetEnvironment = Callable[..., None]

ANSWER_DEADLINE_SECONDS = 5
# The service's budget: so many fetches for tokens that name unknown keys, in 30 s.
FETCHES_MAX = 4
AN_HOUR = 3600


@pytest.fixture
def server(set_environment: SetEnvironment) -> Iterator[KeyServer]:
    """The front end's key server, which lists one Ed25519 key."""
    with KeyServer(make_key()) as server:
        set_environment(BETTER_AUTH_URL=server.origin)
        yield server


@pytest.fixture
def ask(client: TestClient) -> Ask:
    """Asks for the tasks of a user with this token, as a page of the front end does."""

    def ask(token: str, user_id: str = OWNER) -> Response:
        headers = {"Authorization": f"Bearer {token}", "Origin": ORIGIN}
        return client.get(f"/api/{user_id}/tasks", headers=headers)

    return ask


@contextmanager
def within_the_deadline() -> Iterator[None]:
    began = monotonic()
    yield
    assert monotonic() - began < ANSWER_DEADLINE_SECONDS


# Keys


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


# Rotation


def test_the_first_token_of_a_rotated_key_works(server: KeyServer, ask: Ask) -> None:
    old, new = make_key(), make_key(kid="the-next-key")
    assert_opened(ask(server.token(old, OWNER)))
    server.publish(old, new)

    first = ask(server.token(new, OWNER))
    of_the_old_key = ask(server.token(old, OWNER, iat=1))

    assert_opened(first)
    assert_opened(of_the_old_key)
    assert server.fetches == 2


def test_one_rotation_after_another_works(server: KeyServer, ask: Ask) -> None:
    keys = [make_key(kid=f"key-{number}") for number in range(6)]

    for count, key in enumerate(keys, 1):
        server.publish(*keys[:count])
        assert_opened(ask(server.token(key, OWNER)))

    assert server.fetches == len(keys)


def test_a_serial_name_may_come_to_name_another_key(server: KeyServer, ask: Ask) -> None:
    before = make_key(kid="1")
    after = make_key(kid="1", holder="front end with a new database")
    server.publish(before)
    assert_opened(ask(server.token(before, OWNER)))
    server.publish(after)

    of_the_new_key = ask(server.token(after, OWNER))
    of_the_old_key = ask(server.token(before, OWNER, iat=1))

    assert_opened(of_the_new_key)
    assert_unauthorized(of_the_old_key)


def test_a_serial_name_may_come_to_name_a_key_of_another_kind(server: KeyServer, ask: Ask) -> None:
    before, after = make_key(kid="1"), make_key("ES256", kid="1")
    server.publish(before)
    assert_opened(ask(server.token(before, OWNER)))
    server.publish(after)

    response = ask(server.token(after, OWNER))

    assert_opened(response)


def test_a_key_that_a_later_list_lacks_is_good_no_more(server: KeyServer, ask: Ask) -> None:
    withdrawn, new = make_key(), make_key(kid="the-next-key")
    assert_opened(ask(server.token(withdrawn, OWNER)))
    server.publish(new)
    assert_opened(ask(server.token(new, OWNER)))

    response = ask(server.token(withdrawn, OWNER, iat=1))

    assert_unauthorized(response)


def test_a_token_that_was_let_in_falls_with_its_key(server: KeyServer, ask: Ask) -> None:
    withdrawn, new = make_key(), make_key(kid="the-next-key")
    token = server.token(withdrawn, OWNER)
    assert_opened(ask(token))
    server.publish(new)
    assert_opened(ask(server.token(new, OWNER)))

    assert_unauthorized(ask(token))


def test_an_old_list_is_read_again_so_that_a_withdrawn_key_is_dropped(
    server: KeyServer, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = server.token(make_key(), OWNER)
    assert_opened(ask(token))
    server.publish(make_key(kid="the-next-key"))
    assert_opened(ask(token))

    monkeypatch.setattr(keys, "STALE_SECONDS", 0)

    eventually("a refusal", lambda: ask(token).status_code == 401, seconds=5)


# Floods


def crude_junk(server: KeyServer, number: int) -> str:
    forger = make_key(kid=f"junk-{number}", holder="forger")
    return forger.token({"sub": OWNER})


def skilled_junk(server: KeyServer, number: int) -> str:
    """All is right but the key, which nobody lists."""
    forger = make_key(kid=f"junk-{number}", holder="forger")
    return server.token(forger, f"user_{number}")


def badly_signed_junk(server: KeyServer, number: int) -> str:
    forger = make_key(kid=make_key().kid, holder="forger")
    return server.token(forger, f"user_{number}")


@pytest.mark.parametrize("junk", [crude_junk, skilled_junk, badly_signed_junk])
def test_a_flood_of_junk_makes_no_flood_of_fetches(
    server: KeyServer, ask: Ask, junk: Callable[[KeyServer, int], str]
) -> None:
    tokens = [junk(server, number) for number in range(60)]
    good = server.token(make_key(), OWNER)
    assert_opened(ask(good))

    one_by_one = [ask(token) for token in tokens[:30]]
    with ThreadPoolExecutor(10) as pool:
        together = list(pool.map(ask, tokens[30:]))

    assert {response.status_code for response in (*one_by_one, *together)} <= {401, 503}
    assert one_by_one[0].status_code == 401
    assert server.fetches <= 1 + FETCHES_MAX
    assert_opened(ask(server.token(make_key(), OWNER, iat=1)))


@pytest.mark.parametrize("junk", [crude_junk, skilled_junk, badly_signed_junk])
def test_after_a_flood_a_rotated_key_works_at_once_for_a_user_who_was_there_before(
    server: KeyServer, ask: Ask, junk: Callable[[KeyServer, int], str]
) -> None:
    assert_opened(ask(server.token(make_key(), OWNER)))
    for number in range(40):
        ask(junk(server, number))
    server.publish(make_key(), make_key(kid="the-next-key"))

    response = ask(server.token(make_key(kid="the-next-key"), OWNER))

    assert_opened(response)


def test_crude_junk_costs_good_tokens_nothing(server: KeyServer, ask: Ask) -> None:
    for number in range(40):
        assert_unauthorized(ask(crude_junk(server, number)))

    response = ask(server.token(make_key(), OWNER))

    assert_opened(response)
    assert server.fetches == 1


def test_after_a_flood_no_good_token_is_refused(server: KeyServer, ask: Ask) -> None:
    for number in range(40):
        ask(skilled_junk(server, number))
    server.publish(make_key(), make_key(kid="the-next-key"))

    response = ask(server.token(make_key(kid="the-next-key"), "user_who_is_new"), "user_who_is_new")

    # Asking again later signs nobody out; a 401 would.
    if response.status_code != 200:
        assert_unavailable(response)


# A key server that does not help

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


# Only the configured URL is read


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


# Which keys serve

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


# Claims

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


# Settings


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


# What the log says

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
