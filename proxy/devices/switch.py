"""Starts and ends the questions to the miners as the settings say; what they need is loaded where they are on."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from proxy.config.snapshot import DevicesConfig
from proxy.net.tasks import Report, cancel_and_wait, spawn
from proxy.observe.events import EventStream
from proxy.observe.live.views import LiveSnapshot
from proxy.ports import TimeSource

if TYPE_CHECKING:
    from proxy.devices.service import DevicesService
    from proxy.devices.views import DevicesView

END_S = 2.0


class DevicesSwitch:
    """``apply`` on the loop's thread, as often as there are settings; ``close`` once."""

    def __init__(
        self,
        *,
        clock: TimeSource,
        events: EventStream,
        snapshot: Callable[[], LiveSnapshot | None],
        report: Report,
        leads: Callable[[], bool],
        loopback: bool = False,
    ) -> None:
        self._clock, self._events, self._snapshot, self._report = clock, events, snapshot, report
        self._leads, self._loopback = leads, loopback
        self._wanted: DevicesConfig | None = None
        self._service: DevicesService | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def view(self) -> "DevicesView | None":
        """What is known; None: off."""
        return self._service.view if self._service is not None else None

    def apply(self, config: DevicesConfig | None) -> None:
        """Use ``config`` from now on; None: off."""
        if config == self._wanted:
            return
        self._wanted = config
        before, self._task = self._task, None
        if before is None and config is None:
            return
        self._task = spawn(self._change(before, config), name="miners' own facts", report=self._report)

    async def _change(self, before: asyncio.Task[None] | None, config: DevicesConfig | None) -> None:
        if before is not None:
            await cancel_and_wait(before, timeout_s=END_S)
        self._service = None
        if config is None or config != self._wanted:
            return
        from proxy.devices.service import DevicesService

        self._service = DevicesService(
            config,
            clock=self._clock,
            events=self._events,
            snapshot=self._snapshot,
            leads=self._leads,
            loopback=self._loopback,
        )
        await self._service.run()

    async def close(self) -> None:
        """End."""
        self.apply(None)
        if self._task is not None:
            await asyncio.wait([self._task], timeout=2 * END_S)
            await cancel_and_wait(self._task, timeout_s=1.0)
