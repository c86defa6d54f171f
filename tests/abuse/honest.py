"""Five honest miners, and how long their submits wait for an answer.

What the measuring process itself adds is measured beside: its loop is asked for the time each 5 ms. The miners hash in
small pieces, because a submit, or its answer, waits while the loop is at that.
"""

import asyncio
from dataclasses import dataclass

from proxy.net.tasks import spawn
from proxy.simulator.miner import Answer, SimMiner
from proxy.simulator.profiles import CGMINER, CPUMINER, ESP_MINER, NERDQAXE, WHATSMINER
from tests.support.patience import PATIENCE_S

PROFILES = (CPUMINER, ESP_MINER, NERDQAXE, CGMINER, WHATSMINER)
SHARES_PER_S = 8.0
"""Of each miner at difficulty 1: with five of them some hundred answers are heard in a few seconds."""
BATCH = 200
"""Hashes in one go: half a millisecond."""
SETTLE_S = 60.0
LOOK_S = 0.005
"""How often the own loop is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """How the miners were treated over a while; latencies in milliseconds, submit to answer."""

    answers: int = 0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    worst_ms: float = 0.0
    refused: int = 0
    unanswered: int = 0
    disconnects: int = 0
    own_ms: float = 0.0
    """The p99 of what the measuring process itself was late: no part of the latencies above it is the proxy's."""


class HonestMiners:
    """They mine from ``start`` to ``stop``; each ``treatment`` tells of the time since the one before."""

    def __init__(self, port: int, hashes_per_difficulty: int, *, user: str = "their-wallet") -> None:
        self.miners = [
            SimMiner(
                profile,
                "127.0.0.1",
                port,
                user=f"{user}.{profile.name}",
                hashrate=SHARES_PER_S * hashes_per_difficulty,
                hashes_per_difficulty=hashes_per_difficulty,
                suggest=1.0,
                batch=BATCH,
            )
            for profile in PROFILES
        ]
        self._since: dict[str, tuple[int, int]] = {}
        self.rest = Treatment()
        """What was found while nobody attacked."""
        self._late: list[float] = []
        self._looking: asyncio.Task[None] | None = None

    async def start(self, timeout_s: float = 2 * PATIENCE_S) -> None:
        """Connect all, and return when each has had an answer to a share."""
        self._looking = spawn(self._look(), name="own lag")
        for miner in self.miners:
            miner.start(spawn)
        await asyncio.gather(*(miner.until(lambda each: each.tally.accepted > 0, timeout_s) for miner in self.miners))
        self.treatment()

    async def stop(self) -> None:
        """Disconnect all."""
        if self._looking is not None:
            self._looking.cancel()
        await asyncio.gather(*(miner.stop() for miner in self.miners))

    async def _look(self) -> None:
        """Notice how late the own loop is."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + LOOK_S
            await asyncio.sleep(LOOK_S)
            self._late.append((loop.time() - due) * 1e3)

    async def settled(self) -> None:
        """Find no more shares, and wait until every submit was answered, for a minute at most."""
        for miner in self.miners:
            miner.mining = False
        try:
            async with asyncio.timeout(SETTLE_S):
                while any(miner.unanswered for miner in self.miners):
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pass

    def mine(self) -> None:
        """Go on after ``settled``."""
        for miner in self.miners:
            miner.mining = True

    def treatment(self) -> Treatment:
        """Of the time since it was asked last. A submit that is still without an answer waited for ever."""
        answers: list[Answer] = [answer for miner in self.miners for answer in miner.answers]
        open_ones = sum(miner.unanswered for miner in self.miners)
        waits = sorted([answer.latency_s * 1e3 for answer in answers] + [SETTLE_S * 1e3] * open_ones)
        now = {miner.user: (miner.connections, miner.tally.lost) for miner in self.miners}
        lost = sum(lost - self._since.get(user, (0, 0))[1] for user, (_, lost) in now.items())
        disconnects = sum(made - self._since.get(user, (1, 0))[0] for user, (made, _) in now.items())
        self._since = now
        for miner in self.miners:
            miner.answers.clear()
        late, self._late = sorted(self._late), []
        return Treatment(
            answers=len(answers),
            p50_ms=_quantile(waits, 0.50),
            p99_ms=_quantile(waits, 0.99),
            worst_ms=waits[-1] if waits else 0.0,
            refused=sum(not answer.accepted for answer in answers),
            unanswered=open_ones + lost,
            disconnects=disconnects,
            own_ms=_quantile(late, 0.99),
        )


def _quantile(ascending: list[float], part: float) -> float:
    return ascending[min(len(ascending) - 1, int(part * len(ascending)))] if ascending else 0.0
