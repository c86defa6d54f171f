"""Shares that are told as sums count like shares that are told one by one, whatever happens between them."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from proxy.config.snapshot import Connections
from proxy.engine import share_sums
from proxy.history import Accounting
from proxy.history.effort import EffortMeter
from proxy.history.rates import RateWindow
from proxy.history.records import TOP, Record, Records
from proxy.history.split import SplitMeter
from proxy.history.switch_cost import SwitchCosts
from proxy.observe.events import REGISTRY, AcceptedShares, Event, EventStream, JobsForwarded, ShareResult
from proxy.observe.metrics import MetricsSink
from proxy.scheduling.virtual_clock import VirtualClock
from proxy.types import Chain, PoolKey, Reason, SessionId, WorkerName
from tests.support.shares import ANN
from tests.support.world import EASY, ScriptedMiner, World

ALL, HALF = 0.25 / EASY, 2.0 / EASY
"""Difficulties that every hash reaches, and every second."""
BLOCKS = "203fffff"
"""Every fourth hash solves a block."""


RECORDS = [
    Record(
        worker=WorkerName(name), chain=Chain.BTC, pool=PoolKey("A"), true_difficulty=best * HALF, at=0, header_hash=b""
    )
    for name, best in [("rig0", 4.0), ("rig1", 20.0), *((f"other{number}", 30.0 + number) for number in range(TOP))]
]
"""Most shares are no records any more."""


class Totals:
    """All who count, on one stream."""

    def __init__(self, world: World, events: EventStream) -> None:
        clock = world.clock
        self.accounting = Accounting(clock=clock, events=events, hashes_per_difficulty=EASY)
        self.accounting.apply(world.config)
        self.records = Records(clock=clock, events=events)
        self.records.apply(world.config)
        self.records.restore(RECORDS)
        self.costs = SwitchCosts(clock=clock, events=events, share_s=lambda session: 2.0)
        self.metrics = MetricsSink(events, self.accounting.counts_of_run, CollectorRegistry())
        self.effort = EffortMeter(clock=clock, events=events, accounting=self.accounting)
        self.split = SplitMeter(clock=clock, events=events, accounting=self.accounting)

    def written(self) -> Any:
        """What the writer gets."""
        deltas = [(each.minute, each.worker, each.pool, _numbers(each.counts)) for each in self.accounting.take()]
        records = [(each.worker, each.pool, each.true_difficulty, each.at) for each in self.records.take()]
        return sorted(deltas), records

    def shown(self) -> Any:
        """What pages and metrics get."""
        here, pools = self.accounting, (PoolKey("A"), PoolKey("B"))
        here._events.settle()
        names = sorted(here._workers)
        return {
            "fleet": _numbers(here.fleet().total),
            "workers": {name: _worker(here.worker(name)) for name in names},
            "rates": {name: here.rates(name) for name in names},
            "pools": [(pool.last_share_at, _numbers(pool.total)) for pool in map(here.pool, pools) if pool],
            "trips": [pool.round_trip.count for pool in map(here.pool, pools) if pool],
            "work": [here.pool_work(window) for window in range(3)],
            "spark": here.spark(),
            "run": [(key, _numbers(counts)) for key, counts in here.counts_of_run()],
            "bests": {name: self.records.best_of(name) for name in names},
            "costs": self.costs.costs(),
            "trip buckets": {key: pool.share_latency.buckets() for key, pool in self.metrics.counts.pools.items()},
            "effort": [self.effort.since_block(pool) for pool in pools],
            "split": self.split.splits(),
        }


def _numbers(counts: Any) -> Any:
    return (
        counts.accepted,
        counts.work_only,
        counts.unanswered,
        dict(counts.rejects or {}),
        counts.credited,
        (counts.work, counts.work_squares, counts.work_shares),
        counts.best,
        pytest.approx(counts.latency_s),
        counts.latency_n,
    )


def _worker(tally: Any) -> Any:
    return _numbers(tally.total), {key: _numbers(each) for key, each in tally.pools.items()}, tally.last_share_at


class Scene:
    """A farm whose shares are counted twice: as they are told to those who count, and each by itself."""

    def __init__(self, nbits: str = "1d00ffff", *, difficulty: float = ALL, **options: Any) -> None:
        self.world = World({"A": 8, "B": 8}, difficulty=difficulty, options={"A": options, "B": options})
        for pool in self.world.pools.values():
            pool.nbits = nbits
            pool.delay_s = 0.01
        each = EventStream()
        self.sums = Totals(self.world, self.world.events)
        self.single = Totals(self.world, each)
        for kind in (*REGISTRY.values(), JobsForwarded):
            self.world.events.subscribe(kind, each.emit)
        self.told: list[AcceptedShares] = []
        self.world.events.subscribe(AcceptedShares, self.told.append)
        self.miners = [self.miner(0), self.miner(1), self.miner(1)]
        self.nonce = 0
        self.world.advance(5)

    def miner(self, name: int) -> ScriptedMiner:
        return self.world.miner(user=f"addr.rig{name}", mask="1fffe000")

    def shares(self, at: int, number: int, gap_s: float) -> None:
        miner = self.miners[at]
        for _ in range(number):
            self.nonce += 1
            if not miner.link.closed and miner.all("mining.notify"):
                miner.submit(nonce=f"{self.nonce:08x}", bits="00002000")
            self.world.advance(gap_s)

    def step(self, what: str, at: int, number: int, gap_s: float) -> None:
        world, pool = self.world, self.world.pools["AB"[number % 2]]
        match what:
            case "shares":
                self.shares(at, number, gap_s)
            case "again":
                self.nonce -= number
            case "switch":
                world.slider(A=float(number % 2), B=float(1 - number % 2))
            case "job":
                pool.notify(clean=number > 6)
            case "difficulty":
                pool.push("mining.set_difficulty", [pool.difficulty * (1, 1, 2, 8)[number % 4]])
                pool.notify()
            case "drop":
                pool.drop()
            case "silence":
                pool.answer_submits = number % 3 == 0
            case "refusals":
                refusal = {"result": None, "error": [21, "stale", None]}
                pool.verdict = lambda params: True if number % 2 else refusal
            case "late":
                pool.delay_s = gap_s
            case "leave":
                self.miners[at].leave()
                world.advance(gap_s)
                self.miners[at] = self.miner(at)
            case "wait":
                world.advance(10 * gap_s * number)
            case "write":
                assert self.sums.written() == self.single.written()

    def compare(self) -> None:
        assert self.sums.written() == self.single.written()
        assert self.sums.shown() == self.single.shown()


SUMMED: list[tuple[int, ...]] = []
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["shares"] * 12
            + ["again", "switch", "job", "difficulty", "drop", "silence", "refusals", "late", "leave", "wait", "write"]
        ),
        st.integers(0, 2),
        st.integers(1, 12),
        st.sampled_from([0.0, 0.001, 0.05, 0.3, 1.5]),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=60)
@given(STEPS, st.sampled_from(["1d00ffff", "1d00ffff", BLOCKS]), st.booleans())
def test_sums_count_as_each_share_does(steps: list[tuple[str, int, int, float]], nbits: str, is_shared: bool) -> None:
    """On shared connections most shares only prove work."""
    shared = {"connections": Connections.SHARED, "min_difficulty": ALL, "max_difficulty": ALL}
    scene = Scene(nbits, difficulty=16 * ALL, **shared) if is_shared else Scene(nbits)
    for step in steps:
        scene.step(*step)
    scene.compare()
    scene.world.advance(70)
    scene.compare()
    SUMMED.append(tuple(sum(getattr(each, name) for each in scene.told) for name in ("number", "work_only")))


def test_the_histories_above_have_sums_in_them() -> None:
    """Else they would show nothing."""
    assert not SUMMED or all(max(column) > 3 for column in zip(*SUMMED, strict=True))


def test_shares_of_a_busy_miner_are_told_as_one_sum_a_second() -> None:
    scene = Scene(difficulty=1.0)
    scene.world.events._bars[ShareResult] = [lambda shares: 1e300]
    scene.world.advance(1 - scene.world.clock.now() % 1)
    scene.shares(0, 80, 0.01)
    assert scene.told == []
    scene.world.events.settle()
    [told] = scene.told
    accepted = sum(counts.accepted for _, counts in scene.sums.accounting.counts_of_run())
    assert told.number == accepted
    assert len(told.latencies) == told.number


def test_a_share_that_may_be_a_record_is_told_at_once() -> None:
    scene = Scene(difficulty=1.0)
    scene.world.events._bars[ShareResult] = [lambda shares: 0.0]
    scene.shares(0, 20, 0.01)
    scene.world.events.settle()
    assert scene.told == []


def test_the_first_share_after_a_switch_is_told_at_once_and_the_next_ones_are_not() -> None:
    scene = Scene(difficulty=1.0)
    scene.world.events._bars[ShareResult].remove(scene.sums.records._bar)
    scene.world.slider(A=1.0, B=0.0)
    scene.world.advance(60)
    scene.shares(0, 3, 0.02)
    single: list[Event] = []
    scene.world.events.subscribe_counting(ShareResult, single.append)
    scene.world.slider(A=0.0, B=1.0)
    scene.world.advance(60)
    scene.shares(0, 1, 0.02)
    assert len(single) == 1
    scene.world.events.settle()
    scene.shares(0, 3, 0.02)
    assert len(single) == 1


def test_sums_are_told_before_a_block() -> None:
    scene = Scene(BLOCKS, difficulty=1.0)
    scene.world.events._bars[ShareResult] = [lambda shares: 1e300]
    sums = scene.miners[0].session.submits.sums
    open_then: list[int] = []
    scene.world.events.subscribe_counting(ShareResult, lambda block: open_then.append(len(sums._open)))
    scene.world.advance(1 - scene.world.clock.now() % 1)
    scene.shares(0, 20, 0.02)
    assert scene.told and open_then and not any(open_then)


def test_sums_of_many_jobs_are_told_before_they_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(share_sums, "MOST", 2)
    scene = Scene(difficulty=1.0)
    scene.world.events._bars[ShareResult] = [lambda shares: 1e300]
    scene.world.advance(1 - scene.world.clock.now() % 1)
    for at in (0, 1, 2):
        assert scene.told == []
        scene.shares(at, 1, 0.02)
    assert [(each.session, each.number) for each in scene.told] == [(miner.session.id, 1) for miner in scene.miners[:2]]


def test_a_sum_that_is_told_in_a_later_minute_counts_in_its_own() -> None:
    events, clock = EventStream(), VirtualClock()
    accounting = Accounting(clock=clock, events=events, hashes_per_difficulty=EASY)
    clock.advance(60 - clock.wall() % 60 + 1)
    shares = AcceptedShares(
        session=SessionId(1), worker=ANN, pool=PoolKey("A"), difficulty=2.0, pool_difficulty=2.0, number=3, proven=3
    )
    shares.last_at = shares.proven_at = clock.now()
    minute = int(clock.wall() // 60) * 60
    clock.advance(150)
    events.emit(shares)
    assert [each.minute for each in accounting.take()] == [minute]


def test_nothing_is_made_of_a_summed_share_that_nobody_wants_to_hear_of() -> None:
    world = World({"A": 8})
    world.events._bars[ShareResult] = [lambda shares: 1e300]
    told: list[Event] = []
    for kind in REGISTRY.values():
        world.events.unsubscribe(kind, world.seen.append)
    world.events.subscribe_counting(ShareResult, told.append)
    sums: list[AcceptedShares] = []
    world.events.subscribe(AcceptedShares, sums.append)
    miner = world.miner(mask="1fffe000")
    world.advance(5)
    for nonce in range(10):
        miner.submit(nonce=f"{nonce:08x}", bits="00002000")
    world.advance(2)
    miner.submit(nonce="000000ff", bits="00002000")
    world.advance(0.1)
    assert (told, [each.number for each in sums]) == ([], [10])


def test_a_sum_is_told_before_a_share_that_was_refused() -> None:
    scene = Scene(difficulty=1.0)
    scene.world.events._bars[ShareResult] = [lambda shares: 1e300]
    scene.world.advance(1 - scene.world.clock.now() % 1)
    heard: list[Event] = []
    for kind in (AcceptedShares, ShareResult):
        scene.world.events.subscribe(kind, heard.append)
    scene.shares(0, 5, 0.02)
    scene.nonce -= 1
    scene.shares(0, 1, 0.02)
    told, refused = heard[-2:]
    assert isinstance(told, AcceptedShares) and isinstance(refused, ShareResult)
    assert refused.reason is Reason.DUPLICATE
    scene.compare()


def test_two_names_on_one_connection_have_no_sum_together() -> None:
    scene = Scene(difficulty=1.0)
    scene.world.events._bars[ShareResult] = [lambda shares: 1e300]
    miner = scene.miners[0]
    miner.call("mining.authorize", ["addr.other", "x"], 900)
    scene.world.advance(1 - scene.world.clock.now() % 1)
    for number in range(9):
        miner.user = "addr.other" if number % 3 == 2 else "addr.rig0"
        scene.shares(0, 1, 0.02)
    scene.world.events.settle()
    counted = {name: scene.sums.accounting.worker(WorkerName(name)) for name in ("rig0", "other")}
    assert {name: tally.total.accepted for name, tally in counted.items() if tally} == {"rig0": 6, "other": 3}
    [told] = scene.told
    assert (told.worker, told.number) == ("rig0", 6)


def test_a_sum_counts_also_where_its_worker_was_written_or_forgotten_since_its_first_share() -> None:
    events, clock = EventStream(), VirtualClock()
    accounting = Accounting(clock=clock, events=events, hashes_per_difficulty=EASY)
    shares = AcceptedShares(
        session=SessionId(1), worker=ANN, pool=PoolKey("A"), difficulty=2.0, pool_difficulty=2.0, number=3, proven=3
    )
    events.emit(shares)
    tally = accounting.worker(ANN)
    assert tally is not None and (tally.total.accepted, tally.total.credited) == (3, 6.0)
    assert [each.counts.accepted for each in accounting.take()] == [3]
    events.emit(replace(shares, number=4))
    assert [each.counts.accepted for each in accounting.take()] == [4]


@pytest.mark.parametrize("difficulty", [3.0, 1e300])
def test_several_shares_alike_count_as_one_by_one(difficulty: float) -> None:
    together, single = RateWindow(0.0), RateWindow(0.0)
    for at in (1.0, 100.0, 5000.0):
        together.add_all(at, difficulty, 3)
        for _ in range(3):
            single.add(at, difficulty)
    for window in range(3):
        assert together.work(5001.0, window) == single.work(5001.0, window)
