"""Nodes: which proxies mine together, how each is, and draining one."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from dashboard import live
from dashboard.access import ADMINISTER, SEE, needs
from dashboard.views.editing import noted
from proxy.nodes.node_rows import ask_to_drain


@require_GET
@needs(SEE)
def nodes(request: HttpRequest) -> HttpResponseBase:
    """All nodes that this process knows of."""
    snap = live.snapshot()
    working = [node.name for node in snap.nodes if node.state == "working"]
    return render(request, "dashboard/nodes.html", {"snap": snap, "working": working})


@require_POST
@needs(SEE, ADMINISTER)
def drain(request: HttpRequest) -> HttpResponseBase:
    """Have a node let its miners go to others, and stop."""
    name = request.POST.get("node", "")
    if ask_to_drain(name):
        noted(request, name, action="drain node")
        messages.success(
            request, _("%(node)s takes no new miners from now on, and stops within 80 seconds.") % {"node": name}
        )
    else:
        messages.error(request, _("No node of that name runs."))
    return redirect("nodes")
