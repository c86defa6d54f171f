"""``python -m tests.e2e.direct``: miners on a pool directly, in a process of their own, to compare with.

A miner that shares its loop with the pool hears of a block before it can find another share; a real one does not.
"""

import asyncio
import json
import sys

from proxy.simulator.profiles import CPUMINER
from tests.e2e.fleet import Fleet

DIRECT = "direct"
"""The user name of these miners, for the pool's books."""


async def mine(ports: list[int], miners: int) -> dict[str, int]:
    """Mine until standard input ends; what came of it."""
    fleets = [Fleet(port, [CPUMINER] * miners, user=DIRECT) for port in ports]
    for fleet in fleets:
        await fleet.start()
    await asyncio.to_thread(sys.stdin.read)
    for fleet in fleets:
        await fleet.settle()
    tallies = {
        "submitted": sum(fleet.submitted for fleet in fleets),
        "stale": sum(fleet.stale for fleet in fleets),
        "accepted": sum(fleet.accepted for fleet in fleets),
    }
    for fleet in fleets:
        await fleet.stop()
    return tallies


def main() -> int:
    """Arguments: miners per pool, then the pools' ports. Prints the tallies as JSON."""
    miners, *ports = map(int, sys.argv[1:])
    sys.stdout.write(json.dumps(asyncio.run(mine(ports, miners))) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
