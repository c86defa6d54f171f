"""As in ``tests/engine``, with real sockets: a connection that ended is freed without the garbage collector."""

import asyncio
import gc
import random
import ssl
import time
from collections import Counter
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import cast

import orjson
import pytest
import uvloop

from proxy.config.snapshot import ConfigSnapshot, Connections, Endpoint, PoolConfig, ScheduleConfig, Tls
from proxy.engine import pool_link, session, shared_link, submits, upstream_connection, work_sender
from proxy.engine.engine import Engine
from proxy.net import dialer, listener, miner_tls, transport
from proxy.net.clock import LoopClock
from proxy.net.transport import InputBudget
from proxy.observe.events import EventStream, MinerDisconnected, MinerReady, PoolDisconnected, ShareResult
from proxy.stratum import downstream, framing, upstream
from proxy.types import PoolKey
from tests.net.test_proxy_header import header
from tests.support.patience import PATIENCE_S
from tests.support.tls import CERTIFICATE, KEY, server_context

EASY = 2.0**-40
"""Hashes of a share of difficulty 1: each is one."""
MINERS = 4
KINDS = frozenset(
    {
        dialer._Dial,
        downstream.Downstream,
        framing.LineFramer,
        listener._HeaderReader,
        listener._MinerLink,
        listener._TlsMinerLink,
        miner_tls.TlsStream,
        pool_link.PoolLink,
        session.Session,
        shared_link.SharedLink,
        submits.SubmitHandler,
        transport.StreamLink,
        upstream.Upstream,
        upstream_connection.UpstreamConnection,
        work_sender.WorkSender,
    }
)
JOB = ["1", "00" * 32, "01000000" + "ab" * 60, "ffffffff", [], "20000000", "1d00ffff", "68000000", True]


OF_NOBODY = (downstream._BETWEEN_LINES, upstream._BETWEEN_LINES)


def alive() -> Counter[str]:
    found = [each for each in gc.get_objects() if type(each) in KINDS]
    return Counter(type(each).__name__ for each in found if not any(each is other for other in OF_NOBODY))


class Pool(asyncio.Protocol):
    """A pool's end of a connection: accepts everything."""

    def connection_made(self, made: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, made)

    def data_received(self, data: bytes) -> None:
        lines: list[object] = []
        for message in map(orjson.loads, data.splitlines()):
            result: object = True
            if message["method"] == "mining.subscribe":
                result = [[], f"{id(self) & 0xFFFFFFFF:08x}", 8]
            elif message["method"] == "mining.configure":
                result = {"version-rolling": True, "version-rolling.mask": "1fffe000"}
            lines.append({"id": message["id"], "result": result, "error": None})
            if message["method"] == "mining.authorize":
                lines.append({"id": None, "method": "mining.set_difficulty", "params": [1]})
                lines.append({"id": None, "method": "mining.notify", "params": JOB})
        self.transport.write(b"".join(orjson.dumps(line) + b"\n" for line in lines))


class Miner(asyncio.Protocol):
    """A miner that finds a share with each job."""

    def __init__(self, opening: bytes) -> None:
        self.opening = opening
        self.shares = 0

    def connection_made(self, made: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, made)
        self.transport.write(self.opening)
        self.call(1, "mining.subscribe", ["cgminer/4.11.1"])
        self.call(2, "mining.authorize", ["addr.rig", "x"])

    def call(self, ident: int, method: str, params: list[str]) -> None:
        self.transport.write(orjson.dumps({"id": ident, "method": method, "params": params}) + b"\n")

    def data_received(self, data: bytes) -> None:
        for message in map(orjson.loads, data.splitlines()):
            if message["id"] == 1:
                self.size = message["result"][2]
            elif message.get("method") == "mining.notify":
                job = message["params"]
                self.shares += 1
                extranonce2 = f"{self.shares:0{2 * self.size}x}"
                self.call(10 + self.shares, "mining.submit", ["addr.rig", job[0], extranonce2, job[7], "00000001"])


class Farm:
    """An engine on real sockets with a pool that answers, and one that refuses each dial."""

    def __init__(self, port: int, tls: Tls, connections: Connections) -> None:
        self.events = EventStream()
        self.seen: Counter[type] = Counter()
        for kind in (MinerReady, MinerDisconnected, PoolDisconnected, ShareResult):
            self.events.subscribe(kind, lambda event: self.seen.update([type(event)]))
        clock = LoopClock(asyncio.get_running_loop())
        self.engine = Engine(
            clock=clock,
            events=self.events,
            dialer=dialer.NetDialer(timeout_s=lambda: 5.0, deadlines=clock.deadlines),
            random=random.Random(1),
            version="test",
            hashes_per_difficulty=EASY,
        )
        pools = {
            PoolKey(key): PoolConfig(
                key=PoolKey(key),
                wallet="wallet",
                endpoints=(Endpoint(host="127.0.0.1", port=at, tls=tls),),
                extranonce2_size=8,
                connections=connections,
            )
            for key, at in (("A", port), ("B", 9))
        }
        schedule = ScheduleConfig(
            id=1,
            name="main",
            allocations=tuple((key, 50.0) for key in pools),
            min_switch_s=30.0,
            slice_s=15.0,
            is_default=True,
        )
        self.engine.apply(ConfigSnapshot(revision=1, pools=pools, schedules=(schedule,)))

    async def until(self, kind: type, number: int) -> None:
        async with asyncio.timeout(20):
            while self.seen[kind] < number:
                await asyncio.sleep(0.01)


async def come_and_leave(
    farm: Farm, address: tuple[str, int], context: ssl.SSLContext | None, opening: bytes, by_us: bool
) -> None:
    """Miners come, find shares and leave, as many ways as there are."""
    farm.seen.clear()
    connect = asyncio.get_running_loop().create_connection
    miners = [(await connect(lambda: Miner(opening), *address, ssl=context))[1] for _ in range(MINERS)]
    await farm.until(MinerReady, MINERS)
    await farm.until(ShareResult, 1)
    if by_us:
        for each in list(farm.engine.sessions.values()):
            each.downstream.close("we end it")
    for number, miner in enumerate(miners):
        for _ in range(3 * InputBudget().lines_a_turn):
            miner.call(9, "mining.ping", [])
        miner.transport.abort() if number % 2 else miner.transport.close()
    await farm.until(MinerDisconnected, MINERS)


async def freed(farm: Farm, before: Counter[str]) -> None:
    """Wait until there is no more than before: open shares have their time, and so has a probe of a pool."""
    until = time.monotonic() + PATIENCE_S
    while left := alive() - before:
        assert time.monotonic() < until, left
        farm.events.settle()  # open sums of shares know their jobs; snapshots have them told each second
        await asyncio.sleep(0.1)


async def check(folder: Path, *, tls_miners: bool, balancer: bool, tls: Tls, connections: Connections) -> None:
    loop = asyncio.get_running_loop()
    pool_context = server_context(folder, "localhost")
    server = await loop.create_server(Pool, "127.0.0.1", 0, ssl=pool_context if tls is not Tls.OFF else None)
    farm = Farm(server.sockets[0].getsockname()[1], tls, connections)
    for_miners, context = None, None
    if tls_miners:
        for_miners = miner_tls.MinerTls(on_loaded=lambda path, until: None, on_refused=pytest.fail)
        for_miners.configure(str(folder / CERTIFICATE), str(folder / KEY))
        await for_miners.refresh()
        context = ssl.create_default_context(cafile=str(folder / CERTIFICATE))
        context.check_hostname = False
    stratum = listener.StratumListener(farm.engine.connect, None, for_miners)
    if balancer:
        stratum.balancers = (ip_network("127.0.0.0/8"),)
        call_later: Callable[..., asyncio.TimerHandle] = loop.call_later
        stratum.headers = listener.PendingHeaders(call_later, lambda peer, why: pytest.fail(why))
    address = await stratum.start("127.0.0.1", 0)
    opening = header() if balancer else b""
    await come_and_leave(farm, address, context, opening, by_us=False)
    await asyncio.sleep(0.5)
    before = alive() if connections is Connections.SHARED else Counter[str]()
    for by_us in (False, True):
        await come_and_leave(farm, address, context, opening, by_us)
        await freed(farm, before)
    farm.engine.close()
    await stratum.stop()
    server.close()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"connections": Connections.SHARED},
        {"tls_miners": True},
        {"balancer": True},
        {"tls": Tls.INSECURE},
    ],
)
def test_connections_that_ended_leave_nothing(options: dict[str, object], tmp_path: Path) -> None:
    usual: dict[str, object] = {
        "tls_miners": False,
        "balancer": False,
        "tls": Tls.OFF,
        "connections": Connections.OWN,
    }
    gc.collect()
    gc.disable()
    try:
        uvloop.run(check(tmp_path, **{**usual, **options}))  # type: ignore[arg-type]
    finally:
        gc.enable()
