"""Closing a TLS connection to a peer that says nothing must not wait for its farewell (asyncio: 30 s)."""

import asyncio
import socket
import threading
from pathlib import Path
from typing import Any

from proxy.config.snapshot import Endpoint, Tls
from proxy.net.dialer import NetDialer
from tests.support.tls import server_context


class Ends:
    def __init__(self) -> None:
        self.open: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.over: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def opened(self, link: Any) -> None:
        self.open.set_result(link)

    def received(self, payload: bytes) -> None:
        pass

    def closed(self, reason: str) -> None:
        self.over.set_result(reason)


def test_a_tls_peer_that_went_silent_is_left_within_two_seconds(tmp_path: Path) -> None:
    context = server_context(tmp_path, "localhost")
    done = threading.Event()

    async def main() -> None:
        listener = socket.create_server(("127.0.0.1", 0))

        def serve() -> None:
            sock, _ = listener.accept()
            with context.wrap_socket(sock, server_side=True):
                done.wait(20)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        ends = Ends()
        port = listener.getsockname()[1]
        NetDialer(timeout_s=lambda: 5.0).dial(Endpoint(host="127.0.0.1", port=port, tls=Tls.INSECURE), ends)
        link = await asyncio.wait_for(ends.open, 6)
        link.send(b"{}\n")
        link.close()
        try:
            await asyncio.wait_for(ends.over, 2)
        finally:
            done.set()
            listener.close()

    asyncio.run(main())
