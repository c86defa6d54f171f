"""Miners leave a connection that has not heard of a block which another one has had for a while, and nothing less."""

import struct
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from proxy.chains.stale_tips import CONTEST_S, STALE_S
from proxy.config.snapshot import Connections
from proxy.observe.events import ChainSplit, EmergencySwitch, PoolSwitched, StaleTipLeft
from proxy.types import Chain, PoolKey, WorkerName
from tests.support.world import Connection, ScriptedMiner, ScriptedPool, World

A, B = PoolKey("A"), PoolKey("B")
NBITS = "1d00ffff"
HEIGHT = 900_000


def block_hash(number: int, *, work: bool = True) -> bytes:
    """As a header holds it; ``work``: it meets the target of ``NBITS``."""
    return number.to_bytes(4, "little") * 6 + (bytes(8) if work else b"\xff" * 8)


class Chained:
    """Pools whose jobs name blocks that carry work, and heights."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.tips = {pool.key: (HEIGHT, block_hash(1)) for pool in world.pools.values()}
        for pool in world.pools.values():
            pool.job = self._maker(pool)  # type: ignore[method-assign]

    def _maker(self, pool: ScriptedPool):
        def job(*, clean: bool, job_id: str | None = None) -> list[object]:
            pool.jobs += 1
            height, prevhash = self.tips[pool.key]
            return self.job(pool, height, prevhash, clean=clean, job_id=job_id or f"{pool.jobs:x}")

        return job

    def job(self, pool: ScriptedPool, height: int, prevhash: bytes, *, clean: bool, job_id: str) -> list[object]:
        number = height.to_bytes(3, "little")
        coinb1 = struct.pack("<IB32sI", 1, 1, bytes(32), 0xFFFFFFFF) + bytes([4 + 12 + pool.size]) + b"\3" + number
        words = b"".join(prevhash[at : at + 4][::-1] for at in range(0, 32, 4))
        ntime = f"{0x68000000 + int(self.world.clock.now()):08x}"
        return [
            job_id,
            words.hex(),
            coinb1.hex(),
            "ffffffff" + "00" * 8 + "00000000",
            ["ab" * 32],
            "20000000",
            NBITS,
            ntime,
            clean,
        ]

    def announce(self, key: str, height: int, prevhash: bytes, *, only: list[Connection] | None = None) -> None:
        """A pool goes on to a block at ``height``, on all its connections or on some."""
        pool = self.world.pools[key]
        if only is None:
            self.tips[key] = (height, prevhash)
            pool.notify(clean=True)
            return
        for connection in only:
            pool.jobs += 1
            connection.push("mining.notify", self.job(pool, height, prevhash, clean=True, job_id=f"{pool.jobs:x}"))


def chained(
    *, min_switch_s: float = 30.0, weights: dict[str, float] | None = None, options: dict[str, Any] | None = None
) -> tuple[World, Chained]:
    world = World(settle=False, min_switch_s=min_switch_s, weights=weights or {"A": 95, "B": 5}, options=options)
    chain = Chained(world)
    world.advance(3)
    return world, chain


def miner_on(world: World, key: str) -> ScriptedMiner:
    miner = world.miner()
    for _ in range(60):
        world.advance(1)
        if miner.session.current == key:
            return miner
    raise AssertionError


def test_miners_leave_a_pool_that_has_not_heard_of_a_block_others_have():
    world, chain = chained(min_switch_s=600)
    miner = miner_on(world, "A")
    chain.announce("B", HEIGHT + 1, block_hash(2))
    world.advance(STALE_S - 0.1)
    assert miner.session.current == A
    world.advance(0.2)
    assert miner.session.current == B
    [left] = world.events_of(StaleTipLeft)
    assert (left.pool, left.height) == (A, HEIGHT - 1)
    [switch] = world.events_of(EmergencySwitch)
    assert "newest block" in switch.why


def test_they_come_back_by_the_weights_once_the_pool_has_the_block():
    world, chain = chained(min_switch_s=30)
    miner = miner_on(world, "A")
    chain.announce("B", HEIGHT + 1, block_hash(2))
    world.advance(5)
    assert miner.session.current == B
    chain.announce("A", HEIGHT + 1, block_hash(2))
    world.advance(90)
    assert A in [switch.new for switch in world.events_of(PoolSwitched)[-3:]]


def test_miners_of_a_shared_connection_leave_it_together_and_come_back():
    world, chain = chained(options={key: {"connections": Connections.SHARED} for key in (A, B)})
    miners = [world.miner(user=f"addr.rig{number}") for number in range(3)]
    world.advance(5)
    assert A in {miner.session.current for miner in miners}
    chain.announce("B", HEIGHT + 1, block_hash(2))
    world.advance(STALE_S + 0.1)
    assert {miner.session.current for miner in miners} == {B}
    assert [left.pool for left in world.events_of(StaleTipLeft)] == [A], "told once for the connection"
    chain.announce("A", HEIGHT + 1, block_hash(2))
    world.advance(90)
    assert A in {miner.session.current for miner in miners}
    assert len(world.events_of(StaleTipLeft)) == 1


def test_a_pool_that_is_only_a_second_late_keeps_its_miners():
    world, chain = chained(min_switch_s=600)
    miner = miner_on(world, "A")
    chain.announce("B", HEIGHT + 1, block_hash(2))
    world.advance(1)
    chain.announce("A", HEIGHT + 1, block_hash(2))
    world.advance(20)
    assert miner.session.current == A


@pytest.mark.parametrize(
    ("height", "number", "work"),
    [(HEIGHT + 1, 2, False), (HEIGHT + 2, 2, True), (HEIGHT, 2, True), (HEIGHT - 1, 2, True)],
)
def test_a_pool_cannot_claim_miners_by_a_word(height: int, number: int, work: bool):
    world, chain = chained(min_switch_s=600)
    miner = miner_on(world, "A")
    chain.announce("B", height, block_hash(number, work=work))
    world.advance(30)
    assert miner.session.current == A
    assert not world.events_of(StaleTipLeft)


def test_an_easier_target_that_a_pool_claims_in_its_own_jobs_proves_nothing(monkeypatch: pytest.MonkeyPatch):
    world, chain = chained(min_switch_s=600)
    miner = miner_on(world, "A")
    plain = chain.job
    monkeypatch.setattr(
        chain,
        "job",
        lambda *args, **kw: ["207fffff" if number == 6 else each for number, each in enumerate(plain(*args, **kw))],
    )
    chain.announce("B", HEIGHT, block_hash(1))
    world.advance(1)
    chain.announce("B", HEIGHT + 1, block_hash(2, work=False))
    world.advance(30)
    assert miner.session.current == A


def test_old_blocks_can_be_sold_once():
    world, chain = chained(min_switch_s=30)
    miner = miner_on(world, "A")
    chain.announce("B", HEIGHT + 1, block_hash(77))
    world.advance(60)
    assert len(world.events_of(StaleTipLeft)) == 1
    # The true block comes; the liar follows it and claims the next one.
    for number in range(1, 6):
        chain.announce("A", HEIGHT + number, block_hash(1 + number))
        world.advance(1)
        chain.announce("B", HEIGHT + number, block_hash(1 + number))
        world.advance(100)
        chain.announce("B", HEIGHT + number + 1, block_hash(90 + number))
        world.advance(300)
    assert len(world.events_of(StaleTipLeft)) == 1
    assert miner.session.current is not None


def test_a_miner_stays_where_it_is_when_it_has_nowhere_else_to_go():
    world, chain = chained()
    world.config = replace(world.config, revision=2, pins={WorkerName("rig"): A})
    world.engine.apply(world.config)
    miner = miner_on(world, "A")
    other = world.miner(user="addr.other")
    world.advance(5)
    chain.announce("B", HEIGHT + 1, block_hash(2))
    world.advance(60)
    assert miner.session.current == A
    assert not miner.session.waiting
    assert other.session.current == B


def test_one_connection_that_lags_behind_its_own_pool_is_left_alone_of_all():
    world, chain = chained(min_switch_s=600)
    miners = [world.miner(user=f"addr.rig{number}") for number in range(8)]
    world.advance(40)
    on_a = [miner for miner in miners if miner.session.current == A]
    lagging = on_a[0].session.links[A].connection
    chain.announce("B", HEIGHT + 1, block_hash(2))
    chain.tips["A"] = (HEIGHT + 1, block_hash(2))
    assert lagging is not None
    live = [
        connection
        for connection in world.pools["A"].connections
        if getattr(connection.handler, "id", None) != lagging.id
    ]
    chain.announce("A", HEIGHT + 1, block_hash(2), only=live)
    world.advance(3)
    assert on_a[0].session.current == B
    assert all(miner.session.current == A for miner in on_a[1:])


def test_a_pool_that_flaps_between_two_tips_does_not_drag_miners_with_it():
    world, chain = chained(min_switch_s=5)
    miner = miner_on(world, "A")
    chain.announce("B", HEIGHT + 1, block_hash(2))
    world.advance(0.1)
    for _ in range(100):
        chain.announce("A", HEIGHT, block_hash(1))
        world.advance(2)
        chain.announce("A", HEIGHT + 1, block_hash(2))
        world.advance(2)
    assert miner.session.current is not None
    lost = [switch for switch in world.events_of(EmergencySwitch) if switch.old == A]
    assert 1 <= len(lost) <= 5


def test_a_pool_that_takes_its_block_back_is_not_believed_alone():
    world, chain = chained(min_switch_s=600)
    miner = miner_on(world, "A")
    for _ in range(20):
        chain.announce("B", HEIGHT + 1, block_hash(2))
        world.advance(1)
        chain.announce("B", HEIGHT, block_hash(1))
        world.advance(1)
    chain.announce("B", HEIGHT + 1, block_hash(2))
    world.advance(60)
    assert miner.session.current == A


def test_a_chain_split_is_told_and_nobody_is_moved():
    world, chain = chained(min_switch_s=600)
    miners = [world.miner(user=f"addr.rig{number}") for number in range(6)]
    world.advance(30)
    chain.announce("A", HEIGHT + 1, block_hash(2))
    chain.announce("B", HEIGHT + 1, block_hash(3))
    world.advance(10)
    assert not world.events_of(ChainSplit)  # two blocks of one height happen; the next one decides
    for number in range(1, 5):
        chain.announce("A", HEIGHT + 1 + number, block_hash(10 + number))
        world.advance(200)
        chain.announce("B", HEIGHT + 1 + number, block_hash(20 + number))
        world.advance(200)
    [split] = world.events_of(ChainSplit)
    assert (split.chain, split.height, split.sides, split.cleared) == (Chain.BTC, HEIGHT, ("A", "B"), False)
    assert not world.events_of(StaleTipLeft)
    assert not world.events_of(EmergencySwitch)
    assert all(miner.session.current for miner in miners)
    chain.announce("B", HEIGHT + 6, block_hash(30))
    chain.announce("A", HEIGHT + 6, block_hash(30))
    world.advance(1)
    assert world.events_of(ChainSplit)[-1].cleared


def test_blocks_without_work_are_no_split():
    world, chain = chained(min_switch_s=600)
    for number in range(1, 5):
        chain.announce("A", HEIGHT + number, block_hash(10 + number))
        chain.announce("B", HEIGHT + number, block_hash(20 + number, work=False))
        world.advance(60)
    assert not world.events_of(ChainSplit)


def test_a_switch_that_is_due_just_after_a_new_block_waits_for_its_job():
    world, chain = chained(min_switch_s=30)
    miner = miner_on(world, "A")
    target = world.engine.scheduler._miners[miner.session.id]
    due = target.due
    while due - world.clock.now() < 1:
        world.advance(1)
        due = target.due
    here = miner.session.current
    assert here is not None
    there = "B" if here == "A" else "A"
    world.advance(due - world.clock.now() - 0.3)
    chain.announce(here, HEIGHT + 1, block_hash(2))
    before = len(miner.all("mining.notify"))
    world.advance(0.8)
    assert miner.session.current == here
    assert len(miner.all("mining.notify")) == before + 1
    chain.announce(there, HEIGHT + 1, block_hash(2))
    world.advance(0.3)
    assert miner.session.current == there
    assert len(miner.all("mining.notify")) == before + 2


# --- What a pool can gain or lose by when it names blocks -------------------------------------------------------------


def parts(
    world: World, miners: list[ScriptedMiner], seconds: int, act: Callable[[int], None], step_s: float = 1.0
) -> dict[str, float]:
    """Which part of the next ``seconds`` the miners work on each pool; ``act(second)`` is what happens before each."""
    on = dict.fromkeys(world.pools, 0.0)
    for second in range(seconds):
        act(second)
        for miner in miners:
            current = miner.session.current
            if current is not None:
                on[current] += 1.0 / len(miners) / seconds
                if second % 15 == 0:
                    miner.submit(nonce=f"{second + 1:08x}")
        world.advance(step_s)
    return on


class RealChain:
    """Blocks that come at random, every ten minutes on average; pools name them after their own delay (seconds)."""

    def __init__(self, chain: Chained, seconds: int, delays: dict[str, int], seed: int = 5) -> None:
        self.chain, self.delays = chain, delays
        random = Random(seed)
        self.times: list[int] = []
        at = 0
        while (at := at + 8 + int(random.expovariate(1 / 600))) < seconds:
            self.times.append(at)

    def tip(self, second: int) -> tuple[int, bytes]:
        """What a pool without delay works on."""
        number = sum(at <= second for at in self.times)
        return HEIGHT + number, block_hash(1 + number)

    def act(self, second: int) -> None:
        for key, delay in self.delays.items():
            if second - delay in self.times:
                self.chain.announce(key, *self.tip(second - delay))


@pytest.mark.parametrize("weight", [pytest.param(50.0, marks=pytest.mark.no_cover), 95.0])
def test_a_pool_that_is_always_two_seconds_late_keeps_its_weight(weight: float):
    world, chain = chained(weights={"A": 100 - weight, "B": weight}, min_switch_s=30)
    miner = miner_on(world, "B")
    real = RealChain(chain, 3 * 3600, {"A": 0, "B": 2})
    on = parts(world, [miner], 3 * 3600, real.act)
    assert world.events_of(StaleTipLeft)
    assert on["B"] == pytest.approx(weight / 100, abs=0.02)


class Liar:
    """Pool B: names old blocks, which carry work, as the newest ones, as often as it can."""

    def __init__(self, world: World, chain: Chained, real: RealChain, every_s: int, stays_s: float) -> None:
        self.world, self.chain, self.real = world, chain, real
        self.every_s, self.stays_s = every_s, stays_s
        self.lies = 0
        self.until = 0.0

    def lie(self) -> tuple[int, bytes]:
        self.lies += 1
        return self.chain.tips["A"][0] + 1, block_hash(10_000 + self.lies)

    def act(self, second: int) -> None:
        self.real.act(second)
        caught = second in self.real.times  # the other pool has just named the real block
        if self.until and (second >= self.until or caught):
            self.until = 0.0
            self.take_back()
        if not self.until and second % self.every_s == self.every_s // 2:
            self.until = second + self.stays_s
            self.chain.announce("B", *self.lie())

    def take_back(self) -> None:
        self.chain.announce("B", *self.chain.tips["A"])


class LiarByDetour(Liar):
    def take_back(self) -> None:
        self.chain.announce("B", self.chain.tips["B"][0] + 7, block_hash(77))
        super().take_back()


class LiarThatSkipsAhead(Liar):
    """Comes back when the real chain is higher than what it claimed."""

    def take_back(self) -> None:
        if self.chain.tips["A"][0] >= self.chain.tips["B"][0]:
            super().take_back()


class LiarThatHangsUp(Liar):
    def take_back(self) -> None:
        self.chain.tips["B"] = self.chain.tips["A"]
        self.world.pools["B"].drop()


class LiarOnOneConnection(Liar):
    """Lies through one connection after the other, which goes on with made-up blocks; the others are honest."""

    def act(self, second: int) -> None:
        self.real.act(second)
        live = self.world.pools["B"].live()
        honest = live[self.lies :]
        if second in self.real.times or second % self.every_s == self.every_s // 2:
            for number in range(1, 80 if self.lies else 0):
                height, block = self.chain.tips["A"][0] + number, block_hash(50_000 + 100 * self.lies + number)
                self.chain.announce("B", height, block, only=live[self.lies - 1 : self.lies])
            self.chain.announce("B", *self.chain.tips["A"], only=honest)
            self.chain.tips["B"] = self.chain.tips["A"]
            if len(honest) > 1:
                self.chain.announce("B", *self.lie(), only=honest[:1])


FOREVER = 1e9


@pytest.mark.parametrize(
    ("kind", "every_s", "stays_s", "weight"),
    [
        pytest.param(Liar, 605, 3, 50.0, marks=pytest.mark.no_cover),
        pytest.param(Liar, 20, FOREVER, 50.0, marks=pytest.mark.no_cover),
        pytest.param(Liar, 20, FOREVER, 5.0, marks=pytest.mark.no_cover),
        pytest.param(LiarByDetour, 30, 5, 50.0, marks=pytest.mark.no_cover),
        pytest.param(LiarByDetour, 20, FOREVER, 5.0, marks=pytest.mark.no_cover),
        pytest.param(LiarThatSkipsAhead, 20, FOREVER, 50.0, marks=pytest.mark.no_cover),
        pytest.param(LiarThatHangsUp, 60, 10, 50.0, marks=pytest.mark.no_cover),
        pytest.param(LiarThatHangsUp, 60, FOREVER, 5.0, marks=pytest.mark.no_cover),
        (LiarOnOneConnection, 300, FOREVER, 50.0),
    ],
)
def test_a_pool_gains_no_more_than_one_block_interval_by_lies(
    kind: type[Liar], every_s: int, stays_s: float, weight: float
):
    world, chain = chained(weights={"A": 100 - weight, "B": weight}, min_switch_s=30)
    miners = [world.miner(user=f"addr.rig{number}") for number in range(5 if kind is LiarOnOneConnection else 1)]
    world.advance(60)
    hours = 1 if kind is LiarOnOneConnection else 2
    delays = {"A": 0} if kind is LiarOnOneConnection else {"A": 0, "B": 0}
    real = RealChain(chain, hours * 3600, delays)
    liar = kind(world, chain, real, every_s, stays_s)
    on = parts(world, miners, hours * 3600, liar.act)
    assert liar.lies > 2
    once = (real.times[0] + CONTEST_S) / (hours * 3600)
    fair = weight / 100
    assert on["B"] < fair + (1 - fair) * once + 0.02, f"{100 * on['B']:.1f} % at a weight of {weight:g} %"


@pytest.mark.no_cover
def test_two_blocks_of_one_height_cost_no_pool_more_than_seconds():
    world, chain = chained(weights={"A": 50, "B": 50}, min_switch_s=30)
    miners = [world.miner(user=f"addr.rig{number}") for number in range(4)]
    world.advance(60)

    def act(second: int) -> None:
        if second == 300:
            chain.announce("A", HEIGHT + 1, block_hash(2))
            chain.announce("B", HEIGHT + 1, block_hash(3))
        elif second == 900:
            chain.announce("B", HEIGHT + 2, block_hash(4))
        elif second == 901:
            chain.announce("A", HEIGHT + 2, block_hash(4))

    on = parts(world, miners, 1800, act)
    assert on["A"] == pytest.approx(0.5, abs=0.02)
    assert not world.events_of(StaleTipLeft)


def test_a_block_that_was_taken_back_does_not_discredit_the_pool_that_names_the_real_one():
    world, chain = chained(weights={"A": 5, "B": 95}, min_switch_s=600)
    miner = miner_on(world, "B")
    chain.announce("B", HEIGHT + 1, block_hash(77))
    world.advance(1)
    chain.announce("B", HEIGHT, block_hash(1))
    world.advance(5)
    chain.announce("A", HEIGHT + 1, block_hash(2))  # the real one
    world.advance(3)
    [left] = world.events_of(StaleTipLeft)
    assert left.pool == B
    assert miner.session.current == A


def test_miners_may_come_back_at_once_when_the_block_is_taken_back():
    world, chain = chained(weights={"A": 95, "B": 5}, min_switch_s=5)
    miner = miner_on(world, "A")
    chain.announce("B", HEIGHT + 1, block_hash(77))
    world.advance(2)
    assert miner.session.current == B
    chain.announce("B", HEIGHT, block_hash(1))
    world.advance(0.1)
    assert A in miner.session.ready


def test_a_pool_whose_only_connection_breaks_keeps_its_word():
    world, chain = chained(weights={"A": 95, "B": 5}, min_switch_s=600)
    miner = miner_on(world, "A")
    chain.announce("B", HEIGHT + 1, block_hash(2))
    world.advance(2)
    assert miner.session.current == B
    world.pools["B"].drop()
    world.advance(10)
    chain.announce("A", HEIGHT + 1, block_hash(2))
    world.advance(60)
    chain.announce("B", HEIGHT + 2, block_hash(3))
    world.advance(2)
    assert miner.session.current == B


def test_a_stale_tip_that_is_left_for_nowhere_is_told_with_its_reason(monkeypatch: pytest.MonkeyPatch):
    world, chain = chained(min_switch_s=600)
    miner = miner_on(world, "A")
    plain = type(miner.session).switch_to
    monkeypatch.setattr(
        type(miner.session), "switch_to", lambda self, pool, reason: pool != B and plain(self, pool, reason)
    )
    chain.announce("B", HEIGHT + 1, block_hash(2))
    world.advance(2)
    assert miner.session.current is None
    [switch] = world.events_of(EmergencySwitch)
    assert (switch.old, switch.new) == (A, None)
    assert "newest block" in switch.why


def test_leaving_a_connection_that_is_on_the_newest_block_holds_nothing_against_its_pool():
    world, _ = chained(min_switch_s=600)
    miner = miner_on(world, "A")
    connection = miner.session.links[A].connection
    assert connection is not None
    tips = world.engine.stale_tips
    tips.left(miner.session.id, A, connection.id)
    assert not tips.is_to_be_left(miner.session.id, A, connection.id)
    assert tips.wait_s(connection.id) == 0.0
    assert not world.events_of(StaleTipLeft)


def test_a_block_that_a_pool_has_named_before_claims_no_miners_when_it_is_named_again():
    world, chain = chained(min_switch_s=600)
    miner = miner_on(world, "A")
    for height, number in ((HEIGHT + 2, 3), (HEIGHT + 1, 2), (HEIGHT + 2, 3)):
        chain.announce("B", height, block_hash(number))
        world.advance(STALE_S + 1)
    assert miner.session.current == A
    assert not world.events_of(StaleTipLeft)
