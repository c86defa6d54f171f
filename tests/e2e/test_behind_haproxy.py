"""The HAProxy example of docs/farm.md, as written there, in front of a real proxy whose listener has a route."""

import asyncio
import re
import shutil
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from proxy.simulator.profiles import CPUMINER
from tests.e2e.conftest import StartFleet, StartPool, StartProxy
from tests.e2e.fleet import eventually
from tests.e2e.pools import row
from tests.e2e.process import ProxyProcess
from tests.e2e.rows import SetUp
from tests.support.patience import PATIENCE_S
from tests.support.ports import steady_port

PAGE = Path(__file__).resolve().parents[2] / "docs" / "farm.md"
MINER = "127.0.0.77"
"""Another address of this machine: HAProxy connects from 127.0.0.1."""


def haproxy() -> str:
    path = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin")
    if path is None:
        pytest.skip("haproxy is not installed")
    return path


def examples() -> list[str]:
    """The page's configurations: for one node, and the part of it that is another for several."""
    return re.findall(r"```haproxy\n(.*?)```", PAGE.read_text(), re.DOTALL)


def example(front: int, listener: int, web: int) -> str:
    """The page's configuration for one node; only the ports are this test's."""
    text = _on_this_machine(examples()[0], front)
    return text.replace(":3360", f":{listener}").replace("port 8855", f"port {web}")


def example_of_several(front: int, servers: Sequence[tuple[int, int]]) -> str:
    """The page's configuration for several nodes; only addresses and ports (miners', checks') are this test's."""
    one, several = examples()
    named = re.findall(r"10\.0\.0\.\d+:3360\b.* port 9210\b", several)
    for line, (miners, checks) in zip(named, servers, strict=True):
        here = re.sub(r"^\S+", f"127.0.0.1:{miners}", line)
        several = several.replace(line, here.replace("port 9210", f"port {checks}"))
    return _on_this_machine(one[: one.index("\nbackend ") + 1] + several, front)


def _on_this_machine(text: str, front: int) -> str:
    text = text.replace(":3333", f"127.0.0.1:{front}").replace("inter 2s", "inter 200ms")
    return text.replace("maxconn 20000", "maxconn 200")  # needs no more open files than a test may have


@asynccontextmanager
async def running(folder: Path, configuration: str) -> AsyncIterator[list[str]]:
    """HAProxy runs; what it said is in the list when it has ended."""
    said: list[str] = []
    (folder / "haproxy.cfg").write_text(configuration)
    process = await asyncio.create_subprocess_exec(
        haproxy(), "-db", "-f", str(folder / "haproxy.cfg"), stdout=PIPE, stderr=STDOUT
    )
    try:
        yield said
        assert process.returncode is None
    finally:
        if process.returncode is None:
            process.terminate()
        said += (await process.communicate())[0].decode().splitlines()


async def reached(front: int, payload: bytes) -> bytes:
    """The first line that comes back through HAProxy to a miner at another address; tried until HAProxy is up."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", front, local_addr=(MINER, 0))
                writer.write(payload)
                answer = await reader.readline()
                writer.close()
            except OSError:
                answer = b""
            if answer:
                return answer
            await asyncio.sleep(0.1)


async def test_miners_behind_haproxy_mine_by_their_own_address_on_their_own_route(
    start_pool: StartPool, start_proxy: StartProxy, start_fleet: StartFleet, tmp_path: Path
) -> None:
    haproxy()
    ours, theirs = await start_pool("A", block_s=None), await start_pool("B", block_s=None)
    listener, front = steady_port(), steady_port()
    rack = {"host": "127.0.0.1", "port": listener, "proxy_networks": "127.0.0.1"}
    proxy: ProxyProcess = await start_proxy(
        SetUp(
            pools=[row(ours), row(theirs)],
            weights={"A": 1},
            listeners={"Rack": rack},
            routes={"Rack": {"B": 1}},
        )
    )
    await proxy.until("listener_opened", listener="Rack")
    async with running(tmp_path, example(front, listener, proxy.web)):
        assert b'"result"' in await reached(front, b'{"id":1,"method":"mining.subscribe","params":["x/1"]}\n')
        fleet = await start_fleet(front, [CPUMINER, CPUMINER])
        await fleet.mined(3)
        peers = {str(line["peer"]).rpartition(":")[0] for line in proxy.lines("miner_connected", listener="Rack")}
        assert MINER in peers and all(line["through"] for line in proxy.lines("miner_connected", listener="Rack"))
        await eventually(lambda: sum(tally.accepted for tally in theirs.book.workers.values()) >= 6)
        assert not ours.book.workers or not any(
            tally.accepted for worker, tally in ours.book.workers.items() if "probe" not in worker
        )
        assert not proxy.lines("miner_refused") and not fleet.wrongly_refused()
    reader, writer = await asyncio.open_connection("127.0.0.1", listener)  # HAProxy's machine, without its header
    writer.write(b'{"id":1,"method":"mining.subscribe","params":[]}\n')
    async with asyncio.timeout(PATIENCE_S):
        assert await reader.read() == b""
    writer.close()
    assert "no PROXY protocol header" in str((await proxy.until("miner_refused", listener="Rack"))["limit"])
