"""Addresses that are slowed down or refused."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from dashboard import live
from dashboard.access import STEER, needs
from dashboard.views.editing import noted
from proxy.observe.live.admission import admission


@require_POST
@needs(STEER)
def let_in(request: HttpRequest) -> HttpResponseBase:
    """Forget what an address cost that is on the list."""
    address = request.POST.get("address", "")
    if any(one.address == address for one in live.snapshot().costly) and admission.ask(address):
        noted(request, address, action="let in")
        messages.success(request, _("%(address)s is let in again.") % {"address": address})
    else:
        messages.info(request, _("That address is neither slowed down nor refused any more."))
    return redirect("workers")
