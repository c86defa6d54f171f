"""The live region of the miners' page."""

from collections.abc import Mapping
from dataclasses import dataclass

from dashboard.access import Access
from dashboard.live import region
from proxy.devices.facts import Facts
from proxy.devices.views import DevicesView, DeviceView, Together, devices_of
from proxy.observe.live.views import LiveSnapshot


@dataclass(frozen=True, slots=True)
class DeviceLine:
    """A row of the table."""

    device: DeviceView
    figures: Together

    @property
    def facts(self) -> Facts:
        """What it said; nothing at all of one that was not heard."""
        return self.device.facts or Facts(api=self.device.row.api)


@region("devicetable")
def devicetable(snap: LiveSnapshot, access: Access, argument: str) -> Mapping[str, object]:
    """All miners with what they say, and the sum."""
    view = devices_of(snap) or DevicesView()
    workers = {worker.name: worker for worker in snap.workers}
    alone = {name for name, devices in view.by_worker.items() if len(devices) == 1}
    return {
        "view": view,
        "lines": [
            DeviceLine(one, view.together([one], workers.get(one.worker) if one.worker in alone else None))
            for one in view.devices
        ],
        "total": view.together(view.devices),
        "heard": sum(one.facts is not None for one in view.devices),
        "may_edit": access.administer,
    }
