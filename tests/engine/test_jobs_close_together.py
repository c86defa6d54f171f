"""A job that comes while the last one is still handed out or looked at on a shared connection reaches every miner."""

from collections.abc import Callable

import pytest

from proxy.config.snapshot import Connections
from proxy.engine import backlog, job_rounds, shared_connections
from proxy.scheduling.virtual_clock import VirtualClock
from proxy.types import PoolKey
from tests.support.world import World


def turns_later(clock: VirtualClock, turns: int, call: Callable[[], object]) -> None:
    """Call it after so many turns of the loop, at the same time."""
    if turns:
        clock.call_at(clock.now(), lambda: turns_later(clock, turns - 1, call))
    else:
        call()


@pytest.mark.parametrize("turns", range(12))
def test_a_job_that_comes_meanwhile_reaches_all(turns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (backlog, job_rounds):
        monkeypatch.setattr(module, "A_TURN", 1)
    monkeypatch.setattr(shared_connections, "LOOKS", 1)
    world = World({"A": 8}, options={"A": {"connections": Connections.SHARED}})
    miners = [world.miner("cgminer/4.11.1", f"ann.rig{number}", mask="1fffe000") for number in range(4)]
    world.advance(5)
    pool = world.pools["A"]
    pool.notify(new_block=True)
    world.advance(5)

    pool.notify(clean=False)
    turns_later(world.clock, turns, lambda: pool.notify(new_block=True))
    world.advance(5)
    assert {miner.all("mining.notify")[-1][1] for miner in miners} == {f"{pool.height:08x}" * 8}


def test_more_kinds_of_miners_than_are_remembered_get_their_jobs_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_connections, "TERMS_KEPT", 1)
    world = World({"A": 8}, options={"A": {"connections": Connections.SHARED}})
    masks = ("1fffe000", "00ffe000")
    miners = [world.miner("cgminer/4.11.1", f"ann.rig{number}", mask=mask) for number, mask in enumerate(masks)]
    world.advance(5)
    pool = world.pools["A"]
    for _ in range(3):
        pool.notify(new_block=True)
        world.advance(5)
    assert {miner.all("mining.notify")[-1][1] for miner in miners} == {f"{pool.height:08x}" * 8}
    together = world.engine.sharing.connections[PoolKey("A")]
    assert len(together._terms) == 1
