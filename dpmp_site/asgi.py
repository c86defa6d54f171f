"""The ASGI application: pages through Django, WebSockets through Channels behind the host guard.

``daphne dpmp_site.asgi:application`` serves it alone; ``runproxy`` serves it beside the proxy on one event loop.
"""

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import reverse

from dpmp_site.gate import LoginGate, RequestGate
from dpmp_site.hosts import Application, WebSocketGuard

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dpmp_site.settings")
# Sets Django up, so the consumers are imported after it.
_pages: Application = get_asgi_application()  # type: ignore[assignment]

from dashboard.api.gate import ApiGate  # noqa: E402
from dashboard.api.streaming import EventStream  # noqa: E402
from dashboard.routing import websocket_urlpatterns  # noqa: E402

LOGIN_PATHS = frozenset({reverse("account_login"), reverse("mfa_login_webauthn")})
"""Paths that accept a login. Made here, because the first ``reverse`` loads all pages: a second in which the loop would
not serve miners."""

PROVIDER_PATHS = frozenset({reverse("oidc-start"), reverse("oidc-callback"), reverse("oidc-link")})
"""Paths that wait for an identity provider; in a queue of their own: one that hangs keeps nobody from a password."""

_gated = LoginGate(LoginGate(RequestGate(_pages), LOGIN_PATHS), PROVIDER_PATHS, methods=("GET", "POST"))

application = ProtocolTypeRouter(
    {
        "http": ApiGate(_gated, EventStream()),
        "websocket": WebSocketGuard(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
    }
)
