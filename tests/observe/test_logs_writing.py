"""Writing never holds up who emits: a slow or full disk costs lines, and those are counted."""

import errno
import io
import threading
from pathlib import Path

import pytest

from proxy.config.snapshot import LogConfig
from proxy.observe.events import EventStream
from proxy.observe.log import LogSink, log_files
from proxy.observe.log.outlets import RETRY_S, Outlet, RotatedFile
from proxy.scheduling.virtual_clock import START_WALL, VirtualClock
from tests.observe.logs_cast import Scene, everything, pool_down, reconnect_wait


class StuckStream(io.StringIO):
    """A stream whose first write waits until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.let_go = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        self.entered.set()
        assert self.let_go.wait(30)
        return super().write(text)


def test_emit_returns_while_the_writer_is_stuck_and_debug_is_dropped_first() -> None:
    stuck = StuckStream()
    scene = Scene(everything(), stdout=stuck, capacity=100)
    scene.sink.start()
    scene.events.emit(pool_down("first"))
    assert stuck.entered.wait(30)
    for number in range(80):
        scene.events.emit(reconnect_wait(number))
    for number in range(70):
        scene.events.emit(pool_down(str(number)))
    assert scene.sink.dropped == {"DEBUG": 30, "INFO": 0, "WARNING": 20, "ERROR": 0}
    assert scene.sink.queued == 100
    stuck.let_go.set()
    assert scene.sink.stop(30)
    assert len(stuck.getvalue().splitlines()) == 101


def test_stop_gives_up_on_a_stuck_writer() -> None:
    stuck = StuckStream()
    scene = Scene(stdout=stuck)
    scene.sink.start()
    scene.events.emit(pool_down())
    assert stuck.entered.wait(30)
    assert not scene.sink.stop(0.0)
    stuck.let_go.set()
    scene.sink._writer._thread.join(30)


def test_lines_go_to_the_file_too(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "dpmp.log"
    scene = Scene(path=path)
    scene.events.emit(pool_down())
    scene.written()
    assert path.read_text() == scene.stdout.getvalue() != ""


def test_file_is_rotated_by_size_and_old_ones_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "dpmp.log"
    file = RotatedFile(path, file_bytes=10_000, file_count=3)
    outlet = Outlet(file, "file")
    for number in range(200):
        outlet.write(f"{number:03d} " + "x" * 496, 1)
    assert log_files(path) == [path, tmp_path / "dpmp.log.1", tmp_path / "dpmp.log.2"]
    assert all(each.stat().st_size <= 10_000 for each in log_files(path))
    assert path.read_text().splitlines()[-1].startswith("199")
    file.close()


def test_fewer_files_are_kept_from_the_next_rotation_on(tmp_path: Path) -> None:
    path = tmp_path / "dpmp.log"
    file = RotatedFile(path, file_bytes=10_000, file_count=5)
    outlet = Outlet(file, "file")
    for _ in range(100):
        outlet.write("x" * 999, 1)
    assert len(log_files(path)) == 5
    file.resize(10_000, 2)
    for _ in range(20):
        outlet.write("x" * 999, 1)
    assert len(log_files(path)) == 2
    file.close()


def test_full_disk_is_told_once_counted_and_retried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, stderr, path = VirtualClock(), io.StringIO(), tmp_path / "dpmp.log"
    file = RotatedFile(path, 10_000, 2)
    outlet = Outlet(file, "dpmp.log", clock.now, stderr)
    outlet.write("before", 1)
    with monkeypatch.context() as patched:
        patched.setattr(file.stream, "flush", _no_space)
        outlet.write("lost", 3)
        outlet.write("in the pause", 1)
    assert outlet.errors == 4
    clock.advance(RETRY_S)
    outlet.write("after", 1)
    assert outlet.errors == 4
    assert path.read_text().splitlines()[-1] == "after"
    told = stderr.getvalue().splitlines()
    assert len(told) == 2
    assert "No space left" in told[0]
    assert "again" in told[1]
    file.close()


def _no_space() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_device_that_is_really_full_stops_nothing() -> None:
    scene = Scene(path=Path("/dev/full"))
    for _ in range(5):
        scene.events.emit(pool_down())
    assert len(scene.written()) == 5
    assert scene.sink.write_errors == 5


def test_line_torn_by_a_crash_is_ended_before_the_next(tmp_path: Path) -> None:
    path = tmp_path / "dpmp.log"
    path.write_text('{"ts":"2025-')
    scene = Scene(path=path)
    scene.events.emit(pool_down())
    scene.written()
    assert path.read_text().splitlines()[0] == '{"ts":"2025-'
    assert path.read_text().splitlines()[1].endswith("}")


def test_closed_standard_output_does_not_keep_the_file_from_being_written(tmp_path: Path) -> None:
    gone, events, path = io.StringIO(), EventStream(), tmp_path / "dpmp.log"
    gone.close()
    sink = LogSink(events, lambda: START_WALL, LogConfig(), path=path, stdout=gone)
    sink.start()
    events.emit(pool_down())
    assert sink.stop(10)
    assert sink.write_errors == 1
    assert len(path.read_text().splitlines()) == 1


def test_events_from_before_the_start_are_written() -> None:
    scene = Scene()
    scene.events.emit(pool_down())
    assert scene.stdout.getvalue() == ""
    assert scene.names() == ["pool_down"]


def test_event_that_cannot_be_put_into_words_does_not_end_the_log() -> None:
    scene = Scene()
    scene.sink._wall = lambda: float("inf")
    scene.events.emit(pool_down())
    scene.sink._wall = lambda: START_WALL
    scene.events.emit(pool_down())
    first, second = scene.written()
    assert first["event"] == second["event"] == "pool_down"
    assert "OverflowError" in str(first["problem"])
    assert scene.sink.write_errors == 1


def test_what_was_to_be_told_later_is_written_before_the_end() -> None:
    written, events = io.StringIO(), EventStream()
    events.on_later = lambda: None
    sink = LogSink(events, lambda: START_WALL, LogConfig(), stdout=written)
    sink.start()
    events.emit_later(pool_down("first"))
    assert sink.stop(10)
    assert "first" in written.getvalue()
