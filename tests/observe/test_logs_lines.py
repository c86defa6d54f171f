"""A log line is one JSON object that says what, when, which session, worker and pool."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.config.snapshot import LogConfig
from proxy.observe.events import (
    BlockCandidate,
    MinerDisconnected,
    MinerSubscribed,
    OracleApplied,
    PoolMessage,
    PoolNotify,
    UpstreamTraffic,
)
from proxy.observe.log.lines import LONGEST_TEXT, Entry, json_of, line_of, timestamp
from proxy.types import Chain, ConnectionId, JobId
from tests.observe.logs_cast import ONE, RIG, A, Scene, authorized, everything, pool_down, switched

LOGIN = '{"id":1,"method":"mining.authorize","params":["user","secret"]}'


def test_line_begins_with_time_and_event() -> None:
    scene = Scene()
    scene.events.emit(pool_down())
    scene.written()
    assert scene.stdout.getvalue() == (
        '{"ts":"2025-06-15T15:06:40.000Z","event":"pool_down","level":"WARNING","session":null,"worker":null,'
        '"pool":"A","reason":"no answer"}\n'
    )


def test_worker_and_pool_of_a_session_are_added_where_the_event_does_not_name_them() -> None:
    scene = Scene()
    subscribed = MinerSubscribed(session=ONE, agent="x", profile="x", extranonce1="00", extranonce2_size=4)
    for event in (subscribed, authorized(), switched(A), subscribed):
        scene.events.emit(event)
    first, *_, last = scene.written()
    assert (first["session"], first["worker"], first["pool"]) == (1, None, None)
    assert (last["session"], last["worker"], last["pool"]) == (1, "rig", "A")


def test_disconnected_session_is_named_once_more_and_then_forgotten() -> None:
    scene = Scene()
    for event in (
        authorized(),
        switched(A),
        MinerDisconnected(session=ONE, worker=RIG, peer="", reason="closed", duration_s=9.0),
    ):
        scene.events.emit(event)
    assert scene.written()[-1]["pool"] == "A"
    assert scene.sink._sessions == {}


def test_sessions_are_known_although_their_events_are_denied() -> None:
    scene = Scene(LogConfig(deny=frozenset({"miner_authorized", "pool_switched"})))
    scene.events.emit(authorized())
    scene.events.emit(switched(A))
    scene.events.emit(MinerSubscribed(session=ONE, agent="x", profile="x", extranonce1="00", extranonce2_size=4))
    (line,) = scene.written()
    assert (line["worker"], line["pool"]) == ("rig", "A")


def test_bytes_are_hex_at_any_depth() -> None:
    scene = Scene()
    scene.events.emit(
        BlockCandidate(
            session=ONE,
            worker=RIG,
            pool=A,
            chain=Chain.BTC,
            job=JobId("1"),
            header=b"\x01\x02",
            header_hash=b"\x00",
            coinbase=b"",
            merkle_branches=(b"\xaa", b"\xbb"),
            nbits=1,
            true_difficulty=1.0,
            network_difficulty=1.0,
        )
    )
    (line,) = scene.written()
    assert line["header"] == "0102"
    assert line["merkle_branches"] == ["aa", "bb"]
    assert line["chain"] == "BTC"


def test_numbers_that_json_cannot_say_do_not_break_the_line() -> None:
    scene = Scene(everything())
    scene.events.emit(OracleApplied(weights={A: float("nan")}, reason="x"))
    scene.events.emit(
        PoolNotify(
            pool=A,
            connection=ConnectionId(1),
            chain=Chain.BTC,
            job="1",
            prevhash=b"",
            version=2**80,
            nbits=0,
            ntime=0,
            clean=True,
            coinbase1=b"",
            extranonce1=b"",
            extranonce2_size=4,
            coinbase2=b"",
        )
    )
    first, second = scene.written()
    assert first["weights"] == {"A": None}
    assert second["version"] == 2**80


def test_text_of_a_peer_is_cut() -> None:
    scene = Scene()
    scene.events.emit(PoolMessage(pool=A, text="x" * 100_000))
    assert len(str(scene.written()[0]["text"])) == LONGEST_TEXT + 1


@pytest.mark.no_cover
@given(st.text(st.characters(), max_size=200))
def test_any_text_of_a_peer_stays_inside_one_line(text: str) -> None:
    scene = Scene()
    scene.events.emit(PoolMessage(pool=A, text=text))
    scene.written()
    (line,) = scene.stdout.getvalue().split("\n")[:-1]
    assert json.loads(line)["event"] == "pool_message"


TIMES = st.floats(0, 4e9) | st.integers(0, 4_000_000_000).map(float) | st.sampled_from([0.9999996, 1e9 - 1e-7])


@given(TIMES)
def test_a_time_is_written_as_the_library_writes_it(ts: float) -> None:
    expected = datetime.fromtimestamp(ts, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert timestamp(ts) == expected


def test_a_line_of_the_file_says_what_the_page_says() -> None:
    odd = "rig\u202e\x85" + "x" * LONGEST_TEXT
    events = (
        pool_down(odd),
        switched(A),
        authorized(),
        OracleApplied(weights={A: 1.0}, reason=odd),
        UpstreamTraffic(session=ONE, pool=A, direction="tx", line=LOGIN),
    )
    for redact in (None, lambda text: text.replace("rig", "***")):
        for number, event in enumerate(events):
            entry = Entry(number, 1.5 + number / 7, event, number, odd, A)
            assert json_of(entry, redact) == line_of(entry, redact).json()
            assert "secret" not in json_of(entry, redact)
