"""Keys that follow each other: the next is good at once, a withdrawn one no more."""

import pytest
from answers import assert_opened, assert_unauthorized
from fixtures import Ask
from key_server import KeyServer
from signing import (
    make_key,
)
from users import OWNER
from waiting import eventually

from tokens import keys


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
