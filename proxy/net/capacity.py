"""How many miners this machine has room for, by its open files and memory."""

import resource
from contextlib import suppress
from pathlib import Path

SPARE_FILES = 768
"""Beside miners and their connections to pools: database, log, pages, refused connections that are held."""
MEMORY_PER_MINER = 65_536
"""Bytes with two connections to pools, the kernel's buffers included."""
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


def miners_that_fit(files: int, memory: int | None, pools: int) -> int:
    """Miners for ``files`` open files and ``memory`` free bytes, each with a connection to each of ``pools``."""
    by_files = (files - SPARE_FILES) // (1 + max(2, pools))
    by_memory = MOST if memory is None else int(memory * MEMORY_PART) // MEMORY_PER_MINER
    return max(LEAST, min(by_files, by_memory, MOST))


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
