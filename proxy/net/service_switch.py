"""Starts, changes and ends one service as the settings say, so that what is switched off costs nothing."""

import asyncio
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from proxy.net.tasks import Report, cancel_and_wait, spawn

END_S = 2.0
"""For a service to end by itself; then it is cancelled."""


class Service(Protocol):
    """Runs until it is cancelled, or was told to stop."""

    async def run(self) -> None:
        """Work."""


Config = TypeVar("Config")
ServiceT = TypeVar("ServiceT", bound=Service)


class ServiceSwitch(Generic[Config, ServiceT]):
    """``apply`` on the loop's thread, as often as there are settings; ``close`` once.

    ``make`` builds a service for a configuration; what it needs is imported there, at the first use. ``stop`` asks a
    service to send its last words and end; without it the service is cancelled at once. No two run side by side.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[Config], ServiceT],
        *,
        report: Report,
        stop: Callable[[ServiceT], None] | None = None,
    ) -> None:
        self._name, self._make, self._report, self._stop = name, make, report, stop
        self._wanted: Config | None = None
        self._task: asyncio.Task[None] | None = None
        self.service: ServiceT | None = None
        """What runs; None: off."""

    def apply(self, config: Config | None) -> None:
        """Use ``config`` from now on; None: off."""
        if config == self._wanted:
            return
        self._wanted = config
        before, self._task = self._task, None
        if before is None and config is None:
            return
        self._task = spawn(self._change(before, config), name=self._name, report=self._report)

    async def _change(self, before: asyncio.Task[None] | None, config: Config | None) -> None:
        """End what runs, and run with ``config``, unless something else is wanted by then."""
        service, self.service = self.service, None
        if before is not None:
            if service is not None and self._stop is not None:
                self._stop(service)
                await asyncio.wait([before], timeout=END_S)
            await cancel_and_wait(before, timeout_s=END_S)
        if config is None or config != self._wanted:
            return
        self.service = self._make(config)
        await self.service.run()

    async def close(self) -> None:
        """End."""
        self.apply(None)
        if self._task is not None:
            await asyncio.wait([self._task], timeout=2 * END_S)
            await cancel_and_wait(self._task, timeout_s=1.0)
