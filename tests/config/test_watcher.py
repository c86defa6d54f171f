"""The watcher keeps the newest valid configuration in force, whatever the database does."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from proxy.config.snapshot import ConfigSnapshot
from proxy.config.watcher import ConfigWatcher, announce
from proxy.errors import ConfigError
from tests.support.patience import PATIENCE_S


class FakeStore:
    """A store whose revision and answers the test sets."""

    def __init__(self) -> None:
        self.revision = 1
        self.loads = 0
        self.error: Exception | None = None
        self.mark_error: Exception | None = None
        self.problems: tuple[str, ...] = ()
        self.marks: list[tuple[object, ...]] = []

    def current_revision(self) -> int:
        if self.error:
            raise self.error
        return self.revision

    def load_snapshot(self) -> ConfigSnapshot:
        self.loads += 1
        if self.problems:
            raise ConfigError(*self.problems)
        return ConfigSnapshot(revision=self.revision)

    def mark_applied(self, revision: int) -> None:
        if self.mark_error:
            raise self.mark_error
        self.marks.append(("applied", revision))

    def mark_refused(self, revision: int, problems: tuple[str, ...]) -> None:
        self.marks.append(("refused", revision, *problems))


class Heard:
    """What a watcher told its owner."""

    def __init__(self) -> None:
        self.applied: list[int] = []
        self.refused: list[tuple[str, ...]] = []
        self.troubles: list[Exception | None] = []


def make_watcher(
    store: FakeStore, heard: Heard, pause: Callable[[asyncio.Event, float], Awaitable[None]] | None = None
) -> ConfigWatcher:
    return ConfigWatcher(
        store,
        on_snapshot=lambda snapshot: heard.applied.append(snapshot.revision),
        on_refused=lambda problems: heard.refused.append(tuple(problems)),
        on_trouble=heard.troubles.append,
        **({"pause": pause} if pause else {}),
    )


async def test_the_first_look_applies_and_notes_it() -> None:
    store, heard = FakeStore(), Heard()
    await make_watcher(store, heard).check()
    assert heard.applied == [1] and store.marks == [("applied", 1)] and heard.troubles == []


async def test_an_unchanged_revision_is_not_loaded_again() -> None:
    store, heard = FakeStore(), Heard()
    watcher = make_watcher(store, heard)
    for _ in range(5):
        await watcher.check()
    assert store.loads == 1 and heard.applied == [1] and store.marks == [("applied", 1)]


async def test_an_invalid_configuration_is_refused_once_and_the_next_valid_one_applied() -> None:
    store, heard = FakeStore(), Heard()
    watcher = make_watcher(store, heard)
    await watcher.check()
    store.revision, store.problems = 2, ("Pool A has no wallet.",)
    await watcher.check()
    await watcher.check()
    assert heard.refused == [("Pool A has no wallet.",)] and heard.applied == [1]
    assert store.marks[-1] == ("refused", 2, "Pool A has no wallet.") and len(store.marks) == 2
    store.revision, store.problems = 3, ()
    await watcher.check()
    assert heard.applied == [1, 3] and store.marks[-1] == ("applied", 3)


async def test_a_database_that_is_away_is_reported_once_and_when_it_is_back() -> None:
    store, heard = FakeStore(), Heard()
    watcher = make_watcher(store, heard)
    await watcher.check()
    store.error = OSError("no route")
    await watcher.check()
    await watcher.check()
    assert heard.troubles == [store.error] and heard.applied == [1]
    store.error = None
    await watcher.check()
    assert heard.troubles[1:] == [None] and store.loads == 1


async def test_a_note_that_could_not_be_written_is_written_later() -> None:
    store, heard = FakeStore(), Heard()
    watcher = make_watcher(store, heard)
    store.mark_error = OSError("locked")
    await watcher.check()
    assert heard.applied == [1] and store.marks == []
    store.mark_error = None
    await watcher.check()
    assert heard.applied == [1] and store.marks == [("applied", 1)]


async def test_an_owner_that_fails_does_not_end_the_watch() -> None:
    store, heard = FakeStore(), Heard()
    watcher = make_watcher(store, heard)
    failing = pytest.MonkeyPatch()
    failing.setattr(heard, "applied", None)
    await watcher.check()
    failing.undo()
    assert isinstance(heard.troubles[0], AttributeError)
    store.revision = 2
    await watcher.check()
    assert heard.applied == [2] and heard.troubles[-1] is None


async def run_until(watcher: ConfigWatcher, condition: Callable[[], bool]) -> None:
    """Run the watcher until ``condition``."""
    task = asyncio.get_running_loop().create_task(watcher.run())
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await asyncio.sleep(0.001)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_change_in_the_same_process_is_taken_at_once_without_a_poll() -> None:
    store, heard = FakeStore(), Heard()
    waits = 0

    async def never_polls(wake: asyncio.Event, seconds: float) -> None:
        nonlocal waits
        waits += 1
        if waits == 1:
            store.revision = 2
            for _ in range(3):
                threading.Thread(target=announce).start()
        await wake.wait()

    await run_until(make_watcher(store, heard, never_polls), lambda: heard.applied == [1, 2])
    assert store.loads == 2, "three notices of one change cause one load"


async def test_a_change_by_another_process_is_noticed_by_polling() -> None:
    store, heard = FakeStore(), Heard()
    asked: list[float] = []

    async def late(wake: asyncio.Event, seconds: float) -> None:
        asked.append(seconds)
        store.revision = 2
        await asyncio.sleep(0)

    await run_until(make_watcher(store, heard, late), lambda: heard.applied == [1, 2])
    assert set(asked) == {1.0}


async def test_a_notice_before_the_start_and_after_the_end_is_harmless() -> None:
    store, heard = FakeStore(), Heard()
    watcher = make_watcher(store, heard)
    announce()
    await run_until(watcher, lambda: heard.applied == [1])
    announce()
    assert heard.applied == [1]
