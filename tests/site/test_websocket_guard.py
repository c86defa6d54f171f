"""Only our own pages may open the WebSocket."""

import pytest
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator

from dashboard.routing import websocket_urlpatterns
from dpmp_site.hosts import WebSocketGuard


async def accept(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})


async def is_let_in(*headers):
    communicator = WebsocketCommunicator(WebSocketGuard(accept), "/ws/", headers=list(headers))
    connected, code = await communicator.connect()
    assert connected or code == 4403
    return connected


async def test_page_of_the_same_host_is_let_in():
    assert await is_let_in((b"host", b"umbrel.local:8855"), (b"origin", b"http://umbrel.local:8855"))


@pytest.mark.parametrize(
    "headers",
    [
        [(b"host", b"umbrel.local:8855"), (b"origin", b"http://evil.com")],
        [(b"host", b"umbrel.local:8855"), (b"origin", b"null")],
        [(b"host", b"umbrel.local:8855")],
        [(b"origin", b"http://umbrel.local:8855")],
        [(b"host", b"evil.com:8855"), (b"origin", b"http://evil.com:8855")],
        [(b"host", b"a"), (b"origin", b"http://a"), (b"origin", b"http://evil.com")],
        [(b"host", b"\xff"), (b"origin", b"http://\xff")],
    ],
    ids=["other page", "null", "no origin", "no host", "rebound name", "two origins", "not ascii"],
)
async def test_everything_else_is_refused(headers):
    assert not await is_let_in(*headers)


@pytest.mark.parametrize("path", ["/", "/live", "/live/x/", "/admin/"])
async def test_socket_at_an_unknown_address_is_closed_without_a_traceback(path):
    headers = [(b"host", b"localhost:8855"), (b"origin", b"http://localhost:8855")]
    communicator = WebsocketCommunicator(WebSocketGuard(URLRouter(websocket_urlpatterns)), path, headers=headers)
    assert await communicator.connect() == (False, 4404)
