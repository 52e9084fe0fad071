"""Waiting for what happens in another process."""

from collections.abc import Callable
from time import monotonic, sleep
from typing import TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.02


def eventually(what: str, condition: Callable[[], T], *, seconds: float) -> T:
    """The first value of `condition` that is true; the test fails unless it comes in time."""
    deadline = monotonic() + seconds
    while not (value := condition()):
        assert monotonic() < deadline, f"{what}: not within {seconds} s"
        sleep(POLL_SECONDS)
    return value
