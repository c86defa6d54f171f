"""One attack on one proxy, and what it did to the honest miners beside, to the proxy and to the pools."""

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field

from tests.abuse.clients import Counts
from tests.abuse.honest import HonestMiners, Treatment
from tests.abuse.subject import Attacked
from tests.e2e.process import ROOT

REST_S = 5.0
PATIENCE_S = 120.0
"""What an attack may take longer than it should, before it is ended."""
LOOK_S = 0.1
SUGGEST = "mining.suggest_difficulty"

Notes = dict[str, float]
Probe = Callable[[Attacked], Awaitable[Notes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What came of an attack. Sizes in MB; pools: of the one that was used most."""

    seconds: float
    rest: Treatment
    under: Treatment
    """Under attack; submits of that time are waited for."""
    grown_mb: float
    """The most that the process grew while attacked."""
    kept_mb: float
    """How much of that was left afterwards."""
    written_mb: float
    """By which database, journals and logs grew."""
    dials: int
    """Connections to the pool."""
    dials_per_s: float
    """The most of them within a second."""
    suggestions: int
    """Lines to the pool."""
    counts: Counts
    """The attacker's own."""
    notes: Notes = field(default_factory=dict)
    """What a row measured beside."""


@asynccontextmanager
async def honest_miners(attacked: Attacked, rest_s: float = REST_S) -> AsyncIterator[HonestMiners]:
    """They mine, and know how they are treated at rest."""
    honest = HonestMiners(attacked.target.stratum, attacked.target.hashes_per_difficulty)
    try:
        await honest.start()
        await asyncio.sleep(rest_s)
        await honest.settled()
        honest.rest = honest.treatment()
        yield honest
    finally:
        await honest.stop()


async def measure(
    attacked: Attacked,
    honest: HonestMiners,
    attack: str,
    seconds: float,
    *,
    during: Probe | None = None,
    after: Probe | None = None,
    calm_s: float = REST_S,
) -> Measured:
    """Attack while the honest miners mine; ``during`` runs beside, ``after`` at once when it is over. Memory is looked
    at again ``calm_s`` later."""
    honest.mine()
    watch = _Watch(attacked)
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(watch.run())
        counts, notes = await _attack(attacked, attack, seconds, during)
        if after is not None:
            notes |= await after(attacked)
        await honest.settled()
        under = honest.treatment()
        watching.cancel()
    await asyncio.sleep(calm_s)
    return Measured(
        seconds=seconds,
        rest=honest.rest,
        under=under,
        kept_mb=watch.grown(),
        counts=counts,
        notes=notes,
        **watch.found(),
    )


class _Watch:
    """What changes outside of the miners."""

    def __init__(self, attacked: Attacked) -> None:
        self._attacked = attacked
        self._rss, self._written = attacked.rss, attacked.written
        self._dials = [pool.connections for pool in attacked.pools]
        self._suggestions = [pool.received[SUGGEST] for pool in attacked.pools]
        self._peak = 0.0
        self._most = 0.0
        self._seen: list[tuple[float, list[int]]] = []
        """When connections to the pools were counted, and how many there were."""

    async def run(self) -> None:
        """Look again and again."""
        with suppress(asyncio.CancelledError):
            while True:
                self._look()
                await asyncio.sleep(LOOK_S)

    def _look(self) -> None:
        self._peak = max(self._peak, self.grown())
        now, counted = time.monotonic(), [pool.connections for pool in self._attacked.pools]
        self._seen.append((now, counted))
        old = [number for number, (at, _) in enumerate(self._seen) if at <= now - 1.0]
        first = self._seen[old[-1] if old else 0][1]
        # What was accepted since that look may have waited since the one before: the pools share our processor.
        since_s = now - self._seen[max(old[-1] - 1, 0) if old else 0][0]
        seconds = max(1.0, since_s - LOOK_S)
        self._most = max([self._most, *((last - begin) / seconds for begin, last in zip(first, counted, strict=True))])

    def grown(self) -> float:
        """MB of memory since the beginning."""
        return (self._attacked.rss - self._rss) / 1e6

    def found(self) -> dict[str, float]:
        """The fields of ``Measured`` that were watched."""
        pools = self._attacked.pools
        dials = [pool.connections - before for pool, before in zip(pools, self._dials, strict=True)]
        lines = [pool.received[SUGGEST] - before for pool, before in zip(pools, self._suggestions, strict=True)]
        return {
            "grown_mb": self._peak,
            "written_mb": (self._attacked.written - self._written) / 1e6,
            "dials": max(dials, default=0),
            "dials_per_s": self._most,
            "suggestions": max(lines, default=0),
        }


async def _attack(attacked: Attacked, name: str, seconds: float, during: Probe | None) -> tuple[Counts, Notes]:
    attacker = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.abuse.attacks",
        name,
        json.dumps(asdict(attacked.target)),
        str(seconds),
        cwd=ROOT,
        stdout=PIPE,
    )
    try:
        async with asyncio.timeout(seconds + PATIENCE_S):
            return await _outcome(attacker, attacked, during)
    finally:
        if attacker.returncode is None:
            attacker.kill()
            await attacker.wait()


async def _outcome(attacker: Process, attacked: Attacked, during: Probe | None) -> tuple[Counts, Notes]:
    assert attacker.stdout is not None
    if not await attacker.stdout.readline():
        raise RuntimeError("the attack did not begin")
    notes = await during(attacked) if during is not None else {}
    counts = json.loads(await attacker.stdout.readline() or b"null")
    if counts is None:
        raise RuntimeError("the attack failed")
    await attacker.wait()
    return Counter(counts), notes
