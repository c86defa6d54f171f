"""A process under load, as the system sees it: where it listens, processor seconds, memory, its end.

``start_proxy`` is a real ``manage.py runproxy --no-web`` with a data directory of its own and default settings;
``start_relay`` is the yardstick. Both may be bound to a processor of their own.
"""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from tests.bench.farm import HASHES_PER_DIFFICULTY
from tests.e2e.process import ROOT, clean_environment, run_python
from tests.e2e.rows import PoolRow, RowWriter, SetUp

START_S = 60.0
STOP_S = 20.0
PAGE = os.sysconf("SC_PAGE_SIZE")
CHAINS = {"A": "BTC", "B": "BCH"}


@dataclass(slots=True, kw_only=True)
class Subject:
    """A running process; ``port`` is where miners connect."""

    name: str
    process: Process
    port: int

    @property
    def cpu_s(self) -> float:
        """Processor seconds so far, all threads, user and system."""
        threads = Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((each / "schedstat").read_text().split()[0]) for each in threads) / 1e9

    @property
    def rss(self) -> int:
        """Resident bytes."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * PAGE

    async def end(self) -> None:
        """End it, whatever state it is in."""
        if self.process.returncode is not None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.process.wait(), STOP_S)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


async def start_relay(pool_port: int, processor: int | None) -> Subject:
    """Start a relay to a pool."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.relay", str(pool_port), cwd=ROOT, stdout=PIPE
    )
    bind(process, processor)
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), START_S)
    return Subject(name="relay", process=process, port=int(line))


async def start_proxy(
    pool_ports: Mapping[str, int], data_dir: Path, processor: int | None, fields: Mapping[str, object] | None = None
) -> Subject:
    """Make a database with pools at equal weights and start the proxy on it; ``fields``: other columns of ``Pool``.

    Raises:
        RuntimeError: it does not start; the text is what it said.
    """
    environment = clean_environment(data_dir)
    code, text = await run_python(environment, "manage.py", "migrate", "--verbosity", "0")
    if code:
        raise RuntimeError(text)
    set_up = SetUp(
        pools=[
            PoolRow(key=key, chain=CHAINS[key], ports=[port], fields=fields or {}) for key, port in pool_ports.items()
        ],
        weights=dict.fromkeys(pool_ports, 50.0),
        min_switch_s=30.0,
        slice_s=15.0,
        policy="automatic",
        settings={"dials_per_s": 10_000.0},  # all miners are strangers here, at one address
    )
    await asyncio.to_thread(_write, environment, data_dir, set_up)
    said = data_dir / "said"
    with said.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "manage.py",
            "runproxy",
            "--no-web",
            "--listen",
            "127.0.0.1:0",
            "--metrics",
            "127.0.0.1:0",
            "--hashes-per-difficulty",
            repr(HASHES_PER_DIFFICULTY),
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=output,
        )
    bind(process, processor)
    return Subject(name="proxy", process=process, port=await listening(process, said))


def bind(process: Process, processor: int | None) -> None:
    """Keep a process that has just begun, and all threads it will have, on one processor."""
    if processor is not None:
        os.sched_setaffinity(process.pid, {processor})


def _write(environment: Mapping[str, str], data_dir: Path, set_up: SetUp) -> None:
    writer = RowWriter(environment, ROOT)
    writer.write(data_dir / "dpmp.sqlite3", set_up)
    writer.close()


async def listening(process: Process, said: Path) -> int:
    """Read the port from what the proxy writes; a file, so that this process need not read its log."""
    for _ in range(int(START_S * 10)):
        for line in said.read_bytes().splitlines():
            if b'"dpmp_listening"' in line:
                return int(orjson.loads(line)["address"].rpartition(":")[2])
        if process.returncode is not None:
            break
        await asyncio.sleep(0.1)
    raise RuntimeError(f"the proxy did not start: {said.read_text()[-4000:]}")
