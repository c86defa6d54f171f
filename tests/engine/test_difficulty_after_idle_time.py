"""A pool that lowers the difficulty of an idle connection does not get a flood when the miner is back, however often.

The pools are models of what their sources do; the miner has 100 TH/s, scaled with ``EASY`` so that difficulties are
those of the real world and every hash is a share.
"""

from bisect import bisect_right
from collections.abc import Callable
from operator import itemgetter
from typing import Any

import pytest

from proxy.observe.events import ShareResult
from proxy.types import HASHES_PER_DIFFICULTY, Verdict
from tests.support.world import EASY, Connection, ScriptedMiner, World

pytestmark = pytest.mark.no_cover

RATE = 100e12 * EASY / HASHES_PER_DIFFICULTY
SHARES_A_SECOND_AT_ONE = RATE / EASY
MOST = 500_000.0
"""Up to here every hash is a share."""


class VardiffPool:
    """A pool that sets the difficulty of the miner's connection; ``step`` says to what, each second."""

    START = 16_384.0

    def __init__(self, world: World, key: str) -> None:
        self.world = world
        self.pool = world.pools[key]
        self.pool.difficulty = self.START
        self.connection: Connection | None = None
        self.difficulty = self.START
        self.shares: list[tuple[float, float]] = []
        """(when, difficulty) of this connection's."""
        self.began = 0.0
        self.changed = 0.0
        self.heard = 0
        self.refused: list[str] = []

    @property
    def now(self) -> float:
        return self.world.clock.now()

    def tick(self) -> None:
        live = self.pool.live()
        if not live:
            return
        if live[-1] is not self.connection:
            self.connection, self.difficulty, self.shares = live[-1], self.START, []
            self.began = self.changed = self.now
            self.heard = 0
        for message in live[-1].received[self.heard :]:
            if message["method"] == "mining.submit":
                self.shares.append((self.now, self.difficulty))
            else:
                self.called(message)
        self.heard = len(live[-1].received)
        wanted = self.step()
        if wanted is not None and wanted != self.difficulty:
            self.difficulty, self.changed = wanted, self.now
            live[-1].push("mining.set_difficulty", [wanted])
            live[-1].push("mining.notify", self.pool.job(clean=False))

    def since(self, moment: float) -> list[float]:
        """When the shares after ``moment`` came."""
        return [at for at, _ in self.shares[bisect_right(self.shares, moment, key=itemgetter(0)) :]]

    def called(self, message: dict[str, Any]) -> None:
        """Any other call."""

    def step(self) -> float | None:
        raise NotImplementedError


class PublicPool(VardiffPool):
    """public-pool src/models/StratumV1ClientStatistics.ts: each 60 s; by 6 before the fifth share, then a mean."""

    def __init__(self, world: World, key: str) -> None:
        super().__init__(world, key)
        self.suggested = False

    def called(self, message: dict[str, Any]) -> None:
        if message["method"] == "mining.suggest_difficulty" and not self.suggested:
            self.suggested = True
            self.difficulty = float(message["params"][0])
            assert self.connection is not None
            self.connection.push("mining.set_difficulty", [self.difficulty])

    def step(self) -> float | None:
        if (self.now - self.began) % 60 >= 1:
            return None
        if len(self.shares) < 5:
            return max(self.difficulty / 6, 0.001)
        last = self.shares[-30:]
        span = max(self.now - last[0][0], 1.0)
        wanted = min(sum(difficulty for _, difficulty in last) / span * 10, MOST)
        return wanted if not 0.5 < wanted / self.difficulty < 2 else None


class MiningCore(VardiffPool):
    """MiningCore VarDiffManager.cs: divided by 6 for each 90 s without a share, again and again; a ``d=`` or a
    ``minimum-difficulty`` above the port's base ends that; suggestions are not known."""

    def __init__(self, world: World, key: str) -> None:
        super().__init__(world, key)
        self.pinned = False

    def called(self, message: dict[str, Any]) -> None:
        if message["method"] == "mining.configure":
            minimum = message["params"][1].get("minimum-difficulty.value", 0)
            if minimum > 1:
                self.pinned, self.difficulty = True, float(minimum)
                assert self.connection is not None
                self.connection.push("mining.set_difficulty", [self.difficulty])

    def step(self) -> float | None:
        if self.pinned:
            return None
        last = self.shares[-1][0] if self.shares else self.began
        if self.now - max(last, self.changed) >= 90:
            return max(self.difficulty / 6, 1.0)
        recent = self.since(max(self.changed, self.now - 90))
        if len(recent) >= 4 and self.now - self.changed >= 60:
            return min(self.difficulty * min(len(recent) / (self.now - recent[0] + 1) * 15, 8), MOST)
        return None


class CkPool(VardiffPool):
    """ckpool stratifier.c: a mean over 5 minutes, looked at after 72 shares or 240 s, when a share comes; a suggested
    difficulty is an integer and a floor."""

    def __init__(self, world: World, key: str) -> None:
        super().__init__(world, key)
        self.floor = 1

    def called(self, message: dict[str, Any]) -> None:
        if message["method"] == "mining.suggest_difficulty" and type(message["params"][0]) is int:
            self.floor = message["params"][0]

    def step(self) -> float | None:
        since = self.since(self.changed)
        if not since or since[-1] < self.now - 1 or (len(since) < 72 and self.now - self.changed < 240):
            return None
        window = [difficulty for at, difficulty in self.shares if at > self.now - 300]
        wanted = max(sum(window) / min(300.0, self.now - self.began) * 3.33, self.floor)
        wanted = min(wanted, MOST)
        return float(round(wanted)) if not 0.5 < wanted / self.difficulty < 2 else None


def mine(world: World, miner: ScriptedMiner, seconds: int, models: list[VardiffPool]) -> list[int]:
    """Mine with 100 TH/s; shares submitted in each second."""
    counts, owed = [], 0.0
    for _ in range(seconds):
        owed += SHARES_A_SECOND_AT_ONE / miner.difficulty
        count = min(int(owed), 400)
        owed -= int(owed)
        for _ in range(count):
            mine.nonce += 1  # type: ignore[attr-defined]
            miner.submit(nonce=f"{mine.nonce:08x}")  # type: ignore[attr-defined]
        counts.append(count)
        world.advance(1)
        for model in models:
            model.tick()
    return counts


mine.nonce = 0  # type: ignore[attr-defined]


def three_visits(
    model: Callable[[World, str], VardiffPool], away_s: int, stay_s: int, **options: Any
) -> tuple[World, list[float], VardiffPool]:
    """Shares a second in the busiest ten seconds of each of three visits to the pool."""
    world = World({"A": 8, "B": 8}, weights={"A": 50.0, "B": 50.0}, difficulty=16_384.0, min_switch_s=5.0, **options)
    visited = model(world, "A")
    miner = world.miner("Antminer S19/1.0", mask="1fffe000")
    world.advance(1)
    world.slider(A=100.0, B=0.01)
    mine(world, miner, 150, [visited])
    busiest = []
    for _ in range(3):
        world.slider(A=0.01, B=100.0)
        mine(world, miner, away_s, [visited])
        assert miner.session.current == "B"
        world.slider(A=100.0, B=0.01)
        counts = mine(world, miner, stay_s, [visited])
        busiest.append(max(sum(counts[i : i + 10]) / 10 for i in range(len(counts) - 10)))
    refused = [share for share in world.events_of(ShareResult) if share.verdict is not Verdict.ACCEPTED]
    assert not refused
    return world, busiest, visited


@pytest.mark.parametrize(
    ("model", "away_s", "stay_s"),
    [
        (PublicPool, 300, 45),
        (MiningCore, 300, 45),
        pytest.param(MiningCore, 600, 90, marks=pytest.mark.slow),
        (CkPool, 300, 45),
    ],
)
def test_three_visits_of_100_terahashes_give_a_few_shares_a_second_each(
    model: Callable[[World, str], VardiffPool], away_s: int, stay_s: int
) -> None:
    _, busiest, _ = three_visits(model, away_s, stay_s)
    assert max(busiest) <= 3.0, busiest
    assert min(busiest) > 0
