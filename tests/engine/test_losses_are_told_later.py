"""What is to be told of lost connections waits until all miners have work; it is the same, in the same order."""

import pytest

from proxy.engine import backlog
from proxy.observe.events import (
    REGISTRY,
    EmergencySwitch,
    Event,
    MinerDisconnected,
    PoolDisconnected,
    PoolSwitched,
    ShareResult,
)
from proxy.types import PoolKey
from tests.engine.test_the_usual_way_of_shared_jobs import Hasty
from tests.support.world import World

HEARD = (PoolDisconnected, PoolSwitched, EmergencySwitch)


def hear_only(world: World, *kinds: type[Event]) -> None:
    """Nobody hears of anything else, as with the log's usual level."""
    for kind in REGISTRY.values():
        if kind not in kinds:
            world.events.unsubscribe(kind, world.seen.append)
    world.seen.clear()


def pool_that_dies(world: World) -> list[Event]:
    """What is told of A's end, once six miners have come; half of them worked there."""
    miners = [world.miner("cpuminer/2.5.1", user=f"addr.{number}") for number in range(6)]
    world.advance(5)
    there = [miner for miner in miners if miner.session.current == "A"]
    lost = [miner.session.links[PoolKey("A")].connection for miner in there]
    assert 0 < len(there) < 6
    hear_only(world, *HEARD)
    world.pools["A"].reachable = False
    for number, connection in enumerate(lost):
        assert connection is not None
        connection.closed("closed by the other side")
        assert there[number].pool_of(there[number].job) == "B"
    told = list(world.seen)
    world.advance(0)
    assert len(world.seen) >= 3 * len(there)
    return told


def test_nothing_is_told_before_all_have_work() -> None:
    later, at_once = World(min_switch_s=300.0), World(min_switch_s=300.0)
    at_once.events.on_later = at_once.events.tell_later
    assert pool_that_dies(later) == []
    assert len(pool_that_dies(at_once)) == 3 * len({event.session for event in at_once.events_of(PoolSwitched)})
    assert later.seen == at_once.seen


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.no_cover) for seed in range(1, 6))])
def test_whatever_happens_meanwhile_is_told_in_its_order(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("A_TURN", "A_PLACE"):
        monkeypatch.setattr(backlog, name, 1 if name == "A_TURN" else 1_000)

    def history(*, at_once: bool) -> tuple[list[str], list[list[object]], int]:
        chaos, waited = Hasty(seed, {"A": 8, "B": 4}), 0
        world = chaos.world
        hear_only(world, *HEARD, ShareResult, MinerDisconnected)
        wait = world.events.on_later

        def told_at_once() -> None:
            nonlocal waited
            wait()
            waited += 1
            if at_once:
                world.events.tell_later()

        world.events.on_later = told_at_once
        for _ in range(80):
            chaos.step()
        world.advance(30)
        return [repr(event) for event in world.seen], [miner.lines for miner in chaos.all], waited

    later, at_once = history(at_once=False), history(at_once=True)
    assert later[:2] == at_once[:2]
    assert at_once[2] > later[2] > 0, "some waited together"
