"""A month of a small fleet in virtual time: jobs, shares, reconnections, reloads, pools that fail.

At its end the books of miners, proxy and pools are equal, and memory holds what it held after the first days.
``DPMP_MONTH_JOB_S`` and ``DPMP_MONTH_SHARE_S`` (seconds) make it denser.
"""

import gc
import os
import random
from collections import Counter, deque
from dataclasses import replace
from typing import Any

import orjson
import pytest
from prometheus_client import CollectorRegistry

from proxy.chains.chain_observer import ChainObserver
from proxy.chains.payout import PayoutCheck
from proxy.config.snapshot import Limits
from proxy.history import Accounting
from proxy.history.counters import Counts
from proxy.history.effort import EffortMeter
from proxy.history.records import Records
from proxy.history.split import SplitMeter
from proxy.observe.events import REGISTRY, NamesStoredTogether, PoolDown, PoolSwitched, ShareResult
from proxy.observe.live.snapshot import SnapshotBuilder, Sources
from proxy.observe.metrics import MetricsSink
from proxy.types import AdminStatus, PoolKey
from tests.support.world import EASY, ScriptedMiner, World

DAYS = 30
JOB_S = int(os.environ.get("DPMP_MONTH_JOB_S", "1800"))
SHARE_S = int(os.environ.get("DPMP_MONTH_SHARE_S", "600"))
DAY_S = 86_400
SETTLED_DAYS = 5
"""Until then tables that are bounded fill: blocks of the chain, windows of a day, names."""
MORE_A_DAY = 20
"""Objects, and entries of tables. The split's history grows by a change of weights a day (six entries), the visitor of
a day has its name in seven tables, all up to their limits, and ``re`` keeps expressions as they are first used; a
session or a connection that stays behind has 50 objects or more, and there are twenty or more of each a day."""
MINERS = 2
WEIGHTS = {"A": 60.0, "B": 30.0, "C": 10.0}
SWITCH_S = 600.0
"""Shortest time between two switches of a miner: the scheduler's steps are most of what the month costs."""
HOUR_S = 3_600


class Miner(ScriptedMiner):
    """Keeps of what it is sent only what it needs, and counts the answers to its shares."""

    def __init__(self, world: World, user: str) -> None:
        self.notify: list[Any] = []
        self.size = 0
        self.open: set[int] = set()
        self.heard: Counter[str] = Counter()
        super().__init__(world, "cgminer/4.11.1", user, handshake=True, mask="1fffe000")

    def take(self, payload: bytes) -> None:
        for line in map(orjson.loads, payload.splitlines()):
            if line.get("method") == "mining.notify":
                self.notify = line["params"]
            elif line.get("id") == 2 and "method" not in line:
                self.size = line["result"][2]
            elif line.get("id") in self.open and "method" not in line:
                self.open.remove(line["id"])
                self.heard["accepted" if line["result"] is True else "refused"] += 1

    def work(self, nonce: int) -> None:
        if self.notify and not self.link.closed:
            self._id += 1
            self.open.add(self._id)
            self.heard["sent"] += 1
            params = [self.user, self.notify[0], "00" * self.size, self.notify[7], f"{nonce:08x}", "00000000"]
            self.call("mining.submit", params, self._id)


class Month:
    """The fleet, what goes wrong with it, and what everybody has counted."""

    def __init__(self) -> None:
        self.world = world = World({"A": 8, "B": 4, "C": 8}, weights=WEIGHTS, min_switch_s=SWITCH_S, settle=False)
        for kind in REGISTRY.values():
            world.events.unsubscribe(kind, world.seen.append)
        self.random = random.Random(3)
        clock, events, engine = world.clock, world.events, world.engine
        self.accounting = Accounting(clock=clock, events=events, hashes_per_difficulty=EASY)
        self.metrics = MetricsSink(events, self.accounting.counts_of_run, CollectorRegistry())
        self.records = Records(clock=clock, events=events)
        self.effort = EffortMeter(clock=clock, events=events, accounting=self.accounting)
        self.builder = SnapshotBuilder(
            version="test",
            demo=False,
            sources=Sources(
                engine=engine,
                accounting=self.accounting,
                chain=ChainObserver(clock=clock, events=events, hashes_per_difficulty=EASY),
                splits=SplitMeter(clock=clock, events=events, accounting=self.accounting),
                payouts=PayoutCheck(
                    clock=clock, events=events, coinbases_of=engine.coinbases_of, on_payout=lambda *_: None
                ),
                records=self.records,
                effort=self.effort,
                clock=clock,
            ),
        )
        self.happened: Counter[str] = Counter()
        for kind in (PoolDown, PoolSwitched, NamesStoredTogether):
            events.subscribe(kind, self._count)
        self.results: Counter[tuple[str, str, str]] = Counter()
        events.subscribe(ShareResult, self._result)
        self.at_pools: Counter[tuple[str, str]] = Counter()
        for pool in world.pools.values():
            pool.verdict = self._verdict_of(pool.key)
        self.stored = Counts()
        self.heard: Counter[str] = Counter()
        self.config = world.snapshot(limits=Limits(max_workers=8, dials_per_s=100.0))
        self._apply()
        world.advance(3)
        world.next_peer = "10.0.0.1:4000"
        self.miners = [Miner(world, f"addr.rig{number}") for number in range(MINERS)]
        self.nonce = 0
        self.due: deque[tuple[float, Any]] = deque()

    def _count(self, event: object) -> None:
        self.happened[type(event).__name__] += 1

    def _result(self, share: ShareResult) -> None:
        self.results[str(share.pool or ""), str(share.verdict), str(share.decided_by)] += 1

    def _verdict_of(self, key: str) -> Any:
        def verdict(_: list[Any]) -> Any:
            good = self.random.random() < 0.97
            self.at_pools[key, "accepted" if good else "rejected"] += 1
            return True if good else {"result": None, "error": [21, "Stale", None]}

        return verdict

    # --- Time ------------------------------------------------------------------------------------------------------

    def run(self, days: int) -> None:
        """So many days, from midnight to midnight."""
        for _ in range(days):
            at = round(self.world.clock.now() / DAY_S)
            for second in range(0, DAY_S, SHARE_S):
                if second % HOUR_S == 0:
                    self._hour(at, second // HOUR_S)
                if second % JOB_S == 0:
                    self._jobs(second)
                for miner in self.miners:
                    self.nonce += 1
                    miner.work(self.nonce)
                self.world.clock.advance_to((at * DAY_S) + second + SHARE_S)
                self._write()
            self._forget()

    def _jobs(self, second: int) -> None:
        new_block = second % (2 * JOB_S) == 0
        for pool in self.world.pools.values():
            pool.notify(new_block=new_block)

    def _hour(self, day: int, hour: int) -> None:
        pools, weekly = self.world.pools, day % 7 == 6
        match hour:
            case 2:
                self._fail("A")
            case 5:
                pools["B"].silent = True
                self.world.clock.call_at(self.world.clock.now() + 300, lambda: setattr(pools["B"], "silent", False))
            case 8 if weekly:
                for key in pools:
                    self._fail(key)
            case 11:
                self.world.slider(**dict(zip("ABC", self.random.choices((10.0, 30.0, 60.0), k=3), strict=True)))
                self.config = replace(self.world.config, limits=self.config.limits)
            case 14:
                self._switch_off("C") if day % 2 else self._apply()
            case 17:
                self._reconnect(day % MINERS)
            case 20:
                self._visit(day)
        self.builder.build()

    def _fail(self, key: str) -> None:
        """The pool closes everything and is back after ten minutes."""
        pool = self.world.pools[key]
        pool.reachable = False
        pool.drop()
        self.world.clock.call_at(self.world.clock.now() + 600, lambda: setattr(pool, "reachable", True))

    def _switch_off(self, key: str) -> None:
        pools = dict(self.config.pools)
        pools[PoolKey(key)] = replace(pools[PoolKey(key)], status=AdminStatus.DISABLED)
        self._apply(pools=pools)

    def _apply(self, **changes: Any) -> None:
        revision = self.world.config.revision + 1
        self.world.config = replace(self.world.config, revision=revision)
        config = replace(self.config, revision=revision, **changes)
        self.accounting.apply(config)
        self.world.engine.apply(config)

    def _reconnect(self, place: int) -> None:
        old = self.miners[place]
        self._leaves(old)
        self.miners[place] = Miner(self.world, old.user)

    def _visit(self, day: int) -> None:
        """Somebody comes for an hour under a name never seen before."""
        visitor = Miner(self.world, f"addr.visitor{day}")
        self.world.advance(5)
        for _ in range(20):
            self.nonce += 1
            visitor.work(self.nonce)
        self.world.clock.call_at(self.world.clock.now() + 300, lambda: self._leaves(visitor))

    def _leaves(self, miner: Miner) -> None:
        assert not miner.open, "nothing is open when it leaves"
        miner.leave()
        self.heard += miner.heard

    def _write(self) -> None:
        """What the history's writer takes."""
        for delta in self.accounting.take():
            self.stored.add(delta.counts)
        self.records.take()
        self.effort.take()

    def _forget(self) -> None:
        """Of what the fakes keep."""
        world = self.world
        world.dialer.dials.clear()
        for pool in world.pools.values():
            pool.submits.clear()
            pool.connections[:] = [each for each in pool.connections if not each.link.closed]
            for connection in pool.connections:
                connection.received.clear()


def held() -> tuple[int, int]:
    """Objects in memory, and entries of all tables."""
    gc.collect()
    objects = gc.get_objects()
    tables = (dict, list, set, deque)
    return len(objects), sum(len(each) for each in objects if isinstance(each, tables) and each is not objects)


@pytest.mark.simulation
def test_after_a_month_the_books_are_equal_and_memory_is_as_it_was() -> None:
    month = Month()
    month.run(SETTLED_DAYS)
    objects, entries = held()
    month.run(DAYS - SETTLED_DAYS)
    objects_later, entries_later = held()
    days = DAYS - SETTLED_DAYS
    assert objects_later - objects < MORE_A_DAY * days
    assert entries_later - entries < MORE_A_DAY * days

    for miner in month.miners:
        assert not miner.open
        month.heard += miner.heard
    results, at_pools, run = month.results, month.at_pools, dict(month.accounting.counts_of_run())
    assert month.heard["sent"] == results.total() == month.heard["accepted"] + month.heard["refused"]
    for key in month.world.pools:
        accepted, rejected = results[key, "accepted", "pool"], results[key, "rejected", "pool"]
        unanswered = results[key, "unanswered", "proxy"] + results[key, "unanswered", "pool"]
        assert run[PoolKey(key)].accepted == accepted
        assert run[PoolKey(key)].submitted == accepted + rejected + unanswered + results[key, "rejected", "proxy"]
        heard_there = at_pools[key, "accepted"] + at_pools[key, "rejected"]
        assert accepted + rejected <= heard_there <= accepted + rejected + unanswered
        assert 100 < accepted <= at_pools[key, "accepted"] <= accepted + unanswered
        assert 0 < rejected <= at_pools[key, "rejected"] <= rejected + unanswered
    assert month.stored.submitted == sum(counts.submitted for counts in run.values()) == month.heard["sent"]
    assert month.stored.accepted == month.heard["accepted"]
    assert month.happened["PoolDown"] > 30
    assert month.happened["PoolSwitched"] > 500
    assert sum(number for (_, verdict, _), number in results.items() if verdict == "unanswered") > 5
