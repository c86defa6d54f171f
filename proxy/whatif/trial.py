"""One trial: the past under the settings of now and under others, compared. Blocking; ends when it is told to."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from proxy.config.snapshot import ConfigSnapshot
from proxy.errors import DPMPError
from proxy.money.facts import ChainFacts
from proxy.types import PoolKey
from proxy.whatif.past import Past, difficulties_at
from proxy.whatif.plan import needs_balance
from proxy.whatif.replay import MOST_POLLS, Outcome, Replay, balance_weights, expected_coins, parts, total

MOST_S = 180.0
"""A trial that takes longer is given up."""
MOST_BLOCKED_S = 0.25
SEED = 16
"""Of the shares' chance: the same question has the same answer."""


class Cancelled(DPMPError):
    """The trial was told to end, or took too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """What was, or would have been."""

    split: Mapping[PoolKey, float]
    """0..1."""
    coins: Mapping[PoolKey, float]
    """Expected; pools without it are not known."""
    switches: float | None
    """Of a worker in a day; None for the record, which does not have them."""
    over_time: tuple[Mapping[PoolKey, float], ...]
    """The split of each step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The result of a trial."""

    starts: tuple[int, ...]
    step_s: int
    workers: int
    replayed_workers: int
    simulated: float
    """Part of the time that was simulated, 0..1."""
    was: Column
    present: Column
    tried: Column


Progress = Callable[[float], None]
"""Told how much is done, 0..1; raises ``Cancelled`` to end the trial."""


def compare(
    past: Past,
    present: ConfigSnapshot,
    tried: ConfigSnapshot,
    chains: Mapping[str, ChainFacts],
    fees: Mapping[PoolKey, float],
    progress: Progress,
) -> Comparison:
    """Replay ``past`` under both configurations.

    ``fees``: percent that a pool keeps. Rewards are those of ``chains`` now, difficulties those of the record.

    Raises:
        Cancelled: by ``progress``.
    """
    worth = _worth(past, present, chains, fees)
    columns = [_replayed(past, config, worth, _half_of(progress, half)) for half, config in enumerate((present, tried))]
    record = past.record
    return Comparison(
        starts=record.starts,
        step_s=record.step_s,
        workers=past.workers,
        replayed_workers=len({worker for rates in record.rates for worker in rates}),
        simulated=record.sample_s() / record.step_s,
        was=_column(past.hashes, worth, None),
        present=columns[0],
        tried=columns[1],
    )


def _half_of(progress: Progress, half: int) -> Progress:
    return lambda done: progress((half + done) / 2.0)


def _replayed(
    past: Past, config: ConfigSnapshot, worth: Sequence[Mapping[PoolKey, float]], progress: Progress
) -> Column:
    weights = _weights(past, config, progress) if needs_balance(config) else ()
    replay = Replay(config, past.record, random.Random(SEED), weights=weights)
    steps = len(past.record.starts)
    for done in replay.steps():
        progress(done / steps)
    return _column(replay.outcome.hashes, worth, replay.outcome)


def _weights(past: Past, config: ConfigSnapshot, progress: Progress) -> list[Mapping[PoolKey, float] | None]:
    """Auto-balance's weights in the middle of each step; it polls oftener, as far as ``MOST_POLLS`` lets it."""
    record = past.record
    span = record.starts[-1] + record.step_s - record.starts[0]
    every = max(600, span // MOST_POLLS)
    polls = [float(at) for at in range(record.starts[0], record.starts[-1] + record.step_s, every)]
    known: list[tuple[float, Mapping[PoolKey, float] | None]] = []
    for moment, weights in zip(polls, balance_weights(config, past.blocks, polls), strict=True):
        known.append((moment, weights))
        progress(0.0)
    found, place = [], 0
    for start in record.starts:
        while place + 1 < len(known) and known[place + 1][0] <= start + record.step_s / 2:
            place += 1
        found.append(known[place][1])
    return found


def _worth(
    past: Past, config: ConfigSnapshot, chains: Mapping[str, ChainFacts], fees: Mapping[PoolKey, float]
) -> list[dict[PoolKey, float]]:
    """Coins that a hash earned on average on each pool in each step."""
    difficulties = difficulties_at(past.blocks, past.record.starts)
    worth: list[dict[PoolKey, float]] = [{} for _ in past.record.starts]
    for key, pool in config.pools.items():
        facts, line = chains.get(pool.chain), difficulties.get(pool.chain)
        if facts is None or line is None:
            continue
        reward = facts.reward_coins * (1.0 - fees.get(key, 0.0) / 100.0)
        for step, difficulty in enumerate(line):
            worth[step][key] = reward / (difficulty * past.hashes_per_difficulty)
    return worth


def _column(
    hashes: Sequence[Mapping[PoolKey, float]], worth: Sequence[Mapping[PoolKey, float]], outcome: Outcome | None
) -> Column:
    per_day = None
    if outcome is not None:
        per_day = outcome.switches / outcome.miner_s * 86_400.0 if outcome.miner_s else 0.0
    return Column(
        split=parts(total(hashes)),
        coins=expected_coins(hashes, worth),
        switches=per_day,
        over_time=tuple(parts(step) for step in hashes),
    )


def paced(cancelled: Callable[[float], bool], report: Progress) -> Progress:
    """A progress that reports, rests as long as the work took (up to ``MOST_BLOCKED_S``), and ends what takes too long.

    ``cancelled`` waits up to so many seconds and returns whether the trial is to end: miners come first.
    """
    began = last = time.monotonic()

    def progress(done: float) -> None:
        nonlocal last
        report(done)
        now = time.monotonic()
        if cancelled(min(now - last, MOST_BLOCKED_S)):
            raise Cancelled("cancelled")
        if now - began > MOST_S:
            raise Cancelled("it took too long")
        last = time.monotonic()

    return progress
