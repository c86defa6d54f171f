"""What each process of the proxy has, whether miners connect to it or not: log, metrics, pages, an end, and faults."""

import asyncio
import socket
import sys
import traceback
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings

from dpmp_site.hosts import is_allowed
from proxy.config.snapshot import Listeners, LogConfig
from proxy.models.settings import networks_of
from proxy.net.clock import LoopClock
from proxy.net.inherited import METRICS, WEB, fits
from proxy.net.servers import Application, MetricsServer, WebServer
from proxy.observe.events import (
    DatabaseTrouble,
    Event,
    EventStream,
    InheritedSocketUnused,
    InternalError,
    MetricsStarted,
    ShutdownDone,
    ShutdownSignal,
    WebStarted,
)
from proxy.observe.live.gauges import SnapshotGauges
from proxy.observe.live.views import own, store
from proxy.observe.log import LibraryHandler, LogSink
from proxy.observe.log import lines as log_lines
from proxy.observe.metrics import MetricsSink
from proxy.text import address_text
from proxy.types import HASHES_PER_DIFFICULTY


class StartError(Exception):
    """The node cannot start; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of the command line; everything else is configuration."""

    web: bool = True
    stratum: tuple[str, int] | None = None
    """Replaces the configured address."""
    web_address: tuple[str, int] | None = None
    metrics: tuple[str, int] | None = None
    hashes_per_difficulty: float = HASHES_PER_DIFFICULTY
    demo: bool = False
    log_to_stdout: bool = True
    inherited: Mapping[str, socket.socket] = field(default_factory=dict)
    """Listening sockets of a parent, by name."""
    node: str = ""
    """This node's name where several share a database; "": the proxy has it for itself."""
    worker: int = 0
    """Which of several processes on the same ports this is, from 1; 0: it is alone there. Each has the port for metrics
    of its own: the first the configured one, the next the one behind."""
    data_dir: Path = field(default_factory=lambda: Path(settings.DATA_DIR))


class OwnProcess(ABC):
    """``run`` returns after ``stop`` was called. A subclass makes ``metrics`` and says how it starts and ends."""

    metrics: MetricsSink

    def __init__(self, options: Options) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._loop_failed)
        self.options = options
        self.clock = LoopClock(loop)
        self.events = EventStream(on_error=self._handler_failed)
        # Whoever hears an event does so in the order in which parts are made: it is in the log before what follows.
        self.logs = LogSink(
            self.events,
            self.clock.wall,
            LogConfig(),
            stdout=sys.stdout if options.log_to_stdout else None,
            ring=log_lines,
            path=options.data_dir / "logs" / "dpmp.log",
        )
        self.library = LibraryHandler(self.events, loop.call_soon_threadsafe)
        self.web = WebServer(pages_application(), one_front=settings.TRUST_PROXY) if options.web else None
        self.metrics_server: MetricsServer | None = None
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[Any]] = []
        self._trouble = ""
        """Why the configuration cannot be read; empty while it can."""

    async def run(self) -> None:
        """Start everything, serve until ``stop``, end everything.

        Raises:
            StartError: a port is taken, or the database cannot be read.
        """
        self.logs.start()
        self.library.install()
        try:
            await self._start()
            await self._stop.wait()
        finally:
            await self._end()

    @abstractmethod
    async def _start(self) -> None: ...

    @abstractmethod
    async def _end(self) -> None: ...

    # --- Pages and metrics ----------------------------------------------------------------------------------------

    def _show_gauges(self, queues: Callable[[], Mapping[str, int]], write_lag_s: Callable[[], float]) -> None:
        self.metrics.attach(
            SnapshotGauges(
                own,
                queues=queues,
                dropped=lambda: self.logs.dropped,
                write_errors=lambda: self.logs.write_errors,
                write_lag_s=write_lag_s,
                shown=store,
            )
        )

    async def _open_for_readers(
        self,
        configured: Listeners,
        settle: Callable[[], Awaitable[None]] | None = None,
        ready: Callable[[], bool] | None = None,
    ) -> None:
        """Open the ports for metrics and pages.

        Raises:
            OSError: one is taken.
        """
        options = self.options
        web = options.web_address or (configured.web_host, configured.web_port)
        metrics = options.metrics or (configured.metrics_host, configured.metrics_port)
        if options.worker and metrics[1]:
            metrics = metrics[0], metrics[1] + options.worker - 1
        if configured.metrics_enabled:
            self.metrics_server = MetricsServer(
                networks=networks_of(configured.metrics_allow),
                is_allowed=lambda host: is_allowed(host, settings.CONFIGURED_HOSTS),
                settle=settle,
                ready=ready,
            )
            await self.metrics_server.start(*metrics, self._inherited(METRICS, *metrics))
            self.events.emit(MetricsStarted(address=address_text(*self.metrics_server.address)))
        if self.web is not None:
            await self.web.start(*web, self._inherited(WEB, *web))
            self.events.emit(WebStarted(address=address_text(*self.web.address)))

    def _inherited(self, name: str, host: str, port: int) -> socket.socket | None:
        """The socket that a parent passed for this, unless another port was configured since."""
        sock = self.options.inherited.get(name)
        if sock is None or fits(sock, port):
            return sock
        self._leave_unused(name, address_text(host, port))
        return None

    def _leave_unused(self, name: str, configured: str) -> None:
        sock = self.options.inherited[name]
        unused = address_text(*sock.getsockname()[:2])
        self.events.emit(InheritedSocketUnused(socket=name, address=unused, configured=configured))
        sock.close()

    def _servers(self) -> list[WebServer | MetricsServer]:
        return [server for server in (self.web, self.metrics_server) if server is not None]

    async def _end_log(self, began: float) -> None:
        """The last line of the log."""
        self.events.emit(ShutdownDone(duration_s=round(self.clock.now() - began, 3)))
        await asyncio.to_thread(self.logs.stop, 1.0)
        self.metrics.close()

    # --- Its end, and faults of ours ------------------------------------------------------------------------------

    def stop(self, why: str) -> None:
        """Request the end of ``run``."""
        if not self._stop.is_set():
            self.events.emit(ShutdownSignal(signal=why))
            self._stop.set()

    def _config_trouble(self, error: Exception | None) -> None:
        self._trouble = "" if error is None else f"{type(error).__name__}: {error}"
        self.events.emit(
            DatabaseTrouble(problem=self._trouble or "the configuration can be read again", recovered=error is None)
        )

    def _loop_failed(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self._report(str(context.get("message", "the loop")), error)

    def _handler_failed(self, error: Exception, event: Event) -> None:
        self.metrics.handler_failed(error, event)
        if not isinstance(event, InternalError):
            self._report(f"a handler of {event.name}", error)

    def _task_failed(self, name: str, error: BaseException) -> None:
        self._report(f"task {name}", error)
        self.stop(f"the task {name} failed")

    def _report(self, where: str, error: BaseException | None) -> None:
        lines = traceback.format_exception(error) if error is not None else []
        self.events.emit(InternalError(where=where, traceback="".join(lines)[-4000:]))


def pages_application() -> Application:
    """The pages, for a web server."""
    from dpmp_site.asgi import application  # sets up the pages, so not at import

    pages: Application = application
    return pages
