"""Who waits for a turn, and in which order turns come."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from driver import admission
from driver.admission import Overloaded, Turns

# For requests that are to be refused.
SHORT_TURN_SECONDS = 0.2


class Crowd:
    """Requests that want one turn each, of which `size` are given at a time. The first letter of a
    name is its owner.
    """

    def __init__(self, size: int) -> None:
        self.turns = Turns(size)
        self.served: list[str] = []
        self.refused: list[str] = []
        self.go_on = asyncio.Event()

    async def arrive(self, name: str) -> "asyncio.Task[None]":
        """Start a request, and return when it waits or has its turn."""
        request = asyncio.create_task(self._request(name))
        await asyncio.sleep(0)
        return request

    async def _request(self, name: str) -> None:
        try:
            await self.turns.acquire(owner=name[0])
        except Overloaded:
            self.refused.append(name)
            return
        try:
            self.served.append(name)
            await self.go_on.wait()
        finally:
            self.turns.release(owner=name[0])


def run(test: Callable[[Crowd], Awaitable[None]], size: int = 1) -> Crowd:
    async def in_loop() -> Crowd:
        crowd = Crowd(size)
        await test(crowd)
        return crowd

    return asyncio.run(in_loop())


def test_turns_come_first_come_first_served() -> None:
    async def test(crowd: Crowd) -> None:
        requests = [await crowd.arrive(name) for name in "abc"]
        assert crowd.served == ["a"]
        crowd.go_on.set()
        await asyncio.gather(*requests)

    assert run(test).served == ["a", "b", "c"]


def test_after_a_refusal_the_newest_is_served_first_until_nobody_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admission, "TURN_SECONDS", SHORT_TURN_SECONDS)

    async def test(crowd: Crowd) -> None:
        first, refused = await crowd.arrive("a"), await crowd.arrive("refused")
        await refused
        monkeypatch.undo()  # the others are to wait, on a busy machine too
        requests = [first, *[await crowd.arrive(name) for name in "bcd"]]
        crowd.go_on.set()
        await asyncio.gather(*requests)
        crowd.go_on.clear()
        requests = [await crowd.arrive(name) for name in "efg"]
        crowd.go_on.set()
        await asyncio.gather(*requests)

    crowd = run(test)
    assert crowd.refused == ["refused"]
    assert crowd.served == ["a", "d", "c", "b", "e", "f", "g"]


@pytest.mark.parametrize(("size", "share"), [(1, 1), (2, 1), (3, 2), (4, 2), (20, 10)])
def test_one_owner_takes_half_of_the_turns(size: int, share: int) -> None:
    async def test(crowd: Crowd) -> None:
        requests = [await crowd.arrive(f"a{number}") for number in range(2 * size)]
        assert len(crowd.served) == share
        crowd.go_on.set()
        await asyncio.gather(*requests)

    assert run(test, size).served == [f"a{number}" for number in range(2 * size)]


def test_each_further_owner_takes_half_of_what_is_left() -> None:
    async def test(crowd: Crowd) -> None:
        requests = [await crowd.arrive(f"{owner}{n}") for owner in "abcdef" for n in range(20)]
        shares = [sum(name[0] == owner for name in crowd.served) for owner in "abcdef"]
        assert shares == [10, 5, 3, 1, 1, 0]
        crowd.go_on.set()
        await asyncio.gather(*requests)

    assert len(run(test, size=20).served) == 6 * 20


def test_many_owners_with_one_request_each_take_all_turns() -> None:
    async def test(crowd: Crowd) -> None:
        requests = [await crowd.arrive(name) for name in "abcde"]
        assert crowd.served == ["a", "b", "c", "d"]
        crowd.go_on.set()
        await asyncio.gather(*requests)

    run(test, size=4)


def test_an_owner_who_was_served_goes_behind_the_others_who_wait() -> None:
    async def test(crowd: Crowd) -> None:
        requests = [await crowd.arrive(name) for name in ("a1", "a2", "a3", "a4", "b1", "b2", "c1")]
        crowd.go_on.set()
        await asyncio.gather(*requests)

    assert run(test).served == ["a1", "a2", "b1", "c1", "a3", "b2", "a4"]


def test_an_owner_whose_requests_are_refused_leaves_the_others_their_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admission, "TURN_SECONDS", SHORT_TURN_SECONDS)

    async def test(crowd: Crowd) -> None:
        requests = [await crowd.arrive(name) for name in ("a1", "a2", "a3", "a4")]
        await requests[2]
        await requests[3]
        monkeypatch.undo()
        requests += [await crowd.arrive(name) for name in ("b1", "b2")]
        crowd.go_on.set()
        await asyncio.gather(*requests)

    crowd = run(test, size=4)
    assert crowd.refused == ["a3", "a4"]
    assert crowd.served == ["a1", "a2", "b1", "b2"]


def test_a_request_that_is_cancelled_while_it_waits_takes_no_turn() -> None:
    async def test(crowd: Crowd) -> None:
        first, cancelled, last = [await crowd.arrive(name) for name in ("a", "cancelled", "b")]
        cancelled.cancel()
        crowd.go_on.set()
        await asyncio.gather(first, last, cancelled, return_exceptions=True)

    assert run(test).served == ["a", "b"]


def test_a_turn_that_comes_at_the_moment_of_a_cancellation_is_passed_on() -> None:
    async def test(crowd: Crowd) -> None:
        async def hand_over() -> None:
            await crowd.turns.acquire("a")
            await crowd.go_on.wait()
            crowd.turns.release("a")
            cancelled.cancel()  # has its turn by now, and has not run since

        first = asyncio.create_task(hand_over())
        await asyncio.sleep(0)
        cancelled, last = await crowd.arrive("cancelled"), await crowd.arrive("b")
        crowd.go_on.set()
        await asyncio.gather(first, last, cancelled, return_exceptions=True)

    assert run(test).served == ["b"]


def test_a_cancelled_request_leaves_a_turn_for_the_next() -> None:
    async def test(crowd: Crowd) -> None:
        first = await crowd.arrive("a")
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        crowd.go_on.set()
        await (await crowd.arrive("b"))

    assert run(test).served == ["a", "b"]
