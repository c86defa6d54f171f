"""The ASGI application: pages through Django, WebSockets through Channels behind the host guard.

``daphne dpmp_site.asgi:application`` serves it alone; ``runproxy`` serves it beside the proxy on one event loop.
"""

import os

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application

from dpmp_site.hosts import WebSocketGuard

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dpmp_site.settings")
_pages = get_asgi_application()  # sets Django up, so the consumers are imported after it

from dashboard.routing import websocket_urlpatterns  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": _pages,
        "websocket": WebSocketGuard(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))),
    }
)
