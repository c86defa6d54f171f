"""A fleet of test miners and its books: what was submitted, what came of it, and who was treated badly."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from proxy.net.tasks import spawn
from proxy.simulator.miner import SimMiner
from proxy.simulator.miner_wire import MinerWire
from proxy.simulator.pending import PendingCall
from proxy.simulator.profiles import PROFILES, Profile
from proxy.simulator.work import FoundShare, MinerJob
from tests.e2e.process import HASHES_PER_DIFFICULTY
from tests.support.patience import PATIENCE_S

HASHRATE = 4_000.0
"""Of one miner, hashes per second: ten of them take about an eighth of a core."""
STALE = 21
MARKS = {"A": b"/BTC/", "B": b"/BCH/"}
LOST = (20, "Connection to the pool was lost, share not judged")
UNANSWERED = (20, "The pool did not answer")
RAISED = (23, "Difficulty too low")
"""public-pool's, about a share that was under way when it raised the difficulty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A time without work: from the end of a connection to the next job."""

    seconds: float
    dials: int
    """How many it took; one, if the first connection brought work."""


class PatientMiner(SimMiner):
    """A miner for which a test waits as long as a busy machine needs."""

    outdated = 0
    """Shares submitted for another block than that of the newest job received: nobody told it to drop the old one."""
    _idle: tuple[float, int] | None = None
    """Since when, and how often it had dialled until then."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.past_gaps: list[Gap] = []

    @property
    def gaps(self) -> list[Gap]:
        """Its times without work, the one that goes on included."""
        return [*self.past_gaps, *([self._gap(*self._idle)] if self._idle else [])]

    def lost(self, wire: MinerWire, submits: list[PendingCall]) -> None:
        super().lost(wire, submits)
        self._idle = self._idle or (time.monotonic(), self._dials)

    def got_job(self, wire: MinerWire, job: MinerJob, again: bool = False) -> None:
        super().got_job(wire, job, again)
        if self._idle and wire.authorized:
            self.past_gaps.append(self._gap(*self._idle))
            self._idle = None

    @property
    def _dials(self) -> int:
        return self.connections + self.failed_dials

    def _gap(self, since: float, dials: int) -> Gap:
        return Gap(seconds=time.monotonic() - since, dials=self._dials - dials)

    async def until(self, fact: Callable[[SimMiner], bool], timeout_s: float = PATIENCE_S) -> None:
        await super().until(fact, timeout_s)

    def _submit(self, wire: MinerWire, share: FoundShare) -> None:
        if self._search is not None and wire.job is not None:
            self.outdated += self._search.job.previous_hash != wire.job.previous_hash
        super()._submit(wire, share)


class Fleet:
    """Miners of one or all firmware profiles on one address."""

    def __init__(
        self,
        port: int,
        profiles: Iterable[Profile] = PROFILES.values(),
        *,
        hashrate: float = HASHRATE,
        user: str = "their-wallet",
    ) -> None:
        self.miners = [
            PatientMiner(
                profile,
                "127.0.0.1",
                port,
                user=f"{user}.{profile.name}-{number}",
                hashrate=hashrate,
                hashes_per_difficulty=HASHES_PER_DIFFICULTY,
            )
            for number, profile in enumerate(profiles, 1)
        ]

    def __len__(self) -> int:
        return len(self.miners)

    # --- Life -----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Connect all."""
        for miner in self.miners:
            miner.start(spawn)

    async def stop(self) -> None:
        """Disconnect all."""
        await asyncio.gather(*(miner.stop() for miner in self.miners))

    async def in_work(self, timeout_s: float = PATIENCE_S) -> None:
        """Wait until every miner has a job."""
        await asyncio.gather(*(miner.until(lambda each: each.in_work, timeout_s) for miner in self.miners))

    async def mined(self, each: int, timeout_s: float = PATIENCE_S) -> None:
        """Wait until every miner has ``each`` more accepted shares than now."""
        goals = [(miner, miner.tally.accepted + each) for miner in self.miners]
        await asyncio.gather(*(miner.until(_has(goal), timeout_s) for miner, goal in goals))

    async def settle(self, timeout_s: float = PATIENCE_S) -> None:
        """Mine no more, and wait until every submit has its answer."""
        for miner in self.miners:
            miner.mining = False
        with suppress(TimeoutError):  # what is left open is for ``check_answers`` to say
            await asyncio.gather(*(miner.until(lambda each: not each.unanswered, timeout_s) for miner in self.miners))

    def resume(self) -> None:
        """Mine again after ``settle``."""
        for miner in self.miners:
            miner.mining = True

    # --- The books ------------------------------------------------------------------------------------------------

    @property
    def submitted(self) -> int:
        """Submits of all miners."""
        return sum(miner.tally.submitted for miner in self.miners)

    @property
    def accepted(self) -> int:
        """Accepted shares of all miners."""
        return sum(miner.tally.accepted for miner in self.miners)

    @property
    def rejected(self) -> Counter[tuple[int, str]]:
        """Refusals of all miners by code and text."""
        return sum((miner.tally.rejected for miner in self.miners), Counter())

    @property
    def stale(self) -> int:
        """True stales: the pool had a new block."""
        return self.rejected[STALE, "Stale"]

    @property
    def outdated(self) -> int:
        """Shares of all miners for a block that they should have dropped."""
        return sum(miner.outdated for miner in self.miners)

    @property
    def disconnects(self) -> int:
        """Connections that ended since the start."""
        return sum(max(0, miner.connections - 1) for miner in self.miners)

    def wrongly_refused(self) -> dict[tuple[int, str], int]:
        """Refusals that are no true stale, not for a difficulty raised meanwhile (``raised_ages_s`` of the pool says
        how long before), and not the proxy's word that a pool gave no verdict."""
        good = ((STALE, "Stale"), LOST, UNANSWERED, RAISED)
        return {reason: count for reason, count in self.rejected.items() if reason not in good}

    @property
    def without_verdict(self) -> int:
        """Shares of which the miner was told that the pool gave no verdict."""
        return self.rejected[LOST] + self.rejected[UNANSWERED]

    def violations(self) -> list[str]:
        """What firmware would not have put up with."""
        return [f"{miner.user}: {each.rule.value}: {each.detail}" for miner in self.miners for each in miner.violations]

    def unbalanced(self) -> list[str]:
        """Miners whose submits do not have exactly one answer each."""
        return [
            f"{miner.user}: {miner.tally.submitted} submitted, {miner.tally.accepted} accepted, "
            f"{miner.tally.rejected.total()} refused, {miner.tally.lost} lost, {miner.unanswered} open"
            for miner in self.miners
            if miner.tally.submitted != miner.tally.accepted + miner.tally.rejected.total() + miner.tally.lost
        ]

    def summary(self) -> str:
        """One line for a report."""
        return (
            f"{len(self)} miners: {self.submitted} submitted, {self.accepted} accepted, {self.stale} stale, "
            f"{self.without_verdict} without a verdict, refused otherwise {self.wrongly_refused()}, "
            f"{self.disconnects} disconnects"
        )

    def on(self, pool: str) -> list[SimMiner]:
        """Miners whose job is of pool A or B, told by the chain's mark in the coinbase."""
        return [miner for miner in self.miners if works_on(miner, pool)]


def works_on(miner: SimMiner, pool: str) -> bool:
    """Whether the miner's newest job is of this pool."""
    return miner.wire is not None and miner.wire.job is not None and MARKS[pool] in miner.wire.job.tail


async def eventually(fact: Callable[[], bool], timeout_s: float = PATIENCE_S) -> None:
    """Wait until ``fact`` holds, for what no line received could tell.

    Raises:
        TimeoutError: it did not come.
    """
    async with asyncio.timeout(timeout_s):
        while not fact():
            await asyncio.sleep(0.05)


async def moved(miners: Sequence[SimMiner], pool: str, timeout_s: float = PATIENCE_S) -> float:
    """Seconds from now until each of the miners has a job of ``pool``."""
    began = time.monotonic()
    await asyncio.gather(*(miner.until(lambda each: works_on(each, pool), timeout_s) for miner in miners))
    return time.monotonic() - began


def _has(goal: int) -> Callable[[SimMiner], bool]:
    return lambda miner: miner.tally.accepted >= goal
