"""What pools do to a connection that is not used for a while, in a tempo that a test can wait for."""

import asyncio
import itertools
import math
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async

from proxy.simulator.dialect import BTCPOOL, MININGCORE
from proxy.simulator.profiles import CPUMINER
from proxy.simulator.vardiff import Vardiff
from proxy.stratum import upstream
from tests.e2e.books import check_treatment
from tests.e2e.conftest import Measured, StartFleet, StartPool, StartProxy
from tests.e2e.fleet import eventually, works_on
from tests.e2e.inside import port_of, running
from tests.e2e.pools import row
from tests.e2e.rows import SetUp, write

IDLE_S = 3.0
"""btcpool's 600 s, two hundred times as fast."""
STAYS = 4


@pytest.mark.django_db(transaction=True)
async def test_btcpool_does_not_close_a_connection_that_waits_for_its_turn(
    tmp_path: Path, start_pool: StartPool, start_fleet: StartFleet, monkeypatch: pytest.MonkeyPatch, measured: Measured
) -> None:
    monkeypatch.setattr(upstream, "IDLE_LEAST_S", upstream.IDLE_LEAST_S / 200)
    monkeypatch.setattr(upstream, "IDLE_SPREAD_S", upstream.IDLE_SPREAD_S / 200)
    pools = [
        await start_pool("A", block_s=None),
        await start_pool("B", block_s=None, dialect=replace(BTCPOOL, idle_timeout_s=IDLE_S)),
    ]
    set_up = SetUp(pools=[row(pool) for pool in pools], weights={"A": 50, "B": 50}, min_switch_s=8.0, slice_s=8.0)
    await sync_to_async(write)(asdict(set_up))
    async with running(tmp_path) as node:
        fleet = await start_fleet(port_of(node), [CPUMINER] * 2)
        await fleet.mined(1)
        connections = {session.number for session in pools[1].sessions if session.users}
        for _ in range(2):
            for key in "AB":
                await eventually(lambda key=key: works_on(fleet.miners[0], key))  # type: ignore[misc]
        left = {session.number for session in pools[1].sessions}
        await fleet.stop()
    measured(f"{pools[1].received['mining.extranonce.subscribe']} signs of life, closed: {pools[1].drops}")
    assert pools[1].drops == []
    assert connections <= left


@pytest.mark.slow
async def test_a_difficulty_that_decays_while_a_miner_is_away_is_not_what_it_meets_on_return(
    start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet, measured: Measured
) -> None:
    """MiningCore's 90 s as 1.5 s: an absence of 6 s divides by 1,296."""
    vardiff = Vardiff(shares_per_minute=60, window_s=1.5, window_shares=5, idle_divisor=6.0, check_s=0.25, minimum=0.01)
    pools = [
        await start_pool("A", block_s=None, vardiff=None),
        await start_pool("B", block_s=None, dialect=MININGCORE, vardiff=vardiff),
    ]
    pools[1].difficulty = 1.0
    proxy = await start_proxy(
        SetUp(pools=[row(pool) for pool in pools], weights={"A": 50, "B": 50}, min_switch_s=6.0, slice_s=6.0)
    )
    fleet = await start_fleet(proxy.stratum, [CPUMINER])
    [miner] = fleet.miners
    stays: list[tuple[float, float, float]] = []
    for _ in range(STAYS):
        lowest = math.inf
        while not works_on(miner, "B"):
            lowest = min([lowest, *(session.difficulty for session in pools[1].sessions if session.users)])
            await asyncio.sleep(0.02)
        assert miner.wire is not None
        met = left = miner.wire.difficulty
        while works_on(miner, "B"):
            left = miner.wire.difficulty
            await asyncio.sleep(0.02)
        stays.append((lowest, met, left))
    await fleet.settle()
    measured(f"(pool's lowest meanwhile, met on return, left with): {stays}; {fleet.summary()}")
    check_treatment(proxy, fleet, pools)
    for (_, _, left), (lowest, met, _) in itertools.pairwise(stays[1:]):
        assert lowest <= left / 12, "the pool let it fall by far more than the miner is to notice"
        assert met >= left / 4
