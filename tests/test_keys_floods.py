"""Forged tokens in masses make few fetches of the keys, and shut out nobody."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from answers import assert_opened, assert_unauthorized, assert_unavailable
from fixtures import Ask
from junk import badly_signed_junk, crude_junk, skilled_junk
from key_server import FETCHES_MAX, KeyServer
from signing import (
    make_key,
)
from users import OWNER


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
