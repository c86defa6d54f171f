"""Snapshots cost little of the loop's time, and never make the pages stand still."""

import asyncio
from collections import Counter
from collections.abc import Generator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from proxy.net.clock import LoopClock
from proxy.net.tasks import cancel_and_wait, spawn
from proxy.observe.events import EventStream, PoolDown, PoolSwitched
from proxy.observe.live.broadcast import Ticker
from proxy.observe.live.publisher import (
    FREED_A_TURN,
    SNAPSHOT_MAX_S,
    SNAPSHOT_MIN_S,
    TURN_S,
    Publisher,
    snapshot_pause_s,
)
from proxy.observe.live.views import LiveSnapshot, LiveStore
from proxy.ops.health import FRESH_S
from proxy.types import PoolKey, SessionId, SwitchReason, WorkerName
from tests.support.clock import VirtualClock
from tests.support.patience import PATIENCE_S


class LayerGone(Exception):
    """As those of Redis' client would be: no ``OSError``."""


class Layer:
    """Fails twice, then takes ticks."""

    def __init__(self) -> None:
        self.asked = 0
        self.works = asyncio.Event()

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        self.asked += 1
        if self.asked <= 2:
            raise LayerGone
        self.works.set()


class Builder:
    """Makes snapshots that say nothing."""

    def __init__(self, clock: VirtualClock | None = None) -> None:
        self.clock = clock or VirtualClock()
        self.made = 0
        self.outlined = self.gauged = 0
        self.turns = 0
        """In how many turns most of a snapshot is made."""
        self.may_outline = False
        self.looked = SimpleNamespace(old=[])
        self.found: list[object] = []

    def look(self) -> Generator[None, None, object]:
        for _ in range(self.turns):
            self.turns -= 1
            self.clock.advance(TURN_S)
            yield
        return self.looked

    def look_for_outline(self) -> Generator[None, None, None]:
        yield from self.look()

    def look_for_gauges(self) -> Generator[None, None, None]:
        self.gauged += 1
        yield from self.look()

    def outline(self) -> LiveSnapshot:
        self.outlined += 1
        return LiveSnapshot(revision=self.made, at=0.0, version="outline", started_at=0.0, outlines=())

    def build(self, found: object = None) -> LiveSnapshot:
        self.made += 1
        self.found.append(found)
        return LiveSnapshot(revision=self.made, at=0.0, version="test", started_at=0.0)


def test_pause_grows_with_what_a_snapshot_took():
    assert snapshot_pause_s(0.001) == SNAPSHOT_MIN_S
    assert snapshot_pause_s(0.02) == 2.0


def test_pause_after_a_snapshot_that_was_held_up_is_short_enough_to_stay_ready():
    assert snapshot_pause_s(8.6) == SNAPSHOT_MAX_S
    assert FRESH_S / 2 > SNAPSHOT_MAX_S


async def test_pages_get_their_ticks_again_after_the_channel_layer_failed_which_is_reported_once(monkeypatch):
    monkeypatch.setattr("proxy.observe.live.publisher.SNAPSHOT_MIN_S", 0.0)
    monkeypatch.setattr("proxy.observe.live.publisher.store", LiveStore())
    monkeypatch.setattr("proxy.observe.live.publisher.own", LiveStore())
    reports: list[str] = []
    events, layer = EventStream(on_error=lambda error, event: pytest.fail(str(error))), Layer()
    publisher = Publisher(
        Builder(),  # type: ignore[arg-type]
        clock=LoopClock(asyncio.get_running_loop()),
        events=events,
        ticker=Ticker(layer),
        report=lambda where, error: reports.append(f"{where}: {type(error).__name__}"),
    )
    task = spawn(publisher.run(), name="pages", report=lambda name, error: reports.append(f"{name} ended: {error!r}"))
    async with asyncio.timeout(PATIENCE_S):
        while not layer.works.is_set() and not task.done():
            events.emit(PoolDown(pool=PoolKey("A"), reason="is shown at once"))
            await asyncio.sleep(0)
    await cancel_and_wait(task, timeout_s=PATIENCE_S)
    assert reports == ["pages: LayerGone"]


def unseen(clock: VirtualClock, events: EventStream, builder: Builder) -> Publisher:
    """Where this process serves no pages."""
    return Publisher(
        builder,  # type: ignore[arg-type]
        clock=clock,
        events=events,
        ticker=None,
        report=lambda where, error: pytest.fail(f"{where}: {error!r}"),
    )


@pytest.fixture
def only_when_told(monkeypatch):
    """Snapshots in stores of this test's own, made as soon as something calls for one and else hardly ever."""
    monkeypatch.setattr("proxy.observe.live.publisher.store", LiveStore())
    monkeypatch.setattr("proxy.observe.live.publisher.own", LiveStore())
    monkeypatch.setattr("proxy.observe.live.publisher.SNAPSHOT_MIN_S", 0.0)
    monkeypatch.setattr("proxy.observe.live.publisher.UNSEEN_S", 3600.0)


async def test_without_pages_what_only_they_show_makes_no_snapshot(only_when_told):
    events, builder = EventStream(), Builder()
    switched = PoolSwitched(
        session=SessionId(1), worker=WorkerName("rig"), old=None, new=PoolKey("A"), reason=SwitchReason.SLICE
    )
    task = spawn(unseen(VirtualClock(), events, builder).run(), name="snapshots")
    async with asyncio.timeout(PATIENCE_S):
        while not builder.made:
            await asyncio.sleep(0)
        for _ in range(100):
            events.emit(switched)
            await asyncio.sleep(0)
        assert builder.made == 1
        while builder.made == 1:
            events.emit(PoolDown(pool=PoolKey("A"), reason="is told at once"))
            await asyncio.sleep(0)
    await cancel_and_wait(task, timeout_s=PATIENCE_S)


async def test_a_scrape_sees_what_is_a_second_old_at_most(monkeypatch):
    store, clock, builder = LiveStore(), VirtualClock(), Builder()
    monkeypatch.setattr("proxy.observe.live.publisher.store", store)
    monkeypatch.setattr("proxy.observe.live.publisher.own", store)
    publisher = unseen(clock, EventStream(), builder)
    await publisher.refresh()
    clock.advance(0.9)
    await publisher.refresh()
    assert builder.made == 1
    clock.advance(0.2)
    await asyncio.gather(publisher.refresh(), publisher.refresh())  # the second waits for the first one's
    newest = store.current()
    assert newest is not None
    assert newest.revision == builder.made == 2


async def test_what_this_process_sees_is_kept_apart_from_what_its_pages_show(monkeypatch):
    store, own, shown = LiveStore(), LiveStore(), []
    monkeypatch.setattr("proxy.observe.live.publisher.store", store)
    monkeypatch.setattr("proxy.observe.live.publisher.own", own)
    publisher = Publisher(
        Builder(),
        clock=VirtualClock(),
        events=EventStream(),
        ticker=None,
        report=lambda where, error: None,
        show=shown.append,
    )
    await publisher.refresh()
    assert own.current() is not None
    assert shown == [own.current()]
    assert store.current() is None


async def test_others_have_their_turns_while_a_snapshot_of_many_workers_is_made():
    builder, turns_of_others = Builder(), []
    builder.turns = 3
    task = spawn(unseen(builder.clock, EventStream(), builder).run(), name="snapshots")
    try:
        while not builder.made:
            turns_of_others.append(builder.turns)
            await asyncio.sleep(0)
    finally:
        await cancel_and_wait(task, timeout_s=PATIENCE_S)
    assert set(turns_of_others) >= {2, 1, 0}


async def test_what_happens_while_a_snapshot_is_made_is_shown_soon_after(only_when_told):
    events, builder = EventStream(), Builder()
    builder.turns = 3
    task = spawn(unseen(builder.clock, events, builder).run(), name="snapshots")
    try:
        async with asyncio.timeout(PATIENCE_S):
            while builder.turns > 1:
                await asyncio.sleep(0)
            events.emit(PoolDown(pool=PoolKey("A"), reason="in the middle"))
            while builder.made < 2:
                await asyncio.sleep(0)
    finally:
        await cancel_and_wait(task, timeout_s=PATIENCE_S)


async def test_rows_of_the_last_snapshot_are_let_go_of_a_few_in_a_turn(monkeypatch):
    own = LiveStore()
    monkeypatch.setattr("proxy.observe.live.publisher.own", own)
    turn, freed = 0, Counter()

    class Row:
        def __del__(self) -> None:
            freed[turn] += 1

    class OfMany(Builder):
        rows: Any = ()

        def build(self, found: object = None) -> LiveSnapshot:
            before, rows = self.rows, tuple(Row() for _ in range(300))
            self.looked.old, self.rows = list(before), rows
            return replace(super().build(found), workers=rows)

    async def count_turns() -> None:
        nonlocal turn
        while True:
            await asyncio.sleep(0)
            turn += 1

    counting = spawn(count_turns(), name="turns")
    await asyncio.sleep(0)
    clock = VirtualClock()
    publisher = Publisher(
        OfMany(),  # type: ignore[arg-type]
        clock=clock,
        events=EventStream(),
        ticker=None,
        report=lambda where, error: None,
        show=lambda snapshot: None,
    )
    try:
        await publisher.refresh()
        clock.advance(2)
        await publisher.refresh()
    finally:
        await cancel_and_wait(counting, timeout_s=PATIENCE_S)
    assert freed.total() == 300
    assert max(freed.values()) <= FREED_A_TURN


async def test_change_that_others_go_by_is_seen_at_once(monkeypatch):
    own = LiveStore()
    monkeypatch.setattr("proxy.observe.live.publisher.own", own)
    publisher = Publisher(
        Builder(),
        clock=VirtualClock(),
        events=EventStream(),
        ticker=None,
        report=lambda where, error: None,
        show=lambda snapshot: None,
        is_seen=True,
    )
    publisher.renew()
    publisher.renew()
    newest = own.current()
    assert newest is not None
    assert newest.revision == 2


async def test_without_pages_alert_rules_get_outlines_and_a_scrape_gets_the_whole_in_turns(monkeypatch):
    store, clock, builder = LiveStore(), VirtualClock(), Builder()
    monkeypatch.setattr("proxy.observe.live.publisher.store", store)
    monkeypatch.setattr("proxy.observe.live.publisher.own", store)
    builder.may_outline = True
    publisher = unseen(clock, EventStream(), builder)
    task = spawn(publisher.run(), name="snapshots")
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not builder.outlined:
                await asyncio.sleep(0)
        assert builder.made == 0
        builder.turns = 3
        await publisher.refresh()
        newest = store.current()
        assert newest is not None
        assert (builder.made, builder.turns, newest.outlines) == (1, 0, None)
        assert builder.found == [builder.looked]
        builder.turns = 3
        await publisher.refresh()  # it is fresh
        await publisher.refresh(rows=False)
        assert builder.turns == 3
        clock.advance(1.1)
        await publisher.refresh(rows=False)
        await publisher.refresh(rows=False)
        newest = store.current()
        assert newest is not None
        assert (builder.made, builder.gauged, newest.outlines) == (1, 1, ())
        await publisher.refresh()
        assert builder.made == 2
    finally:
        await cancel_and_wait(task, timeout_s=PATIENCE_S)
