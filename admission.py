"""Admission control: limit how many requests use the database at a time, and queue the others."""

import asyncio
from collections import deque
from typing import Self

# The longest that a request waits for its turn.
TURN_SECONDS = 2.5


class Overloaded(Exception):
    """The request had to wait too long. Nothing was sent to the database."""


class Turns:
    """A semaphore for at most `size` requests, as an asynchronous context manager.

    Requests wait first in, first out, until one waits longer than `TURN_SECONDS` and is refused:
    more is asked for than can be served. From then on the newest goes first, until no request
    waits. In the old order every request would wait until just before its refusal.
    """

    def __init__(self, size: int) -> None:
        self._free = size
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._newest_first = False

    async def __aenter__(self) -> Self:
        if self._free:
            self._free -= 1
            return self
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._waiting.append(turn)
        limit = loop.call_later(TURN_SECONDS, self._refuse, turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn in self._waiting:
                self._waiting.remove(turn)
            elif not turn.cancelled() and turn.exception() is None:
                self._pass_on()  # the turn came together with the cancellation
            raise
        finally:
            limit.cancel()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._pass_on()

    def _refuse(self, turn: "asyncio.Future[None]") -> None:
        if not turn.done():
            self._waiting.remove(turn)
            self._newest_first = True
            turn.set_exception(Overloaded(f"no turn within {TURN_SECONDS} s"))

    def _pass_on(self) -> None:
        while self._waiting:
            turn = self._waiting.pop() if self._newest_first else self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._newest_first = False
        self._free += 1
