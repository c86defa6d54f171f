"""What lets a phone install the dashboard, and what pages need while the server cannot be reached.

All are for everybody and say nothing of the proxy: a browser asks for them before anybody has logged in.
"""

import hashlib
import json
from functools import cache
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from proxy import VERSION

DARK = "#101418"
"""Background of the dark theme, which is the icon's too."""
ICONS = (("icon-192.png", 192, "any"), ("icon-512.png", 512, "any"), ("icon-maskable-512.png", 512, "maskable"))
HERE = '<!doctype html><html lang="en" data-dpmp-here><title>DPMP</title>'
NOTICE_NEEDS = ("dashboard.css", "here.js", "offline.js")
WORKER = Path(__file__).resolve().parents[1] / "static" / "dashboard" / "offline-worker.js"


@require_safe
def manifest(request: HttpRequest) -> HttpResponse:
    """Name, colours and icons of the installed page."""
    home = reverse("home")
    icons = [
        {"src": static(f"dashboard/{name}"), "sizes": f"{pixels}x{pixels}", "type": "image/png", "purpose": purpose}
        for name, pixels, purpose in ICONS
    ]
    about = {
        "id": home,
        "name": _("DPMP mining proxy"),
        "short_name": "DPMP",
        "start_url": home,
        "scope": home,
        "display": "standalone",
        "background_color": DARK,
        "theme_color": DARK,
        "icons": icons,
    }
    return JsonResponse(about, content_type="application/manifest+json")


@require_safe
@never_cache
@xframe_options_sameorigin
def here(request: HttpRequest) -> HttpResponse:
    """An empty page that pages load in a hidden frame to learn whether the server answers (``here.js``).

    It alone may stand in a frame, and only in one of ours.
    """
    policy = "default-src 'none'; frame-ancestors 'self'"
    return HttpResponse(HERE, headers={"Content-Security-Policy": policy})


@require_safe
def offline(request: HttpRequest) -> HttpResponse:
    """The notice in all languages: whoever reads it later may have chosen another one."""
    return HttpResponse(_notice())


@require_safe
def worker(request: HttpRequest) -> HttpResponse:
    """The service worker. Its text changes with the notice, so that browsers fetch the notice anew."""
    notice = _notice()
    files = [reverse("offline"), *(static(f"dashboard/{name}") for name in NOTICE_NEEDS)]
    digest = hashlib.sha256(f"{VERSION} {notice}".encode()).hexdigest()[:12]
    kept = json.dumps([f"dpmp-offline-{digest}", *files])
    icon = json.dumps(static("dashboard/icon-192.png"))
    text = f"self.KEPT={kept};\nself.ICON={icon};\n" + WORKER.read_text(encoding="utf-8")
    return HttpResponse(text, content_type="text/javascript; charset=utf-8", headers={"Cache-Control": "no-cache"})


@cache
def _notice() -> str:
    return render_to_string("dashboard/offline.html", {"languages": [code for code, _name in settings.LANGUAGES]})
