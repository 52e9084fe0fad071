"""Who waits for a turn, and in which order turns come."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

import admission
from admission import Overloaded, Turns

# Long enough for everything else that a test does.
SHORT_TURN_SECONDS = 0.2


class Crowd:
    """Requests that want one turn each, out of a single one at a time."""

    def __init__(self) -> None:
        self.turns = Turns(1)
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
            async with self.turns:
                self.served.append(name)
                await self.go_on.wait()
        except Overloaded:
            self.refused.append(name)


def run(test: Callable[[Crowd], Awaitable[None]]) -> Crowd:
    async def in_loop() -> Crowd:
        crowd = Crowd()
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
            async with crowd.turns:
                await crowd.go_on.wait()
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
