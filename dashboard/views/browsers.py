"""A person's own browsers that alerts are pushed to: switched on in the browser itself, listed on the account page."""

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from dashboard.access import SEE, of_request, refuse
from dashboard.views.editing import noted
from proxy.models.push import PushKey, PushSubscription

BROWSERS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser/": "Samsung",
    "Firefox/": "Firefox",
    "FxiOS/": "Firefox",
    "CriOS/": "Chrome",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
}
SYSTEMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "Windows": "Windows",
    "CrOS": "ChromeOS",
    "Mac OS X": "Mac",
    "Linux": "Linux",
}
"""What a user agent contains -> its name; the first counts, because browsers name their forerunners too."""


def browser_name(agent: str) -> str:
    """A browser as its person knows it, such as "Firefox, Android"."""
    browser = next((name for mark, name in BROWSERS.items() if mark in agent), "Browser")
    system = next((name for mark, name in SYSTEMS.items() if mark in agent), "")
    return f"{browser}, {system}" if system else browser


@never_cache
@require_POST
@login_required
def key(request: HttpRequest) -> HttpResponseBase:
    """The public key that a browser subscribes with; made when somebody asks for the first time."""
    if not of_request(request).see:
        return refuse(request, [SEE])
    from proxy.alerts.web_push import b64, point_of, private_key

    return JsonResponse({"key": b64(point_of(private_key(PushKey.load())))})


@never_cache
@sensitive_post_parameters()
@require_POST
@login_required
def add(request: HttpRequest) -> HttpResponseBase:
    """Push alerts to the browser that asks."""
    if not of_request(request).see:
        return refuse(request, [SEE])
    from proxy.alerts.web_push import BadSubscription

    said = {name: request.POST.get(name, "") for name in ("endpoint", "p256dh", "auth")}
    person = get_object_or_404(User, pk=request.user.pk)
    try:
        with transaction.atomic():
            made = PushSubscription.add(person, **said, browser=browser_name(request.headers.get("User-Agent", "")))
            noted(request, made.browser, action="notify browser")
    except ValidationError as error:
        return JsonResponse({"problem": " ".join(error.messages)}, status=422)
    except BadSubscription as error:
        refused = _("The browser gave an address that cannot be used. %(reason)s") % {"reason": error}
        return JsonResponse({"problem": refused}, status=422)
    return JsonResponse({"handle": made.handle})


@require_POST
@login_required
def remove(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Push nothing more to one of one's own browsers."""
    found = get_object_or_404(PushSubscription.objects.select_related("target"), pk=pk, user_id=request.user.pk)
    with transaction.atomic():
        found.target.delete()
        noted(request, found.browser, action="no longer notify browser")
    return redirect("account")
