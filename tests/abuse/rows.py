"""The table: each attack with what 4.0.0 did, what is wanted, and how that is told."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from proxy.net.tasks import spawn
from proxy.simulator.miner import SimMiner
from proxy.simulator.profiles import CPUMINER
from tests.abuse.clients import http, status_of
from tests.abuse.measure import Measured, Notes, Probe
from tests.abuse.subject import Attacked

Missed = Iterator[str]
Check = Callable[[Measured], Missed]
"""Says what is not as wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """``before``: 4.0.0's figure; p99 in milliseconds where nothing else is said."""

    attack: str
    before: str
    wanted: str
    checks: tuple[Check, ...]
    seconds: float = 10.0
    prepare: Callable[[Attacked], None] | None = None
    """Before the attack, and before the miners come."""
    sends: str = ""
    """The attack that is made, where it is not the row's own name."""
    beside: bool = False
    """Attack from the honest miners' own address."""
    during: Probe | None = None
    after: Probe | None = None
    calm_s: float = 5.0


def p99_below(limit_ms: float) -> Check:
    """The honest miners' answers come in time; on a busy machine that is twice the p99 at rest."""

    def check(found: Measured) -> Missed:
        if found.under.p99_ms >= max(limit_ms, 2 * found.rest.p99_ms):
            yield f"p99 is {found.under.p99_ms:.0f} ms"

    return check


def unharmed(found: Measured) -> Missed:
    """No share refused or lost, nobody cut off."""
    if found.under.refused:
        yield f"{found.under.refused} honest shares refused"
    if found.under.unanswered:
        yield f"{found.under.unanswered} honest shares without an answer"
    if found.under.disconnects:
        yield f"honest miners cut off {found.under.disconnects} times"


def memory(grown_mb: float, kept_mb: float) -> Check:
    """The process grows by so much at most, and keeps less."""

    def check(found: Measured) -> Missed:
        if found.grown_mb > grown_mb:
            yield f"grew by {found.grown_mb:.0f} MB"
        if found.kept_mb > kept_mb:
            yield f"kept {found.kept_mb:.0f} MB"

    return check


def written(most_mb: float) -> Check:
    """Database, journals and logs grow by so much at most."""

    def check(found: Measured) -> Missed:
        if found.written_mb > most_mb:
            yield f"wrote {found.written_mb:.0f} MB"

    return check


def noted(name: str, most: float) -> Check:
    """What the row measured beside is that much at most."""

    def check(found: Measured) -> Missed:
        if found.notes.get(name, most) > most:
            yield f"{name}: {found.notes[name]:g}"

    return check


def one_suggestion_per_connection(found: Measured) -> Missed:
    """In each 30 seconds."""
    most = (found.dials + 10) * (1 + found.seconds // 30)
    if found.suggestions > most:
        yield f"{found.suggestions} suggestions to a pool"


def dials_at_most(per_s: int) -> Check:
    """New connections to a pool within any second, and as many at once before; the window is a bit more than one."""

    def check(found: Measured) -> Missed:
        if found.dials_per_s > 2.2 * per_s + 2:
            yield f"{found.dials_per_s:.0f} dials a second"

    return check


def answered_only(*allowed: str) -> Check:
    """HTTP requests got only these statuses, ``closed`` among them where that is right."""

    def check(found: Measured) -> Missed:
        others = {name: count for name, count in found.counts.items() if name not in allowed}
        if others:
            yield f"answers {others}"

    return check


# --- What rows measure beside -----------------------------------------------------------------------------------------


async def ten_new_miners(attacked: Attacked) -> Notes:
    """While the slots are attacked: how many of ten new miners have work within five seconds."""
    await asyncio.sleep(4)
    hashes = attacked.target.hashes_per_difficulty
    miners = [
        SimMiner(CPUMINER, "127.0.0.1", attacked.target.stratum, user=f"new-wallet.rig{number}", hashrate=100.0,
                 hashes_per_difficulty=hashes, time_scale=0.1)
        for number in range(10)
    ]  # fmt: skip
    try:
        for miner in miners:
            miner.start(spawn)
        waits = [miner.until(lambda each: each.in_work, 5.0) for miner in miners]
        results = await asyncio.gather(*waits, return_exceptions=True)
        return {"new miners not served": float(sum(isinstance(result, Exception) for result in results))}
    finally:
        await asyncio.gather(*(miner.stop() for miner in miners))


async def pages(attacked: Attacked) -> Notes:
    """Right after an attack: seconds until the login page and the readiness check answer."""
    notes: Notes = {}
    for name, path in (("page_s", "/login/"), ("ready_s", "/readyz")):
        began = time.monotonic()
        while True:
            status = status_of(await http(attacked.target.web, f"GET {path} HTTP/1.1", source="127.0.0.1"))
            if status == "200" or time.monotonic() - began > 60:
                break
            await asyncio.sleep(0.1)
        notes[name] = round(time.monotonic() - began, 3)
    return notes


def one_pool_makes_blocks_easy(attacked: Attacked) -> None:
    """Pool B names nbits that every second hash meets."""
    for pool in attacked.pools[1:]:
        real = pool.chain.template
        pool.chain.template = lambda *sizes, real=real: replace(real(*sizes), nbits=0x207FFFFF)  # type: ignore[method-assign]
        pool.refresh()


async def blocks(attacked: Attacked) -> Notes:
    """How many of the honest and other shares were told as blocks, and how many shares each pool took."""
    found = len(attacked.lines("block_found")) + len(attacked.lines("block_candidate")) if attacked.data else 0
    return {"blocks told": found, "pools took": min((pool.accepted for pool in attacked.pools), default=0)}


ONE_CONNECTION = {
    "subscribes": "2974",
    "authorizes": "3685",
    "blank-lines": "7809",
    "unknown-methods": "6447",
    "suggestions": "7050; 260,000 lines to each pool",
    "duplicates": "9517",
    "low-shares": "4728",
}
FLOODED = (p99_below(50), unharmed, memory(20, 10))

ROWS: dict[str, Row] = {
    row.attack: row
    for row in (
        *(
            Row(
                attack=name,
                before=before,
                wanted="below 50" + ("; one line per connection in 30 s" if name == "suggestions" else ""),
                checks=(*FLOODED, one_suggestion_per_connection),
            )
            for name, before in ONE_CONNECTION.items()
        ),
        Row(
            attack="low-shares-of-20",
            before="38000; 374 refused; +311 MB, kept",
            wanted="below 100; none refused; +20 MB, given back",
            checks=(p99_below(100), unharmed, memory(20, 10)),
            seconds=20,
        ),
        Row(
            attack="a-neighbour",
            sends="low-shares-of-20",
            beside=True,
            before="as above",
            wanted="below 100; miners in good standing are not punished",
            checks=(p99_below(100), unharmed),
        ),
        Row(
            attack="easy-blocks",
            sends="low-shares",
            prepare=one_pool_makes_blocks_easy,
            before="168 false blocks; 832 MB written",
            wanted="one alarm, nothing of size",
            checks=(noted("blocks told", 10), written(10), unharmed),
            seconds=6,
            after=blocks,
        ),
        Row(
            attack="web-logins",
            before="8602; pages frozen for 2 min",
            wanted="below 50; pages within 1 s after",
            checks=(p99_below(50), unharmed, noted("page_s", 1), noted("ready_s", 1), answered_only("200", "429")),
            after=pages,
        ),
        Row(
            attack="half-open",
            before="0 of 10 new miners served",
            wanted="all 10 served within 5 s",
            checks=(noted("new miners not served", 0), unharmed),
            seconds=15,
            during=ten_new_miners,
        ),
        Row(
            attack="logins-of-miners",
            before="600 dials a second",
            wanted="at most 20 a second and pool",
            checks=(dials_at_most(20), p99_below(100), unharmed),
        ),
        Row(
            attack="long-names",
            before="+254 MB, 255 MB log",
            wanted="+20 MB at most",
            checks=(p99_below(100), unharmed, memory(20, 20), written(20)),
        ),
        Row(
            attack="scrapes",
            before="139",
            wanted="below 50",
            checks=(p99_below(50), unharmed),
        ),
        Row(
            attack="large-posts",
            before="627",
            wanted="below 50; refused at 1 MB",
            checks=(p99_below(50), unharmed, memory(40, 20), answered_only("400", "413", "closed")),
        ),
    )
}
