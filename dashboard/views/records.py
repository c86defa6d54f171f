"""Records: best shares, blocks, luck."""

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_GET

from dashboard import live
from dashboard.access import SEE, needs
from dashboard.regions.records import SHOWN
from proxy.models.history import V2BestShare


@require_GET
@needs(SEE)
def records(request: HttpRequest) -> HttpResponseBase:
    """Luck, blocks and best shares, which are live, and what v2 had noted."""
    return render(
        request, "dashboard/records.html", {"snap": live.snapshot(), "v2_best": list(V2BestShare.objects.all()[:SHOWN])}
    )
