"""Listeners: a table, how miners are set up for each, and a form."""

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from dashboard import live
from dashboard.access import ADMINISTER, SEE, needs
from dashboard.forms import ListenerForm
from dashboard.minersettings import examples
from dashboard.views.editing import deleted, noted, page, switched
from proxy.admin.listeners import listener_problem
from proxy.models import Listener, ProxySettings, Schedule

FIRST_PORT = 3360
"""Offered for a new listener, where it is free."""


@require_GET
@needs(SEE)
def listeners(request: HttpRequest) -> HttpResponseBase:
    """All ports for miners, and what to type into miners for each."""
    routes = Schedule.objects.filter(listener__isnull=False, enabled=True).select_related("listener")
    return render(
        request,
        "dashboard/listeners.html",
        {"snap": live.snapshot(), "examples": examples(request), "routes": routes},
    )


@require_http_methods(["GET", "POST"])
@needs(SEE, ADMINISTER)
def listener(request: HttpRequest, pk: int | None = None) -> HttpResponseBase:
    """One listener: add, change, switch off and on, delete."""
    row = get_object_or_404(Listener, pk=pk) if pk is not None else None
    do = request.POST.get("do", "")
    if row is not None and do == "delete":
        is_gone = deleted(request, row, action="delete listener", new=str(row.port))
        return redirect("listeners") if is_gone else redirect("listener", row.pk)
    if row is not None and do in ("enable", "disable"):
        off = _("%(name)s is disabled: its port is closed, its miners are disconnected one after the other.")
        switched(request, row, do, action=f"{do} listener", off=off, new=str(row.port))
        return redirect("listeners")
    form = ListenerForm(request.POST or None, instance=row, initial={} if row else _offered(request))
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            saved = form.save()
            noted(request, saved, action="change listener" if row else "add listener", new=str(saved.port))
        messages.success(request, _("Saved: %(name)s.") % {"name": saved})
        if problem := listener_problem(saved):
            messages.warning(request, _("Miners cannot connect with TLS yet: %s.") % problem)
        return redirect("listeners")
    uses = list(row.schedules.all()) if row else []
    return page(request, "dashboard/listener_edit.html", {"form": form, "row": row, "uses": uses})


def _offered(request: HttpRequest) -> dict[str, object]:
    """A new listener's first values; ``?port=`` is one of the proxy settings, that rules are to be added to."""
    settings = ProxySettings.load()
    asked = request.GET.get("port", "")
    if asked == str(settings.tls_port) and settings.tls_port:
        return {"port": settings.tls_port, "host": settings.stratum_host, "tls": True}
    if asked == str(settings.stratum_port):
        return {"port": settings.stratum_port, "host": settings.stratum_host}
    taken = set(Listener.objects.values_list("port", flat=True))
    free = next(port for port in range(FIRST_PORT, FIRST_PORT + len(taken) + 1) if port not in taken)
    return {"port": free, "host": settings.stratum_host}
