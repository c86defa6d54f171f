"""Redirects and connections that break before they are of use: followed, not hammered, and nothing is left behind."""

from collections import Counter
from typing import Any

import pytest

from proxy.observe.events import PoolDown
from tests.support.world import Connection, Dialer, ScriptedPool, World


def slow_dials(monkeypatch: pytest.MonkeyPatch, seconds: float = 0.05) -> None:
    """Let each dial take its time: without it a circle of dials never ends in virtual time."""
    usual = Dialer.dial

    def dial(self: Dialer, endpoint: Any, handler: Any) -> Any:
        cancels = []
        timer = self.clock.call_at(self.clock.now() + seconds, lambda: cancels.append(usual(self, endpoint, handler)))
        return lambda: [cancel() for cancel in (timer.cancel, *cancels)]

    monkeypatch.setattr(Dialer, "dial", dial)


def instead_of(monkeypatch: pytest.MonkeyPatch, method: str, act: Any) -> None:
    """Let ``act(connection, message, usual)`` answer ``method``."""
    usual = Connection.answer

    def answer(self: Connection, message: dict[str, Any]) -> None:
        if message["method"] == method:
            act(self, message, usual)
        else:
            usual(self, message)

    monkeypatch.setattr(Connection, "answer", answer)


def test_a_pool_that_redirects_every_client_as_it_logs_in_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    slow_dials(monkeypatch)
    world = World({"A": 8}, settle=False)
    world.ports[2000] = ScriptedPool("A", world.clock, 8, 1.0)

    def redirect(connection: Connection, message: dict[str, Any], usual: Any) -> None:
        if connection.pool is world.ports[2000]:
            usual(connection, message)
            return
        connection.say({"id": message["id"], "result": True, "error": None})
        connection.push("client.reconnect", ["127.0.0.1", 2000, 0])

    instead_of(monkeypatch, "mining.authorize", redirect)
    miner = world.miner()
    world.advance(30)
    assert miner.all("mining.notify"), Counter(world.dialer.dials)
    assert len(world.dialer.dials) < 10


def test_pools_that_send_their_clients_in_circles_are_not_hammered(monkeypatch: pytest.MonkeyPatch) -> None:
    slow_dials(monkeypatch)
    world = World({"A": 8}, settle=False)
    world.ports[2000] = ScriptedPool("A", world.clock, 8, 1.0)

    def redirect(connection: Connection, message: dict[str, Any], usual: Any) -> None:
        connection.say({"id": message["id"], "result": True, "error": None})
        connection.push("client.reconnect", ["127.0.0.1", 2000 if connection.pool is world.pools["A"] else 1000, 0])

    instead_of(monkeypatch, "mining.authorize", redirect)
    world.miner()
    world.advance(60)
    assert len(world.dialer.dials) < 60


def test_a_redirect_to_where_nobody_listens_leaves_the_pool_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    slow_dials(monkeypatch)
    world = World({"A": 8})
    miners = [world.miner(user=f"addr.r{n}") for n in range(4)]
    world.advance(2)
    for connection in world.pools["A"].live():
        connection.push("client.reconnect", ["127.0.0.1", 2222, 0])
    world.advance(5)
    assert not world.events_of(PoolDown)
    assert [miner.session.current for miner in miners] == ["A"] * 4


@pytest.mark.parametrize("login_s", [0.02, 0.1, 0.15, 0.3])
def test_a_pool_that_redirects_and_closes_at_once_costs_one_connection(
    monkeypatch: pytest.MonkeyPatch, login_s: float
) -> None:
    world = World({"A": 8})
    miner = world.miner()
    world.advance(1)
    pool = world.pools["A"]
    instead_of(
        monkeypatch,
        "mining.authorize",
        lambda connection, message, usual: world.clock.call_at(
            world.clock.now() + login_s, lambda: usual(connection, message)
        ),
    )
    (old,) = pool.live()
    old.push("client.reconnect", [])
    world.advance(0.001)
    old.link.close("closed by the other side")
    world.advance(login_s + 0.01)
    assert miner.session.current == "A"
    world.advance(10)
    assert len(pool.live()) == 1


def test_a_connection_lost_while_its_backoff_runs_is_no_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World({"A": 8})
    miner = world.miner()
    world.advance(1)
    pool = world.pools["A"]
    instead_of(
        monkeypatch,
        "mining.authorize",
        lambda connection, message, usual: world.clock.call_at(
            world.clock.now() + 0.02, lambda: usual(connection, message)
        ),
    )
    (old,) = pool.live()
    old.push("client.reconnect", [])
    world.advance(0.001)
    old.link.close("closed by the other side")
    world.advance(0.05)
    pool.drop()
    world.advance(5)
    assert miner.session.current == "A"


def test_a_pool_that_closes_after_each_first_job_is_dialled_less_and_less_often() -> None:
    world = World({"A": 8})
    world.miner()
    world.advance(1)
    pool = world.pools["A"]
    usual = pool.job

    def job(**options: Any) -> list[Any]:
        for connection in pool.live():
            world.clock.call_at(
                world.clock.now() + 0.01, lambda link=connection.link: link.close("closed by the other side")
            )
        return usual(**options)

    pool.job = job  # type: ignore[method-assign]
    before = len(world.dialer.dials)
    pool.drop()
    world.advance(60)
    assert len(world.dialer.dials) - before < 40
