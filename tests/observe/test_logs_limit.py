"""A peer that causes more lines than anybody reads gets no more, and the log says how many were left out."""

import asyncio
import inspect

import pytest

from proxy.net.tasks import cancel_and_wait, spawn
from proxy.observe.events import (
    INFO,
    REGISTRY,
    BlockCandidate,
    BlockFound,
    Event,
    InternalError,
    LibraryLog,
    LinesLeftOut,
    MinerBadMessage,
    MinerConnected,
    MinerDisconnected,
    MinerRefused,
    PoolMessage,
    SubmitDuplicate,
    miners,
)
from proxy.observe.log import sink
from proxy.observe.log.line_limit import (
    ALL_BURST,
    BURST,
    LIMITED,
    MOST_PEERS,
    PER_S,
    LineLimit,
)
from proxy.types import PoolKey, SessionId, WorkerName
from tests.observe.logs_cast import RIG, A, B, Scene, pool_down
from tests.support.patience import PATIENCE_S

BURST_LINES = int(BURST)


def connected(session: int, address: str = "10.0.0.5") -> MinerConnected:
    return MinerConnected(session=SessionId(session), peer=f"{address}:{session}")


def bad(session: int = 1) -> MinerBadMessage:
    return MinerBadMessage(session=SessionId(session), worker=RIG, problem="not JSON")


def refused(address: str = "10.0.0.5") -> MinerRefused:
    return MinerRefused(peer=f"{address}:4000", limit="500 connections from one address")


def admitted(limit: LineLimit, event: Event, peer: str, now: float, times: int) -> int:
    return sum(limit.admits(event, peer, now) for _ in range(times))


def test_a_burst_is_written_then_some_lines_a_second() -> None:
    limit = LineLimit()
    assert admitted(limit, bad(), "10.0.0.5", 0.0, 3 * BURST_LINES) == BURST_LINES
    assert admitted(limit, bad(), "10.0.0.5", 10.0, BURST_LINES) == 10 * PER_S
    assert admitted(limit, bad(), "10.0.0.6", 10.0, BURST_LINES) == BURST_LINES, "another address has its own"
    assert admitted(limit, refused(), "10.0.0.5", 10.0, BURST_LINES) == BURST_LINES, "another event, too"


@pytest.mark.no_cover
def test_many_addresses_together_are_limited_as_well() -> None:
    limit = LineLimit()
    written = sum(admitted(limit, bad(), f"10.0.{host}.1", 0.0, BURST_LINES) for host in range(30))
    assert written == ALL_BURST


def test_a_clock_that_is_set_back_stops_nothing_for_long() -> None:
    limit = LineLimit()
    year_s = 365 * 86_400.0
    admitted(limit, bad(), "10.0.0.5", year_s, BURST_LINES + 1)
    assert not limit.admits(bad(), "10.0.0.5", 0.0)
    assert limit.admits(bad(), "10.0.0.5", 1.0)


def test_what_was_left_out_is_reported_once_in_one_entry_for_each_event() -> None:
    limit = LineLimit()
    assert limit.report() == []
    admitted(limit, bad(), "10.0.0.5", 0.0, BURST_LINES + 7)
    admitted(limit, bad(), "10.0.0.6", 0.0, BURST_LINES + 2)
    admitted(limit, refused(), "10.0.0.6", 0.0, BURST_LINES + 1)
    assert limit.report() == [
        LinesLeftOut(left_out="miner_bad_json", lines=9, peers=2, most_by="10.0.0.5", most=7),
        LinesLeftOut(left_out="miner_refused", lines=1, peers=1, most_by="10.0.0.6", most=1),
    ]
    assert limit.report() == []


def test_the_table_is_bounded_and_what_it_forgets_is_still_reported() -> None:
    limit = LineLimit()
    admitted(limit, refused(), "10.0.0.5", 0.0, BURST_LINES + 3)
    for number in range(MOST_PEERS):
        limit.admits(bad(), f"2001:db8::{number:x}", 0.0)
    assert len(limit._peers) == MOST_PEERS
    assert limit.report() == [LinesLeftOut(left_out="miner_refused", lines=3, peers=1, most_by="10.0.0.5", most=3)]


def test_nothing_that_a_block_or_an_alarm_needs_is_left_out() -> None:
    assert not LIMITED & {BlockCandidate, BlockFound}
    scene = Scene(capacity=10 * BURST_LINES)
    for _ in range(2 * BURST_LINES):
        scene.events.emit(pool_down())
    assert len(scene.written()) == 2 * BURST_LINES


def test_each_event_that_a_miner_causes_is_limited_or_is_off_by_default() -> None:
    caused = {kind for kind in REGISTRY.values() if inspect.getmodule(kind) is miners and kind.level >= INFO}
    assert caused <= LIMITED
    assert all(kind.level >= INFO for kind in LIMITED), "what the operator switched on is written"


def test_a_miner_is_known_by_its_address_whatever_its_connections() -> None:
    scene = Scene(capacity=10 * BURST_LINES)
    for session in range(1, 11):
        scene.events.emit(connected(session))
    scene.events.emit(connected(11, "10.0.0.6"))
    for session in range(1, 11):
        for _ in range(BURST_LINES // 5):
            scene.events.emit(bad(session))
    scene.events.emit(bad(11))
    lines = scene.written()
    names = [line["event"] for line in lines]
    assert names.count("miner_bad_json") == BURST_LINES + 1
    left_out = lines[-1]
    assert (left_out["event"], left_out["left_out"], left_out["lines"]) == (
        "log_lines_left_out",
        "miner_bad_json",
        BURST_LINES,
    )
    assert left_out["most_by"] == "10.0.0.5", "told at the end, although no minute has passed"


def test_a_host_with_many_addresses_of_ipv6_is_one_peer() -> None:
    scene = Scene(capacity=10 * BURST_LINES)
    for session in range(1, 11):
        scene.events.emit(connected(session, f"[2001:db8:1:2::{session}]"))
        for _ in range(BURST_LINES // 5):
            scene.events.emit(bad(session))
    assert [line["event"] for line in scene.written()].count("miner_bad_json") == BURST_LINES


def test_two_hundred_miners_behind_one_address_that_all_return_at_once_are_all_in_the_log() -> None:
    scene = Scene(capacity=10 * BURST_LINES)
    for session in range(1, 201):
        scene.events.emit(connected(session))
        scene.events.emit(
            MinerDisconnected(
                session=SessionId(session), worker=WorkerName("rig"), peer="10.0.0.5:1", reason="lost", duration_s=1.0
            )
        )
    assert len(scene.written()) == 400
    assert not scene.sink._sessions


@pytest.mark.no_cover
def test_pools_and_libraries_have_limits_of_their_own() -> None:
    scene = Scene(capacity=10 * BURST_LINES)
    for pool in (A, B):
        for _ in range(BURST_LINES + 1):
            scene.events.emit(PoolMessage(pool=PoolKey(pool), text="hello"))
    for _ in range(BURST_LINES + 1):
        scene.events.emit(LibraryLog(logger="twisted", text="something"))
        scene.events.emit(InternalError(where="somewhere", traceback=""))
    left_out = [line for line in scene.written() if line["event"] == "log_lines_left_out"]
    assert [(line["left_out"], line["peers"], line["most_by"]) for line in left_out] == [
        ("pool_message", 2, "A"),
        ("library_log", 1, "twisted"),
        ("session_error", 1, ""),
    ]


async def test_a_running_proxy_reports_it_after_a_while_and_does_nothing_while_all_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sink, "REPORT_S", 0.0)
    scene, loop = Scene(), asyncio.get_running_loop()
    told: asyncio.Queue[LinesLeftOut] = asyncio.Queue()
    scene.events.subscribe(LinesLeftOut, told.put_nowait)
    slept: list[float] = []
    monkeypatch.setattr(asyncio, "sleep", lambda delay_s: slept.append(delay_s) or loop.run_in_executor(None, int))
    running = spawn(scene.sink.run(), name="log limit")
    duplicate = SubmitDuplicate(session=SessionId(1), worker=RIG, job="1")
    try:
        for _ in range(BURST_LINES):
            scene.events.emit(duplicate)
        for times in (1, 2):
            await loop.run_in_executor(None, int)
            assert len(slept) == times - 1, "nothing has been left out since"
            for _ in range(times):
                scene.events.emit(duplicate)
            assert (await asyncio.wait_for(told.get(), PATIENCE_S)).lines == times
            assert slept == [sink.REPORT_S] * times and told.empty()
    finally:
        await cancel_and_wait(running, timeout_s=PATIENCE_S)


def test_an_address_that_may_write_all_its_lines_again_takes_no_room() -> None:
    limit = LineLimit()
    for number in range(1000):
        assert limit.admits(bad(), f"10.0.{number // 256}.{number % 256}", 10.0 + number)
    assert len(limit._peers) < 5


def test_an_address_is_remembered_until_what_it_left_out_was_told() -> None:
    limit = LineLimit()
    admitted(limit, bad(), "a", 0.0, 2000)
    for number in range(10):
        limit.admits(bad(), f"10.0.0.{number}", 1e6 + number)
    assert [(each.lines, each.most_by) for each in limit.report()] == [(1000, "a")]
