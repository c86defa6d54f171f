"""Listeners: a table, how miners are set up for each, and a form."""

from django.contrib import messages
from django.db import transaction
from django.db.models import ProtectedError
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from dashboard import live
from dashboard.access import ADMINISTER, SEE, needs
from dashboard.forms import ListenerForm
from dashboard.minersettings import examples
from dashboard.models import AuditEntry
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
    if row is not None and do in ("enable", "disable", "delete"):
        return _done(request, row, do)
    form = ListenerForm(request.POST or None, instance=row, initial={} if row else _offered(request))
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            saved = form.save()
            _write(request, saved, action="change listener" if row else "add listener")
        messages.success(request, _("Saved: %(name)s.") % {"name": saved})
        if problem := listener_problem(saved):
            messages.warning(request, _("Miners cannot connect with TLS yet: %s.") % problem)
        return redirect("listeners")
    return render(
        request,
        "dashboard/listener_edit.html",
        {
            "snap": live.snapshot(),
            "form": form,
            "row": row,
            "asks": "delete" in request.GET,
            "uses": list(row.schedules.all()) if row else [],
        },
        status=422 if request.method == "POST" else 200,
    )


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


def _write(request: HttpRequest, row: Listener, *, action: str) -> None:
    AuditEntry.write(by=request.user.get_username(), action=action, subject=str(row), new=str(row.port))


def _done(request: HttpRequest, row: Listener, do: str) -> HttpResponseBase:
    name = str(row)
    try:
        with transaction.atomic():
            if do == "delete":
                _write(request, row, action="delete listener")
                row.delete()
            else:
                row.enabled = do == "enable"
                row.save()
                _write(request, row, action=f"{do} listener")
    except ProtectedError:
        messages.error(
            request,
            _("It is still used: %(users)s. Change that first, or disable it.")
            % {"users": ", ".join(str(one) for one in row.schedules.all())},
        )
        return redirect("listener", row.pk)
    said = {
        "enable": _("%(name)s is enabled."),
        "disable": _("%(name)s is disabled: its port is closed, its miners are disconnected one after the other."),
        "delete": _("%(name)s is deleted."),
    }
    messages.success(request, said[do] % {"name": name})
    return redirect("listeners")
