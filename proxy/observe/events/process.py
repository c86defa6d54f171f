"""Events of the process: configuration, listeners, faults, shutdown."""

from proxy.observe.events.stream import ERROR, WARNING, Event, event
from proxy.types import PoolKey, SessionId


@event("config_loaded")
class ConfigLoaded(Event):
    """A configuration was applied."""

    revision: int
    pools: tuple[PoolKey, ...]
    changed: tuple[str, ...]


@event("config_refused", ERROR)
class ConfigRefused(Event):
    """A configuration cannot be used; the previous one stays in force."""

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


@event("miner_tls_listening")
class TlsListening(Event):
    """Miners can connect with TLS."""

    address: str


@event("listener_opened")
class ListenerOpened(Event):
    """Miners can connect through another listener."""

    listener: str
    address: str
    tls: bool


@event("listener_closed")
class ListenerClosed(Event):
    """A listener was switched off, removed or moved: its port is closed. ``miners`` are disconnected, one by one."""

    listener: str
    address: str
    miners: int


@event("listener_failed", ERROR)
class ListenerFailed(Event):
    """A listener's port cannot be opened; the others work. It is tried again every few seconds, and told once."""

    listener: str
    address: str
    problem: str


@event("miner_tls_certificate")
class TlsCertificateLoaded(Event):
    """Miners that connect with TLS are shown this certificate from now on."""

    certificate: str
    valid_until: str


@event("miner_tls_refused", ERROR)
class TlsCertificateRefused(Event):
    """The certificate for miners cannot be used; the one before stays in use, if there was one."""

    problem: str


@event("dashboard_started")
class WebStarted(Event):
    """The dashboard can be opened."""

    address: str


@event("inherited_socket_unused", WARNING)
class InheritedSocketUnused(Event):
    """A listening socket that systemd passed is on another port than the configured one, which is opened instead.

    Whoever connects to the old port is not answered: change the port in the socket unit, too, or remove the unit.
    ``configured``: ``off`` where that port is switched off.
    """

    socket: str
    address: str
    configured: str


@event("session_error", ERROR, limited=True)
class InternalError(Event):
    """A bug in DPMP, with its place and traceback. A session that it concerns is closed; the others go on.

    ``where`` of a page that failed is its method and path, without query and secrets.
    """

    where: str
    traceback: str
    session: SessionId | None = None


@event("loop_held", WARNING)
class LoopHeld(Event):
    """The event loop was held for ``seconds``: nobody was served. Only with ``DPMP_WATCH_LOOP``.

    ``where``: the innermost call, and the calls of DPMP that led to it; or that it was many short calls, or none,
    for the process had no processor.
    """

    seconds: float
    where: str


@event("library_log", WARNING, limited=True)
class LibraryLog(Event):
    """A warning or error of a library (Django, Daphne, Twisted, Python itself); ``text`` ends with its traceback."""

    logger: str
    text: str


@event("log_lines_left_out", WARNING)
class LinesLeftOut(Event):
    """A peer caused more lines of one event than are written; counted for a minute, over all peers.

    ``left_out``: the event. ``most_by`` is the peer with most of them: an address, a pool, or a library.
    """

    left_out: str
    lines: int
    peers: int
    most_by: str
    most: int


@event("shutdown_signal")
class ShutdownSignal(Event):
    """The process was asked to end."""

    signal: str


@event("shutdown_begin")
class ShutdownBegin(Event):
    """Shutdown begins: no new miners are accepted; answers to open submits are awaited."""

    sessions: int
    open_submits: int


@event("shutdown_done")
class ShutdownDone(Event):
    """Shutdown is complete: everything is written."""

    duration_s: float


@event("update_available")
class UpdateAvailable(Event):
    """The feed of releases, which the operator set, names a newer version."""

    version: str
    url: str


@event("update_check_failed", WARNING)
class UpdateCheckFailed(Event):
    """The feed of releases could not be asked, or said nothing that is understood; it is asked again a day later."""

    problem: str
