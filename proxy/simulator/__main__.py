"""``python -m proxy.simulator``: the demo's pools and miners in a process of their own.

Prints one JSON line ``{"ready": true, "ports": [a, b], "pools": [...]}`` when the pools listen. The miners start as
soon as the proxy's port answers. Lines on its standard input are commands (``proxy.simulator.commands``).
Ends within a second on SIGTERM, SIGINT or the end of its standard input.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence

from proxy.simulator import demo
from proxy.simulator.commands import DemoCommands, Lines


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m proxy.simulator", description=__doc__)
    parser.add_argument("--proxy", default="127.0.0.1:3351", help="address of the proxy's Stratum port")
    parser.add_argument("--host", default="127.0.0.1", help="address that the pools listen on")
    parser.add_argument("--ports", default="0,0", help="ports of the two pools; 0 takes a free one")
    parser.add_argument("--hashes-per-difficulty", type=int, default=demo.DEMO_HASHES_PER_DIFFICULTY)
    parser.add_argument("--hashrate", type=float, default=demo.TOTAL_HASHRATE, help="of all miners, hashes per second")
    parser.add_argument("--miners", type=int, default=len(demo.FLEET), help="how many; they share the hash rate")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args(arguments)


async def serve(options: argparse.Namespace) -> int:
    """Run until told to stop; return the exit code."""
    ended = asyncio.Event()
    pools = demo.build_pools(options.hashes_per_difficulty, options.seed)
    host, _, port = options.proxy.rpartition(":")
    miners = demo.build_miners(
        host,
        int(port),
        total_hashrate=options.hashrate,
        hashes_per_difficulty=options.hashes_per_difficulty,
        seed=options.seed,
        number=options.miners,
    )
    commands = demo.commands_of(pools, miners)
    said: asyncio.Queue[str] = asyncio.Queue(maxsize=100)
    _listen(ended, said)
    try:
        ports = await demo.start_pools(pools, options.host, [int(port) for port in options.ports.split(",")])
    except (OSError, ValueError) as error:
        sys.stderr.write(f"the demo's pools cannot listen on {options.host}, ports {options.ports}: {error}\n")
        return 1
    apis = demo.build_apis(miners, options.hashes_per_difficulty)
    ready = {
        "ready": True,
        "ports": ports,
        "pools": demo.demo_pools(ports, options.host),
        "devices": await demo.start_apis(apis),
    }
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()
    async with asyncio.TaskGroup() as group:
        mining = group.create_task(demo.run_demo(host, int(port), pools, commands))
        obeying = group.create_task(_obey(said, commands))
        await ended.wait()
        mining.cancel()
        obeying.cancel()
    return 0


async def _obey(said: asyncio.Queue[str], commands: DemoCommands) -> None:
    while True:
        answer = await commands.obey(await said.get())
        sys.stderr.write(f"demo: {answer}\n")


def _listen(ended: asyncio.Event, said: asyncio.Queue[str]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)

    def take(line: str) -> None:
        if not said.full():
            said.put_nowait(line)

    lines = Lines(take)

    def read() -> None:
        data = os.read(sys.stdin.fileno(), 4096)
        lines.received(data)
        if not data:
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
