"""Polling: in the owner's order, in time, with what was observed kept over a restart and the scheduler told."""

import asyncio

import pytest

from proxy.balance.auto_balance import AutoBalance
from proxy.balance.balance_view import BalanceState
from proxy.balance.service import FIRST_POLL_S, BalanceService, BalanceStore
from proxy.config.snapshot import BalanceSourceConfig
from proxy.models.balance import BalanceMemory, ChainBlock
from proxy.net.http_client import HttpLimits
from proxy.observe.events import EventStream, OracleError, OraclePollStart
from proxy.types import Chain
from tests.balance.balance_cast import job, snapshot
from tests.balance.http_cast import hang, plain_client, reply, serve
from tests.support.clock import VirtualClock
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.django_db(transaction=True)

OBSERVED = BalanceSourceConfig(kind="observed")


def oracle_answer(btc_short_s=7200, bch_short_s=3600):
    tip = 1_790_000_000
    answer = {"ok": True}
    for chain, seconds in (("btc", btc_short_s), ("bch", bch_short_s)):
        answer |= {
            f"{chain}_difficulty": 1e12,
            f"{chain}_ts_latest": tip,
            f"{chain}_ts_short": tip - seconds,
            f"{chain}_ts_long": tip - 43_200,
        }
    return answer


class Service:
    """The service on virtual time, with what it gives the scheduler and what it emits."""

    def __init__(self, *sources, **settings):
        self.clock, self.events = VirtualClock(), EventStream()
        self.given, self.asked, self.errors = [], [], []
        self.events.subscribe(OraclePollStart, lambda event: self.asked.append(event.source))
        self.events.subscribe(OracleError, lambda event: self.errors.append(event.problem))
        self.auto = AutoBalance(clock=self.clock, events=self.events)
        self.service = BalanceService(
            auto=self.auto, clock=self.clock, set_weights=self.given.append, limits=HttpLimits(timeout_s=PATIENCE_S)
        )
        self.configure(*sources, **settings)

    def configure(self, *sources, **settings):
        raw = {"significance": 0.0, "dead_band": 0.0, "max_deviation": 45.0}
        self.service.apply(snapshot(sources=sources or (OBSERVED,), **(raw | settings)))

    async def poll(self, after_s=600.0):
        self.clock.advance(after_s)
        async with plain_client() as client:
            await self.service.poll_due(client)

    def jobs(self, height, *chains):
        for chain in chains or (Chain.BTC, Chain.BCH):
            self.events.emit(job(chain, height))


def oracle(server):
    return BalanceSourceConfig(kind="oracle", url=server.url)


async def test_oracle_weights_reach_the_scheduler():
    async with serve(reply(oracle_answer())) as server:
        service = Service(oracle(server))
        await service.poll()
    assert service.given == [{"A": 67.0, "B": 33.0}]
    assert server.requests[0].headers["user-agent"].startswith("dpmp/")


async def test_nobody_is_asked_in_the_first_minute():
    service = Service()
    await service.poll(FIRST_POLL_S - 31)
    assert service.asked == []
    await service.poll(31)
    assert service.asked == ["observed"]


@pytest.mark.no_cover
async def test_a_source_is_not_asked_more_often_than_its_time_between_polls():
    async with serve(reply(oracle_answer())) as server:
        service = Service(oracle(server))
        for _ in range(20):
            await service.poll(100)
    assert len(server.requests) == 4


async def test_three_failures_fall_back_and_an_answer_recovers():
    answers = [hang, reply({"ok": False, "error": "down"}), reply(b"<html>"), reply(oracle_answer())]

    async def in_turn(request, writer):
        await answers.pop(0)(request, writer)

    async with serve(in_turn) as server:
        service = Service(oracle(server))
        service.service._limits = HttpLimits(timeout_s=0.2)
        await service.poll()
        service.service._limits = HttpLimits(timeout_s=PATIENCE_S)
        await service.poll()
        assert service.auto.state is BalanceState.HOLDING
        await service.poll()
        assert service.auto.state is BalanceState.FALLBACK
        assert service.given == [{"A": 50.0, "B": 50.0}]
        await service.poll(1_300)
    assert service.auto.state is BalanceState.HEALTHY
    assert service.given[-1] == {"A": 67.0, "B": 33.0}
    assert len(service.errors) == 3


@pytest.mark.no_cover
async def test_a_source_that_goes_on_failing_is_asked_less_often():
    async with serve(reply({}, 503)) as server:
        service = Service(oracle(server))
        for _ in range(60):
            await service.poll()
    assert 5 < len(server.requests) < 20


async def test_the_next_source_is_asked_in_the_same_poll_before_a_failure_counts():
    async with serve(reply({}, 503)) as bad, serve(reply(oracle_answer())) as good:
        service = Service(oracle(bad), oracle(good))
        await service.poll()
        await service.poll(610)
    assert service.auto.state is BalanceState.HEALTHY
    assert service.asked == ["oracle", "oracle #2"] * 2
    assert service.auto.weights() == {"A": 67.0, "B": 33.0}


async def test_sources_behind_one_that_told_all_are_left_alone():
    async with serve(reply(oracle_answer())) as first, serve(reply(oracle_answer())) as second:
        service = Service(oracle(first), oracle(second))
        await service.poll()
        await service.poll()
    assert (len(first.requests), len(second.requests)) == (2, 0)


async def test_observing_needs_nobody_and_is_stored():
    service = Service(OBSERVED)
    for height in range(900_000, 900_004):
        service.clock.advance(600)
        service.jobs(height)
    await service.poll(0)
    assert service.auto.state is BalanceState.HEALTHY
    assert await ChainBlock.objects.acount() == 8
    stored = await ChainBlock.objects.aget(chain="BTC", height=900_003)
    assert bytes.fromhex(stored.prevhash) == job(Chain.BTC, 900_003).prevhash
    assert (await BalanceMemory.objects.aget()).parts == {"BTC": 50.0, "BCH": 50.0}


async def test_a_restart_keeps_windows_and_weights():
    first = Service(OBSERVED)
    for height in range(900_000, 900_075):
        first.clock.advance(600)
        first.jobs(height)
    await first.poll(0)
    second = Service(OBSERVED)
    second.clock.set_wall(first.clock.wall() + 600)
    second.auto = AutoBalance(clock=second.clock, events=second.events)
    second.service = BalanceService(auto=second.auto, clock=second.clock, set_weights=second.given.append)
    second.configure(OBSERVED)
    await second.service.restore()
    assert second.given == [{"A": 50.0, "B": 50.0}]
    second.jobs(900_075)
    reading = second.auto.observer.reading(Chain.BTC, 6, 72)
    assert reading.long.blocks == 72
    assert reading.long.seconds == pytest.approx(72 * 600)


async def test_a_history_that_proved_untrue_is_deleted():
    service = Service(OBSERVED)
    service.jobs(5_000_000)
    await service.poll(600)
    for height in range(900_000, 900_006):
        service.clock.advance(600)
        service.jobs(height)
    await service.poll(0)
    heights = [row.height async for row in ChainBlock.objects.filter(chain="BTC")]
    assert max(heights) == 900_005


async def test_old_blocks_are_forgotten():
    service = Service(OBSERVED)
    service.jobs(1, Chain.BTC)
    await service.poll()
    for height in range(2, 1_100):
        service.clock.advance(600)
        service.jobs(height, Chain.BTC)
    await service.poll()
    assert 1_000 <= await ChainBlock.objects.acount() <= 1_030


async def test_stored_nonsense_does_not_stop_the_start():
    await ChainBlock.objects.acreate(chain="BTC", height=1, announced_at=1.0, difficulty=1.0, prevhash="no hex")
    await BalanceMemory.objects.acreate(pk=1, parts=["x"], at=0.0)
    service = Service(OBSERVED)
    await service.service.restore()
    assert service.auto.observer.blocks(Chain.BTC) == ()
    assert BalanceStore().__class__ is type(service.service._store)


async def test_a_new_source_is_asked_at_once_and_known_ones_keep_their_time():
    async with serve(reply(oracle_answer())) as server:
        service = Service(OBSERVED)
        service.jobs(900_000)
        await service.poll()
        service.configure(OBSERVED, oracle(server), strategy="value-per-hash")
        await service.poll(100)
    assert service.asked == ["observed", "oracle"]


async def test_a_source_that_is_not_needed_is_asked_where_prices_are_wanted():
    async with serve(reply(oracle_answer())) as server:
        service = Service(OBSERVED, oracle(server))
        for height in range(900_000, 900_080):
            service.jobs(height)
            service.clock.advance(600)
        await service.poll()
        assert service.asked == ["observed"], "its own readings are complete"
        service.configure(OBSERVED, oracle(server), wants_prices=True)
        await service.poll()
    assert service.asked == ["observed", "observed", "oracle"]


async def test_running_polls_when_due_and_ends_when_cancelled():
    service = Service(OBSERVED)
    service.jobs(900_000)
    service.clock.advance(FIRST_POLL_S)
    told = asyncio.Event()
    service.events.subscribe(OraclePollStart, lambda event: told.set())
    async with asyncio.TaskGroup() as group:
        task = group.create_task(service.service.run())
        await asyncio.wait_for(told.wait(), PATIENCE_S)
        task.cancel()
    assert task.cancelled()


async def test_the_time_of_the_next_poll_is_known_while_waiting():
    service = Service(OBSERVED)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(service.service.run())
        while service.auto.next_poll_at is None:
            await asyncio.sleep(0)
        task.cancel()
    assert service.auto.next_poll_at == pytest.approx(service.clock.wall() + FIRST_POLL_S)


def test_without_any_pool_it_says_what_it_needs():
    auto = AutoBalance(clock=VirtualClock(), events=EventStream())
    assert auto.conclude() is None
    assert "two chains at least (now: none)" in str(auto.view())
