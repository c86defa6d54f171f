"""The split of the running proxy, by what the miners really hashed, against the bounds that ``simulate`` prints.

``DPMP_E2E_SECONDS=300`` measures three fleets for five minutes each; by default it is one fleet for one minute.
"""

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User

from proxy.history import Rate
from proxy.net.tasks import cancel_and_wait, spawn
from proxy.node import Node
from proxy.ops import steering
from proxy.scheduling.rounds import dwell, round_period
from proxy.scheduling.tuning import DEFAULT_TUNING
from proxy.simulator.miner import SimMiner
from proxy.simulator.pool import SimPool
from proxy.simulator.profiles import CPUMINER, ESP_MINER, NERDQAXE, WHATSMINER
from proxy.types import WorkerName
from tests.e2e.conftest import Measured, StartPool
from tests.e2e.fleet import Fleet
from tests.e2e.inside import port_of, running, scrape
from tests.e2e.pools import row
from tests.e2e.rows import PoolRow, SetUp, write
from tests.e2e.truth import Truth
from tests.support import scheduler_oracle

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

LONG = float(os.environ.get("DPMP_E2E_SECONDS", "60")) >= 240
TERA = 250.0
"""Hashes a second that stand for 1 TH/s."""
FLEETS = {
    "1": (80.0,),
    "80+6+1+1": (80.0, 6.0, 1.0, 1.0),
    "12 mixed": (0.5, 1.0, 1.0, 4.0, 7.0, 9.0, 11.0, 12.0, 15.0, 18.0, 20.0, 25.0),
}
MEASURED_FLEETS = tuple(FLEETS) if LONG else ("12 mixed",)
PROFILES = (CPUMINER, ESP_MINER, NERDQAXE, WHATSMINER)
FIRST, SECOND = {"A": 0.7, "B": 0.3}, {"A": 0.3, "B": 0.7}
CALM_S = 100.0 if LONG else 1.0
SHARE_S = 3.0 if LONG else 0.6
"""What a share takes: a minority pool keeps a miner for five of them, and in a short test that must not be long."""
SETTLING_S = 0.5
"""What no book holds: a look of the meter, shares on their way, a loop that shares its core with others."""


def min_switch_s() -> float:
    """Of the schedule: 30 s as users have it, or quick enough for a short test."""
    return 30.0 if LONG else 5.0


def dwell_s(weights: dict[str, float]) -> float:
    """Of the smaller pool."""
    return dwell(min(weights.values()), min_switch_s=min_switch_s(), slice_s=min_switch_s() / 2, tuning=DEFAULT_TUNING)


def make_fleet(port: int, rates: Sequence[float]) -> Fleet:
    fleet = Fleet(port, [PROFILES[number % len(PROFILES)] for number in range(len(rates))])
    for miner, rate in zip(fleet.miners, rates, strict=True):
        miner.hashrate, miner.suggest = (
            rate * TERA,
            max(1.0, round(SHARE_S * rate * TERA / miner.hashes_per_difficulty)),
        )
    return fleet


def name_of(miner: SimMiner) -> WorkerName:
    return WorkerName(miner.user.rpartition(".")[2])


def sliced(node: Node, fleet: Fleet) -> list[SimMiner]:
    """Miners that are not fixed on one pool."""
    roles = {part.worker: part.role for part in scheduler_oracle.miners(node.engine.scheduler)}
    return [miner for miner in fleet.miners if roles.get(name_of(miner)) != "fixed"]


def rate_of(node: Node, miner: SimMiner) -> Rate:
    """Reported for five minutes."""
    tally = node.history.accounting.worker(name_of(miner))
    assert tally is not None
    return tally.rates.m5


class Rates:
    """How the reported rates stand to the true ones."""

    def __init__(self) -> None:
        self.inside = self.windows = 0
        self.highest = 0.0
        self.outside: list[str] = []

    def look(self, node: Node, fleet: Fleet, truth: Truth) -> None:
        """Compare now, for each miner."""
        for number, miner in enumerate(fleet.miners):
            told = rate_of(node, miner)
            true = truth.rate(number, told.span_s)
            self.windows += 1
            if told.low <= true <= told.high:
                self.inside += 1
            else:
                self.outside.append(
                    f"{miner.user}: {told.value:.0f} ({told.low:.0f} to {told.high:.0f}, "
                    f"{told.shares} shares), truly {true:.0f}"
                )
            self.highest = max(self.highest, told.value / max(true, 1.0))


@pytest.mark.parametrize("name", MEASURED_FLEETS)
async def test_split_keeps_its_bounds_from_the_start_and_after_the_slider_moved(
    name: str, tmp_path: Path, seconds: float, start_pool: StartPool, measured: Measured
) -> None:
    pools = [await start_pool(key, block_s=None) for key in "AB"]
    half_s = seconds / 2 if LONG else 18.0
    await sync_to_async(write_rows)([row(pool) for pool in pools])
    async with running(tmp_path) as node:
        fleet = make_fleet(port_of(node), FLEETS[name])
        truth, rates = Truth(fleet.miners), Rates()
        looks = spawn(truth.run(), name="truth")
        try:
            await fleet.start()
            await fleet.in_work()
            truth.begin()
            news = spawn(fresh_jobs(pools), name="jobs")
            first = await measure(node, fleet, truth, rates, FIRST, half_s)
            await sync_to_async(move_slider)()
            truth.begin()
            second = await measure(node, fleet, truth, rates, SECOND, half_s)
            moves = await switches() - len(fleet)
            await asyncio.sleep(CALM_S)
            calm = await switches() - len(fleet) - moves
            slicing = (
                2
                * 3600
                / round_period(
                    FIRST,
                    {
                        key: dwell(part, min_switch_s=min_switch_s(), slice_s=min_switch_s() / 2, tuning=DEFAULT_TUNING)
                        for key, part in FIRST.items()
                    },
                )
            )
        finally:
            await cancel_and_wait(looks, news, timeout_s=1.0)
            await fleet.stop()
    for part in (*first, *second):
        measured(f"{name}: {part}")
    hours = len(fleet) / 3600
    measured(
        f"{name}: {moves / (2 * half_s * hours):.0f} switches per miner-hour from the start and over the move, "
        f"{calm / (CALM_S * hours):.1f} in the {CALM_S:.0f} s after it; slicing each miner makes {slicing:.0f}"
    )
    measured(
        f"{name}: rates inside their interval in {rates.inside} of {rates.windows} windows, highest "
        f"{rates.highest:.2f} of the truth; outside: {rates.outside}"
    )
    assert rates.inside >= 0.95 * rates.windows - 3 * (0.0475 * rates.windows) ** 0.5 - 1
    assert fleet.disconnects == 0
    assert moves <= 1.2 * slicing * 2 * half_s * hours + len(fleet)
    if len(fleet) >= 12 and LONG:
        assert calm <= 0.2 * slicing * CALM_S * hours


async def fresh_jobs(pools: Sequence[SimPool]) -> None:
    """New transactions every few seconds: with a pool's next job its difficulty comes into force."""
    while True:
        await asyncio.sleep(5.0)
        for pool in pools:
            pool.refresh()


async def switches() -> float:
    """Of all miners, their starts included."""
    return (await scrape()).total("dpmp_pool_switches_total")


async def measure(
    node: Node, fleet: Fleet, truth: Truth, rates: Rates, weights: dict[str, float], length_s: float
) -> list[str]:
    """Mine for ``length_s``; lines of what was measured at the marks. Fails where a bound is not kept."""
    lines, marks = [], [length_s / 2, length_s] if not LONG else [60.0, length_s]
    for mark in marks:
        await asyncio.sleep(max(0.0, truth.began + mark - time.monotonic()))
        error = abs(truth.part("A") - weights["A"])
        slicing = truth.slicing_bound(sliced(node, fleet), dwell_s(weights))
        estimates = truth.estimate_bound(weights)
        lines.append(
            f"{weights['A'] * 100:.0f}:{weights['B'] * 100:.0f} after {truth.seconds:.0f} s: error "
            f"{error * 100:.2f} points, bound {slicing * 100:.2f} + {estimates * 100:.2f}"
        )
        assert estimates < 0.2, lines[-1]  # else the bound says nothing: too few shares
        assert error <= slicing + 1.5 * estimates + SETTLING_S / truth.seconds, lines[-1]
    rates.look(node, fleet, truth)
    return lines


def write_rows(rows: Sequence[PoolRow]) -> None:
    """Two pools at 70:30."""
    write(
        asdict(
            SetUp(
                pools=rows,
                weights={"A": 70, "B": 30},
                min_switch_s=min_switch_s(),
                slice_s=min_switch_s() / 2,
                policy="automatic",
            )
        )
    )


def move_slider() -> None:
    """To 30:70."""
    person, _ = User.objects.get_or_create(username="ann")
    steering.set_weights(person, {"A": 30, "B": 70})


async def test_restart_keeps_the_ledger_and_the_estimates(tmp_path: Path, start_pool: StartPool) -> None:
    pools = [await start_pool(key, block_s=None) for key in "AB"]
    await sync_to_async(write_rows)([row(pool) for pool in pools])
    async with running(tmp_path) as node:
        port = port_of(node)
        fleet = make_fleet(port, (20.0, 10.0))
        await fleet.start()
        await fleet.mined(6)
        before, counted = scheduler_oracle.fleet(node.engine.scheduler), node.history.accounting.fleet().total
        rates = {part.worker: part.rate for part in scheduler_oracle.miners(node.engine.scheduler)}
    try:
        async with running(tmp_path, port) as again:
            assert again.history.accounting.fleet().total.accepted >= counted.accepted
            await asyncio.gather(*(miner.until(lambda each: each.in_work, 30) for miner in fleet.miners))
            after = scheduler_oracle.fleet(again.engine.scheduler)
            assert abs(after.since - before.since) < 1.0
            for key, work in before.work.items():
                assert after.work[key] >= 0.9 * work
            await fleet.mined(2)  # what is known of a worker counts from its first share on
            for part in scheduler_oracle.miners(again.engine.scheduler):
                assert 0.5 * rates[part.worker] <= part.rate <= 2 * rates[part.worker]
                assert part.rate_error < 0.8
    finally:
        await fleet.stop()
