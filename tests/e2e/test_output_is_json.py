"""What the process prints is the log and nothing else, whatever visitors ask for."""

import asyncio

import pytest

from tests.e2e.conftest import StartProxy


async def status_of(port: int, method: str, path: str) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = (f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", "Content-Length: 0", "", "")
    writer.write("\r\n".join(head).encode())
    line = await asyncio.wait_for(reader.readline(), 20)
    await reader.read()
    writer.close()
    return int(line.split()[1])


@pytest.mark.new_interpreter
async def test_refused_pages_leave_no_line_and_all_that_is_printed_is_json(start_proxy: StartProxy) -> None:
    proxy = await start_proxy()
    assert await status_of(proxy.web, "GET", "/nowhere/") == 404
    assert await status_of(proxy.web, "POST", "/login/") == 403
    assert await status_of(proxy.web, "PUT", "/split/set/") in (403, 405)
    code, _ = await proxy.end()
    assert code == 0
    assert proxy.said == []
    assert proxy.lines("library_log") == []
    assert proxy.lines("shutdown_done")
