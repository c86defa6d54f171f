"""Template tags that place live regions and connect the page to them."""

from urllib.parse import urlencode

from django import template
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language

from dashboard import access, live

register = template.Library()


@register.simple_tag(takes_context=True)
def region(context: template.Context, name: str, argument: str = "") -> SafeString:
    """A live region: rendered now, updated from then on."""
    request = context["request"]
    key = f"{name}:{argument}" if argument else name
    keys = getattr(request, "live_keys", [])
    request.live_keys = [*keys, key]
    return live.first_paint(key, access.of_request(request), get_language() or "en")


@register.simple_tag(takes_context=True)
def live_socket(context: template.Context) -> SafeString | str:
    """At the end of a page: the WebSocket that feeds its regions, and where to poll when that is blocked."""
    keys = getattr(context["request"], "live_keys", [])
    if not keys:
        return ""
    query = urlencode([*(("r", key) for key in keys), ("lang", get_language() or "en")], safe=":")
    return format_html(
        '<div id="live" hx-ext="ws" ws-connect="/live/?{}" data-poll="{}?{}">'
        '<data id="live-beat" value=""></data></div>',
        query,
        reverse("poll"),
        query,
    )
