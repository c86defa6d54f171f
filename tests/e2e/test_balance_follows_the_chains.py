"""Auto-balance in the running proxy: weights follow the chains as the pools tell them, and hold when a source fails."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async

from proxy.balance import service as balance
from proxy.balance.balance_view import BalanceState
from proxy.history.split import Span
from proxy.models.balance import BalanceSettings, BalanceSource, ChainPrice
from proxy.models.schedules import Schedule
from proxy.net.http_client import HttpLimits, make_client
from proxy.node import Node
from proxy.observe.events import NewBlockSeen, OracleFallback
from proxy.simulator.pool import SimPool
from proxy.simulator.profiles import CPUMINER
from tests.balance.http_cast import Request, Writer, hang, reply, serve
from tests.e2e.conftest import Measured, StartFleet, StartPool
from tests.e2e.history import set_network
from tests.e2e.inside import page, port_of, running, scrape
from tests.e2e.pools import row
from tests.e2e.process import Metrics
from tests.e2e.rows import SetUp, write
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.django_db(transaction=True)

BTC_NETWORK, BCH_NETWORK = 1e9, 1e7
PRICES = {"BTC": 100.0, "BCH": 1.0}
"""By which a hash is worth the same on both."""
FREE = {"dead_band": 0.0, "max_step_per_hour": 100.0}


@pytest.fixture(autouse=True)
def polls_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service polls only when the test says so, and asks everybody then."""
    monkeypatch.setattr(balance, "FIRST_POLL_S", 3600.0)
    monkeypatch.setattr(balance, "DUE_TOGETHER_S", 1e6)


def write_rows(pools: list[SimPool], settings: Mapping[str, object], source: Mapping[str, object]) -> None:
    """Two pools, a schedule in auto-balance, and how it balances."""
    write(asdict(SetUp(pools=[row(pool) for pool in pools], weights={"A": 50, "B": 50})))
    Schedule.objects.update(mode="auto-balance")
    BalanceSettings(**FREE, **settings).save()
    BalanceSource(**source).save()
    for chain, price in PRICES.items():
        ChainPrice(chain=chain, price=price).save()


async def poll(node: Node) -> BalanceState:
    """One poll now."""
    async with make_client() as client:
        await node.balance.poll_due(client)
    return node.auto.state


def weights(node: Node) -> dict[str, float]:
    """What each pool is to get of the fleet, 0..1."""
    return {str(key): round(part.weight, 2) for key, part in node.engine.scheduler.snapshot().pools.items()}


async def test_split_follows_a_chain_that_becomes_harder(
    tmp_path: Path, seconds: float, start_pool: StartPool, start_fleet: StartFleet, measured: Measured
) -> None:
    a, b = pools = [await start_pool(key, block_s=None) for key in "AB"]
    set_network(a, BTC_NETWORK)
    set_network(b, BCH_NETWORK)
    await sync_to_async(write_rows)(pools, {"strategy": "value-per-hash"}, {"kind": "observed", "poll_s": 60})
    async with running(tmp_path) as node:
        fleet = await start_fleet(port_of(node), [CPUMINER] * 2)
        await fleet.mined(1)
        assert await poll(node) is BalanceState.HEALTHY
        assert node.auto.view().in_control
        assert weights(node) == {"A": 0.5, "B": 0.5}

        heard = asyncio.Event()
        node.events.subscribe(NewBlockSeen, lambda _: heard.set())
        set_network(a, 2 * BTC_NETWORK)
        await asyncio.wait_for(heard.wait(), PATIENCE_S)
        assert weights(node) == {"A": 0.5, "B": 0.5}
        changed_at = time.monotonic()
        assert await poll(node) is BalanceState.HEALTHY
        assert weights(node) == {"A": 0.33, "B": 0.67}
        metrics = await seen(lambda found: found.total("dpmp_oracle_weight", pool="A") == 33)
        assert metrics.total("dpmp_oracle_weight", pool="B") == 67
        assert metrics.total("dpmp_oracle_status") == 1
        shown = await page("/balance/")
        assert "33.0 %" in shown
        assert "67.0 %" in shown

        await asyncio.sleep(max(20.0, seconds / 3))
        took = time.monotonic() - changed_at
        part = {each.pool: each for each in node.history.splits.fleet(Span.CHANGE).parts}["A"]
        measured(
            f"{took:.0f} s after the weights moved: delivered to BTC {part.delivered * 100:.1f} % +- "
            f"{part.error * 100:.1f}, wanted {part.wanted * 100:.1f}"
        )
        surplus = 2.5 / took
        assert abs(part.delivered - 0.33) <= 1.5 * part.error + surplus


async def seen(fact: Callable[[Metrics], bool]) -> Metrics:
    """The first scrape of which ``fact`` holds; the snapshot behind it is made anew each second."""
    async with asyncio.timeout(PATIENCE_S):
        while not fact(found := await scrape()):
            await asyncio.sleep(0.1)
    return found


class Oracle:
    """A server of network data that answers or hangs, as the test says."""

    def __init__(self) -> None:
        self.hangs = False

    async def __call__(self, request: Request, writer: Writer) -> None:
        await (hang if self.hangs else reply(self.answer()))(request, writer)

    @staticmethod
    def answer() -> dict[str, object]:
        """Half of BTC's usual hash rate: v2's formula gives it 67 %."""
        tip = int(time.time())
        times = {
            f"{chain}_ts_{name}": tip - back
            for chain, short in (("btc", 7200), ("bch", 3600))
            for name, back in (("latest", 0), ("short", short), ("long", 43_200))
        }
        return {"ok": True, "btc_difficulty": 1e12, "bch_difficulty": 1e12, **times}


async def test_source_that_fails_is_held_then_replaced_by_the_fallback_until_it_answers_again(
    tmp_path: Path, start_pool: StartPool, start_fleet: StartFleet
) -> None:
    pools = [await start_pool(key, block_s=None) for key in "AB"]
    oracle, patient, quick = Oracle(), HttpLimits(timeout_s=PATIENCE_S), HttpLimits(timeout_s=0.3)
    async with serve(oracle) as server:
        await sync_to_async(write_rows)(
            pools,
            {"strategy": "hashrate-ratio", "significance": 0.0, "max_deviation": 45.0},
            {"kind": "oracle", "url": server.url},
        )
        async with running(tmp_path) as node:
            told: list[OracleFallback] = []
            node.events.subscribe(OracleFallback, told.append)
            fleet = await start_fleet(port_of(node), [CPUMINER])
            await fleet.mined(1)
            answered = {"A": 0.67, "B": 0.33}
            node.balance._limits = patient
            await step(node, BalanceState.HEALTHY, answered, status=1)
            oracle.hangs, node.balance._limits = True, quick
            await step(node, BalanceState.HOLDING, answered, status=0)
            await step(node, BalanceState.HOLDING, answered, status=0)
            assert told == []
            await step(node, BalanceState.FALLBACK, {"A": 0.5, "B": 0.5}, status=0)
            await step(node, BalanceState.FALLBACK, {"A": 0.5, "B": 0.5}, status=0)
            assert len(told) == 1
            oracle.hangs, node.balance._limits = False, patient
            await step(node, BalanceState.HEALTHY, answered, status=1)
            assert len(told) == 1
            await fleet.mined(1)
            assert fleet.wrongly_refused() == {}


async def step(node: Node, state: BalanceState, wanted: Mapping[str, float], *, status: int) -> None:
    """One poll, after which engine, metrics and page say the same."""
    assert await poll(node) is state
    view = node.auto.view()
    assert view.state is state
    assert view.in_control
    assert weights(node) == wanted
    await seen(
        lambda found: (
            found.total("dpmp_oracle_status") == status
            and found.total("dpmp_oracle_weight", pool="A") == 100 * wanted["A"]
        )
    )
    failures = view.sources[0].failures
    assert (failures > 0) == (not status)
    wanted_words = [f">{SAID[state]}<", *([f"{failures} failure", "No complete answer within"] if failures else [])]
    shown = ""
    async with asyncio.timeout(PATIENCE_S):
        while not all(words in shown for words in wanted_words):
            shown = await page("/balance/")
    assert failures or " failure" not in shown


SAID = {
    BalanceState.HEALTHY: "healthy",
    BalanceState.HOLDING: "holding the last weights",
    BalanceState.FALLBACK: "fallback",
}
"""What the page calls it."""
