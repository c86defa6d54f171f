"""A connection on which nothing is sent stays open at pools that close idle ones."""

from typing import Any

import pytest

from tests.stratum.test_upstream import Bench
from tests.support.world import World

pytestmark = pytest.mark.no_cover


def times_of(bench: Bench, seconds: int) -> list[float]:
    """When something was sent within ``seconds``, to the second."""
    times = []
    for _ in range(seconds):
        before = len(bench.sent)
        bench.clock.advance(1)
        times += [bench.clock.now()] * (len(bench.sent) > before)
    return times


def test_an_idle_connection_says_something_harmless_every_five_to_nine_minutes() -> None:
    bench = Bench().ready()
    count = len(bench.sent)
    times = times_of(bench, 3600)
    gaps = [later - before for before, later in zip([0.0, *times], times, strict=False)]
    assert times
    assert all(300 <= gap <= 540 for gap in gaps)
    assert {m["method"] for m in bench.sent[count:]} == {"mining.extranonce.subscribe"}
    assert len({m["id"] for m in bench.sent}) == len(bench.sent)


def test_a_connection_at_work_says_nothing_more() -> None:
    bench = Bench().ready()
    for _ in range(40):
        bench.clock.advance(60)
        bench.submit("t", bench.owner.jobs[-1], b"\0" * 8, 1, 1, 0x20000000)
        bench.pool(id=bench.id_of("mining.submit"), result=True, error=None)
    assert [m["method"] for m in bench.sent].count("mining.extranonce.subscribe") == 1


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {"result": True, "error": None},
        {"result": None, "error": [-3, "no", None]},
        {"result": False, "error": {"code": -1, "message": "no"}},
    ],
)
def test_any_answer_or_none_is_all_the_same(answer: dict[str, Any] | None) -> None:
    bench = Bench().ready()
    bench.clock.advance(460)
    if answer is not None:
        bench.pool(id=bench.id_of("mining.extranonce.subscribe"), **answer)
    bench.clock.advance(400)
    assert not bench.owner.closed
    assert not bench.owner.problems
    assert not bench.owner.late
    assert not bench.upstream.stalled


def test_a_pool_that_closes_after_ten_silent_minutes_keeps_its_idle_connections() -> None:
    world = World({"A": 8, "B": 8}, weights={"A": 100.0, "B": 1.0})
    world.pools["B"].closes_idle_after_s = 600.0
    for n in range(5):
        world.miner(user=f"addr.rig{n}")
    world.advance(5)
    world.slider(A=100.0, B=0.001)
    world.advance(5)
    before = world.pools["B"].live()
    for _ in range(60):
        world.advance(60)
        world.pools["A"].notify()
        world.pools["B"].notify()
    assert before
    assert world.pools["B"].live() == before
    spoken = {tuple(m["id"] for m in connection.received) for connection in before}
    assert spoken
