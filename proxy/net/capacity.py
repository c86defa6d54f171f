"""How many miners this machine has room for, by its open files and memory."""

import resource
from bisect import bisect_right
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from proxy.config.snapshot import Connections, PoolConfig
from proxy.net.refused import LEAST_HELD, MOST_HELD

SPARE_FILES = 768
"""Beside miners and their connections to pools: database, log, pages, refused connections that are held."""
MEMORY_PER_CONNECTION = 22_000
"""Bytes of a miner with two connections to pools, by the three; the kernel's buffers included."""
MEMORY_PART = 0.5
"""Of the memory that is free at the start."""
MOST = 50_000
LEAST = 50
_MEMINFO = Path("/proc/meminfo")
_CGROUP = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"), Path("/sys/fs/cgroup/memory/memory.usage_in_bytes")),
)
"""Limit and use, of version 2 and 1."""


def raise_open_files() -> int:
    """Let this process have as many open files as it is allowed; return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST * 16 if soft == resource.RLIM_INFINITY else soft


def free_memory() -> int | None:
    """Bytes that this process could still get, by the system or its container; None where that is not known."""
    found = [_available(_MEMINFO), *(_left(*pair) for pair in _CGROUP)]
    return min((each for each in found if each is not None), default=None)


def open_files_for(miners: int, pools: Collection[PoolConfig]) -> int:
    """Open files that so many miners need at most, each with a way to each of ``pools``."""
    return SPARE_FILES + _connections(miners, pools)


def miners_that_fit(files: int, memory: int | None, pools: Collection[PoolConfig]) -> int:
    """The most miners for ``files`` open files and ``memory`` free bytes, each with a way to each of ``pools``."""
    most = files - SPARE_FILES
    if memory is not None:
        most = min(most, int(memory * MEMORY_PART) // MEMORY_PER_CONNECTION)
    fit = bisect_right(range(MOST + 1), most, key=lambda miners: _connections(miners, pools)) - 1
    return max(LEAST, fit)


def refused_that_fit(files: int, miners: int, pools: Collection[PoolConfig]) -> int:
    """Refused connections that may stay open beside so many miners; the least of them are among the spare files."""
    return max(LEAST_HELD, min(MOST_HELD, LEAST_HELD + files - open_files_for(miners, pools)))


def _connections(miners: int, pools: Collection[PoolConfig]) -> int:
    """Those of miners, and theirs to pools. Where there is but one pool, a second may come."""
    to_pools = sum(_to_pool(miners, pool) for pool in pools) + miners * max(0, 2 - len(pools))
    return miners + to_pools


def _to_pool(miners: int, pool: PoolConfig) -> int:
    """While connections become shared, those of the miners themselves are still there."""
    if pool.connections is Connections.OWN:
        return miners
    alone = pool.own_up_to if pool.connections is Connections.AUTOMATIC else 0
    return min(miners, alone + pool.most_connections)


def _available(path: Path) -> int | None:
    with suppress(OSError, ValueError, IndexError):
        for line in path.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None


def _left(limit: Path, used: Path) -> int | None:
    with suppress(OSError, ValueError):
        return max(0, int(limit.read_text()) - int(used.read_text()))
    return None
