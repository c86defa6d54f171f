"""Miners with TLS beside those without, and a certificate that is replaced while they mine."""

import asyncio
import ssl
from pathlib import Path

from proxy.simulator.profiles import CPUMINER
from tests.e2e.conftest import StartFleet, StartPool, StartProxy
from tests.e2e.fleet import eventually
from tests.e2e.pools import row
from tests.e2e.rows import SetUp
from tests.support.patience import PATIENCE_S
from tests.support.ports import steady_port
from tests.support.tls import CERTIFICATE, KEY, write_certificate


async def session(port: int, folder: Path) -> list[bytes]:
    """Log in with TLS, trusting only the certificate in ``folder``; the lines up to the first job."""
    trusting = ssl.create_default_context(cafile=str(folder / CERTIFICATE))
    lines: list[bytes] = []
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting, server_hostname="localhost")
        writer.write(b'{"id":1,"method":"mining.subscribe","params":["cpuminer/2.5.1"]}\n')
        writer.write(b'{"id":2,"method":"mining.authorize","params":["them.rig","x"]}\n')
        while not lines or b"mining.notify" not in lines[-1] or b'"id":1' in lines[-1]:
            lines.append(await reader.readline())
            assert lines[-1], lines
    writer.close()
    return lines


async def test_miners_with_tls_are_served_and_see_a_new_certificate_without_a_restart(
    start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet, tmp_path: Path
) -> None:
    write_certificate(tmp_path, "localhost")
    pool, port = await start_pool("A", block_s=None), steady_port()
    files = {"tls_certificate": str(tmp_path / CERTIFICATE), "tls_key": str(tmp_path / KEY)}
    proxy = await start_proxy(SetUp(pools=[row(pool)], weights={"A": 1}, settings={"tls_port": port, **files}))
    fleet = await start_fleet(proxy.stratum, [CPUMINER])
    await session(port, tmp_path)
    write_certificate(tmp_path, "localhost")  # a self-signed one of its own: the old one is not trusted any more

    async def renewed() -> bool:
        try:
            await session(port, tmp_path)
        except ssl.SSLError:
            return False
        return True

    async with asyncio.timeout(PATIENCE_S):
        while not await renewed():
            await asyncio.sleep(0.5)
    reader, plain = await asyncio.open_connection("127.0.0.1", port)
    plain.write(b'{"id":1,"method":"mining.subscribe","params":[]}\n')
    async with asyncio.timeout(PATIENCE_S):
        assert await reader.read() == b""
    plain.close()
    await fleet.mined(1)
    await eventually(lambda: len(proxy.lines("miner_tls_certificate")) == 2)
    await eventually(lambda: [line["protocol"] for line in proxy.lines("miner_other_protocol")] == ["plain"])
