"""The Logs page reads the newest lines from memory, whatever the disk does."""

from proxy.config.snapshot import LogConfig
from proxy.observe.events import WARNING
from proxy.observe.log.redact import redact
from proxy.observe.log.ring import RecentLines
from tests.observe.logs_cast import (
    LEGACY,
    ONE,
    A,
    B,
    Scene,
    authorized,
    everything,
    pool_down,
    reconnect_wait,
    switched,
)


def filled() -> RecentLines:
    scene = Scene(everything())
    for event in (authorized(), switched(B), reconnect_wait(), pool_down("tired"), pool_down("gone")):
        scene.events.emit(event)
    return scene.sink.ring


def test_newest_line_comes_first_and_ids_count_up() -> None:
    lines = filled().recent()
    assert [line.id for line in lines] == [5, 4, 3, 2, 1]
    assert lines[0].fields == {"reason": "gone"}
    assert lines[0].pool == "A"


def test_page_asks_only_for_what_is_new() -> None:
    ring = filled()
    assert [line.id for line in ring.recent(after=3)] == [5, 4]
    assert ring.recent(after=ring.last_id) == []


def test_lines_can_be_filtered() -> None:
    ring = filled()
    assert [line.event for line in ring.recent(level=WARNING)] == ["pool_down", "pool_down"]
    assert [line.event for line in ring.recent(events={"pool_reconnect_wait"})] == ["pool_reconnect_wait"]
    assert [line.event for line in ring.recent(session=ONE)] == ["pool_switched", "miner_authorized"]
    assert [line.event for line in ring.recent(worker="rig", pool=B)] == ["pool_switched"]
    assert [line.id for line in ring.recent(pool=A, text="TIRED")] == [4]
    assert [line.id for line in ring.recent(limit=2)] == [5, 4]


def test_only_the_newest_are_kept() -> None:
    scene = Scene()
    scene.sink.ring = RecentLines(kept=3)
    for number in range(10):
        scene.events.emit(pool_down(str(number)))
    assert [line.fields["reason"] for line in scene.sink.ring.recent()] == ["9", "8", "7"]


def test_wallets_can_be_left_out_on_request() -> None:
    scene = Scene()
    scene.events.emit(authorized(user=f"{LEGACY}.rig"))
    assert scene.sink.ring.recent()[0].fields["user"] == f"{LEGACY}.rig"
    assert scene.sink.ring.recent(redact=redact)[0].fields["user"] == "[wallet].rig"


def test_configured_redaction_holds_for_the_page_too() -> None:
    scene = Scene(LogConfig(redact_wallets=True))
    scene.events.emit(authorized(user=f"{LEGACY}.rig"))
    assert scene.sink.ring.recent()[0].fields["user"] == "[wallet].rig"
