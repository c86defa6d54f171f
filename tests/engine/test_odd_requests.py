"""Requests in odd dress: answered, and understood where their meaning is plain."""

import orjson
import pytest

from tests.support.world import World


def ready() -> tuple[World, object]:
    world = World({"A": 8})
    miner = world.miner(mask="1fffe000")
    world.advance(1)
    return world, miner


@pytest.mark.parametrize("tail", [["00000001", None], ["00000001", ""], ["0x00000001"]])
def test_a_share_whose_meaning_is_plain_is_taken(tail: list[object]) -> None:
    world, miner = ready()
    miner.call("mining.submit", [miner.user, miner.job[0], "00" * miner.subscribed()[1], miner.job[7], *tail], 99)
    world.advance(1)
    assert miner.answers(99)[0]["result"] is True


@pytest.mark.parametrize("params", [{}, "x", 5])
def test_parameters_of_a_wrong_shape_are_answered_too(params: object) -> None:
    _, miner = ready()
    miner.raw(orjson.dumps({"id": 99, "method": "mining.suggest_difficulty", "params": params}) + b"\n")
    assert miner.answers(99)[0]["error"][0] == 20


def test_a_long_password_never_makes_a_line_that_drops_us_at_ckpool() -> None:
    world = World({"A": 8})
    miner = world.miner(handshake=False)
    miner.call("mining.subscribe", ["cpuminer/2.5.1"], 2)
    miner.call("mining.authorize", ["addr.rig", "p" * 2000], 3)
    world.advance(60)
    assert max(len(orjson.dumps(m)) for c in world.pools["A"].connections for m in c.received) < 1023
    assert miner.all("mining.notify")


def test_job_ids_differ_from_connection_to_connection() -> None:
    """cgminer sends a share again after a reconnect if extranonce1 is as before, and an empty one always is."""
    world = World({"A": 4})
    first, second = world.miner(), world.miner()
    world.advance(1)
    assert first.subscribed()[0] == second.subscribed()[0] == ""
    assert first.job[0] != second.job[0]


@pytest.mark.parametrize(
    ("method", "params", "result"),
    [
        ("mining.extranonce.subscribe", [], True),
        ("mining.suggest_difficulty", [512], True),
        ("mining.suggest_target", ["00000000ffff" + "0" * 52], True),
        ("mining.suggest_target", ["f" * 64], True),
        ("mining.suggest_difficulty", [0], True),
        ("mining.suggest_difficulty", [], True),
        ("mining.suggest_difficulty", [None], True),
        ("mining.suggest_difficulty", ["nan"], True),
        ("mining.multi_version", [4], True),
        ("mining.get_transactions", ["1"], []),
    ],
)
def test_optional_methods_get_what_real_pools_give_and_never_null(
    method: str, params: list[object], result: object
) -> None:
    """Canaan's firmware counts a null as a reject in its pages."""
    _, miner = ready()
    miner.call(method, params, 99)
    assert miner.answers(99) == [{"id": 99, "result": result, "error": None}]


@pytest.mark.parametrize("target", ["1".zfill(64), "00", "0" * 64, "ff", "zz"])
def test_a_target_that_no_pool_could_set_is_heard_and_goes_nowhere(target: str) -> None:
    """A difficulty beyond 64 bits cannot be written in JSON: the suggestion ended each upstream connection."""
    world, miner = ready()
    miner.call("mining.suggest_target", [target], 99)
    world.advance(1)
    assert miner.answers(99)[0]["result"] is True
    assert miner.session.asked_difficulty.suggested is None
    assert len(world.pools["A"].live()) == 1
    ident = miner.submit()
    world.advance(1)
    assert miner.answers(ident)[0]["result"] is True
