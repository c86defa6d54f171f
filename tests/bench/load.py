"""A lean load: pools that accept everything and answer at once, and miners that submit one share after the other.

Nothing is hashed here. The proxy under load runs with ``--hashes-per-difficulty`` tiny (``HASHES_PER_DIFFICULTY``), so
that every header is a share and its full check is made all the same. Lines are templates and answers are recognised
without parsing: this process must cost less than what it measures. That is why it has a pool and a miner of its own:
those of the simulator check every share and cost more than the proxy does.

``python -m tests.bench.load --pools 13333,13334 --proxy 127.0.0.1:3351 --miners 200 --seconds 10`` loads a proxy that
was set up by hand to mine on these two ports.
"""

import argparse
import asyncio
import resource
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, cast

import orjson
import uvloop

HASHES_PER_DIFFICULTY = 2.0**-40
"""Every header reaches difficulty 2^40: room for the local difficulties that a flood of shares calls for."""
MASK = "1fffe000"
BRANCHES = ["ab" * 32] * 12
COINB1 = "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff30" + "03" * 24
COINB2 = "ffffffff02" + "11" * 34 + "22" * 52 + "00000000"
NTIME = 0x68000000
OPEN_FILES = 20_000


class Pool:
    """A pool: one for all its connections. ``mark`` is one hex digit, the first of its block hashes."""

    def __init__(self, mark: str, *, extranonce2_size: int = 8, port: int = 0) -> None:
        self.mark = mark
        self.extranonce2_size = extranonce2_size
        self.port = port
        self.connections: dict[PoolSide, None] = {}
        self.accepted = 0
        self.serial = 0
        self._height = 0
        self._jobs = 0
        self._server: asyncio.Server | None = None
        self.job = self._next_job(clean=True)

    async def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: PoolSide(self), "127.0.0.1", self.port, backlog=4096)
        self.port = self._server.sockets[0].getsockname()[1]

    @property
    def prevhash(self) -> str:
        """Of the block that is being mined on."""
        return f"{self.mark}{self._height:07x}" * 8

    def _next_job(self, *, clean: bool) -> bytes:
        self._jobs += 1
        params = [
            f"{self._jobs:x}",
            self.prevhash,
            COINB1,
            COINB2,
            BRANCHES,
            "20000000",
            "1d00ffff",
            f"{NTIME + self._jobs:08x}",
            clean,
        ]
        return orjson.dumps({"id": None, "method": "mining.notify", "params": params}) + b"\n"

    def notify(self, *, new_block: bool) -> None:
        """Send a job on every connection."""
        self._height += new_block
        self.job = self._next_job(clean=new_block)
        for connection in self.connections:
            connection.transport.write(self.job)

    def kill(self) -> None:
        """Stop listening and drop every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self.connections):
            connection.transport.abort()


class PoolSide(asyncio.Protocol):
    """The pool's end of one connection."""

    transport: asyncio.Transport

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._rest = b""
        pool.serial += 1
        self._extranonce1 = f"{pool.mark}{pool.serial & 0xFFFFFFF:07x}"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first line."""
        self.transport = cast(asyncio.Transport, transport)
        self._pool.connections[self] = None

    def connection_lost(self, error: Exception | None) -> None:
        """Forget it."""
        self._pool.connections.pop(self, None)

    def data_received(self, data: bytes) -> None:
        """Answer each line."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        self.transport.write(b"".join([self._answer(line) for line in lines]))

    def _answer(self, line: bytes) -> bytes:
        if b'"mining.submit"' in line and line.startswith(b'{"id":'):
            self._pool.accepted += 1
            return line[: line.index(b",")] + b',"result":true,"error":null}\n'
        return self._other(orjson.loads(line))

    def _other(self, call: dict[str, Any]) -> bytes:
        result: object = True
        more = b""
        match call["method"]:
            case "mining.configure":
                result = {"version-rolling": True, "version-rolling.mask": MASK}
            case "mining.subscribe":
                result = [[], self._extranonce1, self._pool.extranonce2_size]
            case "mining.authorize":
                more = b'{"id":null,"method":"mining.set_difficulty","params":[1]}\n' + self._pool.job
            case "mining.submit":
                self._pool.accepted += 1
        return orjson.dumps({"id": call["id"], "result": result, "error": None}) + b"\n" + more


class Miner(asyncio.Protocol):
    """One miner; ``fleet`` counts for all."""

    transport: asyncio.Transport

    def __init__(self, fleet: "Fleet", name: str) -> None:
        self.prevhash = ""
        self._fleet = fleet
        self._name = name
        self._rest = b""
        self._extranonce2 = ""
        self._share = (b"", b"")
        self._sent = 100

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hello as an ASIC does."""
        self.transport = cast(asyncio.Transport, transport)
        self._call(1, "mining.configure", [["version-rolling"], {"version-rolling.mask": MASK}])
        self._call(2, "mining.subscribe", ["bench/1.0"])

    def connection_lost(self, error: Exception | None) -> None:
        """Count, where it was not wanted."""
        self._fleet.lost += not self._fleet.leaving

    def data_received(self, data: bytes) -> None:
        """Submit the next share for an answer; take everything else up."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if b'"method"' in line:
                self._notified(orjson.loads(line))
            elif b'"result":true' in line and not line.startswith((b'{"id":3,', b'{"id":1,')):
                self._fleet.accepted += 1
                if self._fleet.flooding:
                    self.submit()
            else:
                self._answered(orjson.loads(line))

    def submit(self) -> None:
        """Send a share that was never sent before."""
        self._sent += 1
        before, after = self._share
        self.transport.write(b'{"id":%d%b%08x%b' % (self._sent, before, self._sent, after))

    def _call(self, ident: int, method: str, params: list[Any]) -> None:
        self.transport.write(orjson.dumps({"id": ident, "method": method, "params": params}) + b"\n")

    def _answered(self, answer: dict[str, Any]) -> None:
        if answer["id"] == 2:
            self._extranonce2 = "00" * answer["result"][2]
            self._call(3, "mining.authorize", [f"wallet.{self._name}", "x"])
        elif answer["id"] > 100:
            self._fleet.refused.append(str(answer["error"]))

    def _notified(self, message: dict[str, Any]) -> None:
        if message["method"] == "mining.notify":
            job, prevhash, ntime = message["params"][0], message["params"][1], message["params"][7]
            self._share = (
                f',"method":"mining.submit","params":["wallet.{self._name}","{job}","{self._extranonce2}",'
                f'"{ntime}","'.encode(),
                b'","00002000"]}\n',
            )
            self.prevhash = prevhash
            self._fleet.job_came(self)


class Fleet:
    """All miners of a run."""

    def __init__(self) -> None:
        self.miners: list[Miner] = []
        self.accepted = 0
        self.refused: list[str] = []
        self.lost = 0
        self.flooding = False
        self.leaving = False
        self._waiting: set[Miner] = set()
        self._good: Callable[[Miner], bool] = lambda miner: True
        self._done: asyncio.Future[float] | None = None

    async def connect(self, count: int, port: int, host: str = "127.0.0.1") -> float:
        """Connect ``count`` miners at once; return the seconds until the last one has its first job."""
        loop = asyncio.get_running_loop()
        fresh = [Miner(self, f"rig{len(self.miners) + number}") for number in range(count)]
        self.miners += fresh
        began = loop.time()
        reached = self.expect(fresh, lambda miner: True)
        dials = (loop.create_connection(lambda miner=miner: miner, host, port) for miner in fresh)  # type: ignore[misc]
        await asyncio.gather(*dials)
        return await self.until(reached) - began

    def expect(self, miners: Iterable[Miner], good: Callable[[Miner], bool]) -> "asyncio.Future[float]":
        """Return the time at which the last of ``miners`` will have got a job that is ``good``."""
        self._waiting = set(miners)
        self._good = good
        self._done = asyncio.get_running_loop().create_future()
        if not self._waiting:
            self._done.set_result(asyncio.get_running_loop().time())
        return self._done

    async def until(self, reached: "asyncio.Future[float]", timeout_s: float = 30.0) -> float:
        """Wait for what ``expect`` returned.

        Raises:
            TimeoutError: some miners did not get there; the text says how many.
        """
        try:
            return await asyncio.wait_for(reached, timeout_s)
        except TimeoutError:
            raise TimeoutError(
                f"{len(self._waiting)} of {len(self.miners)} miners still wait, {self.lost} lost"
            ) from None

    def job_came(self, miner: Miner) -> None:
        """A miner has another job."""
        if miner in self._waiting and self._good(miner):
            self._waiting.discard(miner)
            if not self._waiting and self._done is not None and not self._done.done():
                self._done.set_result(asyncio.get_running_loop().time())

    def flood(self) -> None:
        """Let every miner submit, one share outstanding each."""
        self.flooding = True
        for miner in self.miners:
            miner.submit()

    async def idle(self, seconds: float, gap_s: float) -> None:
        """For a while, let each miner submit once every ``gap_s``, evenly spread."""
        loop = asyncio.get_running_loop()
        step = gap_s / len(self.miners)
        due = loop.time()
        for number in range(int(seconds / step)):
            due += step
            await asyncio.sleep(max(0.0, due - loop.time()))
            self.miners[number % len(self.miners)].submit()

    async def leave(self) -> None:
        """Close every connection; the fleet cannot be used afterwards."""
        self.leaving, self.flooding = True, False
        for miner in self.miners:
            miner.transport.abort()
        await asyncio.sleep(1.0)


def allow_open_files() -> None:
    """Let this process and its children have thousands of connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < OPEN_FILES:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES if hard < 0 else min(OPEN_FILES, hard), hard))


async def _by_hand(options: argparse.Namespace) -> None:
    for mark, port in zip("ab", options.pools.split(","), strict=True):
        await Pool(mark, port=int(port)).start()
    await asyncio.sleep(options.wait)
    fleet = Fleet()
    host, _, port = options.proxy.rpartition(":")
    print(f"{options.miners} miners in work after {await fleet.connect(options.miners, int(port), host):.3f} s")
    fleet.flood()
    await asyncio.sleep(options.seconds)
    print(
        f"{fleet.accepted / options.seconds:.0f} shares/s accepted, {len(fleet.refused)} refused, "
        f"{fleet.lost} connections lost"
    )
    await fleet.leave()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the measurement from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pools", required=True, help="the two ports on which the pools listen")
    parser.add_argument("--proxy", required=True, help="host:port")
    parser.add_argument("--miners", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--wait", type=float, default=5.0, help="seconds for the proxy to find the pools")
    allow_open_files()
    uvloop.run(_by_hand(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()
