"""What a session's way to a pool does at the edges of its life: renewed, left or redirected at an odd moment."""

from dataclasses import replace
from typing import Any

import pytest

from proxy.config.snapshot import Endpoint
from proxy.engine.pool_link import DRAIN_MOST_S, LinkState, PoolLink
from proxy.errors import LocalProtocolError
from proxy.observe.events import ShareResult, SubmitNoJobYet
from proxy.types import PoolKey, SwitchReason
from tests.support.world import ScriptedMiner, World

A, B = PoolKey("A"), PoolKey("B")


def working() -> tuple[World, ScriptedMiner, PoolLink]:
    """A miner at work on the only pool."""
    world = World({"A": 8})
    miner = world.miner()
    world.advance(2)
    assert miner.session.current == A
    return world, miner, miner.session.links[A]


def test_a_miner_that_leaves_with_an_open_share_still_gets_it_counted() -> None:
    world, miner, link = working()
    world.pools["A"].answer_submits = False
    miner.submit()
    world.advance(0.1)
    assert (link.connections, link.open_submits, world.engine.open_submits) == (1, 1, 1)
    miner.leave()
    world.advance(1)
    assert world.pools["A"].live()
    world.advance(10)
    assert not world.pools["A"].live() and world.engine.open_submits == 0


def test_a_miner_that_leaves_is_let_go_with_the_answer_to_its_last_share() -> None:
    world, miner, _ = working()
    world.pools["A"].delay_s = 0.5
    miner.submit()
    world.advance(0.1)
    miner.leave()
    world.advance(1)
    assert not world.pools["A"].live()


def test_a_connection_that_is_not_ready_yet_is_dialled_anew_for_another_wallet() -> None:
    world = World({"A": 8})
    world.pools["A"].silent = True
    world.miner()
    world.advance(1)
    dials = len(world.dialer.dials)
    pools = {A: replace(world.config.pools[A], wallet="another")}
    world.engine.apply(replace(world.config, pools=pools, revision=2))
    world.advance(1)
    assert len(world.dialer.dials) > dials


def test_a_drained_link_that_is_in_use_stays_until_it_is_not() -> None:
    world, miner, link = working()
    link.drain()
    world.advance(2 * DRAIN_MOST_S)
    assert link.state is LinkState.DRAINING and world.pools["A"].live()
    link.renew_for_less(1.0)
    assert link.connections == 1
    miner.leave()
    world.advance(1)
    assert not world.pools["A"].live()


def test_a_link_that_no_miner_works_through_holds_nobody() -> None:
    world = World()
    miner = world.miner()
    world.advance(2)
    other = B if miner.session.current == A else A
    assert miner.session.links[other].held_difficulty(1.0) == 0.0
    assert miner.session.switch_to(miner.session.current, SwitchReason.SLICE)


def test_a_connection_that_is_not_in_use_redirects_nobody() -> None:
    world, _, link = working()
    old = link.connection
    assert old is not None
    link.renew()
    world.advance(1)
    assert link.connection is not old
    dials = len(world.dialer.dials)
    link.connection_redirected(old, Endpoint(host="elsewhere.test", port=1))
    probe = world.engine.pools[A].probe
    assert link.job is not None
    probe.connection_job(old, link.job)
    world.advance(1)
    assert len(world.dialer.dials) == dials


def test_a_link_refuses_a_move_that_its_table_does_not_have() -> None:
    world, _, link = working()
    with pytest.raises(LocalProtocolError):
        link._move(LinkState.WARM)
    assert link.state is LinkState.WARM and world.pools["A"].live()


def test_a_dial_that_succeeds_after_its_end_is_closed_again() -> None:
    world, _, link = working()
    connection = link.connection
    assert connection is not None
    miner_link: Any = world.pools["A"].live()[0].link
    link.close("over")
    world.advance(1)
    miner_link.closed = False
    connection.opened(miner_link)
    assert miner_link.closed
    connection.closed("again")
    assert connection.ended and not connection.is_open


def test_a_share_before_any_job_is_refused_and_logged() -> None:
    world = World({"A": 8})
    world.pools["A"].reachable = False
    miner = world.miner()
    world.advance(1)
    miner.call("mining.submit", ["addr.rig", "1", "00" * miner.subscribed()[1], "68000000", "00000001"], 11)
    assert miner.answers(11)[0]["error"][0] == 21
    assert world.events_of(SubmitNoJobYet)


def test_once_the_proxy_ends_nothing_more_of_a_miner_is_read() -> None:
    world, miner, _ = working()
    assert not miner.session.is_cut_off
    world.engine.close()
    assert miner.session.is_cut_off
    miner.submit()
    world.advance(1)
    assert not world.events_of(ShareResult) and not world.events_of(SubmitNoJobYet)


def test_a_pool_that_is_not_configured_has_no_coinbases() -> None:
    world, _, _ = working()
    assert world.engine.coinbases_of(PoolKey("Z")) == ()
    world.engine.close()


def test_a_dial_that_was_given_up_ends_once_though_its_failure_is_told_after_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World({"A": 8}, settle=False)
    miner = world.miner()
    link = miner.session.links[A]
    connection = link.connection
    assert connection is not None and not connection.is_open
    lost: list[str] = []
    monkeypatch.setattr(PoolLink, "connection_lost", lambda self, connection, reason: lost.append(reason))
    connection.close("not wanted any more")
    connection.closed("connection refused")
    assert connection.ended and lost == ["not wanted any more"]
