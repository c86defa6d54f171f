"""A worker's rates of the hour and the day are the true ones, whichever nodes it worked on and whichever restarted."""

import asyncio
from dataclasses import replace

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError

from proxy.alerts.evaluators import Evaluators
from proxy.alerts.rules import DEFAULT_RULES, AlertConfig, AlertKind
from proxy.history import shared_rates
from proxy.history.shared_rates import AFTER_S, AGAIN_S, LOOK_S
from proxy.history.shared_totals import FOLLOW_LOOKS, FOLLOW_S, SharedTotals
from proxy.in_parts import at_once
from proxy.nodes.merge import merge
from proxy.observe.events import EventStream
from proxy.observe.live.rows import rate_view
from proxy.observe.live.worker_health import Cause, health_of
from proxy.scheduling.virtual_clock import VirtualClock
from tests.history.history_cast import PER_MINUTE, worked
from tests.nodes.counting_node import Node
from tests.support.node_snapshots import a_node, a_worker
from tests.support.shares import ANN, A, B, gone, ready, share

pytestmark = pytest.mark.django_db(transaction=True)
TRUE = 2 * PER_MINUTE / 60.0
"""Hashes a second of the worker: it does ``PER_MINUTE`` on each of two pools."""
SHARES_A_STEP = 10
STEP_S = 60.0


class Farm:
    """Nodes whose monotonic clocks are not alike, and the miners of one name."""

    def __init__(self, folder):
        self.folder, self.nodes, self.starts = folder, {}, 0
        self.day = VirtualClock(now=200_000.0)

    async def start(self, *names):
        for name in names:
            self.starts += 1
            clock = VirtualClock(now=self.day.now() + 1_000.7 * self.starts, wall=self.day.wall())
            self.nodes[name] = await Node(self.folder / name, clock=clock).start()

    async def stop(self, *names):
        for name in names:
            await self.nodes.pop(name).end()

    def connect(self, name, session=1):
        self.nodes[name].events.emit(ready(session=session))

    def leave(self, name, session=1):
        self.nodes[name].events.emit(gone(session=session))

    def pass_time(self, seconds):
        self.day.advance(seconds)
        for node in self.nodes.values():
            node.clock.advance(seconds)

    async def look(self):
        for node in self.nodes.values():
            assert await node.history.writer.flush()
            while await node.history._rates.look():
                pass

    async def work(self, minutes, **parts):
        """``parts``: what part of the worker's shares comes to each node."""
        for _ in range(minutes):
            self.pass_time(STEP_S)
            for name, part in parts.items():
                for pool in (A, B):
                    for _ in range(round(SHARES_A_STEP * part)):
                        self.nodes[name].events.emit(share(ANN, pool, PER_MINUTE / SHARES_A_STEP))
            await self.look()

    def merged(self):
        return merge(
            {name: a_node(name, *self.rows(name, node), at=self.day.wall()) for name, node in self.nodes.items()}
        )

    @staticmethod
    def rows(name, node):
        tally = node.history.accounting.worker(ANN)
        if tally is None:
            return ()
        view = replace(
            a_worker(ANN, name, connections=tally.connections),
            rate_5m=rate_view(tally.rates.m5),
            rate_1h=rate_view(tally.rates.h1),
            rate_24h=rate_view(tally.rates.h24),
            last_share_at=tally.last_share_at,
        )
        return (view,)

    def rates(self):
        (row,) = self.merged().workers
        return row.rate_1h, row.rate_24h

    @staticmethod
    def slow(live):
        """Whom the default rules call slower than usual."""
        wrong = at_once(Evaluators().evaluate(live, 0.0, AlertConfig(rules=DEFAULT_RULES), lambda key: False)).wrong
        return [subject for kind, subject in wrong if kind is AlertKind.HASHRATE_DROP]

    def check(self):
        """The rates are the true ones, and nobody says that the worker is slow."""
        live = self.merged()
        (row,) = live.workers
        assert row.rate_24h.value == pytest.approx(TRUE, rel=0.05)
        assert row.rate_1h.value == pytest.approx(TRUE, rel=0.08)
        assert list(self.slow(live)) == []
        assert Cause.SLOW not in {finding.cause for finding in health_of(row, live).findings}


@pytest.fixture
async def farm(tmp_path):
    farm = Farm(tmp_path)
    await sync_to_async(worked)(farm.day, 2 * 1440)
    yield farm
    await farm.stop(*farm.nodes)


async def test_all_nodes_restart(farm):
    await farm.start("one", "two", "three")
    farm.connect("two")
    await farm.work(1, two=1.0)
    farm.check()
    await farm.work(59, two=1.0)
    farm.check()
    await farm.work(180, two=1.0)
    farm.check()


async def test_nodes_restart_one_after_the_other(farm):
    await farm.start("one", "two", "three")
    farm.connect("one")
    await farm.work(30, one=1.0)
    for number, (old, new) in enumerate((("one", "two"), ("two", "three"), ("three", "one"))):
        farm.leave(old, session=number + 1)
        farm.connect(new, session=number + 2)
        await farm.stop(old)
        await farm.start(old)
        await farm.work(10, **{new: 1.0})
        farm.check()
    await farm.work(60, one=1.0)
    farm.check()


@pytest.mark.parametrize("is_dead", [True, False])
async def test_miner_moves_from_a_node_that_is_dead_or_lives_and_has_its_day_with_it(farm, is_dead):
    await farm.start("one", "two")
    farm.connect("one")
    await farm.work(40, one=1.0)
    farm.leave("one")
    if is_dead:
        await farm.stop("one")
    farm.connect("two", session=2)
    await farm.work(2, two=1.0)
    farm.check()
    await farm.work(40, two=1.0)
    farm.check()
    if not is_dead:  # and back
        farm.leave("two", session=2)
        farm.connect("one", session=3)
        await farm.work(12, one=1.0)
        farm.check()


@pytest.mark.parametrize("begins", ["together", "one after the other"])
async def test_worker_that_is_connected_to_two_nodes(farm, begins):
    await farm.start("one", "two")
    farm.connect("one")
    if begins == "together":
        farm.connect("two", session=2)
        await farm.work(70, one=0.3, two=0.7)
    else:
        await farm.work(30, one=1.0)
        farm.connect("two", session=2)
        await farm.work(70, one=0.7, two=0.3)
    farm.check()
    await farm.work(7, one=0.5, two=0.5)
    farm.check()
    assert farm.nodes["two"].of_worker() == pytest.approx(
        max(node.of_worker() for node in farm.nodes.values()), rel=0.02
    ), "its totals are those of both too"


async def test_worker_whose_days_are_not_in_the_database_keeps_what_was_counted_here(farm):
    await farm.start("one")
    farm.nodes["one"].events.emit(ready(worker="new"))
    farm.nodes["one"].mine(5, "new")
    farm.pass_time(AFTER_S)
    assert await farm.nodes["one"].history._rates.look()
    assert farm.nodes["one"].history.accounting.rates("new").h24.shares == 5
    assert farm.nodes["one"].history.accounting.has_day("new")
    farm.nodes["one"].events.emit(ready(worker="new", session=2))
    farm.pass_time(AGAIN_S)
    assert not await farm.nodes["one"].history._rates.look(), "it is not read again for nothing"


async def test_nothing_is_replaced_before_all_that_was_counted_is_written(farm, monkeypatch):
    await farm.start("one")
    node = farm.nodes["one"]
    farm.connect("one")
    farm.pass_time(AFTER_S)
    with monkeypatch.context() as slow:
        slow.setattr(type(node.history.writer), "is_written", False)
        assert not await node.history._rates.look()
    await node.history.writer._gather()
    node.mine(1)
    await node.history.writer._gather()
    farm.pass_time(AFTER_S)
    assert not node.history.writer.is_written
    await farm.look()
    farm.check()


async def test_what_is_counted_while_the_day_is_read_is_not_lost(farm, monkeypatch):
    """A slot of two minutes ends meanwhile: what came since the reading would be replaced by less."""
    await farm.start("one")
    node = farm.nodes["one"]
    farm.connect("one")
    farm.pass_time(AFTER_S)
    read = shared_rates.read_afresh

    def slow(times, names):
        past = read(times, names)
        node.clock.advance(120.0)
        return past

    with monkeypatch.context() as once:
        once.setattr(shared_rates, "read_afresh", slow)
        assert not await node.history._rates.look()
    assert node.history.accounting.rates(ANN).h24.shares == 0
    assert await node.history._rates.look()
    assert node.history.accounting.rates(ANN).h24.value == pytest.approx(TRUE, rel=0.05)


async def test_database_that_cannot_be_read_is_asked_again(farm, monkeypatch):
    await farm.start("one")
    rates, asked, slept = farm.nodes["one"].history._rates, [], []
    farm.connect("one")
    farm.pass_time(AFTER_S)
    read = shared_rates.read_afresh

    def away_once(times, names):
        asked.append(list(names))
        if len(asked) == 1:
            raise OperationalError("gone")
        return read(times, names)

    async def sleep(seconds):
        slept.append(seconds)
        if slept.count(LOOK_S) > 2:
            raise asyncio.CancelledError

    monkeypatch.setattr(shared_rates, "read_afresh", away_once)
    monkeypatch.setattr(shared_rates.asyncio, "sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await rates.run()
    assert asked == [[ANN], [ANN]]
    farm.check()


async def test_worker_that_was_forgotten_meanwhile_is_left_out(farm):
    await farm.start("one")
    accounting = farm.nodes["one"].history.accounting
    farm.connect("one")
    del accounting._workers[ANN]
    farm.pass_time(AFTER_S)
    assert await farm.nodes["one"].history._rates.look()
    assert accounting.worker(ANN) is None
    assert accounting.has_day(ANN), "nobody is to read it"


async def test_day_that_is_counted_for_each_node_would_be_told(farm):
    """What the checks above look for: a day of three times the truth."""
    await farm.start("one")
    farm.connect("one")
    await farm.work(1, one=1.0)
    live = farm.merged()
    (row,) = live.workers
    day = row.rate_24h
    thrice = replace(row, rate_24h=day._replace(value=3 * day.value, low=3 * day.low, high=3 * day.high))
    live = replace(live, workers=(thrice,))
    assert farm.slow(live) == ["Worker ann"]
    assert Cause.SLOW in {finding.cause for finding in health_of(thrice, live).findings}


def test_worker_of_which_others_count_is_followed_until_they_do_not_any_more():
    clock, heard, news = VirtualClock(), [], [["rig"]]
    accounting = type("Books", (), {"refresh": lambda self, *given: news.pop(0) if news else []})()
    nothing = type("Nothing", (), {"restore": lambda self, given: None, "refresh": lambda self, given: None})()
    shared = SharedTotals(
        clock=clock,
        events=EventStream(),
        accounting=accounting,
        records=nothing,
        effort=nothing,
        found=lambda names: heard.extend(names),
    )
    shared.hand_over({})
    assert heard == ["rig"]
    looks = 0
    for _ in range(3 * FOLLOW_LOOKS):
        assert shared.names() == [], "not so soon"
        clock.advance(FOLLOW_S)
        looks += len(shared.names())
        if looks == 4 and len(heard) == 1:
            news.append(["rig"])
        shared.hand_over({})
    assert looks == 4 + FOLLOW_LOOKS
    assert heard == ["rig", "rig"]
