"""The proxy that is attacked: one of our own with simulated pools on throw-away data, or one that runs already."""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from proxy.simulator.chain import BCH_DEMO_SCRIPT, BTC_DEMO_SCRIPT, SimChain
from proxy.simulator.dialect import PLAIN, Suggestion
from proxy.simulator.pool import SimPool
from tests.abuse.clients import Target
from tests.bench.subject import PAGE, Subject, bind
from tests.e2e.process import ROOT, clean_environment, run_python
from tests.e2e.rows import PoolRow, RowWriter, SetUp

HASHES_PER_DIFFICULTY = 1024
START_S = 90.0
READY_S = 30.0
CHAINS = {"A": ("BTC", BTC_DEMO_SCRIPT), "B": ("BCH", BCH_DEMO_SCRIPT)}
ANNOUNCED = {"dpmp_listening": "stratum", "dashboard_started": "web", "metrics_started": "metrics"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attacked:
    """What can be seen of it. Without ``pid`` (0) its memory is not known, without ``pools`` what those hear, and
    without ``data`` what it wrote."""

    target: Target
    pid: int = 0
    pools: tuple[SimPool, ...] = ()
    data: Path | None = None

    def lines(self, event: str) -> list[dict[str, Any]]:
        """Of its log."""
        assert self.data is not None
        return [line for line in _log(self.data / "said") if line["event"] == event]

    @property
    def rss(self) -> int:
        """Resident bytes."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * PAGE if self.pid else 0

    @property
    def written(self) -> int:
        """Bytes of its database, journals and logs."""
        files = self.data.rglob("*") if self.data else ()
        return sum(file.stat().st_size for file in files if file.is_file())


@dataclass(slots=True)
class Workshop:
    """Makes proxies, each with a new database; what is slow about that is done once."""

    folder: Path
    empty: Path | None = None
    """A data directory with an empty database, if there is one already."""
    processor: int | None = None
    """Where proxies run; None: where the system lets them."""
    _writer: RowWriter | None = field(default=None)
    _made: int = 0

    async def data_dir(self, set_up: SetUp) -> Path:
        """A data directory with these rows."""
        if self.empty is None:
            self.empty = self.folder / "empty"
            self.empty.mkdir()
            code, text = await run_python(clean_environment(self.empty), "manage.py", "migrate", "--verbosity", "0")
            if code:
                raise RuntimeError(text)
        if self._writer is None:
            self._writer = RowWriter(clean_environment(self.empty), ROOT)
        self._made += 1
        data = self.folder / f"proxy{self._made}"
        shutil.copytree(self.empty, data)
        await asyncio.to_thread(self._writer.write, data / "dpmp.sqlite3", set_up)
        return data

    @asynccontextmanager
    async def proxy(self, **settings: object) -> AsyncIterator[Attacked]:
        """A proxy that listens and has both pools; ``settings`` are columns of its settings."""
        pools = tuple(make_pool(key) for key in CHAINS)
        for pool in pools:
            await pool.start()
        rows = [PoolRow(key=pool.name, chain=pool.chain.name, ports=(pool.port,)) for pool in pools]
        weights = {pool.name: 50.0 for pool in pools}
        data = await self.data_dir(SetUp(pools=rows, weights=weights, settings=settings, policy="automatic"))
        subject, target = await _start(data, self.processor)
        try:
            yield Attacked(target=target, pid=subject.process.pid, pools=pools, data=data)
        finally:
            await subject.end()
            for pool in pools:
                await pool.stop()
            shutil.rmtree(data, ignore_errors=True)

    def close(self) -> None:
        """End what was started for it."""
        if self._writer is not None:
            self._writer.close()


@asynccontextmanager
async def workshop(processor: int | None = None) -> AsyncIterator[Workshop]:
    """One in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="dpmp-abuse-") as folder:
        made = Workshop(Path(folder), processor=processor)
        try:
            yield made
        finally:
            made.close()


def make_pool(key: str) -> SimPool:
    """A pool that leaves the difficulty where it is, so that the honest miners' shares come at a known rate."""
    chain, script = CHAINS[key]
    return SimPool(
        chain=SimChain(name=chain, hashes_per_difficulty=HASHES_PER_DIFFICULTY, outputs=((script, 312_500_000),)),
        name=key,
        dialect=replace(PLAIN, suggestion=Suggestion.ACKNOWLEDGED),
        difficulty=1.0,
    )


async def _start(data: Path, processor: int | None) -> tuple[Subject, Target]:
    said = data / "said"
    listening = ("--listen", "127.0.0.1:0", "--web", "127.0.0.1:0", "--metrics", "127.0.0.1:0")
    hashes = ("--hashes-per-difficulty", str(HASHES_PER_DIFFICULTY))
    with said.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "manage.py",
            "runproxy",
            *listening,
            *hashes,
            cwd=ROOT,
            env=clean_environment(data),
            stdout=output,
            stderr=output,
        )
    bind(process, processor)
    subject = Subject(name="proxy", process=process, port=0)
    try:
        async with asyncio.timeout(START_S):
            while len(ports := _ports(said)) < len(ANNOUNCED):
                if process.returncode is not None:
                    raise RuntimeError(f"the proxy did not start: {said.read_text()[-4000:]}")
                await asyncio.sleep(0.1)
    except BaseException:
        await subject.end()
        raise
    return subject, Target(hashes_per_difficulty=HASHES_PER_DIFFICULTY, **ports)


def _ports(said: Path) -> dict[str, int]:
    """What it says that it listens on, so far."""
    return {
        ANNOUNCED[line["event"]]: int(line["address"].rpartition(":")[2])
        for line in _log(said)
        if line["event"] in ANNOUNCED
    }


def _log(said: Path) -> Iterator[dict[str, Any]]:
    for text in said.read_bytes().splitlines():
        with suppress(ValueError):
            line = orjson.loads(text)
            if isinstance(line, dict) and "event" in line:
                yield line
