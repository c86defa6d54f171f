"""Brings the libraries' records of the ``logging`` module into the log, as events."""

import logging
import threading
from collections.abc import Callable
from typing import Any

from proxy.observe.events import Event, EventStream, InternalError, LibraryLog

MOST_WAITING = 200
"""Records queued for the loop; more are counted and dropped, so that a noisy library cannot flood it."""
LONGEST_TEXT = 4000
"""Maximum characters of a record with its traceback; the end is kept, where the error is."""
LONGEST_PATH = 200
FAULT_STATUS = 500
"""Django also warns of each answer with a lower status, such as 404: not worth a line."""
DROPPED_SOCKET = "dropping connection to peer"
"""Autobahn warns, through Twisted, of each refused or broken WebSocket: not worth a line."""
PAGES = "django.request"
"""Its errors with an exception are pages of ours that failed."""
SECRET_PART = "secret"
"""Name of the part of an address that only its reader may know."""
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
            self._call_soon(self._emit_event, self._event_of(record))
        except (RuntimeError, TypeError, ValueError, KeyError):  # the loop has ended, or the record cannot be formatted
            with self._counting:
                self._waiting -= 1
            self.handleError(record)

    def _event_of(self, record: logging.LogRecord) -> Event:
        request = getattr(record, "request", None)
        if record.name == PAGES and record.exc_info and request is not None:
            error = logging.Formatter().formatException(record.exc_info)
            return InternalError(where=f"page {_page(request)}", traceback=error[-LONGEST_TEXT:])
        return LibraryLog(logger=record.name, text=self.format(record)[-LONGEST_TEXT:])

    def _emit_event(self, event: Event) -> None:
        with self._counting:
            self._waiting -= 1
            dropped, self._dropped = self._dropped, 0
        self._events.emit(event)
        if dropped:
            self._events.emit(LibraryLog(logger=__name__, text=f"{dropped} more were left out: they came too fast."))


def _page(request: Any) -> str:
    """Method and path of a Django request without what may be secret: its query, a secret part of the path, and all
    but the first part where no page was found for it yet."""
    path, found = str(request.path), getattr(request, "resolver_match", None)
    if found is None:
        path = "/".join(path.split("/", 2)[:2]) + "/..."
    elif secret := found.kwargs.get(SECRET_PART):
        path = path.replace(secret, "...")
    return f"{request.method} {path}"[:LONGEST_PATH]
