"""The WebSocket's address."""

from typing import Any

from django.urls import path, re_path

from dashboard.consumers import LiveConsumer


async def no_such_socket(scope: Any, receive: Any, send: Any) -> None:
    """Refuse a WebSocket at an unknown address, by closing it before it is accepted."""
    await receive()
    await send({"type": "websocket.close", "code": 4404})


websocket_urlpatterns = [
    path("live/", LiveConsumer.as_asgi()),
    re_path(r"", no_such_socket),  # type: ignore[arg-type]
]
