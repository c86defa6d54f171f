"""Records: best shares, blocks, luck."""

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.http import require_GET

from dashboard import live
from dashboard.access import SEE, needs
from proxy.models.history import BestShare, Block, V2BestShare

SHOWN = 50


@require_GET
@needs(SEE)
def records(request: HttpRequest) -> HttpResponseBase:
    """The best shares of all time, blocks, and what v2 had noted."""
    best = list(BestShare.objects.order_by("-true_difficulty")[:SHOWN])
    return render(request, "dashboard/records.html", {
        "snap": live.snapshot(), "best": best, "blocks": list(Block.objects.all()[:SHOWN]),
        "v2_best": list(V2BestShare.objects.all()[:SHOWN])})
