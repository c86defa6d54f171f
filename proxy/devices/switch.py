"""The questions to the miners, as the settings say; what they need is loaded where they are on."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from proxy.config.snapshot import DevicesConfig
from proxy.net.service_switch import ServiceSwitch
from proxy.net.tasks import Report
from proxy.observe.events import EventStream
from proxy.observe.live.views import LiveSnapshot
from proxy.ports import TimeSource

if TYPE_CHECKING:
    from proxy.devices.service import DevicesService


def devices_switch(
    *,
    clock: TimeSource,
    events: EventStream,
    snapshot: Callable[[], LiveSnapshot | None],
    report: Report,
    leads: Callable[[], bool],
    loopback: bool = False,
) -> "ServiceSwitch[DevicesConfig, DevicesService]":
    """Off until a configuration is applied."""

    def make(config: DevicesConfig) -> "DevicesService":
        from proxy.devices.service import DevicesService

        return DevicesService(config, clock=clock, events=events, snapshot=snapshot, leads=leads, loopback=loopback)

    return ServiceSwitch("miners' own facts", make, report=report)
