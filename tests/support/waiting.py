"""Waiting for what happens in another process, and what a promise of time is worth meanwhile."""

from collections.abc import Callable
from time import monotonic, sleep, thread_time
from typing import TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.02
# Longer than what a scheduler gives at once: a probe that runs alone tells nothing of the others.
PROBE_SECONDS = 0.1


def eventually(what: str, condition: Callable[[], T], *, seconds: float) -> T:
    """The first value of `condition` that is true; the test fails unless it comes in time."""
    began = monotonic()
    while not (value := condition()):
        waited = monotonic() - began
        assert in_time(waited, seconds), f"{what}: not within {seconds} s"
        sleep(POLL_SECONDS)
    return value


def in_time(took: float, seconds: float) -> bool:
    """Whether a promise was kept, here and now. The machine is asked only if it was not at once."""
    return took < seconds or took < allowed(seconds)


def allowed(seconds: float) -> float:
    """How long something may take here and now that is promised within so many seconds.

    A thread that wants to work gets a whole core on a machine that is free, and part of one beside
    other programs: what is promised may take longer by as much. On a free machine it may not.
    """
    began, worked = monotonic(), thread_time()
    while thread_time() - worked < PROBE_SECONDS:
        pass
    return seconds * max(1.0, (monotonic() - began) / PROBE_SECONDS)
