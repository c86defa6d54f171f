"""From a miner's user name to its worker."""

import re

from proxy.types import WorkerName

MAX_WORKER = 32
"""Characters: with a taproot address and a dot a pool's user name stays below 100, a submit line below 1,024."""
UNNAMED = WorkerName("worker")
_ADDRESS = re.compile(r"(?:[a-zA-Z]+:)?[0-9a-zA-Z]{26,110}")
_ODD = re.compile(r"[^0-9A-Za-z_\-+=@]")


def worker_of(user: str) -> WorkerName:
    """The part after the last dot; a wallet address alone has no name of its own. Odd characters become ``_``."""
    _, dot, name = user.strip().rpartition(".")
    if not dot and _ADDRESS.fullmatch(name):
        return UNNAMED
    return WorkerName(_ODD.sub("_", name)[:MAX_WORKER] or UNNAMED)
