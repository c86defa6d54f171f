"""The composition root of a process of pages alone: no miners, no pools; it shows what the nodes publish."""

import asyncio
from collections.abc import Callable, Sequence

from django.conf import settings

from proxy import VERSION
from proxy.config import loader
from proxy.config.snapshot import ConfigSnapshot, Listeners
from proxy.config.watcher import ConfigWatcher
from proxy.net.tasks import cancel_and_wait, spawn
from proxy.nodes.live_bus import BusHealth, MergedSnapshots
from proxy.observe.events import (
    ConfigRefused,
)
from proxy.observe.live.admission import admission
from proxy.observe.live.broadcast import Ticker
from proxy.observe.live.views import store
from proxy.observe.metrics import MetricsSink
from proxy.process import Options, OwnProcess, StartError

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
        super().__init__(options)
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
        self.listeners: Listeners | None = None
        """As they were when the ports were opened."""

    async def _start(self) -> None:
        await self.watcher.check()
        if self._trouble:
            raise StartError(f"The database cannot be read: {self._trouble}. Has `manage.py migrate` been run?")
        self._show_gauges(lambda: {"log": self.logs.queued}, lambda: 0.0)
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
        try:
            await self._open_for_readers(configured)
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
        await asyncio.gather(*(server.stop() for server in self._servers()), return_exceptions=True)
        await cancel_and_wait(*self._tasks, timeout_s=1.0)
        await self.merged.close()
        self.library.remove()
        await self._end_log(began)

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
