"""The attacks, each a coroutine that goes on for so many seconds and returns what it counted.

``python -m tests.abuse.attacks NAME '{"stratum": 3351}' SECONDS`` makes one of them from a process of its own. It says
``{"attacking": true}`` when it begins, and what it counted when it is over.
"""

import asyncio
import itertools
import json
import os
import re
import sys
from collections import Counter
from collections.abc import Awaitable, Callable

from proxy.simulator.strictness import Subscription
from proxy.simulator.work import MinerJob, Search, read_notify
from tests.abuse.clients import (
    CHUNK_LINES,
    Chunk,
    Connection,
    Counts,
    Target,
    again_and_again,
    call,
    connected,
    http,
    status_of,
)
from tests.bench.farm import allow_open_files

Attack = Callable[[Target, float, Counts], Awaitable[None]]
ATTACKS: dict[str, Attack] = {}
NICENESS = 10
"""An attacker has processors of its own; here it shares them with those it attacks."""
USER = "stranger.flood"
LOGINS = 200
HALF_OPEN, ADDRESSES = 3_000, 30
NAMES, NAMING = 64, 490


def attack(made: Attack) -> Attack:
    """Register it under its name."""
    ATTACKS[made.__name__.replace("_", "-")] = made
    return made


# --- Lines at full speed on one connection ----------------------------------------------------------------------------


def _same(line: bytes) -> Chunk:
    piece = line * CHUNK_LINES
    return lambda number: piece


def _numbered(line: Callable[[int], bytes]) -> Chunk:
    return lambda number: b"".join(line(number * CHUNK_LINES + place) for place in range(CHUNK_LINES))


async def _storm(target: Target, seconds: float, counts: Counts, chunk: Chunk, *, logs_in: bool = True) -> None:
    numbers = itertools.count()

    async def once() -> None:
        async with connected(target, counts) as connection:
            if logs_in:
                await _log_in(connection)
            await connection.flood(chunk, numbers)

    await again_and_again(seconds, once, counts)


async def _log_in(connection: Connection, user: str = USER) -> Subscription:
    result = await connection.call("mining.subscribe", ["flood/1.0"])
    if not isinstance(result, list):
        raise ConnectionError("not subscribed")
    if await connection.call("mining.authorize", [user, "x"]) is not True:
        raise ConnectionError("not authorised")
    return Subscription(bytes.fromhex(result[1]), int(result[2]), "")


@attack
async def subscribes(target: Target, seconds: float, counts: Counts) -> None:
    await _storm(target, seconds, counts, _same(call("mining.subscribe", ["flood/1.0"])), logs_in=False)


@attack
async def authorizes(target: Target, seconds: float, counts: Counts) -> None:
    await _storm(target, seconds, counts, _numbered(lambda n: call("mining.authorize", [f"{USER}{n % 50}", "x"])))


@attack
async def blank_lines(target: Target, seconds: float, counts: Counts) -> None:
    await _storm(target, seconds, counts, _same(b"\n" * 50))


@attack
async def unknown_methods(target: Target, seconds: float, counts: Counts) -> None:
    await _storm(target, seconds, counts, _numbered(lambda n: call("no.such", [n], n)))


@attack
async def suggestions(target: Target, seconds: float, counts: Counts) -> None:
    await _storm(target, seconds, counts, _numbered(lambda n: call("mining.suggest_difficulty", [1 + n % 1000], n)))


@attack
async def duplicates(target: Target, seconds: float, counts: Counts) -> None:
    async def once() -> None:
        async with connected(target, counts) as connection:
            subscription = await _log_in(connection)
            job = await _job(connection)
            share = _share(target, job, subscription)
            await connection.flood(_same(call("mining.submit", share)), itertools.count())

    await again_and_again(seconds, once, counts)


async def _job(connection: Connection) -> MinerJob:
    message = await connection.until(lambda message: message.get("method") == "mining.notify")
    return read_notify(message["params"])


def _share(target: Target, job: MinerJob, subscription: Subscription) -> list[str]:
    """A real one where it is cheap to find, else one whose difficulty is too low."""
    search = Search(
        job,
        extranonce1=subscription.extranonce1,
        extranonce2_size=subscription.extranonce2_size,
        version_mask=None,
        difficulty=1.0,
        hashes_per_difficulty=target.hashes_per_difficulty,
        span=1 << 16,
    )
    found = search.advance(1 << 15) if target.hashes_per_difficulty < 1 << 14 else []
    if found:
        return found[0].params(USER)
    return [USER, job.job_id, "00" * subscription.extranonce2_size, f"{job.ntime:08x}", "00000000"]


@attack
async def low_shares(target: Target, seconds: float, counts: Counts) -> None:
    await _low_shares(target, seconds, counts, itertools.count())


@attack
async def low_shares_of_20(target: Target, seconds: float, counts: Counts) -> None:
    numbers = itertools.count()
    await asyncio.gather(*(_low_shares(target, seconds, counts, numbers) for _ in range(20)))


async def _low_shares(target: Target, seconds: float, counts: Counts, numbers: "itertools.count[int]") -> None:
    async def once() -> None:
        async with connected(target, counts) as connection:
            size = (await _log_in(connection)).extranonce2_size
            job = await _job(connection)
            fixed = [USER, job.job_id, "00" * size, f"{job.ntime:08x}"]
            await connection.flood(_numbered(lambda n: call("mining.submit", [*fixed, f"{n % 2**32:08x}"], n)), numbers)

    await again_and_again(seconds, once, counts)


# --- Many connections -------------------------------------------------------------------------------------------------


@attack
async def half_open(target: Target, seconds: float, counts: Counts) -> None:
    """3,000 connections from 30 addresses that say nothing; each that is closed comes back after a second."""

    async def hold(number: int) -> None:
        source = f"127.0.1.{1 + number % ADDRESSES}" if target.source else ""
        await asyncio.sleep(number / HALF_OPEN * 2)

        async def once() -> None:
            async with asyncio.timeout(5):
                connection = await asyncio.open_connection(
                    target.host, target.stratum, local_addr=(source, 0) if source else None
                )
            counts["connections"] += 1
            try:
                await connection[0].read()
            finally:
                connection[1].transport.abort()
            await asyncio.sleep(1)
            raise ConnectionError("closed")

        await again_and_again(max(0.1, seconds - number / HALF_OPEN * 2), once, counts)

    await asyncio.gather(*(hold(number) for number in range(HALF_OPEN)))


@attack
async def logins_of_miners(target: Target, seconds: float, counts: Counts) -> None:
    """300 connections a second that subscribe, authorise and leave when they have a job."""
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def visit(number: int) -> None:
        await asyncio.sleep(max(0.0, began + number / 300 - loop.time()))
        try:
            async with asyncio.timeout(5), connected(target, counts) as connection:
                await _log_in(connection, f"stranger.rig{number}")
                counts["authorised"] += 1
                await _job(connection)
                counts["got a job"] += 1
        except (OSError, TimeoutError, ValueError):
            counts["cut off"] += 1

    await asyncio.gather(*(visit(number) for number in range(int(300 * seconds))))


@attack
async def long_names(target: Target, seconds: float, counts: Counts) -> None:
    """490 connections which authorise 64 names of 7,900 characters each."""

    async def once(number: int) -> None:
        try:
            async with asyncio.timeout(seconds), connected(target, counts) as connection:
                await connection.call("mining.subscribe", ["flood/1.0"])
                for name in range(NAMES):
                    user = f"{number:03}.{name:02}".ljust(7_900, "n")
                    counts["accepted" if await connection.call("mining.authorize", [user, "x"]) else "refused"] += 1
                await connection.reader.read()
        except (OSError, ValueError):
            counts["cut off"] += 1
        except TimeoutError:
            pass

    await asyncio.gather(*(once(number) for number in range(NAMING)))


# --- Web and metrics --------------------------------------------------------------------------------------------------


@attack
async def web_logins(target: Target, seconds: float, counts: Counts) -> None:
    """200 wrong logins at once, again and again if the time allows."""
    page = await http(target.web, "GET /login/ HTTP/1.1")
    found = re.search(rb"dpmp_csrf=(\w+)", page)
    token = found.group(1).decode() if found else "none"

    async def one(number: int) -> None:
        body = f"csrfmiddlewaretoken={token}&username=admin{number % 7}&password=guess{number}".encode()
        head = f"POST /login/ HTTP/1.1\r\nCookie: dpmp_csrf={token}\r\nContent-Type: application/x-www-form-urlencoded"
        counts[status_of(await http(target.web, head, body))] += 1

    async def all_at_once() -> None:
        await asyncio.gather(*(one(number) for number in range(LOGINS)))

    await again_and_again(seconds, all_at_once, counts)


@attack
async def scrapes(target: Target, seconds: float, counts: Counts) -> None:
    """20 scrapes at once, for as long as it lasts."""

    async def one() -> None:
        counts[status_of(await http(target.metrics, "GET /metrics HTTP/1.1", source="127.0.0.1"))] += 1

    await asyncio.gather(*(again_and_again(seconds, one, counts) for _ in range(20)))


@attack
async def large_posts(target: Target, seconds: float, counts: Counts) -> None:
    """Ten bodies of 31 MB at once without a login."""
    body = b"x" * 31_000_000

    async def one() -> None:
        head = "POST /login/ HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded"
        counts[status_of(await http(target.web, head, body))] += 1

    async def ten() -> None:
        await asyncio.gather(*(one() for _ in range(10)))

    await again_and_again(seconds, ten, counts)


async def _run(name: str, target: Target, seconds: float) -> Counts:
    counts: Counts = Counter()
    print(json.dumps({"attacking": True}), flush=True)
    await ATTACKS[name](target, seconds, counts)
    return counts


def main() -> int:
    """Make one attack."""
    if len(sys.argv) != 4 or sys.argv[1] not in ATTACKS:
        sys.stderr.write(f"{__doc__}\nNAME is one of {', '.join(ATTACKS)}\n")
        return 2
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))  # where the measuring has priority (chrt)
    os.nice(NICENESS)
    allow_open_files()
    counts = asyncio.run(_run(sys.argv[1], Target(**json.loads(sys.argv[2])), float(sys.argv[3])))
    print(json.dumps(counts), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
