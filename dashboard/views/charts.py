"""The charts' data as JSON."""

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.views.decorators.http import require_GET

from dashboard import charts, live
from dashboard.access import SEE, needs

NETWORK = {"rate", "difficulty", "weights"}


@require_GET
@needs(SEE)
def worker(request: HttpRequest, name: str) -> HttpResponseBase:
    """A worker's hash rate by pool, or what else ``what`` asks for."""
    return _answer(charts.series(live.snapshot(), kind=_kind(request, "rate"), span=_span(request), worker=name))


@require_GET
@needs(SEE)
def pool(request: HttpRequest, key: str) -> HttpResponseBase:
    """A pool's accepted shares per minute, or what else ``what`` asks for."""
    return _answer(charts.series(live.snapshot(), kind=_kind(request, "accepted"), span=_span(request), pool=key))


@require_GET
@needs(SEE)
def fleet(request: HttpRequest) -> HttpResponseBase:
    """The fleet's hash rate by pool, and what happened."""
    return _answer(charts.fleet(live.snapshot(), _span(request)))


@require_GET
@needs(SEE)
def split(request: HttpRequest) -> HttpResponseBase:
    """How the work was split, and what was wanted."""
    return _answer(charts.split(live.snapshot(), _span(request)))


@require_GET
@needs(SEE)
def network(request: HttpRequest, what: str) -> HttpResponseBase:
    """What auto-balance saw of the networks."""
    return _answer(charts.network(live.snapshot(), what if what in NETWORK else "rate"))


def _kind(request: HttpRequest, usual: str) -> str:
    what = request.GET.get("what", usual)
    return what if what in charts.KINDS else usual


def _span(request: HttpRequest) -> str:
    return request.GET.get("span", charts.DEFAULT_SPAN)


def _answer(series: charts.Series) -> JsonResponse:
    response = JsonResponse(series.as_json())
    response["Cache-Control"] = "no-store"
    return response
