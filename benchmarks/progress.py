"""Says what is going on, while it does."""

import sys
from time import monotonic

_began = monotonic()


def say(step: str) -> None:
    """One line to stderr, with the seconds since the start; stdout is for what was measured."""
    print(f"{monotonic() - _began:6.0f} s  {step}", file=sys.stderr, flush=True)
