"""Four figures for the desktop of a home server (Umbrel), without a login: only where the environment allows it."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from dashboard import live, presenters


@never_cache
@require_safe
def widget(request: HttpRequest) -> HttpResponseBase:
    """Hash rate, miners, split, best share; 404 unless ``DPMP_WIDGET`` is yes.

    SOURCE of the form: getumbrel/umbrel, widget type ``four-stats`` (``title``, ``text``, ``subtext``).
    """
    if not settings.WIDGET:
        raise Http404
    snap = live.snapshot()
    number, unit = presenters.hash_rate(snap.rate_5m.value if snap.rate_5m.known else None)
    split = presenters.ratio(snap.control.weights, [pool.key for pool in snap.pools]) if snap.control.weights else "–"
    items = [
        {"title": _("Hash rate"), "text": number, "subtext": unit},
        {"title": _("Miners"), "text": str(snap.sessions), "subtext": _("connected")},
        {"title": _("Split"), "text": split, "subtext": _("wanted")},
        {"title": _("Best share"), "text": presenters.difficulty(snap.counts.best or None), "subtext": _("difficulty")},
    ]
    return JsonResponse({"type": "four-stats", "link": "", "items": items})
