"""Admission control: limit how many requests use the database at a time, and queue the others."""

import asyncio
from collections import OrderedDict

# The longest that a request waits for its turn.
TURN_SECONDS = 2.5


class Overloaded(Exception):
    """The request had to wait too long. Nothing was sent to the database."""


class Turns:
    """A semaphore for at most `size` requests, of which no owner has more than are left to others:
    one owner alone gets half of the turns, a second one half of the rest, and so on.

    Owners wait first in, first out, and so do the requests of each; an owner who was served goes
    behind the others. Once a request waits longer than `TURN_SECONDS` and is refused, more is asked
    for than can be served. From then on the newest goes first, until no request waits. In the old
    order every request would wait until just before its refusal.
    """

    def __init__(self, size: int) -> None:
        self._free = size
        self._taken: dict[str | None, int] = {}
        self._waiting: OrderedDict[str | None, OrderedDict[asyncio.Future[None], None]]
        self._waiting = OrderedDict()
        self._newest_first = False

    async def acquire(self, owner: str | None) -> None:
        if self._is_left_for(owner):
            self._take(owner)
        else:
            await self._wait(owner)

    def release(self, owner: str | None) -> None:
        self._free += 1
        self._taken[owner] -= 1
        if not self._taken[owner]:
            del self._taken[owner]
        if not self._waiting:
            self._newest_first = False
        while self._free and self._serve_next():
            pass

    def _is_left_for(self, owner: str | None) -> bool:
        return self._taken.get(owner, 0) < self._free

    def _take(self, owner: str | None) -> None:
        self._free -= 1
        self._taken[owner] = self._taken.get(owner, 0) + 1

    def _serve_next(self) -> bool:
        # Whoever is passed over has turns: they are no more than there are turns.
        for owner in reversed(self._waiting) if self._newest_first else self._waiting:
            if self._is_left_for(owner):
                requests = self._waiting[owner]
                turn, _ = requests.popitem(last=self._newest_first)
                if requests:
                    self._waiting.move_to_end(owner, last=not self._newest_first)
                else:
                    del self._waiting[owner]
                if not turn.done():
                    self._take(owner)
                    turn.set_result(None)
                return True
        return False

    async def _wait(self, owner: str | None) -> None:
        loop = asyncio.get_running_loop()
        turn = loop.create_future()
        self._waiting.setdefault(owner, OrderedDict())[turn] = None
        limit = loop.call_later(TURN_SECONDS, self._refuse, owner, turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._leave(owner, turn)
            elif turn.exception() is None:
                self.release(owner)  # the turn came together with the cancellation
            raise
        finally:
            limit.cancel()

    def _refuse(self, owner: str | None, turn: "asyncio.Future[None]") -> None:
        if not turn.done():
            self._leave(owner, turn)
            self._newest_first = True
            turn.set_exception(Overloaded(f"no turn within {TURN_SECONDS} s"))

    def _leave(self, owner: str | None, turn: "asyncio.Future[None]") -> None:
        requests = self._waiting.get(owner, OrderedDict())
        requests.pop(turn, None)  # it may have come and been passed on
        if not requests:
            self._waiting.pop(owner, None)
