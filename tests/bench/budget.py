"""What a miner costs the proxy, in one run with the yardstick: the table "Budget" of the design, measured.

``python -m tests.bench.budget`` runs a real ``manage.py runproxy --no-web`` and a bare relay by turns under the load of
``load.py`` and prints a markdown table: the relay, the proxy, their ratio, and what the proxy is held to. On a machine
that does other work only the ratios mean something; times are the best of ``--rounds``.
"""

import argparse
import asyncio
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import uvloop

from tests.bench.load import Fleet, Pool, allow_open_files
from tests.bench.subject import Subject, start_proxy, start_relay

FEW, MANY = 200, 1000
WARM_UP_S = 1.0
SETTLE_S = 3.0
SHARE_GAP_S = 10.0
JOB_GAP_S = 30.0
BLOCKS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table. ``v2`` and ``least`` are the design's figures, in the unit of ``shown``."""

    name: str
    shown: str
    v2: str
    least: str
    better: Callable[[Sequence[float]], float] = min


ROWS = {
    "rate": Row(
        name=f"shares/s, one outstanding per miner, N = {FEW}",
        shown="{:,.0f}",
        v2="4,600",
        least="18,000 (0.55 x)",
        better=max,
    ),
    "core": Row(name="shares/s of a whole core (from the CPU-seconds)", shown="{:,.0f}", v2="", least="", better=max),
    "cpu": Row(name="CPU-seconds per 1,000 shares", shown="{:.3f}", v2="0.22", least="0.10 (3.3 x)"),
    "block": Row(
        name=f"new block on both pools to the last of {MANY} miners, ms", shown="{:.0f}", v2="567", least="50 (1.5 x)"
    ),
    "block_one": Row(
        name=f"new block on one pool to the last of its {MANY // 2} miners, ms", shown="{:.0f}", v2="", least=""
    ),
    "idle": Row(name=f"idle CPU, {MANY} miners, % of one core", shown="{:.1f}", v2="54", least="3 (2.1 x)"),
    "memory": Row(name="memory per idle miner, both connections, KB", shown="{:.1f}", v2="61", least="12 (4 x)"),
    "connect": Row(
        name=f"{MANY} miners connect at once, all in work, s", shown="{:.2f}", v2="3.3", least="0.5 (2.5 x)"
    ),
    "killed": Row(
        name=f"pool killed: its {MANY // 2} miners at work elsewhere, s", shown="{:.3f}", v2="0.33", least="0.05"
    ),
}


class Budget:
    """One run. ``measured[subject][row]`` is everything that was measured."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.measured: dict[str, dict[str, list[float]]] = {"relay": defaultdict(list), "proxy": defaultdict(list)}
        self.alone = Pool("c")
        """The relay's."""
        self.pools = {"A": Pool("a", extranonce2_size=8), "B": Pool("b", extranonce2_size=4)}

    async def run(self, data_dir: Path) -> None:
        """Measure everything."""
        for pool in (self.alone, *self.pools.values()):
            await pool.start()
        subjects: list[Subject] = []
        try:
            subjects.append(await start_relay(self.alone))
            subjects.append(await start_proxy(self.pools, data_dir))
            await asyncio.sleep(SETTLE_S)
            await self._measure(subjects)
        finally:
            for subject in subjects:
                await subject.end()
            for pool in (self.alone, *self.pools.values()):
                pool.kill()

    async def _measure(self, subjects: Sequence[Subject]) -> None:
        only: str = self.options.only
        for subject in subjects:
            if only in ("", "many"):
                await self._many(subject, idle_s=self.options.idle)
        for _ in range(self.options.rounds):
            for subject in subjects:
                if only in ("", "flood"):
                    await self._flood(subject)
                if only in ("", "many"):
                    await self._many(subject, idle_s=0)
        if only in ("", "many", "killed"):
            for _ in range(self.options.rounds):
                await self._killed(subjects[-1])

    def _note(self, subject: Subject, row: str, value: float) -> None:
        self.measured[subject.name][row].append(value)
        print(f"{subject.name:6} {row:10} {ROWS[row].shown.format(value)}", flush=True)

    # --- What is measured -----------------------------------------------------------------------------------------

    async def _flood(self, subject: Subject) -> None:
        """Shares as fast as they are answered."""
        fleet = Fleet()
        await fleet.connect(FEW, subject.port)
        fleet.flood()
        await asyncio.sleep(WARM_UP_S)
        loop = asyncio.get_running_loop()
        began, cpu, shares = loop.time(), subject.cpu_s, fleet.accepted
        await asyncio.sleep(self.options.seconds)
        took, cpu, shares = loop.time() - began, subject.cpu_s - cpu, fleet.accepted - shares
        await self._farewell(fleet)
        self._note(subject, "rate", shares / took)
        self._note(subject, "cpu", cpu / shares * 1000)
        self._note(subject, "core", shares / cpu)

    async def _many(self, subject: Subject, *, idle_s: float) -> None:
        """A thousand miners: how fast they come to work, what they cost, how fast they hear of a block."""
        fleet, before = Fleet(), subject.rss
        self._note(subject, "connect", await fleet.connect(MANY, subject.port))
        await asyncio.sleep(SETTLE_S)
        if not self.measured[subject.name]["memory"]:  # later rounds reuse what the first one left
            self._note(subject, "memory", (subject.rss - before) / MANY / 1024)
        for _ in range(BLOCKS):
            await self._blocks(subject, fleet)
        if idle_s:
            await self._idle(subject, fleet, idle_s)
        await self._farewell(fleet)

    def _pools_of(self, subject: Subject) -> list[Pool]:
        return [self.alone] if subject.name == "relay" else list(self.pools.values())

    async def _blocks(self, subject: Subject, fleet: Fleet) -> None:
        pools = self._pools_of(subject)
        self._note(subject, "block", await self._block(fleet, pools) * 1e3)
        await asyncio.sleep(0.5)
        if len(pools) > 1:
            self._note(subject, "block_one", await self._block(fleet, pools[:1]) * 1e3)
            await asyncio.sleep(0.5)

    async def _block(self, fleet: Fleet, pools: Sequence[Pool]) -> float:
        """New blocks at ``pools``: the time until the last miner that works there has a job on one."""
        marks = {pool.mark for pool in pools}
        theirs = [miner for miner in fleet.miners if miner.prevhash[0] in marks]
        old = {pool.prevhash for pool in pools}
        reached = fleet.expect(theirs, lambda miner: miner.prevhash[0] not in marks or miner.prevhash not in old)
        began = asyncio.get_running_loop().time()
        for pool in pools:
            pool.notify(new_block=True)
        return await fleet.until(reached) - began

    async def _idle(self, subject: Subject, fleet: Fleet, seconds: float) -> None:
        """A share every ``SHARE_GAP_S`` of each miner, a job every ``JOB_GAP_S`` of each pool."""
        loop = asyncio.get_running_loop()
        began, cpu = loop.time(), subject.cpu_s
        for number in range(max(1, int(seconds / JOB_GAP_S))):
            for offset, pool in enumerate(self._pools_of(subject)):
                loop.call_later(number * JOB_GAP_S + 5 + offset, partial(pool.notify, new_block=False))
        await fleet.idle(seconds, SHARE_GAP_S)
        self._note(subject, "idle", (subject.cpu_s - cpu) / (loop.time() - began) * 100)

    async def _killed(self, subject: Subject) -> None:
        """Pool A drops all its connections and its port; then it comes back."""
        fleet, gone = Fleet(), self.pools["A"]
        await fleet.connect(MANY, subject.port)
        await asyncio.sleep(SETTLE_S)
        theirs = [miner for miner in fleet.miners if miner.prevhash.startswith(gone.mark)]
        reached = fleet.expect(theirs, lambda miner: not miner.prevhash.startswith(gone.mark))
        began = asyncio.get_running_loop().time()
        gone.kill()
        self._note(subject, "killed", await fleet.until(reached) - began)
        await self._farewell(fleet)
        await gone.start()
        await asyncio.sleep(self.options.recover)

    async def _farewell(self, fleet: Fleet) -> None:
        """Let the miners go and see that nothing went wrong meanwhile."""
        await fleet.leave()
        if fleet.refused or fleet.lost:
            raise RuntimeError(f"{len(fleet.refused)} shares refused ({fleet.refused[:1]}), {fleet.lost} miners lost")

    # --- The table -------------------------------------------------------------------------------------------------

    def table(self) -> str:
        """Return it as markdown."""
        lines = ["| | bare relay | ours | ours / relay | DPMP v2 | ours, at least |", "|---|---|---|---|---|---|"]
        for key, row in ROWS.items():
            relay, ours = (self._cell(name, key) for name in ("relay", "proxy"))
            ratio = f"{ours / relay:.2f}" if ours and relay else ""
            shown = [row.shown.format(value) if value else "" for value in (relay, ours)]
            lines.append(f"| {row.name} | {shown[0]} | {shown[1]} | {ratio} | {row.v2} | {row.least} |")
        return "\n".join(lines)

    def _cell(self, subject: str, key: str) -> float | None:
        values = self.measured[subject][key]
        return ROWS[key].better(values) if values else None


async def _run(options: argparse.Namespace) -> None:
    budget = Budget(options)
    with tempfile.TemporaryDirectory(prefix="dpmp-bench-") as folder:
        await budget.run(Path(folder))
    print(budget.table())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the measurement from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each flood")
    parser.add_argument("--idle", type=float, default=60.0, help="seconds of idling (one job each 30 s)")
    parser.add_argument("--recover", type=float, default=10.0, help="seconds for the proxy to find a pool again")
    parser.add_argument("--only", choices=["", "flood", "many", "killed"], default="")
    allow_open_files()
    uvloop.run(_run(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()
