"""The bounded queue between the loop and the disk, and its thread."""

import threading
import time
from collections.abc import Sequence
from queue import Empty, SimpleQueue

from proxy.observe.events import DEBUG, INFO
from proxy.observe.log.lines import Entry, Redact, json_of, to_json
from proxy.observe.log.log_filter import LEVEL_NAMES
from proxy.observe.log.outlets import Outlet

CAPACITY = 10_000
BATCH = 500
LINGER_S = 0.05
"""Lines are collected for so long: waking the thread for each line would take the GIL from the loop each time."""
LINES_AT_ONCE, PAUSE_S = 25, 0.001
"""After so many lines the thread sleeps for a moment: while it formats them it holds the GIL, and shares wait."""
ROOM = {DEBUG: 0.5, INFO: 0.9}
"""Part of the queue that a level may fill, so that DEBUG is dropped first and warnings last."""


class LogWriter:
    """Queues entries without blocking and writes them to ``outlets`` in its own thread."""

    def __init__(self, outlets: Sequence[Outlet], capacity: int = CAPACITY) -> None:
        self.redact: Redact | None = None
        self.dropped = dict.fromkeys(LEVEL_NAMES.values(), 0)
        """Level -> lines dropped because the queue was full."""
        self._unformatted = 0
        self._outlets = outlets
        self._room = {level: int(capacity * ROOM.get(level, 1.0)) for level in LEVEL_NAMES}
        self._queue: SimpleQueue[Entry | None] = SimpleQueue()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log-writer", daemon=True)

    @property
    def queued(self) -> int:
        """Lines in the queue."""
        return self._queue.qsize()

    @property
    def errors(self) -> int:
        """Lines that an outlet could not write or that could not be formatted."""
        return self._unformatted + sum(outlet.errors for outlet in self._outlets)

    def put(self, entry: Entry) -> None:
        """Queue ``entry``, or drop and count it where the part for its level is full."""
        level = entry.event.level
        if self._queue.qsize() >= self._room[level]:
            self.dropped[LEVEL_NAMES[level]] += 1
        else:
            self._queue.put(entry)

    def start(self) -> None:
        """Start writing. Once only."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Write what is queued and end. Blocks up to ``timeout_s``; returns whether all was written."""
        self._stopping.set()
        self._queue.put(None)
        if self._thread.ident is None:
            return self._queue.qsize() == 1
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        running = True
        while running:
            entries = [self._queue.get()]
            if self._queue.qsize() < BATCH:
                self._stopping.wait(LINGER_S)
            self._take_more(entries)
            running = None not in entries
            self._write([entry for entry in entries if entry is not None])

    def _take_more(self, entries: list[Entry | None]) -> None:
        try:
            while len(entries) < BATCH:
                entries.append(self._queue.get_nowait())
        except Empty:
            return

    def _write(self, entries: list[Entry]) -> None:
        if not entries:
            return
        texts: list[str] = []
        for first in range(0, len(entries), LINES_AT_ONCE):
            if first and not self._stopping.is_set():
                time.sleep(PAUSE_S)
            texts += map(self._text, entries[first : first + LINES_AT_ONCE])
        text = "\n".join(texts)
        for outlet in self._outlets:
            outlet.write(text, len(entries))

    def _text(self, entry: Entry) -> str:
        try:
            return json_of(entry, self.redact)
        except (RuntimeError, TypeError, ValueError, OverflowError) as error:
            # An event that holds something unusual (a dict that changes meanwhile) must not end the log.
            self._unformatted += 1
            return to_json({"ts": None, "event": entry.event.name, "problem": f"{type(error).__name__}: {error}"})
