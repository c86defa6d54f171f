"""What real firmware does beside the usual handshake: each of it works."""

import orjson
import pytest

from proxy.observe.events import ShareResult
from proxy.types import Reason
from tests.support.world import World

HANDSHAKE = (
    b'{"id":1,"method":"mining.configure",'
    b'"params":[["version-rolling"],{"version-rolling.mask":"ffffffff"}]}\n'
    b'{"id":2,"method":"mining.subscribe","params":["bitaxe/BM1370/v2.9.0"]}\r\n'
    b'{"id":3,"method":"mining.authorize","params":["addr.rig","x"]}\n'
    b'{"id":4,"method":"mining.suggest_difficulty","params":[1000]}\n'
    b'{"id":5,"method":"mining.extranonce.subscribe","params":[]}\n'
)


@pytest.mark.parametrize("chunk", [1, 7, 64, 1000])
def test_a_pipelined_handshake_is_answered_in_order_however_it_is_cut(chunk: int) -> None:
    world = World()
    miner = world.miner(handshake=False)
    for start in range(0, len(HANDSHAKE), chunk):
        miner.raw(HANDSHAKE[start : start + chunk])
    world.advance(1)
    assert [line["id"] for line in miner.lines if "method" not in line] == [1, 2, 3, 4, 5]
    assert all(line["error"] is None for line in miner.lines if "method" not in line)
    first_push = next(number for number, line in enumerate(miner.lines) if "method" in line)
    assert {"id": 3, "result": True, "error": None} in miner.lines[:first_push]
    assert miner.all("mining.notify")


def test_configure_after_the_login_holds_from_then_on() -> None:
    world = World({"A": 8})
    miner = world.miner()
    world.advance(1)
    miner.call("mining.configure", [["version-rolling"], {"version-rolling.mask": "00ffe000"}], 50)
    assert miner.answers(50)[0]["result"] == {"version-rolling": True, "version-rolling.mask": "00ffe000"}
    world.pools["A"].notify()
    world.advance(1)
    ident = miner.submit(bits="00202000")
    world.advance(1)
    assert miner.answers(ident)[0]["result"] is True
    assert world.pools["A"].submits[-1][5] == "00202000"
    assert not miner.all("mining.set_version_mask")


@pytest.mark.parametrize(("nonce", "sent"), [("ABCDEF01", "abcdef01"), ("1", "00000001"), ("fFf", "00000fff")])
def test_a_nonce_in_capitals_or_without_leading_zeros_reaches_the_pool_in_full(nonce: str, sent: str) -> None:
    world = World({"A": 8})
    miner = world.miner("NerdMinerV2/1.6.3")
    world.advance(1)
    ident = miner.submit(nonce=nonce, ntime=miner.job[7].upper())
    world.advance(1)
    assert miner.answers(ident)[0]["result"] is True
    assert world.pools["A"].submits[-1][4] == sent


def test_bits_outside_the_mask_are_taken_off_where_the_hash_stands_without_them() -> None:
    world = World({"A": 8})
    miner = world.miner(mask="1fffe000")
    world.advance(1)
    ident = miner.submit(bits="e0002001")
    world.advance(1)
    assert miner.answers(ident)[0]["result"] is True
    assert world.pools["A"].submits[-1][5] == "00002000"


@pytest.mark.parametrize("size", [0, 1, 3, 5, 8])
def test_an_extranonce2_of_a_wrong_length_is_refused_here(size: int) -> None:
    world = World({"A": 8})
    miner = world.miner()
    world.advance(1)
    assert miner.subscribed()[1] == 4
    ident = 900 + size
    miner.call("mining.submit", [miner.user, miner.job[0], "00" * size, miner.job[7], "00000001"], ident)
    world.advance(1)
    assert miner.answers(ident)[0]["error"][0] == 20
    assert not world.pools["A"].submits


def test_several_workers_of_one_connection_share_a_pool_connection_and_are_told_apart() -> None:
    world = World({"A": 8})
    miner = world.miner(user="addr.one")
    miner.call("mining.authorize", ["addr.two", "x"], 60)
    world.advance(1)
    for ident, user in enumerate(("addr.one", "addr.two", "addr.three"), 70):
        miner.call("mining.submit", [user, miner.job[0], "00" * 4, miner.job[7], f"{ident:08x}"], ident)
    world.advance(1)
    assert [miner.answers(ident)[0]["result"] for ident in (70, 71, 72)] == [True, True, None]
    assert miner.answers(72)[0]["error"][0] == 24
    assert {params[0] for params in world.pools["A"].submits} == {"walletA.one"}
    assert sorted((str(share.worker), share.reason) for share in world.events_of(ShareResult)) == [
        ("one", Reason.NONE),
        ("one", Reason.UNAUTHORIZED),
        ("two", Reason.NONE),
    ]


def test_logging_in_twice_changes_nothing() -> None:
    world = World({"A": 8})
    miner = world.miner()
    world.advance(1)
    before = len(miner.lines)
    miner.call("mining.authorize", [miner.user, "x"], 80)
    miner.call("mining.subscribe", ["other/1.0", "1"], 81)
    world.advance(1)
    assert [line["id"] for line in miner.lines[before:]] == [80, 81]
    assert miner.answers(81)[0]["result"][1:] == miner.answers(2)[0]["result"][1:]
    assert len(world.pools["A"].live()) == 1
    ident = miner.submit()
    world.advance(1)
    assert miner.answers(ident)[0]["result"] is True


@pytest.mark.parametrize("suggestion", [1000, "1000", 1000.4])
def test_a_suggestion_may_be_a_number_or_its_text(suggestion: object) -> None:
    world = World({"A": 8})
    miner = world.miner()
    miner.call("mining.suggest_difficulty", [suggestion], 90)
    world.advance(1)
    assert miner.answers(90)[0]["result"] is True
    suggested = [
        m["params"] for c in world.pools["A"].live() for m in c.received if m["method"] == "mining.suggest_difficulty"
    ]
    assert suggested == [[1000]]


def test_pings_and_pongs_of_miners() -> None:
    world = World({"A": 8})
    miner = world.miner()
    world.advance(1)
    before = len(miner.lines)
    miner.raw(b'{"id":null,"method":"pong","params":[]}\n{"id":7,"result":"pong","error":null}\n{"method":"pong"}\n')
    assert miner.lines[before:] == []
    miner.call("mining.ping", [], 8)
    assert miner.lines[before:] == [{"id": 8, "result": "pong", "error": None}]
    assert not miner.link.closed


def test_the_answers_of_a_share_come_behind_nothing_that_belongs_to_another() -> None:
    """Two submits in one segment: two answers, each with its own id, the local refusal before the pool's verdict."""
    world = World({"A": 8})
    miner = world.miner()
    world.advance(1)
    params = [miner.user, miner.job[0], "00" * 4, miner.job[7], "00000009"]
    line = orjson.dumps({"id": 1, "method": "mining.submit", "params": params}) + b"\n"
    again = orjson.dumps({"id": 2, "method": "mining.submit", "params": params}) + b"\n"
    before = len(miner.lines)
    miner.raw(line + again)
    world.advance(1)
    answers = [answer for answer in miner.lines[before:] if "method" not in answer]
    assert [(answer["id"], answer["result"], answer["error"] and answer["error"][0]) for answer in answers] == [
        (2, None, 22),
        (1, True, None),
    ]
