"""Brings the libraries' records of the ``logging`` module into the log, as events."""

import logging
import threading
from collections.abc import Callable

from proxy.observe.events import EventStream, LibraryLog

MOST_WAITING = 200
"""Records queued for the loop; more are counted and dropped, so that a noisy library cannot flood it."""
LONGEST_TEXT = 4000
"""Maximum characters of a record with its traceback; the end is kept, where the error is."""
FAULT_STATUS = 500
"""Django also warns of each answer with a lower status, such as 404: not worth a line."""
DROPPED_SOCKET = "dropping connection to peer"
"""Autobahn warns, through Twisted, of each refused or broken WebSocket: not worth a line."""
HOLDS_SECRETS = "apprise"
"""Its warnings hold addresses with tokens; ``proxy.alerts`` records failures without them."""


class LibraryHandler(logging.Handler):
    """Passes records from any thread to the loop without blocking; ``install`` replaces the root's handlers."""

    def __init__(self, events: EventStream, call_soon_threadsafe: Callable[..., object]) -> None:
        super().__init__(logging.WARNING)
        self._events = events
        self._call_soon = call_soon_threadsafe
        self._counting = threading.RLock()
        self._waiting = 0
        self._dropped = 0
        self._before: list[logging.Handler] = []

    def install(self) -> None:
        """Handle all records from now on, Python's warnings included; none go to standard error."""
        root = logging.getLogger()
        self._before, root.handlers[:] = root.handlers[:], [self]
        logging.captureWarnings(True)

    def remove(self) -> None:
        """Restore the previous handlers."""
        root = logging.getLogger()
        if self in root.handlers:
            root.handlers[:] = self._before
        logging.captureWarnings(False)

    def filter(self, record: logging.LogRecord) -> bool:
        """Drop warnings about visitors' requests and what may hold a secret."""
        if getattr(record, "status_code", FAULT_STATUS) < FAULT_STATUS or record.name.split(".")[0] == HOLDS_SECRETS:
            return False
        if record.name == "twisted" and record.levelno <= logging.WARNING and DROPPED_SOCKET in record.getMessage():
            return False
        return bool(super().filter(record))

    def emit(self, record: logging.LogRecord) -> None:
        with self._counting:
            if self._waiting >= MOST_WAITING:
                self._dropped += 1
                return
            self._waiting += 1
        try:
            self._call_soon(self._emit_event, record.name, self.format(record)[-LONGEST_TEXT:])
        except (RuntimeError, TypeError, ValueError, KeyError):  # the loop has ended, or the record cannot be formatted
            with self._counting:
                self._waiting -= 1
            self.handleError(record)

    def _emit_event(self, logger: str, text: str) -> None:
        with self._counting:
            self._waiting -= 1
            dropped, self._dropped = self._dropped, 0
        self._events.emit(LibraryLog(logger=logger, text=text))
        if dropped:
            self._events.emit(LibraryLog(logger=__name__, text=f"{dropped} more were left out: they came too fast."))
