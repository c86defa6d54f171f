"""Three nodes on PostgreSQL and Redis behind HAProxy: one is upgraded, each of them fails in the middle of mining, and
the books agree.

One node is a process of its own, two are processes of ``--workers 2`` on one port.
"""

import asyncio
import math
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from proxy.management.workers import DRAINED
from proxy.net.tasks import spawn
from proxy.simulator.profiles import CPUMINER, ESP_MINER, NERDQAXE, WHATSMINER
from tests.e2e.conftest import PROXIES, Measured, StartFleet, StartPool
from tests.e2e.fleet import Fleet
from tests.e2e.history import counted_by_pools
from tests.e2e.pools import TimedPool, row
from tests.e2e.postgresql import (  # noqa: F401
    environment_on_postgresql,
    exported,
    migrated_on_postgresql,
    server_of_postgresql,
    writer_on_postgresql,
)
from tests.e2e.process import START_S, ProxyProcess, run_python
from tests.e2e.rows import RowWriter, SetUp
from tests.e2e.test_behind_haproxy import PAGE, example_of_several, haproxy, running
from tests.support.patience import PATIENCE_S
from tests.support.ports import steady_port
from tests.support.postgres import DATABASE, Cluster

NAMES = {"one", "rack-1", "rack-2"}
WEIGHTS = {"A": 60, "B": 40}
MAY_LOSE_S = 2.0
"""Of what a killed node had counted: its journal is written twice a second."""
HANDSHAKE_S = 30.0
"""From a miner's dial to its job, with HAProxy's tries at a node that is gone, at most, all on one busy machine."""


class Redis:
    """A server of this test's own."""

    def __init__(self, folder: Path) -> None:
        self._program = shutil.which("valkey-server") or shutil.which("redis-server")
        if self._program is None:
            pytest.skip("neither valkey-server nor redis-server is installed")
        self._folder, self.port = folder, steady_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = ("--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self._folder))
        self._process = subprocess.Popen([str(self._program), *options], stdout=subprocess.DEVNULL)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def redis(tmp_path: Path) -> Any:
    made = Redis(tmp_path)
    made.start()
    yield made
    made.stop()


class Nodes:
    """The three, as the database knows them."""

    def __init__(self, server: Cluster, environment: Mapping[str, str], redis: Redis, folder: Path) -> None:
        for package in ("redis", "msgspec"):
            pytest.importorskip(package)
        self.server = server
        shared = dict(environment) | {"DPMP_REDIS_URL": f"redis://127.0.0.1:{redis.port}/0"}
        self.rack = ProxyProcess(shared | {"DPMP_NODE": "rack", "DPMP_DATA_DIR": str(folder / "rack")})
        self.ones = [ProxyProcess(shared | {"DPMP_NODE": "one", "DPMP_DATA_DIR": str(folder / "one")})]
        self.one_at, self.rack_at = steady_port(), steady_port()
        self.one_asks, self.rack_asks = steady_port(), _two_ports()

    async def start_one(self) -> None:
        if self.ones[-1].log:
            self.ones.append(ProxyProcess(self.ones[-1].environment))
        one = self.ones[-1]
        words = command_of_the_page().replace("0.0.0.0:9210", f"0.0.0.0:{self.one_asks}").split()
        await one.launch(*words, "--no-web", "--listen", f"127.0.0.1:{self.one_at}")
        await one.until("dpmp_listening", timeout_s=START_S)

    async def start_rack(self) -> None:
        await self.rack.launch(
            "--workers", "2", "--no-web", "--listen", f"127.0.0.1:{self.rack_at}",
            "--metrics", f"127.0.0.1:{self.rack_asks}",
        )  # fmt: skip
        await self.work(NAMES)

    def rows(self) -> dict[str, tuple[Any, ...]]:
        """Name -> process, state."""
        found = self.server.sql("SELECT name, pid, state FROM proxy_proxynode")
        return {str(name): tuple(rest) for name, *rest in found}

    def accepted(self) -> int:
        """Shares in the books of all."""
        [(count,)] = self.server.sql("SELECT COALESCE(SUM(accepted), 0) FROM proxy_sharetotal")
        return int(str(count))

    def holder(self) -> tuple[str, int]:
        """Whose the lease is, and its epoch."""
        [(node, epoch)] = self.server.sql("SELECT node, epoch FROM proxy_lease") or [("", 0)]
        return str(node), int(str(epoch))

    async def work(self, names: set[str], *, besides: int = 0) -> None:
        """Wait until they all work, none of them as the process ``besides``."""
        async with asyncio.timeout(START_S):
            while not names <= {
                name for name, (pid, is_) in self.rows().items() if is_ == "working" and pid != besides
            }:
                await asyncio.sleep(0.1)

    async def lease_moves_on(self, epoch: int) -> None:
        """Wait until the lease has another holder than the one of ``epoch``."""
        async with asyncio.timeout(PATIENCE_S):
            while self.holder()[1] <= epoch:
                await asyncio.sleep(0.1)

    async def clear_away(self) -> None:
        for process in (*self.ones, self.rack):
            await process.clear_away()


def command_of_the_page() -> str:
    """How a node is started, without the command's name."""
    found = re.search(r"^manage\.py runproxy (--node one .+)$", PAGE.read_text(), re.MULTILINE)
    assert found
    return found[1]


def _two_ports() -> int:
    """A port that is free, and so is the next."""
    while (second := steady_port()) != (first := steady_port()) - 1:
        continue
    return min(first, second)


@pytest.fixture
async def nodes(
    request: pytest.FixtureRequest,
    server: Cluster,
    environment: dict[str, str],
    redis: Redis,
    tmp_path: Path,
) -> AsyncIterator[Nodes]:
    made = Nodes(server, environment, redis, tmp_path)
    request.node.stash[PROXIES] = [*made.ones, made.rack]
    yield made
    request.node.stash[PROXIES][:] = [*made.ones, made.rack]
    await made.clear_away()


@asynccontextmanager
async def balanced(nodes: Nodes, folder: Path) -> AsyncIterator[int]:
    """HAProxy before them, as the page has it; its port. It must have learned of a drain by asking."""
    front = steady_port()
    asks = (nodes.one_at, nodes.one_asks), (nodes.rack_at, nodes.rack_asks), (nodes.rack_at, nodes.rack_asks + 1)
    async with running(folder, example_of_several(front, asks)) as said:
        yield front
    assert any("dpmp/one is DOWN" in line and "503" in line for line in said), said


async def drain_one(nodes: Nodes, fleet: Fleet, pools: Sequence[TimedPool]) -> int:
    """As for an upgrade: its miners go on at the others, no share is refused or lost. How many had to move."""
    one, disconnects = nodes.ones[-1], fleet.disconnects
    drain = spawn(run_python(one.environment, "manage.py", "drain", "--wait"), name="drain")
    miners = int((await one.until("node_draining", node="one"))["miners"])
    assert (await one.get("/readyz", nodes.one_asks))[0] == 503
    code, said = await drain
    assert code == 0, said
    assert await one.exit_code() == DRAINED
    await fleet.mined(1)
    assert fleet.disconnects - disconnects == miners > 0
    await fleet.settle()
    assert fleet.wrongly_refused() == {}
    assert fleet.without_verdict == 0
    async with asyncio.timeout(PATIENCE_S):
        while nodes.accepted() != accepted(pools):
            await asyncio.sleep(0.1)
    await nodes.start_one()
    fleet.resume()
    return miners


def accepted(pools: Sequence[TimedPool], *, since: float = 0.0) -> int:
    return sum(share.accepted and share.at >= since for pool in pools for share in pool.shares)


@pytest.mark.slow
async def test_books_of_three_nodes_agree_whatever_fails(
    nodes: Nodes,
    server: Cluster,
    redis: Redis,
    writer: RowWriter,
    start_pool: StartPool,
    start_fleet: StartFleet,
    tmp_path: Path,
    measured: Measured,
) -> None:
    haproxy()
    began = time.monotonic()
    pools = [await start_pool(key) for key in "AB"]
    writer.write(
        Path(DATABASE),
        SetUp(
            pools=[row(pool) for pool in pools],
            weights=WEIGHTS,
            settings={"connects_per_minute": 6000},
            listeners={"Behind HAProxy": {"port": 3351, "proxy_networks": "127.0.0.1"}},
        ),
    )
    await nodes.start_one()
    await nodes.lease_moves_on(0)
    await nodes.start_rack()
    async with balanced(nodes, tmp_path) as front:
        fleet = await start_fleet(front, [CPUMINER, ESP_MINER, NERDQAXE, WHATSMINER] * 3)
        await fleet.mined(2)
        moved, may_lose = await drain_one(nodes, fleet, pools), 0

        # A node is killed: its parent starts it again, and it brings its journal in.
        before = int(nodes.rows()["rack-2"][0])
        killed_at = time.time()
        os.kill(before, signal.SIGKILL)
        await nodes.work({"rack-2"}, besides=before)
        may_lose += accepted(pools, since=killed_at - MAY_LOSE_S) - accepted(pools, since=killed_at + MAY_LOSE_S)
        await fleet.mined(1)

        # The holder of the lease is killed: another has it when it has run out.
        (holder, epoch), killed_at = nodes.holder(), time.time()
        before = int(nodes.rows()[holder][0])
        os.kill(before, signal.SIGKILL)
        await nodes.lease_moves_on(epoch)
        lease_s = time.time() - killed_at
        may_lose += accepted(pools, since=killed_at - MAY_LOSE_S) - accepted(pools, since=killed_at + MAY_LOSE_S)
        await fleet.mined(1)
        if holder == "one":
            await nodes.ones[-1].exit_code()
            await nodes.start_one()
        await nodes.work(NAMES)

        # PostgreSQL is away: everybody mines on.
        before = int(nodes.rows()["rack-2"][0])
        server.stop()
        stopped_at = time.monotonic()
        try:
            await asyncio.gather(
                nodes.ones[-1].until("database_trouble", recovered=False),
                nodes.rack.until("database_trouble", recovered=False),
            )
            disconnects = fleet.disconnects
            await fleet.mined(2)
            assert fleet.disconnects == disconnects

            # A node that is killed meanwhile starts with the settings that it has kept.
            killed_at = time.time()
            os.kill(before, signal.SIGKILL)
            await nodes.rack.until("node_started_alone", node="rack-2", timeout_s=START_S)
            may_lose += accepted(pools, since=killed_at - MAY_LOSE_S) - accepted(pools, since=killed_at + MAY_LOSE_S)
            await fleet.mined(1)
        finally:
            server.start()
        without_database_s = time.monotonic() - stopped_at
        await nodes.ones[-1].until("database_trouble", recovered=True)
        await nodes.work({"rack-2"}, besides=before)
        disconnects = fleet.disconnects

        # Redis is away: that concerns pages alone.
        redis.stop()
        stopped_at = time.monotonic()
        await fleet.mined(1)
        redis.start()
        without_redis_s = time.monotonic() - stopped_at
        await nodes.work(NAMES)
        await fleet.mined(1)
        assert fleet.disconnects == disconnects
        await fleet.settle()
        longest_s = check_gaps(fleet)

        # All processes of a machine drain by its name, and their parent does not start them again.
        code, said = await run_python(nodes.rack.environment, "manage.py", "drain", "rack", "--wait")
        assert code == 0, said
        codes = [await nodes.rack.exit_code(), (await nodes.ones[-1].end())[0]]
    assert codes == [DRAINED, 0]
    assert fleet.wrongly_refused() == {}
    assert {state for _, state in nodes.rows().values()} == {"stopped"}
    check_books(await exported(nodes.rack.environment), pools, fleet, may_lose)
    part, bound = split(pools)
    assert abs(part - WEIGHTS["A"] / sum(WEIGHTS.values())) <= bound
    measured(
        f"A got {part:.1%} (within {bound:.1%}); {moved} miners moved by draining; at most {may_lose} "
        f"shares lost; the lease moved in {lease_s:.1f} s; PostgreSQL was away for {without_database_s:.0f} s, "
        f"Redis for {without_redis_s:.0f} s, no miner's work for more than {longest_s:.1f} s; {fleet.summary()}; "
        f"{time.monotonic() - began:.0f} s"
    )


def check_gaps(fleet: Fleet) -> float:
    """Nobody was without work for longer than a reconnect takes: the first that a miner makes brings some, and what it
    takes beside the firmware's own wait is bounded. The longest of these times, in seconds."""
    gaps = [(miner, gap) for miner in fleet.miners for gap in miner.gaps]
    assert len(gaps) == fleet.disconnects > 0
    for miner, gap in gaps:
        assert gap.dials == 1, miner.user
        assert gap.seconds <= 1.1 * miner.profile.reconnect_s + HANDSHAKE_S, miner.user
    return max(gap.seconds for _, gap in gaps)


def split(pools: Sequence[TimedPool]) -> tuple[float, float]:
    """Pool A's part of the work, and how far chance may take it from the weights.

    What so many shares can say of a part has this standard deviation; the nodes know the rates of their miners, by
    which they divide them, from as many shares. Five times both together is met by chance once in a million runs.
    """
    work = {pool.name: [share.difficulty for share in pool.shares if share.accepted] for pool in pools}
    total = sum(map(sum, work.values()))
    part = sum(work["A"]) / total
    variance = sum((WEIGHTS[other] / 100 * each / total) ** 2 for name, other in ("AB", "BA") for each in work[name])
    return part, 5 * math.sqrt(2 * variance)


def check_books(ours: Mapping[Any, Any], pools: Sequence[TimedPool], fleet: Fleet, may_lose: int) -> None:
    """Nothing is in them twice; what is missing is of the last moments of nodes that were killed."""
    theirs = counted_by_pools(pools)
    assert ours.keys() <= theirs.keys()
    assert {key: book for key, book in ours.items() if book.accepted > theirs[key].accepted} == {}
    missing = sum(book.accepted for book in theirs.values()) - sum(book.accepted for book in ours.values())
    assert 0 <= missing <= may_lose + len(fleet)
