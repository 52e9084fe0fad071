"""What an overload leaves alone: the requests after it, and connections beyond the pool."""

import asyncio
from collections.abc import Callable

import pytest
from answers import refusal, seconds
from overload import ANSWER_SECONDS, POOL_SIZE, Overload
from waiting import in_time

pytestmark = pytest.mark.waits


def test_a_second_after_an_overload_a_list_is_answered_at_once(
    overload: Callable[[float], Overload],
) -> None:
    load = overload(0.5)

    asyncio.run(load.offer(per_second=4 * POOL_SIZE, seconds=10))

    assert load.listed.status_code == 200
    assert in_time(seconds(load.listed), 1)


def test_statements_that_outrun_their_limit_take_no_further_connections(
    overload: Callable[[float], Overload],
) -> None:
    load = overload(6)

    with load.database.counted_connections() as connections:
        answers = asyncio.run(load.offer(per_second=POOL_SIZE, seconds=10))

    assert {refusal(answer) for answer in answers} == {(503, "SERVICE_UNAVAILABLE")}
    assert load.database.titles() == []
    assert max(connections) == POOL_SIZE
    assert in_time(max(seconds(answer) for answer in answers), ANSWER_SECONDS)
