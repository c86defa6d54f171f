"""The composition root of a process of pages alone: no miners, no pools; it shows what the nodes publish."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from typing import Any

from django.conf import settings

from dpmp_site.hosts import is_allowed
from proxy import VERSION
from proxy.config import loader
from proxy.config.snapshot import ConfigSnapshot, Listeners, LogConfig
from proxy.config.watcher import ConfigWatcher
from proxy.models.settings import networks_of
from proxy.net.clock import LoopClock
from proxy.net.inherited import METRICS, WEB, fits
from proxy.net.servers import MetricsServer, WebServer
from proxy.net.tasks import cancel_and_wait, spawn
from proxy.node import Options, OwnProcess, StartError, pages_application
from proxy.nodes.live_bus import BusHealth, MergedSnapshots
from proxy.observe.events import (
    ConfigRefused,
    EventStream,
    MetricsStarted,
    ShutdownDone,
    WebStarted,
)
from proxy.observe.live.admission import admission
from proxy.observe.live.broadcast import Ticker
from proxy.observe.live.gauges import SnapshotGauges
from proxy.observe.live.views import own, store
from proxy.observe.log import LibraryHandler, LogSink
from proxy.observe.log import lines as log_lines
from proxy.observe.metrics import MetricsSink
from proxy.text import address_text

MERGING_PART, LONGEST_PAUSE_S = 0.1, 5.0


class _ConfigOfOthers:
    """The configuration, read for the log and the ports of the pages; whether it is in force is the nodes' to say."""

    current_revision = staticmethod(loader.current_revision)
    load_snapshot = staticmethod(loader.load_snapshot)

    def mark_applied(self, revision: int) -> None:
        """Nothing: no miner works by it here."""

    def mark_refused(self, revision: int, problems: Sequence[str]) -> None:
        """Nothing, likewise."""


class WebNode(OwnProcess):
    """Pages of all nodes. ``run`` returns after ``stop`` was called."""

    def __init__(self, options: Options) -> None:
        super().__init__()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._loop_failed)
        self.options = options
        self.clock = LoopClock(loop)
        self.events = EventStream(on_error=self._handler_failed)
        self.logs = LogSink(
            self.events,
            self.clock.wall,
            LogConfig(),
            stdout=sys.stdout if options.log_to_stdout else None,
            ring=log_lines,
            path=options.data_dir / "logs" / "dpmp.log",
        )
        self.library = LibraryHandler(self.events, loop.call_soon_threadsafe)
        self.metrics = MetricsSink(self.events, lambda: ())
        self.merged = MergedSnapshots(
            url=settings.REDIS_URL,
            clock=self.clock,
            events=self.events,
            health=BusHealth(self.events),
            version=VERSION,
        )
        self.watcher = ConfigWatcher(
            _ConfigOfOthers(), on_snapshot=self._apply, on_refused=self._refused, on_trouble=self._config_trouble
        )
        self.web = WebServer(pages_application(), one_front=settings.TRUST_PROXY)
        self.metrics_server: MetricsServer | None = None
        self.listeners: Listeners | None = None
        """As they were when the ports were opened."""
        self._tasks: list[asyncio.Task[Any]] = []

    async def run(self) -> None:
        """Serve until ``stop``.

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

    async def _start(self) -> None:
        await self.watcher.check()
        if self._trouble:
            raise StartError(f"The database cannot be read: {self._trouble}. Has `manage.py migrate` been run?")
        self.metrics.attach(
            SnapshotGauges(
                own,
                queues=lambda: {"log": self.logs.queued},
                dropped=lambda: self.logs.dropped,
                write_errors=lambda: self.logs.write_errors,
                write_lag_s=lambda: 0.0,
                shown=store,
            )
        )
        await self._listen(self.listeners or Listeners())
        ticker = Ticker()
        for name, work in (
            ("configuration", self.watcher.run()),
            ("nodes", self.merged.run()),
            ("pages", self._show(ticker)),
            ("log limit", self.logs.run()),
        ):
            self._tasks.append(spawn(work, name=name, report=self._task_failed))
        admission.connect(self._let_in)

    async def _listen(self, configured: Listeners) -> None:
        options = self.options
        web = options.web_address or (configured.web_host, configured.web_port)
        metrics = options.metrics or (configured.metrics_host, configured.metrics_port)
        try:
            if configured.metrics_enabled:
                self.metrics_server = MetricsServer(
                    networks=networks_of(configured.metrics_allow),
                    is_allowed=lambda host: is_allowed(host, settings.CONFIGURED_HOSTS),
                )
                sock = options.inherited.get(METRICS)
                await self.metrics_server.start(*metrics, sock if sock is None or fits(sock, metrics[1]) else None)
                self.events.emit(MetricsStarted(address=address_text(*self.metrics_server.address)))
            sock = options.inherited.get(WEB)
            await self.web.start(*web, sock if sock is None or fits(sock, web[1]) else None)
            self.events.emit(WebStarted(address=address_text(*self.web.address)))
        except OSError as error:
            raise StartError(
                f"{error.strerror or error}. Is another program, or another dpmp, using it? "
                "Ports are set in the admin (Proxy settings), or by --web and --metrics HOST:PORT."
            ) from error

    async def _show(self, ticker: Ticker) -> None:
        """Once a second; seldomer where merging many thousand workers would take more than a tenth of the time."""
        revision = 0
        while True:
            revision += 1
            began = self.clock.now()
            store.put(self.merged.snapshot(revision))
            took = self.clock.now() - began
            await ticker.tick(revision)
            await asyncio.sleep(min(max(1.0, took / MERGING_PART), LONGEST_PAUSE_S))

    def _let_in(self, address: str) -> None:
        spawn(self.merged.let_in(address), name="let in")

    async def _end(self) -> None:
        began = self.clock.now()
        admission.disconnect()
        servers = [server for server in (self.web, self.metrics_server) if server is not None]
        await asyncio.gather(*(server.stop() for server in servers), return_exceptions=True)
        await cancel_and_wait(*self._tasks, timeout_s=1.0)
        await self.merged.close()
        self.library.remove()
        self.events.emit(ShutdownDone(duration_s=round(self.clock.now() - began, 3)))
        await asyncio.to_thread(self.logs.stop, 1.0)
        self.metrics.close()

    def _apply(self, config: ConfigSnapshot) -> None:
        if self.listeners is None:
            self.listeners = config.listeners
        self.logs.apply(config.log, [pool.wallet for pool in config.pools.values()])

    def _refused(self, problems: Sequence[str]) -> None:
        self.events.emit(ConfigRefused(problems=tuple(problems)))


async def serve_pages(options: Options, on_made: Callable[[WebNode], None]) -> None:
    """Make a process of pages alone, pass it to ``on_made`` (to connect signals) and run it to its end."""
    node = WebNode(options)
    on_made(node)
    await node.run()
