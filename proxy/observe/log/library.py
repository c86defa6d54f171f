"""What libraries say through the standard ``logging`` module, brought into the log as events."""

import logging
import threading
from collections.abc import Callable

from proxy.observe.events import EventStream, LibraryLog

MOST_WAITING = 200
"""Records on their way to the loop; more are counted and left out, so that a library that cries cannot fill it."""
LONGEST_TEXT = 4000
"""Characters of a record, its traceback included; of longer ones the end is kept, where the error stands."""
REFUSED_BY = 500
"""Django logs each answer below this as a warning: a page that is not there is the visitor's matter."""
DROPPED_SOCKET = "dropping connection to peer"
"""Autobahn warns, by way of Twisted, of each WebSocket that is refused or goes wrong: a visitor's matter, too."""
TELLS_SECRETS = "apprise"
"""Its warnings hold addresses with tokens; ``proxy.alerts`` keeps what became of an alert without them."""


class LibraryHandler(logging.Handler):
    """Hands records from any thread to the loop without waiting; ``install`` lets it replace the root's handlers."""

    def __init__(self, events: EventStream, call_soon_threadsafe: Callable[..., object]) -> None:
        super().__init__(logging.WARNING)
        self._events = events
        self._call_soon = call_soon_threadsafe
        self._counting = threading.RLock()
        self._waiting = 0
        self._left_out = 0
        self._before: list[logging.Handler] = []

    def install(self) -> None:
        """Hear what is said from now on, Python's own warnings included; nothing goes to standard error any more."""
        root = logging.getLogger()
        self._before, root.handlers[:] = root.handlers[:], [self]
        logging.captureWarnings(True)

    def remove(self) -> None:
        """Leave the place to who had it before."""
        root = logging.getLogger()
        if self in root.handlers:
            root.handlers[:] = self._before
        logging.captureWarnings(False)

    def filter(self, record: logging.LogRecord) -> bool:
        """Leave out refused pages and what may tell a secret."""
        if getattr(record, "status_code", REFUSED_BY) < REFUSED_BY or record.name.split(".")[0] == TELLS_SECRETS:
            return False
        if record.name == "twisted" and record.levelno <= logging.WARNING and DROPPED_SOCKET in record.getMessage():
            return False
        return bool(super().filter(record))

    def emit(self, record: logging.LogRecord) -> None:
        with self._counting:
            if self._waiting >= MOST_WAITING:
                self._left_out += 1
                return
            self._waiting += 1
        try:
            self._call_soon(self._tell, record.name, self.format(record)[-LONGEST_TEXT:])
        except (RuntimeError, TypeError, ValueError, KeyError):  # the loop has ended, or it cannot be put into words
            with self._counting:
                self._waiting -= 1
            self.handleError(record)

    def _tell(self, logger: str, text: str) -> None:
        with self._counting:
            self._waiting -= 1
            left_out, self._left_out = self._left_out, 0
        self._events.emit(LibraryLog(logger=logger, text=text))
        if left_out:
            self._events.emit(LibraryLog(logger=__name__, text=f"{left_out} more were left out: they came too fast."))
