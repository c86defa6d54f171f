"""Nothing of a miner or a connection that ended waits for the garbage collector: that would have to look at everything.

Objects that refer to each other in a circle are freed by it alone; here it is off.
"""

import gc
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from proxy.config.snapshot import Connections
from proxy.engine import (
    asked_difficulty,
    eligible_pools,
    job_watch,
    jobs,
    miner_watch,
    pending_share,
    pool_link,
    pool_links,
    session,
    shared_connections,
    shared_link,
    submits,
    upstream_connection,
    work_sender,
)
from proxy.observe.events import ShareResult
from proxy.stratum import downstream, framing, suggestions, upstream
from proxy.types import AdminStatus, PoolKey, Verdict
from tests.support.world import ScriptedMiner, World

MINERS = 5
KINDS = frozenset(
    {
        asked_difficulty.AskedDifficulty,
        downstream.Downstream,
        eligible_pools.EligiblePools,
        framing.LineFramer,
        job_watch.JobWatch,
        jobs.IssuedJob,
        jobs.IssueTerms,
        jobs.JobTable,
        miner_watch.MinerWatch,
        pending_share.PendingShare,
        pool_link.PoolLink,
        pool_links.PoolLinks,
        session.Session,
        shared_connections.SharedConnection,
        shared_link.SharedLink,
        submits.SubmitHandler,
        suggestions.Suggestions,
        upstream.Upstream,
        upstream_connection.UpstreamConnection,
        work_sender.WorkSender,
    }
)


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def alive() -> Counter[str]:
    return Counter(type(each).__name__ for each in gc.get_objects() if type(each) in KINDS)


def forget_closed(world: World, miners: list[ScriptedMiner]) -> None:
    """Have the fakes let go of the proxy's objects, as sockets do."""
    links = [miner.link for miner in miners]
    for pool in world.pools.values():
        links += [each.link for each in pool.connections if each.link.closed]
        pool.connections[:] = [each for each in pool.connections if not each.link.closed]
        pool.submits.clear()
    for link in links:
        del link._handler, link._on_send
    world.seen.clear()


def plain(world: World, miners: list[ScriptedMiner]) -> None:
    pass


def asks(world: World, miners: list[ScriptedMiner]) -> None:
    for miner in miners:
        for difficulty in (500, 700):
            miner.call("mining.suggest_difficulty", [difficulty])


def pool_dies(world: World, miners: list[ScriptedMiner]) -> None:
    pool = world.pools["A"]
    pool.reachable = False
    pool.drop()
    world.advance(20)
    pool.reachable = True
    world.advance(90)


def pool_dies_and_all_leave(world: World, miners: list[ScriptedMiner]) -> None:
    world.pools["A"].reachable = False
    world.pools["A"].drop()
    world.advance(1)


def shares_are_open(world: World, miners: list[ScriptedMiner]) -> None:
    for pool in world.pools.values():
        pool.answer_submits = False
    for miner in miners:
        miner.submit(nonce="00000777")
    world.advance(1)


def pool_has_fallen_silent(world: World, miners: list[ScriptedMiner]) -> None:
    shares_are_open(world, miners)
    world.advance(70)


def moved(world: World, miners: list[ScriptedMiner]) -> None:
    for a in (100.0, 0.0, 50.0):
        world.slider(A=a, B=100.0 - a)
        world.advance(40)


def renewed(world: World, miners: list[ScriptedMiner]) -> None:
    world.configure(A={"wallet": f"another{world.config.revision}"})
    world.advance(20)


def connected_in_another_way(world: World, miners: list[ScriptedMiner]) -> None:
    before = world.config.pools[PoolKey("A")].connections
    for miner in miners:
        miner.submit(nonce="00000778")
    for connections in (Connections.SHARED, Connections.OWN):
        world.configure(A={"connections": connections})
        world.advance(3)
    world.configure(A={"connections": before})
    world.advance(1)


def switched_off(world: World, miners: list[ScriptedMiner]) -> None:
    for status in (AdminStatus.DISABLED, AdminStatus.ENABLED):
        world.configure(A={"status": status})
        world.advance(5)


def closed_by_us(world: World, miners: list[ScriptedMiner]) -> None:
    for miner in miners:
        miner.session.downstream.close("we end it")


def cut_off(world: World, miners: list[ScriptedMiner]) -> None:
    for miner in miners:
        miner.raw(b"{nonsense\n" * 2_000)


LIVES = (
    plain,
    asks,
    pool_dies,
    pool_dies_and_all_leave,
    shares_are_open,
    pool_has_fallen_silent,
    moved,
    renewed,
    connected_in_another_way,
    switched_off,
    closed_by_us,
    cut_off,
)


def come_and_leave(world: World, live: Callable[[World, list[ScriptedMiner]], None]) -> None:
    miners = [world.miner(user=f"addr.rig{number}", mask="1fffe000") for number in range(MINERS)]
    silent = world.miner(handshake=False)
    silent.leave()
    world.advance(5)
    for number in range(3):
        for miner in miners:
            miner.submit(nonce=f"{number + 1:08x}", bits="00000000")
        world.advance(40)
        for pool in world.pools.values():
            pool.notify(new_block=number == 1)
    world.advance(1)
    live(world, miners)
    for miner in miners:
        miner.leave()
    world.advance(100)
    for pool in world.pools.values():
        pool.reachable = pool.answer_submits = True
    world.advance(700)
    world.events.settle()  # open sums of shares know their jobs; snapshots have them told each second
    forget_closed(world, [*miners, silent])


@pytest.mark.parametrize("connections", [Connections.OWN, Connections.SHARED])
@pytest.mark.parametrize("live", LIVES)
def test_miners_that_came_and_left_leave_nothing(
    live: Callable[[World, list[ScriptedMiner]], None], connections: Connections
) -> None:
    world = World(options={key: {"connections": connections} for key in "AB"})
    come_and_leave(world, live)
    before = alive()
    for _ in range(2):
        come_and_leave(world, live)
    assert alive() == before
    assert before["Session"] == before["IssuedJob"] == before["SharedLink"] == 0


@pytest.mark.parametrize("connections", [Connections.OWN, Connections.SHARED])
def test_a_verdict_that_comes_after_its_miner_left_is_counted(connections: Connections) -> None:
    world = World({"A": 8}, options={"A": {"connections": connections}})
    miner = world.miner()
    world.advance(5)
    world.pools["A"].delay_s = 2.0
    miner.submit()
    miner.leave()
    world.advance(1)
    assert alive()["PendingShare"] == 1
    world.advance(2)
    [result] = world.events_of(ShareResult)
    assert (result.verdict, result.session) == (Verdict.ACCEPTED, miner.session.id)
    assert world.engine.open_submits == 0
