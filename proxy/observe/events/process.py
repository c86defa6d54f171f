"""The process itself: configuration, listeners, faults, start and end."""

from proxy.observe.events.stream import ERROR, WARNING, Event, event
from proxy.types import PoolKey, SessionId


@event("config_loaded")
class ConfigLoaded(Event):
    """A configuration is in force."""

    revision: int
    pools: tuple[PoolKey, ...]
    changed: tuple[str, ...]


@event("config_refused", ERROR)
class ConfigRefused(Event):
    """A configuration cannot be used; the one before goes on."""

    problems: tuple[str, ...]


@event("database_trouble", ERROR)
class DatabaseTrouble(Event):
    """The database cannot be read or written; ``recovered`` when it can again."""

    problem: str
    recovered: bool


@event("metrics_started")
class MetricsStarted(Event):
    """The metrics port is open."""

    address: str


@event("dpmp_listening")
class Listening(Event):
    """Miners can connect."""

    address: str


@event("dashboard_started")
class WebStarted(Event):
    """The dashboard can be opened."""

    address: str


@event("session_error", ERROR)
class InternalError(Event):
    """A fault of ours, with where and a traceback; the session it hit is closed, the others go on."""

    where: str
    traceback: str
    session: SessionId | None = None


@event("library_log", WARNING)
class LibraryLog(Event):
    """A library (Django, Daphne, Twisted, Python itself) warned or failed; ``text`` ends with the traceback, if any."""

    logger: str
    text: str


@event("shutdown_signal")
class ShutdownSignal(Event):
    """The process was asked to end."""

    signal: str


@event("shutdown_begin")
class ShutdownBegin(Event):
    """No new miners; open submits are waited for."""

    sessions: int
    open_submits: int


@event("shutdown_done")
class ShutdownDone(Event):
    """All is written; the process ends."""

    duration_s: float
