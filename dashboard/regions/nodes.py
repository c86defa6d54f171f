"""The live region of the nodes' page."""

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

from dashboard.access import Access
from dashboard.live import region
from proxy.models.labels import Text
from proxy.observe.live.views import LiveSnapshot

STATES: Mapping[str, tuple[str, Text]] = {
    "working": ("ok", _("working")),
    "draining": ("warn", _("draining")),
    "silent": ("bad", _("silent")),
    "unreadable": ("warn", _("cannot be read")),
}
"""State of a node -> the class of its chip and its words."""


@region("nodetable")
def nodetable(snap: LiveSnapshot, access: Access, argument: str) -> Mapping[str, object]:
    """All nodes, with what each does of the work."""
    return {"rows": [(node, *STATES.get(node.state, ("", node.state))) for node in snap.nodes]}
