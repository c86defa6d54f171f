"""What firmware sends to log in, in any order, and what it must and must not hear before its replies."""

import orjson
import pytest

from proxy.observe.events import MinerAuthorized, MinerWaiting
from tests.support.world import World


def test_nothing_but_the_reply_comes_before_a_reply() -> None:
    world = World()
    miner = world.miner(handshake=False)
    miner.raw(
        b"".join(
            orjson.dumps({"id": n, "method": method, "params": params}) + b"\n"
            for n, method, params in [
                (1, "mining.configure", [["version-rolling"], {"version-rolling.mask": "ffffffff"}]),
                (2, "mining.subscribe", ["bitaxe/BM1370/v2.10.0"]),
                (3, "mining.authorize", ["addr.rig", "x"]),
                (4, "mining.suggest_difficulty", [512]),
            ]
        )
    )
    assert [line["id"] for line in miner.lines] == [1, 2, 3, 4]
    assert len(miner.writes) == 1
    world.advance(1)
    assert miner.lines[4]["method"] == "mining.set_difficulty"
    assert miner.lines[5]["method"] == "mining.notify"


def test_configure_answers_only_what_was_asked_for() -> None:
    """Whatsminer leaves in a loop over any other key (SRI 1173)."""
    world = World()
    miner = world.miner("whatsminer/v1.1", handshake=False)
    miner.call("mining.configure", [["version-rolling"], {"version-rolling.mask": "1fffe000"}], 1)
    assert miner.answers(1)[0]["result"] == {"version-rolling": True, "version-rolling.mask": "1fffe000"}
    miner.call(
        "mining.configure",
        [["minimum-difficulty", "subscribe-extranonce", "info"], {"minimum-difficulty.value": 2048}],
        2,
    )
    assert miner.answers(2)[0]["result"] == {"minimum-difficulty": True, "subscribe-extranonce": True, "info": False}


def test_the_offered_mask_is_what_all_pools_allow_within_what_was_asked() -> None:
    world = World({"A": 8, "B": 8}, settle=False)
    world.pools["A"].mask, world.pools["B"].mask = 0x1FFF0000, 0x0FFFE000
    world.advance(3)
    miner = world.miner(mask="1fffe000")
    assert miner.answers(1)[0]["result"]["version-rolling.mask"] == "0fff0000"


@pytest.mark.parametrize(
    ("agent", "sizes", "expected"),
    [
        ("cpuminer/2.5.1", {"A": 8, "B": 8}, (2, 4)),
        ("cpuminer/2.5.1", {"A": 8, "B": 4}, (0, 4)),
        ("NerdMinerV2/1.8", {"A": 4, "B": 4}, (1, 2)),
        ("NerdMinerV2/1.8", {"A": 8, "B": 8}, (2, 4)),
        ("cgminer/4.11.1", {"A": 6, "B": 8}, (1, 4)),
    ],
)
def test_subscribe_is_answered_at_once_with_sizes_that_fit(
    agent: str, sizes: dict[str, int], expected: tuple[int, int]
) -> None:
    world = World(sizes, settle=False)  # remembered sizes: no pool has been asked yet
    miner = world.miner(agent)
    extranonce1, size = miner.subscribed()
    assert (len(extranonce1) // 2, size) == expected
    assert miner.answers(2)[0]["result"][0] == [["mining.set_difficulty", "1"], ["mining.notify", "1"]]


def test_sizes_not_known_yet_give_an_empty_extranonce1_and_four_bytes() -> None:
    world = World({"A": 8}, remember_sizes=False, settle=False)
    assert world.miner().subscribed() == ("", 4)


def test_authorise_before_subscribe_and_subscribing_twice_are_fine() -> None:
    world = World()
    miner = world.miner(handshake=False)
    miner.call("mining.suggest_difficulty", [1000], 9)
    miner.call("mining.authorize", ["addr.rig", ""], 1)
    miner.call("mining.subscribe", ["whatsminer/v1.1", "oldsession"], 2)
    miner.call("mining.subscribe", ["whatsminer/v1.1"], 3)
    world.advance(1)
    assert miner.answers(2)[0]["result"] == miner.answers(3)[0]["result"]
    assert miner.all("mining.notify")


def test_bfgminer_calls_with_a_null_id_get_no_reply_that_it_would_take_for_another() -> None:
    world = World()
    miner = world.miner(handshake=False)
    miner.call("mining.suggest_target", ["00000000ffff0000000000000000000000000000000000000000000000000000"], None)
    miner.call("mining.capabilities", [{}], None)
    assert miner.lines == []
    miner.call("mining.subscribe", ["bfgminer/5.5"], 0)
    assert miner.lines[0]["id"] == 0
    assert world.engine.sessions[miner.session.id].asked_difficulty.suggested is not None


@pytest.mark.parametrize("method", ["mining.get_blob", "no.such.method"])
def test_every_request_gets_a_reply_also_one_that_nobody_knows(method: str) -> None:
    world = World()
    miner = world.miner()
    miner.call(method, [], "q1")
    (answer,) = miner.answers("q1")
    assert answer["error"][0] == 20
    miner.call("mining.ping", [], 77)
    assert miner.answers(77) == [{"id": 77, "result": "pong", "error": None}]
    miner.call("mining.extranonce.subscribe", [], "xnsub")
    assert miner.answers("xnsub")[0]["result"] is True


@pytest.mark.parametrize(
    ("user", "worker"),
    [
        ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4.rig1", "rig1"),
        ("account.floor2.rig3", "rig3"),
        ("rig9", "rig9"),
        ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "worker"),
        ("addr.we ird/näme", "we_ird_n_me"),
        ("addr." + "x" * 200, "x" * 32),
        ("addr.", "worker"),
    ],
)
def test_the_wallet_is_ignored_and_the_name_after_the_last_dot_kept(user: str, worker: str) -> None:
    world = World()
    world.miner(user=user)
    world.advance(1)
    assert [event.worker for event in world.events_of(MinerAuthorized)] == [worker]
    users = {connection.user for pool in world.pools.values() for connection in pool.live()}
    assert users == {f"walletA.{worker}", f"walletB.{worker}"}


def test_a_miners_own_agent_and_password_reach_the_pools() -> None:
    world = World()
    world.miner("NerdMinerV2/1.8")
    world.advance(1)
    for pool in world.pools.values():
        (connection,) = pool.live()
        assert (connection.agent, connection.password) == ("NerdMinerV2/1.8", "x")
        assert [m["method"] for m in connection.received][:3] == [
            "mining.configure",
            "mining.subscribe",
            "mining.authorize",
        ]
        assert all(type(m["id"]) is int for m in connection.received)


def test_a_connection_that_never_logs_in_is_closed() -> None:
    world = World()
    miner = world.miner(handshake=False)
    miner.call("mining.subscribe", ["scanner"], 1)
    world.advance(61)
    assert miner.link.closed
    assert not world.engine.sessions


def test_garbage_costs_the_miner_its_connection_in_the_end_and_nobody_else() -> None:
    world = World()
    good, bad = world.miner(), world.miner(user="addr.bad")
    world.advance(1)
    for _ in range(60):
        bad.raw(b"{garbage\n")
    world.advance(1)
    assert bad.link.closed
    assert not good.link.closed
    ident = good.submit()
    world.advance(1)
    assert good.answers(ident)[0]["result"] is True


def test_with_no_pool_the_miner_is_kept_and_told_of() -> None:
    world = World({})
    miner = world.miner()
    world.advance(120)
    assert not miner.link.closed
    assert len(miner.all("mining.ping")) == 2
    assert not miner.all("mining.set_difficulty")
    assert "No pool is set up" in world.events_of(MinerWaiting)[0].reason
