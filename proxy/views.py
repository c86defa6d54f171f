"""Views for monitoring; those without a login reveal nothing sensitive."""

from dataclasses import asdict

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django_prometheus.exports import ExportToDjangoView

from proxy.ops.health import readiness


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 as long as the process answers."""
    return HttpResponse("ok\n", content_type="text/plain; charset=utf-8")


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """200 when miners get work and it is kept, else 503; the body says which part is missing."""
    found = readiness()
    return JsonResponse(asdict(found), status=200 if found.ready else 503)


@never_cache
@require_safe
@login_required
def metrics(request: HttpRequest) -> HttpResponse:
    """The metrics, for logged-in users."""
    exposition: HttpResponse = ExportToDjangoView(request)
    return exposition
