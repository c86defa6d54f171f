"""Records: best shares, blocks, luck."""

from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from dashboard import banners, live
from dashboard.access import SEE, needs
from dashboard.regions.records import SHOWN
from proxy.models.history import V2BestShare


@require_GET
@needs(SEE)
def records(request: HttpRequest) -> HttpResponseBase:
    """Luck, blocks and best shares, all live, and the best shares imported from v2."""
    return render(
        request, "dashboard/records.html", {"snap": live.snapshot(), "v2_best": list(V2BestShare.objects.all()[:SHOWN])}
    )


@require_POST
@needs(SEE)
def close_blocks(request: HttpRequest) -> HttpResponseBase:
    """The message about blocks found was closed; back to the page where it was."""
    last = request.POST.get("last", "")
    if last.isdecimal() and len(last) < 19:
        banners.close(request, int(last))
    target = request.POST.get("next", "/")
    return redirect(target if url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}) else "/")
