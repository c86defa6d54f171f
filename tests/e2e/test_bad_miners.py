"""Bad input from a connection costs that connection at most; the others do not notice."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from proxy.simulator.profiles import CPUMINER, ESP_MINER
from tests.e2e.books import check_treatment
from tests.e2e.conftest import PROXIES
from tests.e2e.fleet import Fleet, eventually
from tests.e2e.pools import make_pool, row
from tests.e2e.process import ProxyProcess, clean_environment
from tests.e2e.rows import RowWriter, SetUp
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Raw:
    """A connection that says whatever a test wants."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, payload: bytes) -> None:
        self.writer.write(payload)
        await self.writer.drain()

    async def answer_to(self, ident: object) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                line = await self.reader.readline()
                assert line, "closed"
                message = json.loads(line)
                if message.get("id") == ident and "method" not in message:
                    return message

    async def ping(self) -> None:
        """It is alive and answers."""
        await self.send(b'{"id":"alive","method":"mining.ping","params":[]}\n')
        assert (await self.answer_to("alive"))["result"] == "pong"

    async def closed(self) -> None:
        """Wait for its end."""
        with suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE_S):
                while await self.reader.read(65_536):
                    pass


World = tuple[ProxyProcess, Fleet]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(
    migrated: Path, tmp_path_factory: pytest.TempPathFactory, row_writer: RowWriter
) -> AsyncIterator[World]:
    """A proxy with two good miners, for all tests of this file."""
    data_dir = shutil.copytree(migrated, tmp_path_factory.mktemp("bad-miners") / "data")
    pool, proxy = make_pool("A", block_s=None), ProxyProcess(clean_environment(data_dir))
    await pool.start()
    try:
        wanted = SetUp(pools=[row(pool)], weights={"A": 1})
        await asyncio.to_thread(row_writer.write, data_dir / "dpmp.sqlite3", wanted)
        await proxy.start()
        fleet = Fleet(proxy.stratum, [CPUMINER, ESP_MINER])
        await fleet.start()
        yield proxy, fleet
        await fleet.stop()
    finally:
        await proxy.clear_away()
        await pool.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def raw(request: pytest.FixtureRequest, world: World) -> AsyncIterator[Raw]:
    """A connection to the proxy; afterwards the good miners must not have noticed a thing."""
    proxy, fleet = world
    request.node.stash[PROXIES] = [proxy]
    for miner in fleet.miners:
        miner.mining = True
    await fleet.mined(1)
    raw = Raw(*await asyncio.open_connection("127.0.0.1", proxy.stratum))
    await raw.send(b'{"id":"hello","method":"mining.subscribe","params":["raw/1.0"]}\n')
    assert (await raw.answer_to("hello"))["error"] is None
    yield raw
    raw.writer.close()
    await fleet.mined(1)
    await fleet.settle()
    check_treatment(proxy, fleet)
    assert proxy.running


async def test_bad_lines_are_survived_and_answered(world: World, raw: Raw) -> None:
    proxy, _ = world
    await raw.send(b"x" * 9_000 + b"\n")
    await raw.ping()
    await raw.send(b"[" * 8_000 + b"\n")
    await raw.ping()
    await raw.send(b'{"id":1,"method":"mining.submit","params":' + b"[" * 4_000 + b"]" * 4_000 + b"}\n")
    await raw.ping()
    await raw.send(b"\xff\xfe\x00\n\n\r\n   \nnull\n17\n[]\n{}\n")
    await raw.ping()
    for ident, line in enumerate(WRONG_TYPES, 100):
        await raw.send(json.dumps({"id": ident, **line}).encode() + b"\n")
        answer = await raw.answer_to(ident)
        heard = line["method"].startswith("mining.suggest") and answer["result"] is True
        assert heard or answer["error"] is not None, line
    await raw.ping()
    await eventually(lambda: len(proxy.lines("miner_bad_json")) >= 8)  # the log is written by a thread


WRONG_TYPES: list[dict[str, Any]] = [
    {"method": "mining.authorize", "params": [17]},
    {"method": "mining.authorize", "params": []},
    {"method": "mining.configure", "params": ["version-rolling"]},
    {"method": "mining.configure", "params": [["version-rolling"], {"version-rolling.mask": {}}]},
    {"method": "mining.suggest_difficulty", "params": [True]},
    {"method": "mining.suggest_difficulty", "params": ["nan"]},
    {"method": "mining.suggest_difficulty", "params": [-1]},
    {"method": "mining.suggest_target", "params": ["zz"]},
    {"method": "mining.submit", "params": []},
    {"method": "mining.submit", "params": [1, 2, 3, 4, 5]},
    {"method": "mining.submit", "params": ["nobody", "1", "00000000", "00000000", "00000000"]},
    {"method": "no.such.method", "params": []},
]


async def test_floods_cost_only_the_connection_that_sends_them(world: World, raw: Raw) -> None:
    proxy, fleet = world
    endless = raw
    for _ in range(3):
        await endless.send(b"z" * 65_536)  # one line, read at the rate that miners are read at
    await endless.send(b"\n")
    await endless.ping()

    flood = Raw(*await asyncio.open_connection("127.0.0.1", proxy.stratum))
    with suppress(ConnectionError):
        for _ in range(40):
            await flood.send(b"y" * 9_000 + b"\n")
    await flood.closed()

    deaf = Raw(*await asyncio.open_connection("127.0.0.1", proxy.stratum))
    with suppress(TimeoutError, ConnectionError):
        async with asyncio.timeout(3):
            while True:
                await deaf.send(b'{"id":1,"method":"mining.ping","params":[]}\n' * 2_000)
    await fleet.mined(1)
    deaf.writer.transport.abort()
    await endless.ping()


async def test_refused_shares_say_why(world: World, raw: Raw) -> None:
    _, fleet = world
    miner = fleet.miners[0]
    miner.mining = False
    await miner.until(lambda each: not each.unanswered)
    share = miner.find_share()
    good = share.params(miner.user)
    assert (await miner.submit_raw(good)).result is True
    codes = [
        await code(miner.submit_raw(params))
        for params in (
            good,
            [*good[:1], "ffff", *good[2:]],
            [*good[:2], "00", *good[3:]],
            [*good[:4], "nonsense"],
            ["somebody.else", *good[1:]],
        )
    ]
    assert codes == [22, 21, 20, 20, 24]
    others = [f"{int(good[4], 16) ^ bit:08x}" for bit in (1, 2, 4)]
    codes = [await code(miner.submit_raw([*good[:4], nonce])) for nonce in others]
    assert sorted(codes)[1:] == [23, 23]  # one in a thousand is a share by luck
    miner.tally.rejected.clear()
    miner.mining = True


async def code(answer: "asyncio.Future[Any]") -> int:
    response = await answer
    return response.error.code if response.error else 0
