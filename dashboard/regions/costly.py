"""The live region of addresses that are slowed down or refused."""

from collections.abc import Mapping

from dashboard.access import Access
from dashboard.labels import waste
from dashboard.live import region
from proxy.observe.live.views import LiveSnapshot


@region("costly")
def costly(snap: LiveSnapshot, access: Access, argument: str) -> Mapping[str, object]:
    """For those who may let them in again; nothing where there are none."""
    shown = snap.costly if access.steer else ()
    return {"costly": [(one, waste(one.what)) for one in shown]}
