"""Level, allow and deny decide what is written, at once and without costing what is off."""

from proxy.config.snapshot import LogConfig
from proxy.observe.events import REGISTRY, DownstreamTraffic, PoolDown, PoolReconnectWait, ShareResult
from proxy.observe.log.log_filter import kinds_to_write
from tests.observe.logs_cast import ONE, RIG, Scene, everything, pool_down, reconnect_wait


def test_chatty_events_are_off_by_default_and_not_even_made() -> None:
    scene = Scene()
    assert not scene.events.wants(PoolReconnectWait)
    assert not scene.events.wants(ShareResult)
    assert scene.events.wants(PoolDown)


def test_debug_level_writes_everything() -> None:
    assert kinds_to_write(everything()) == frozenset(REGISTRY.values())


def test_allowed_event_is_written_whatever_its_level() -> None:
    scene = Scene(LogConfig(level="ERROR", allow=frozenset({"pool_reconnect_wait"})))
    scene.events.emit(reconnect_wait())
    scene.events.emit(pool_down())
    assert scene.names() == ["pool_reconnect_wait"]


def test_denied_event_is_never_written_even_if_allowed() -> None:
    scene = Scene(LogConfig(allow=frozenset({"pool_down"}), deny=frozenset({"pool_down"})))
    scene.events.emit(pool_down())
    assert scene.names() == []


def test_filter_changes_live() -> None:
    scene = Scene()
    scene.events.emit(reconnect_wait(1))
    scene.sink.apply(everything())
    assert scene.events.wants(PoolReconnectWait)
    scene.events.emit(reconnect_wait(2))
    scene.sink.apply(LogConfig())
    assert not scene.events.wants(PoolReconnectWait)
    scene.events.emit(reconnect_wait(3))
    assert [line["delay_s"] for line in scene.written()] == [2]


def test_applying_the_same_twice_writes_once() -> None:
    scene = Scene()
    scene.sink.apply(LogConfig())
    scene.events.emit(pool_down())
    assert scene.names() == ["pool_down"]


def test_raw_traffic_is_written_at_any_level_because_it_is_emitted_only_while_traced() -> None:
    scene = Scene(LogConfig(level="ERROR"))
    scene.events.emit(DownstreamTraffic(session=ONE, worker=RIG, direction="rx", line="{}"))
    assert scene.names() == ["downstream_tx"]


def test_names_of_v2_that_are_gone_are_harmless() -> None:
    config = LogConfig(deny=frozenset({"pool_diff", "notify_clean_forced"}))
    assert PoolDown in kinds_to_write(config)


def test_stopped_sink_listens_to_nothing() -> None:
    scene = Scene(everything())
    scene.written()
    assert not [name for name, kind in REGISTRY.items() if scene.events.wants(kind)]
