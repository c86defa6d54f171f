"""WebSockets that are refused are a visitor's matter: no line in the log, no traceback."""

import asyncio

from tests.e2e.conftest import StartProxy
from tests.e2e.process import ProxyProcess
from tests.support.patience import PATIENCE_S

WARNINGS = ("WARNING", "ERROR")


async def _open(proxy: ProxyProcess, path: str, origin: str) -> int:
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.web)
        try:
            writer.write(
                (
                    f"GET {path} HTTP/1.1\r\nHost: localhost:{proxy.web}\r\nOrigin: {origin}\r\n"
                    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
                ).encode()
            )
            return int((await reader.readuntil(b"\r\n")).split()[1])
        finally:
            writer.close()


async def test_refused_sockets_write_no_warning(start_proxy: StartProxy) -> None:
    proxy = await start_proxy()
    own = f"http://localhost:{proxy.web}"
    tried = [("/live/?r=split", own), ("/live/?r=split", "http://evil.com"), ("/nowhere/", own)]
    assert [await _open(proxy, *each) for each in tried] == [403, 403, 403]
    assert (await proxy.get("/healthz"))[0] == 200
    code, _ = await proxy.end()  # so that all it ever wrote is there
    assert code == 0
    assert not [line for line in proxy.log if line["event"] == "library_log"], proxy.text
    assert proxy.said == []
