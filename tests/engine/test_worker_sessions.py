"""Who is connected under which name, and who hears that something of a worker changed."""

from proxy.observe.events import MinerWaiting
from proxy.types import WorkerName
from tests.support.world import World

RIG, DESK = WorkerName("rig"), WorkerName("desk")


def test_connections_of_a_worker_are_known_while_they_last_the_newest_last() -> None:
    world = World({"A": 8})
    workers = world.engine.workers
    first, second, third = [world.miner(user="addr.rig") for _ in range(3)]
    world.miner(user="addr.rig", handshake=False)
    assert workers.of(RIG) == (first.session, second.session, third.session)
    second.leave()
    world.advance(0.1)
    assert workers.of(RIG) == (first.session, third.session)
    third.leave()
    world.advance(0.1)
    assert workers.of(RIG) == (first.session,)
    first.leave()
    world.advance(0.1)
    assert workers.of(RIG) == () and not workers.by_name


def test_each_who_watches_hears_of_whom_there_is_and_of_whoever_changes() -> None:
    world = World({"A": 8})
    rig = world.miner(user="addr.rig")
    watched: list[dict[WorkerName, None]] = [{}, {}]
    for changed in watched:
        world.engine.workers.watch(changed)
    assert watched == [{RIG: None}] * 2
    for changed in watched:
        changed.clear()
    world.miner(user="addr.desk")
    assert [list(changed) for changed in watched] == [[DESK]] * 2
    rig.call("mining.suggest_difficulty", [64])
    rig.leave()
    world.advance(0.1)
    assert [list(changed) for changed in watched] == [[DESK, RIG]] * 2


def test_a_miner_that_goes_on_waiting_for_the_same_is_told_of_once() -> None:
    world = World({"A": 8})
    session = world.miner().session
    changed: dict[WorkerName, None] = {}
    world.engine.workers.watch(changed)
    for _ in range(2):
        changed.clear()
        session.wait("for rain")
    assert [event.reason for event in world.events_of(MinerWaiting)].count("for rain") == 1
    assert not changed
