"""Where each share is a block (a test chain, a pool that lies), candidates fill no disk; all of them go up."""

from proxy.engine.candidate_limit import BURST, MAX_POOLS, NOTE_S, PER_MINUTE, CandidateLimit
from proxy.observe.events import BlockCandidate, BlockCandidatesLeftOut, EventStream, ShareResult
from proxy.scheduling.virtual_clock import VirtualClock
from proxy.types import Chain, PoolKey, Verdict
from tests.support.world import World

A, B = PoolKey("A"), PoolKey("B")


def test_every_candidate_goes_up_and_those_beyond_the_budget_are_only_counted():
    world = World({"A": 8}, chains={"A": Chain.OTHER})
    world.pools["A"].nbits = "207fffff"
    miner = world.miner()
    world.advance(1)
    for nonce in range(600):
        miner.submit(nonce=f"{nonce:08x}")
    world.advance(NOTE_S + 1)
    assert [result.verdict for result in world.events_of(ShareResult)] == [Verdict.ACCEPTED] * 600
    assert len(world.pools["A"].submits) == 600
    candidates = len(world.events_of(BlockCandidate))
    assert candidates == BURST
    [note] = world.events_of(BlockCandidatesLeftOut)
    assert note.pool == A
    assert 600 / 2 - 60 < candidates + note.count < 600 / 2 + 60, "half of all hashes"


def test_the_budget_grows_again_and_each_pool_has_its_own():
    clock, notes = VirtualClock(), list[BlockCandidatesLeftOut]()
    events = EventStream()
    events.subscribe(BlockCandidatesLeftOut, notes.append)
    limit = CandidateLimit(clock=clock, events=events)
    assert sum(limit.take(A) for _ in range(1000)) == BURST
    assert limit.take(B)
    clock.advance(60)
    assert [(note.pool, note.count) for note in notes] == [(A, 1000 - BURST)]
    assert sum(limit.take(A) for _ in range(1000)) == PER_MINUTE
    clock.advance(60 * BURST / PER_MINUTE)
    assert sum(limit.take(A) for _ in range(1000)) == BURST


def test_a_bounded_number_of_pools_is_counted():
    limit = CandidateLimit(clock=VirtualClock(), events=EventStream())
    for number in range(3 * MAX_POOLS):
        limit.take(PoolKey(f"P{number}"))
    assert len(limit._spent) == MAX_POOLS
