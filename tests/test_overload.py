"""More requests than the database can take: what fits is served, the rest is refused unsent."""

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest
from answers import refusal, seconds
from overload import ANSWER_SECONDS, POOL_SIZE, Overload
from waiting import in_time

pytestmark = pytest.mark.waits


@pytest.mark.parametrize("insert_seconds", [0.5, 3])
def test_at_twice_the_capacity_what_the_database_can_take_is_created(
    overload: Callable[[float], Overload], insert_seconds: float
) -> None:
    load, load_seconds, capacity = overload(insert_seconds), 20, POOL_SIZE / insert_seconds

    with load.database.counted_connections() as connections:
        answers = asyncio.run(load.offer(per_second=2 * capacity, seconds=load_seconds))

    statuses = Counter(answer.status_code for answer in answers)
    refused = [answer for answer in answers if answer.status_code != 201]
    assert statuses[201] >= 0.9 * capacity * load_seconds
    assert {refusal(answer) for answer in refused} == {(503, "SERVICE_UNAVAILABLE")}
    assert len(load.database.titles()) == statuses[201]
    assert max(connections) == POOL_SIZE
    assert in_time(max(seconds(answer) for answer in answers), ANSWER_SECONDS)
    assert all(1 <= int(answer.headers["Retry-After"]) <= 10 for answer in refused)
    assert load.listed.status_code == 200
