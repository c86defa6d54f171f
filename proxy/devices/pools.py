"""The one thing that is ever written to a miner, when an administrator asks for it: the pool that it uses.

AxeOS: address, port and kind of connection of its first pool are written, and it starts anew; its user and password
stay. cgminer: the proxy is added as a further pool and switched to; back: the miner is switched to the pool that it
had, and the proxy's is taken away. So nothing is lost that cannot be read, passwords least of all.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from proxy.devices import axeos, cgminer
from proxy.devices.axeos import PoolSetting
from proxy.devices.cgminer import PoolRow
from proxy.devices.facts import Api, NoAnswer, Nonsense, NotAllowed, fields_of
from proxy.devices.reader import DeviceReader, make_client

CHANGE_S = 30.0
"""For all questions of one change."""
T = TypeVar("T")
Before = dict[str, object]
"""What a miner had, as it is kept."""
_NOT_IN_A_PARAMETER = frozenset(",|\\=\n\r\x00")


def at_once(question: Callable[[DeviceReader], Awaitable[T]]) -> T:
    """Ask in this thread, and wait for the answer. Raises ``DeviceError``."""

    async def ask() -> T:
        async with asyncio.timeout(CHANGE_S), make_client() as client:
            return await question(DeviceReader(client))

    try:
        return asyncio.run(ask())
    except TimeoutError as error:
        raise NoAnswer("It did not answer in time.") from error


async def use(reader: DeviceReader, api: Api, host: str, port: int, proxy: tuple[str, int]) -> Before:
    """Have the miner use ``proxy``; return what it had, for ``put_back``.

    Raises:
        DeviceError: it was not changed, or did not say so.
    """
    if api is Api.AXEOS:
        had = axeos.pool_of(await reader.info(host, port))
        await reader.patch(host, port, had.moved_to(*proxy).as_patch())
        return {"host": had.host, "port": had.port, "tls": had.tls, "protocol": had.protocol}
    pools = await _pools(reader, host, port)
    old = next((pool for pool in pools if pool.in_use), None)
    if old is None:
        raise Nonsense("The miner does not tell the pool that it uses.")
    url = f"stratum+tcp://{proxy[0]}:{proxy[1]}"
    ours = next((pool for pool in pools if pool.url == url), None)
    if ours is None:
        if _NOT_IN_A_PARAMETER & set(old.user):
            raise Nonsense("The miner's user cannot be written.")
        await _do(reader, host, port, "addpool", f"{url},{old.user},x")
        ours = next((pool for pool in await _pools(reader, host, port) if pool.url == url), None)
    if ours is None:
        raise NotAllowed("The miner did not take the pool.")
    await _do(reader, host, port, "switchpool", str(ours.number))
    return {"url": old.url, "user": old.user, "ours": url}


async def put_back(reader: DeviceReader, api: Api, host: str, port: int, before: Mapping[str, object]) -> str:
    """Have the miner use what it had; returns that pool, for the report.

    Raises:
        DeviceError: it was not changed, or did not say so.
    """
    if api is Api.AXEOS:
        had = _setting(before)
        await reader.patch(host, port, had.as_patch())
        return f"{had.host}:{had.port}"
    pools = await _pools(reader, host, port)
    old = next((pool for pool in pools if (pool.url, pool.user) == (before.get("url"), before.get("user"))), None)
    if old is None:
        raise Nonsense("The miner no longer has the pool that it used before.")
    await _do(reader, host, port, "switchpool", str(old.number))
    ours = next((pool for pool in pools if pool.url == before.get("ours")), None)
    if ours is not None and ours.url != old.url:
        await _do(reader, host, port, "removepool", str(ours.number))
    return old.url


def _setting(before: Mapping[str, object]) -> PoolSetting:
    host, port, tls, protocol = (before.get(name) for name in ("host", "port", "tls", "protocol"))
    if not isinstance(host, str) or not isinstance(port, int):
        raise Nonsense("What the miner had before is not known.")
    return PoolSetting(
        host, port, tls if isinstance(tls, int) else None, protocol if isinstance(protocol, str) else None
    )


async def _pools(reader: DeviceReader, host: str, port: int) -> list[PoolRow]:
    answers = cgminer.Answers()
    answers.add("pools", await reader.command(host, port, "pools"))
    return cgminer.pools_of(answers)


async def _do(reader: DeviceReader, host: str, port: int, command: str, parameter: str) -> None:
    answer = await reader.command(host, port, command, parameter)
    status = answer.get("STATUS")
    said = fields_of(status[0]).get("STATUS") if isinstance(status, list) and status else status
    if said not in ("S", "I"):
        raise NotAllowed("The miner does not allow its pools to be changed this way: do it on its own page.")
