"""``python -m proxy.simulator``: the demo's pools and miners in a process of their own.

Prints one JSON line ``{"ready": true, "ports": [a, b], "pools": [...]}`` when the pools listen. The miners start as
soon as the proxy's port answers. Ends within a second on SIGTERM, SIGINT or the end of its standard input.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence

from proxy.simulator import demo


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m proxy.simulator", description=__doc__)
    parser.add_argument("--proxy", default="127.0.0.1:3351", help="address of the proxy's Stratum port")
    parser.add_argument("--host", default="127.0.0.1", help="address that the pools listen on")
    parser.add_argument("--ports", default="0,0", help="ports of the two pools; 0 takes a free one")
    parser.add_argument("--hashes-per-difficulty", type=int, default=demo.DEMO_HASHES_PER_DIFFICULTY)
    parser.add_argument("--hashrate", type=float, default=demo.TOTAL_HASHRATE, help="of all miners, hashes per second")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(arguments)


async def serve(options: argparse.Namespace) -> int:
    """Run until told to stop; return the exit code."""
    ended = asyncio.Event()
    _listen_for_the_end(ended)
    pools = demo.build_pools(options.hashes_per_difficulty, options.seed)
    try:
        ports = await demo.start_pools(pools, options.host, [int(port) for port in options.ports.split(",")])
    except (OSError, ValueError) as error:
        sys.stderr.write(f"the demo's pools cannot listen on {options.host}, ports {options.ports}: {error}\n")
        return 1
    ready = {"ready": True, "ports": ports, "pools": demo.demo_pools(ports, options.host)}
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()
    host, _, port = options.proxy.rpartition(":")
    async with asyncio.TaskGroup() as group:
        mining = group.create_task(
            demo.run_demo(
                host,
                int(port),
                pools,
                hashes_per_difficulty=options.hashes_per_difficulty,
                total_hashrate=options.hashrate,
                seed=options.seed,
            )
        )
        await ended.wait()
        mining.cancel()
    return 0


def _listen_for_the_end(ended: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)

    def read() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            loop.remove_reader(sys.stdin.fileno())
            ended.set()

    try:
        loop.add_reader(sys.stdin.fileno(), read)
    except (PermissionError, OSError, ValueError):
        return  # /dev/null and files cannot be watched: the signals remain


def main() -> int:
    """Entry point; raises its own niceness, because the demo must never slow the proxy down."""
    os.nice(5)
    return asyncio.run(serve(parsed()))


if __name__ == "__main__":
    sys.exit(main())
