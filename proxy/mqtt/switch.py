"""Starts and ends the connection to the broker as the settings say; the library is loaded where it is on, only then."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from proxy.config.snapshot import MqttConfig
from proxy.net.tasks import Report, cancel_and_wait, spawn
from proxy.observe.events import EventStream
from proxy.observe.live.views import LiveSnapshot
from proxy.ports import Clock

if TYPE_CHECKING:
    from proxy.mqtt.service import MqttService

GOODBYE_S = 2.0
"""For the message that the proxy is offline; then the connection is cut, and the broker says it."""


class MqttSwitch:
    """``apply`` on the loop's thread, as often as there are settings; ``close`` once."""

    def __init__(
        self, *, clock: Clock, events: EventStream, snapshot: Callable[[], LiveSnapshot | None], report: Report
    ) -> None:
        self._clock, self._events, self._snapshot, self._report = clock, events, snapshot, report
        self._wanted: MqttConfig | None = None
        self._service: MqttService | None = None
        self._task: asyncio.Task[None] | None = None

    def apply(self, config: MqttConfig | None) -> None:
        """Use ``config`` from now on; None: off."""
        if config == self._wanted:
            return
        self._wanted = config
        before, self._task = self._task, None
        if before is None and config is None:
            return
        self._task = spawn(self._change(before, config), name="mqtt", report=self._report)

    async def _change(self, before: asyncio.Task[None] | None, config: MqttConfig | None) -> None:
        """End what runs, and run with ``config``."""
        if self._service is not None:
            self._service.stop()
            self._service = None
        if before is not None:
            await asyncio.wait([before], timeout=GOODBYE_S)
            await cancel_and_wait(before, timeout_s=GOODBYE_S)
        if config is None or config != self._wanted:
            return
        from proxy.mqtt.service import MqttService

        self._service = MqttService(config, clock=self._clock, events=self._events, snapshot=self._snapshot)
        await self._service.run()

    async def close(self) -> None:
        """Say goodbye, and end."""
        self.apply(None)
        if self._task is not None:
            await asyncio.wait([self._task], timeout=2 * GOODBYE_S)
            await cancel_and_wait(self._task, timeout_s=1.0)
