"""What must be done once is done by the node that holds the lease, and not by one that has lost it meanwhile."""

import asyncio

import pytest
from asgiref.sync import sync_to_async
from django.db import connection

from proxy.alerts.rules import AlertKind
from proxy.alerts.service import AlertService
from proxy.balance.auto_balance import AutoBalance
from proxy.balance.balance_view import BalanceState
from proxy.balance.confirmations import Confirmations
from proxy.balance.service import BalanceService, BalanceStore
from proxy.config.alerts_loader import load_alerts
from proxy.config.snapshot import BalanceSourceConfig
from proxy.history.retention import RetentionJob
from proxy.models import AlertDelivery
from proxy.models.balance import BalanceMemory, ChainBlock
from proxy.models.history import ShareBucket, Step
from proxy.net.http_client import make_client
from proxy.net.tasks import cancel_and_wait, spawn
from proxy.observe.events import BlockFound, EventStream, PoolDown
from proxy.types import Chain, PoolKey, WorkerName
from proxy.updates.service import UpdateService
from tests.alerts.alert_receivers import Webhook
from tests.alerts.test_alerts_service import eager, target, until
from tests.balance.balance_cast import job, pool, snapshot
from tests.balance.http_cast import reply, serve
from tests.history.history_cast import bucket
from tests.nodes.cast import GivenLease
from tests.support.clock import VirtualClock
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.django_db(transaction=True)


# --- Roll-ups ---------------------------------------------------------------------------------------------------------


def steps():
    return set(ShareBucket.objects.values_list("step", flat=True))


def test_history_is_rolled_up_by_the_holder_alone():
    clock, lease = VirtualClock(), GivenLease(held=False)
    bucket(int(clock.wall()) // 86400 * 86400 - 500 * 86400)
    sweep = RetentionJob(clock, lease=lease)
    sweep()
    assert steps() == {Step.MINUTE}
    lease.held = lease.stolen = True
    sweep()
    assert steps() == {Step.MINUTE}
    lease.stolen = False
    sweep()
    assert steps() == {Step.DAY}


# --- Auto-balance -----------------------------------------------------------------------------------------------------


class Balancing:
    """Auto-balance of one node."""

    def __init__(self, held):
        self.clock, self.lease, self.given = VirtualClock(), GivenLease(held), []
        self.news = asyncio.Event()
        self.auto = AutoBalance(clock=self.clock, events=EventStream())
        self.service = BalanceService(
            auto=self.auto, clock=self.clock, set_weights=self._given, lease=self.lease, store=BalanceStore()
        )
        self.service.apply(snapshot())

    def _given(self, weights):
        self.given.append(weights)
        self.news.set()

    def decides(self, **parts):
        self.auto.follow({Chain(name): part for name, part in parts.items()})

    async def until_given(self, weights):
        async with asyncio.timeout(PATIENCE_S):
            while self.given[-1:] != [weights]:
                self.news.clear()
                await self.news.wait()


async def test_other_nodes_follow_the_weights_that_the_holder_stores():
    holder, other = Balancing(held=True), Balancing(held=False)
    holder.decides(BTC=70.0, BCH=30.0)
    await holder.service.save()
    task = spawn(other.service.run(), name="balance")
    await other.until_given({"A": 70.0, "B": 30.0})
    holder.clock.advance(1)
    holder.decides(BTC=60.0, BCH=40.0)
    await holder.service.save()
    await other.until_given({"A": 60.0, "B": 40.0})
    await cancel_and_wait(task, timeout_s=PATIENCE_S)
    assert other.auto.observer.take_new() == []


async def test_weights_of_the_schedule_are_followed_as_well(monkeypatch):
    holder, other = Balancing(held=True), Balancing(held=False)
    holder.decides(BTC=70.0, BCH=30.0)
    await holder.service.save()
    task = spawn(other.service.run(), name="balance")
    await other.until_given({"A": 70.0, "B": 30.0})
    holder.decides()
    monkeypatch.setattr(AutoBalance, "state", BalanceState.FALLBACK)
    await holder.service.save()
    await other.until_given(None)
    await cancel_and_wait(task, timeout_s=PATIENCE_S)


@pytest.mark.parametrize("fault", ["stolen", "not held"])
async def test_who_has_lost_the_lease_stores_no_weights(fault):
    late = Balancing(held=True)
    late.decides(BTC=70.0, BCH=30.0)
    late.auto.observer.observe(job(Chain.BTC, 900_000))
    late.auto.observer.observe(job(Chain.BTC, 900_001))
    late.lease.stolen, late.lease.held = fault == "stolen", fault == "stolen"
    await late.service.save()
    assert not await BalanceMemory.objects.aexists()
    assert not await ChainBlock.objects.aexists()


@pytest.mark.postgresql_only
async def test_connection_that_broke_is_replaced_and_the_weights_are_stored():
    holder, other = Balancing(held=True), Balancing(held=False)
    holder.decides(BTC=70.0, BCH=30.0)
    await holder.service.save()
    await sync_to_async(lambda: connection.connection.close())()  # as a server does that is restarted
    for _ in range(2):
        holder.decides(BTC=60.0, BCH=40.0)
        await holder.service.save()
    assert (await BalanceMemory.objects.aget()).parts == {"BTC": 60.0, "BCH": 40.0}
    task = spawn(other.service.run(), name="balance")
    await other.until_given({"A": 60.0, "B": 40.0})
    await cancel_and_wait(task, timeout_s=PATIENCE_S)


def test_weights_of_other_chains_are_not_followed():
    one = Balancing(held=False)
    one.auto.follow({Chain.BTC: 100.0})
    assert one.given == []
    one.service.apply(snapshot(pool("A", Chain.BTC), pool("B", Chain.BCH)))
    one.decides(BTC=70.0, BCH=30.0)
    assert one.given == [{"A": 70.0, "B": 30.0}]


# --- Questions to others ----------------------------------------------------------------------------------------------


class Looked:
    """A lease that another node holds; notes when somebody asks for it."""

    is_shared = True

    def __init__(self):
        self.asked = asyncio.Event()

    @property
    def held(self):
        self.asked.set()
        return False


async def test_nobody_else_asks_for_newer_versions(tmp_path):
    lease = Looked()
    async with serve(reply({"version": "9.0.0"})) as server:
        updates = UpdateService(
            clock=VirtualClock(),
            events=EventStream(),
            memory=tmp_path / "update.json",
            first_s=0.01,
            jitter=lambda: 0.0,
            lease=lease,
        )
        updates.apply(server.url)
        task = spawn(updates.run(), name="updates")
        async with asyncio.timeout(PATIENCE_S):
            await lease.asked.wait()
        await cancel_and_wait(task, timeout_s=PATIENCE_S)
        assert server.requests == []
    assert not (tmp_path / "update.json").exists()


class NoBlocks:
    """A store of blocks that is not to be asked."""

    def __init__(self):
        self.asked = 0

    def open(self, chains, now):
        self.asked += 1
        return []


async def test_nobody_else_asks_for_confirmations():
    lease, blocks = GivenLease(held=False), NoBlocks()
    confirmations = Confirmations(clock=VirtualClock(), lease=lease, store=blocks)
    confirmations.apply(
        snapshot(sources=(BalanceSourceConfig(kind="node", chain=Chain.BCH, url="http://127.0.0.1:1"),))
    )
    async with make_client() as client:
        await confirmations.ask_open(client)
        assert blocks.asked == 0
        lease.held = True
        await confirmations.ask_open(client)
        assert blocks.asked == 1


# --- Alerts -----------------------------------------------------------------------------------------------------------


def test_node_without_the_lease_tells_of_its_own_blocks_and_not_of_what_all_nodes_see():
    eager(AlertKind.POOL_DOWN, AlertKind.BLOCK_FOUND)
    lease, events = GivenLease(held=False), EventStream()
    with Webhook() as webhook:
        target(webhook.url)
        service = AlertService(events=events, snapshot=lambda: None, evaluate_every_s=0.05, lease=lease, node="two")
        service.start()
        service.apply(load_alerts())
        events.emit(PoolDown(pool="A", reason="refused"))
        events.emit(
            BlockFound(
                worker=WorkerName("rig"), pool=PoolKey("A"), chain=Chain.BTC, header_hash=b"\1" * 32, accepted=True
            )
        )
        until(lambda: AlertDelivery.objects.filter(state="sent").exists())
        lease.held = True
        events.emit(PoolDown(pool="B", reason="refused"))
        until(lambda: AlertDelivery.objects.filter(state="sent").count() == 2)
        assert service.stop(PATIENCE_S)
    titles = " ".join(AlertDelivery.objects.values_list("title", flat=True))
    assert "pool A" not in titles
    assert set(AlertDelivery.objects.values_list("node", flat=True)) == {"two"}
