"""The live region of the listeners' page."""

from collections.abc import Mapping

from dashboard.access import Access
from dashboard.live import region
from proxy.observe.live.views import LiveSnapshot


@region("listenertable")
def listenertable(snap: LiveSnapshot, access: Access, argument: str) -> Mapping[str, object]:
    """All listeners, with their state and number of miners."""
    return {"may_edit": access.administer}
