"""Ports that nobody else takes: no client, no other worker of pytest-xdist, no later test."""

import os
import random
import socket
from contextlib import suppress

# Below those that clients connect from: a client that tries a closed one of those again and again
# meets itself one day, and takes the port.
PORTS = range(20_000, 32_000)

_worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_own = PORTS[_worker::_workers]
# In random order, for another run on the same machine takes from the same range.
_not_given = iter(random.sample(_own, k=len(_own)))


def free_port() -> int:
    """A port on which nobody listens. It is given once in a run."""
    for port in _not_given:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("No port is free")
