"""Looks for miners: a scan of the named networks, and announcements of AxeOS (mDNS).

SOURCE: bitaxeorg/ESP-Miner, components/connect/connect.c: ``_http._tcp`` on port 80 with the subtype ``_axeos``;
shufps/ESP-Miner-NerdQAxePlus, pull request 613: the same.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

from proxy.devices.facts import PORTS, Api, DeviceError
from proxy.devices.networks import Address, NetworkError, address_of
from proxy.devices.reader import DeviceReader

SCAN_AT_ONCE, SCAN_PER_S, SCAN_S = 64, 100.0, 180.0
"""Hosts that are asked at the same time, new ones a second, and the longest that a scan takes."""
KNOCK_S = 1.5
ANNOUNCED = "_axeos._sub._http._tcp.local."
MOST_WAITING = 64

Found = Callable[[Address, int, Api], Awaitable[bool]]


class Scan:
    """One walk through hosts; ``asked`` and ``found`` count."""

    def __init__(self, reader: DeviceReader, found: Found) -> None:
        self.asked = self.found = 0
        self._reader, self._found = reader, found
        self._places = asyncio.Semaphore(SCAN_AT_ONCE)

    async def run(self, hosts: Iterable[Address]) -> bool:
        """Ask all of them; False: time was over before."""
        try:
            async with asyncio.timeout(SCAN_S), asyncio.TaskGroup() as group:
                for host in hosts:
                    await self._places.acquire()
                    group.create_task(self._ask(host))
                    await asyncio.sleep(1.0 / SCAN_PER_S)
        except TimeoutError:
            return False
        return True

    async def _ask(self, host: Address) -> None:
        try:
            self.asked += 1
            for api, port in PORTS.items():
                if await knock(str(host), port) and await is_a_miner(self._reader, host, port, api):
                    new = await self._found(host, port, api)  # others are found meanwhile: the sum is read after it
                    self.found += new
                    return
        finally:
            self._places.release()


async def knock(host: str, port: int) -> bool:
    """Whether something listens there."""
    try:
        async with asyncio.timeout(KNOCK_S):
            _reader, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.transport.abort()
    return True


async def is_a_miner(reader: DeviceReader, host: Address, port: int, api: Api) -> bool:
    """Whether it answers as one."""
    try:
        await reader.facts(api, str(host), port)
    except DeviceError:
        return False
    return True


@asynccontextmanager
async def announcements(
    heard: Callable[[Address, int], None], *, interfaces: Any = None, loopback: bool = False
) -> AsyncIterator[None]:
    """Call ``heard`` with the address and port of each AxeOS that announces itself. Loads zeroconf.

    Raises:
        OSError: there is no network for it.
    """
    from zeroconf import InterfaceChoice, IPVersion, ServiceStateChange, Zeroconf
    from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

    waiting: asyncio.Queue[str] = asyncio.Queue(MOST_WAITING)

    def changed(zeroconf: Zeroconf, service_type: str, name: str, state_change: ServiceStateChange) -> None:
        if state_change is not ServiceStateChange.Removed and not waiting.full():
            waiting.put_nowait(name)

    async def resolve() -> None:
        while True:
            name = await waiting.get()
            info = AsyncServiceInfo("_http._tcp.local.", name)
            if await info.async_request(heart.zeroconf, 3000) and info.port:
                for said in info.parsed_addresses(IPVersion.V4Only)[:2]:
                    try:
                        heard(address_of(said, loopback=loopback), info.port)
                    except NetworkError:
                        continue

    heart = AsyncZeroconf(interfaces=interfaces or InterfaceChoice.All, ip_version=IPVersion.V4Only)
    browser = AsyncServiceBrowser(heart.zeroconf, ANNOUNCED, handlers=[changed])
    try:
        async with asyncio.TaskGroup() as group:
            resolving = group.create_task(resolve())
            yield
            resolving.cancel()
    finally:
        await browser.async_cancel()
        await heart.async_close()
