"""Miners leave a connection that has not heard of a block which another one has had for a while, and nothing less."""

import struct
from dataclasses import replace

import pytest

from proxy.chains.stale_tips import STALE_S
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


def chained(*, min_switch_s: float = 30.0, weights: dict[str, float] | None = None) -> tuple[World, Chained]:
    world = World(settle=False, min_switch_s=min_switch_s, weights=weights or {"A": 95, "B": 5})
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
    [told] = world.events_of(EmergencySwitch)
    assert "newest block" in told.why


def test_they_come_back_by_the_weights_once_the_pool_has_the_block():
    world, chain = chained(min_switch_s=30)
    miner = miner_on(world, "A")
    chain.announce("B", HEIGHT + 1, block_hash(2))
    world.advance(5)
    assert miner.session.current == B
    chain.announce("A", HEIGHT + 1, block_hash(2))
    world.advance(90)
    assert A in [switch.new for switch in world.events_of(PoolSwitched)[-3:]]


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
