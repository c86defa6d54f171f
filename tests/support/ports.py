"""Ports that are still free when they are taken, and free again when they are taken for the second time.

The port that a socket on port 0 was given is given to the next connection of any process once that socket is closed.
"""

import itertools
import os
import random
import re
import socket
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST, _USUAL_END = 12_000, 32_768
_SHARES = 8
"""Into so many parts the ports are divided, for the workers of one test run."""


def _candidates() -> "itertools.cycle[int]":
    """Below what the kernel gives away by itself, each once until all were used; in this worker's part only."""
    end = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else _USUAL_END
    size = (max(end, _LOWEST + 8_000) - _LOWEST) // _SHARES
    worker = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0) % _SHARES
    first, offset = _LOWEST + worker * size, random.SystemRandom().randrange(size)
    return itertools.cycle(first + (offset + number) % size for number in range(size))


_ports = _candidates()


def steady_port() -> int:
    """A free TCP port that no connection and no socket on port 0 is given."""
    for port in _ports:
        try:
            with socket.create_server(("0.0.0.0", port)):
                return port
        except OSError:
            continue
    raise AssertionError("unreachable")
