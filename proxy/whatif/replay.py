"""Runs the scheduler once more over recorded hash rates, on the simulation's virtual clock.

The miners are those of the record, with the rate that each had in each step; decisions are the scheduler's and
auto-balance's own. Of a long record each step is simulated for a part of its time, from its middle on, and counts for
all of it. Not replayed are outages of pools, routes of listeners, and the difficulties that pools set.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from proxy.balance.auto_balance import AutoBalance
from proxy.balance.observed import ObservedBlock, Observer
from proxy.config.snapshot import BalanceSourceConfig, ConfigSnapshot
from proxy.observe.events import EventStream
from proxy.ports import Random
from proxy.scheduling.simulation import PoolBehaviour, SimulatedMiner, Simulation
from proxy.scheduling.virtual_clock import VirtualClock
from proxy.types import HASHES_PER_DIFFICULTY, PoolKey, WorkerName

MOST_WORKERS = 60
MOST_STEPS = 200
MOST_POLLS = 1_440
MOST_MINER_S = 120 * 3600.0
"""Miner-seconds that are simulated at most: some three to ten seconds of a processor's time."""
LEAST_SAMPLE_S = 120.0
SHARES_PER_MINUTE = 6.0
"""Of each simulated miner: enough for the scheduler's estimates, and a third of the work of 18."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What was, in steps of equal length. Rates are hashes a second."""

    step_s: int
    starts: tuple[int, ...]
    """Unix seconds, rising; a step in which nothing was recorded is left out."""
    rates: tuple[Mapping[WorkerName, float], ...]
    """Of the workers with the most work, at most ``MOST_WORKERS``."""
    wholes: tuple[float, ...]
    """Of all workers; those that are not replayed are taken to be divided alike."""
    most_miner_s: float = MOST_MINER_S
    """How much is simulated at most, but for ``LEAST_SAMPLE_S`` of each step."""

    def sample_s(self) -> float:
        """How much of each step is simulated."""
        miners = sum(len(rates) for rates in self.rates)
        return min(float(self.step_s), max(LEAST_SAMPLE_S, self.most_miner_s / max(miners, 1)))


@dataclass(slots=True)
class Outcome:
    """What would have been; complete after the last step."""

    hashes: list[dict[PoolKey, float]] = field(default_factory=list)
    """By pool, for each step."""
    switches: float = 0.0
    """Of the replayed workers, in the whole record."""
    miner_s: float = 0.0
    """Time of the replayed workers in the whole record."""

    @property
    def by_pool(self) -> dict[PoolKey, float]:
        """Hashes of all steps."""
        return total(self.hashes)


def total(steps: Iterable[Mapping[PoolKey, float]]) -> dict[PoolKey, float]:
    """The sum over steps."""
    sums: dict[PoolKey, float] = {}
    for step in steps:
        for pool, amount in step.items():
            sums[pool] = sums.get(pool, 0.0) + amount
    return sums


def parts(amounts: Mapping[PoolKey, float]) -> dict[PoolKey, float]:
    """Each pool's part of the whole, 0..1; empty without any."""
    whole = sum(amounts.values())
    return {pool: amount / whole for pool, amount in amounts.items()} if whole > 0 else {}


class Replay:
    """One record under one configuration. Iterate over ``steps``; ``outcome`` is complete after the last one."""

    def __init__(
        self,
        config: ConfigSnapshot,
        record: Record,
        random: Random,
        *,
        weights: Sequence[Mapping[PoolKey, float] | None] = (),
    ) -> None:
        """``weights``: those of auto-balance in each step, as ``balance_weights`` makes them; empty: it has no say."""
        self.outcome = Outcome()
        self._config = config
        self._record = record
        self._weights = weights
        behaviour = PoolBehaviour(shares_per_minute=SHARES_PER_MINUTE, vardiff=False)
        self._simulation = Simulation(config, random, behaviour=dict.fromkeys(config.pools, behaviour))
        self._miners: dict[WorkerName, SimulatedMiner] = {}

    def steps(self) -> Iterator[int]:
        """Simulate step by step; yields how many are done."""
        for step in range(len(self._record.starts)):
            self._simulate(step)
            yield step + 1

    def _simulate(self, step: int) -> None:
        record, simulation = self._record, self._simulation
        sample_s = record.sample_s()
        simulation.clock.set_wall(record.starts[step] + (record.step_s - sample_s) / 2.0)
        if self._weights:
            simulation.scheduler.set_balance_weights(self._weights[step])
        self._follow(record.rates[step])
        simulation.scheduler.apply(self._config)
        before, switches = simulation.work(), simulation.switches
        simulation.run_to(simulation.clock.now() + sample_s)
        after = simulation.work()
        split = parts({pool: after[pool] - before[pool] for pool in after})
        whole = record.wholes[step] * record.step_s
        self.outcome.hashes.append({pool: part * whole for pool, part in split.items()})
        self.outcome.switches += (simulation.switches - switches) * record.step_s / sample_s
        self.outcome.miner_s += len(record.rates[step]) * record.step_s

    def _follow(self, rates: Mapping[WorkerName, float]) -> None:
        """Connect, disconnect and change miners, so that they are those of a step."""
        for worker in [worker for worker in self._miners if worker not in rates]:
            self._simulation.remove(self._miners.pop(worker))
        for worker, rate in rates.items():
            difficulty = rate * 60.0 / SHARES_PER_MINUTE / HASHES_PER_DIFFICULTY
            miner = self._miners.get(worker)
            if miner is None:
                self._miners[worker] = self._simulation.add(rate, worker, difficulty)
            elif miner.rate != rate:
                self._simulation.set_rate(miner, rate, difficulty)


def balance_weights(
    config: ConfigSnapshot, blocks: Sequence[ObservedBlock], times: Sequence[float]
) -> Iterator[Mapping[PoolKey, float] | None]:
    """What auto-balance would have made of the chains' ``blocks`` at each of ``times`` (unix seconds, rising).

    It observes alone: other sources' answers of the past are not kept. None: it did not know yet.
    """
    clock = VirtualClock(wall=times[0]) if times else VirtualClock()
    auto = AutoBalance(clock=clock, events=EventStream(), observer=Observer(clock=clock))
    observing = replace(config.balance, sources=(BalanceSourceConfig(kind="observed"),))
    auto.apply(replace(config, balance=observing))
    coming = deque(sorted(blocks, key=lambda block: block.announced_at))
    for moment in times:
        clock.advance_to(moment - times[0])
        seen = []
        while coming and coming[0].announced_at <= moment:
            seen.append(coming.popleft())
        auto.observer.restore(seen)
        yield auto.conclude()


def expected_coins(
    steps: Sequence[Mapping[PoolKey, float]],
    coins_per_hash: Sequence[Mapping[PoolKey, float]],
) -> dict[PoolKey, float]:
    """Coins that the hashes of all steps earn on average, each at what a hash was worth in its step.

    A pool of which that is not known in some step is left out.
    """
    coins: dict[PoolKey, float] = {}
    unknown: set[PoolKey] = set()
    for hashes, worth in zip(steps, coins_per_hash, strict=True):
        for pool, amount in hashes.items():
            if pool in worth:
                coins[pool] = coins.get(pool, 0.0) + amount * worth[pool]
            elif amount > 0:
                unknown.add(pool)
    return {pool: amount for pool, amount in coins.items() if pool not in unknown}
