"""What the proxy costs, in one run with the yardstick: ``make bench``, or ``python -m tests.bench.budget``.

A real ``manage.py runproxy --no-web`` with default settings on a throw-away database and a bare relay of lines
(``relay.py``) come by turns under the load of ``farm.c``: miners that really search their shares, pools that check
each of them. The farm has one processor for itself, what is measured another one. The table says what each
costs, their ratio, and what the proxy is held to; a JSON file beside it holds every single value. On a machine that
does other work only the ratios mean something.
"""

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import uvloop

from tests.bench.farm import Farm, allow_open_files, start_farm
from tests.bench.subject import Subject, start_proxy, start_relay

FEW, MANY, MOST = 200, 1000, 5000
SETTLE_S = 3.0
BLOCKS, BLOCK_GAP_S = 10, 1.0
SHARE_GAP_S, JOB_GAP_S = 10.0, 30.0
RELAY_POOL, POOLS = "c", "ab"
STEPS = ("flood", "paced", "many", "most", "killed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table; ``wanted`` is what the proxy is held to, a ratio to the relay where it says "x"."""

    name: str
    shown: str
    wanted: str
    best: Callable[[Sequence[float]], float] = min


ROWS = {
    "cpu": Row(
        name=f"CPU-s per 1,000 shares, one outstanding per miner, N = {FEW}", shown="{:.4f}", wanted="2.0 x at most"
    ),
    "rate": Row(name="shares/s, the same run", shown="{:,.0f}", wanted="0.6 x at least", best=max),
    "cpu_200": Row(name="at 200 shares/s: CPU-s per 1,000", shown="{:.4f}", wanted=""),
    "p50_200": Row(name="latency p50, ms", shown="{:.3f}", wanted="1.3 x at most"),
    "p99_200": Row(name="latency p99, ms", shown="{:.3f}", wanted="2 x at most"),
    "cpu_2000": Row(name="at 2,000 shares/s: CPU-s per 1,000", shown="{:.4f}", wanted="0.050 at most"),
    "p50_2000": Row(name="latency p50, ms", shown="{:.3f}", wanted="1.3 x at most"),
    "p99_2000": Row(name="latency p99, ms", shown="{:.3f}", wanted="2 x at most"),
    "cpu_5000": Row(name="at 5,000 shares/s: CPU-s per 1,000", shown="{:.4f}", wanted="1.8 x at most"),
    "p99_5000": Row(name="latency p99, ms", shown="{:.3f}", wanted="1 ms at most"),
    "block_p50": Row(name=f"new block on all pools, to each of {MANY:,} miners, p50, ms", shown="{:.0f}", wanted=""),
    "block_p99": Row(name="the same, p99", shown="{:.0f}", wanted="1.6 x at most"),
    "block_5000": Row(name=f"new block, {MOST:,} miners, p99, ms", shown="{:.0f}", wanted="1.6 x at most"),
    "connect": Row(name=f"{MANY:,} miners connect in one instant, all in work, s", shown="{:.2f}", wanted="0.4 s"),
    "connect_5000": Row(name=f"{MOST:,} miners, s", shown="{:.2f}", wanted="2 s, none refused"),
    "idle": Row(
        name=f"idle: {MANY:,} miners, a share per {SHARE_GAP_S:.0f} s each, a job per {JOB_GAP_S:.0f} s, % of a core",
        shown="{:.2f}",
        wanted="3 at most",
    ),
    "memory": Row(name="memory per miner with both upstream connections, KB", shown="{:.1f}", wanted="14 at most"),
    "killed_20": Row(name="pool killed, N = 20: its miners at work elsewhere, ms", shown="{:.1f}", wanted="2"),
    "killed_1000": Row(name=f"pool killed, N = {MANY:,}, ms", shown="{:.0f}", wanted="50"),
}


class Budget:
    """One run. ``measured[subject][row]`` is everything that was measured."""

    def __init__(self, options: argparse.Namespace, farm: Farm) -> None:
        self.options = options
        self.farm = farm
        self.measured: dict[str, dict[str, list[float]]] = {"relay": defaultdict(list), "proxy": defaultdict(list)}
        self.failed: dict[tuple[str, str], str] = {}
        self.books: dict[str, Any] = {}

    async def run(self, data_dir: Path, processor: int | None) -> None:
        """Measure everything."""
        subjects: list[Subject] = []
        try:
            subjects.append(await start_relay(self.farm.ports[RELAY_POOL], processor))
            ports = {name.upper(): self.farm.ports[name] for name in POOLS}
            subjects.append(await start_proxy(ports, data_dir, processor))
            await asyncio.sleep(SETTLE_S)
            await self._measure(subjects)
            await self._compare_books()
        finally:
            for subject in subjects:
                await subject.end()

    async def _measure(self, subjects: Sequence[Subject]) -> None:
        steps = set(self.options.only or STEPS)
        if "many" in steps:
            for subject in subjects:
                await self._many(subject)
        for _ in range(self.options.rounds):
            for subject in subjects:
                if "flood" in steps:
                    await self._flood(subject)
                if "paced" in steps:
                    await self._paced(subject)
        if "most" in steps:
            for subject in subjects:
                await self._most(subject)
        if "killed" in steps:
            await self._killed(subjects[-1], 20, "killed_20")
            await self._killed(subjects[-1], MANY, "killed_1000")

    def _note(self, subject: Subject, row: str, value: float) -> None:
        self.measured[subject.name][row].append(value)
        print(f"{subject.name:6} {row:13} {ROWS[row].shown.format(value)}", flush=True)

    async def _connect(self, subject: Subject, count: int, row: str = "") -> bool:
        answer = await self.farm.do("connect", subject.port, count)
        if answer["all"]:
            if row:
                self._note(subject, row, answer["seconds"])
            return True
        self.failed[subject.name, row] = f"fails: {answer['in_work']} of {count} in work, {answer['lost']} lost"
        print(subject.name, row, self.failed[subject.name, row], flush=True)
        return False

    # --- What is measured -----------------------------------------------------------------------------------------

    async def _flood(self, subject: Subject) -> None:
        """Shares as fast as they are answered."""
        await self._connect(subject, FEW)
        await self.farm.do("flood", 1)
        cpu = subject.cpu_s
        answer = await self.farm.do("flood", self.options.seconds)
        self._note(subject, "rate", answer["per_s"])
        self._note(subject, "cpu", (subject.cpu_s - cpu) / answer["accepted"] * 1e3)
        await self._leave(answer)

    async def _paced(self, subject: Subject) -> None:
        """So many shares a second, whatever is answered."""
        await self._connect(subject, FEW)
        await self.farm.do("rate", 500, 1)
        for rate in (200, 2000, 5000):
            cpu = subject.cpu_s
            answer = await self.farm.do("rate", rate, self.options.seconds)
            self._note(subject, f"cpu_{rate}", (subject.cpu_s - cpu) / answer["accepted"] * 1e3)
            if rate != 5000:
                self._note(subject, f"p50_{rate}", answer["p50_ms"])
            self._note(subject, f"p99_{rate}", answer["p99_ms"])
        await self._leave(answer)

    async def _many(self, subject: Subject) -> None:
        """A thousand miners: how fast they come to work, how fast they hear of a block, what they cost."""
        before = subject.rss
        if not await self._connect(subject, MANY, "connect"):
            return
        await asyncio.sleep(SETTLE_S)
        self._note(subject, "memory", (subject.rss - before) / MANY / 1024)
        await self._blocks(subject, BLOCKS, "block_p50", "block_p99")
        await self._idle(subject)
        await self._leave()

    async def _most(self, subject: Subject) -> None:
        """Five thousand miners."""
        if await self._connect(subject, MOST, "connect_5000"):
            await asyncio.sleep(SETTLE_S)
            await self._blocks(subject, BLOCKS // 2, "", "block_5000")
        await self._leave()

    async def _blocks(self, subject: Subject, count: int, p50: str, p99: str) -> None:
        """The median of ``count`` blocks, of each block's percentiles over all miners."""
        answers = []
        for _ in range(count):
            answers.append(await self.farm.do("block", self._pools_of(subject)))
            await asyncio.sleep(BLOCK_GAP_S)
        if not all(answer["all"] for answer in answers):
            raise RuntimeError(f"not every miner got every block: {answers}")
        if p50:
            self._note(subject, p50, median(answer["p50_ms"] for answer in answers))
        self._note(subject, p99, median(answer["p99_ms"] for answer in answers))

    async def _idle(self, subject: Subject) -> None:
        """Miners as they are at home: a share each ten seconds, a job each thirty."""
        await self.farm.do("rate", MANY / SHARE_GAP_S, SHARE_GAP_S)
        cpu, began = subject.cpu_s, time.monotonic()
        for _ in range(max(1, round(self.options.idle / JOB_GAP_S))):
            await self.farm.do("job", self._pools_of(subject))
            await self.farm.do("rate", MANY / SHARE_GAP_S, min(JOB_GAP_S, self.options.idle))
        self._note(subject, "idle", (subject.cpu_s - cpu) / (time.monotonic() - began) * 100)

    async def _killed(self, subject: Subject, count: int, row: str) -> None:
        """A pool drops all its connections and its port; then it comes back."""
        await self._connect(subject, count)
        await asyncio.sleep(SETTLE_S)
        answer = await self.farm.do("kill", "a")
        if not answer["all"] or not answer["miners"]:
            raise RuntimeError(f"not every miner found work elsewhere: {answer}")
        self._note(subject, row, answer["ms"])
        await self.farm.do("revive", "a")
        await self._leave()
        await asyncio.sleep(self.options.recover)

    @staticmethod
    def _pools_of(subject: Subject) -> str:
        return RELAY_POOL if subject.name == "relay" else POOLS

    async def _leave(self, answer: dict[str, Any] | None = None) -> None:
        await self.farm.do("leave")
        if answer and (answer["refused"] or answer["lost"]):
            raise RuntimeError(f"{answer['refused']} shares refused, {answer['lost']} miners lost")

    async def _compare_books(self) -> None:
        """Every accepted share was checked by its pool, and none was refused."""
        self.books = await self.farm.do("books")
        if self.books["pools_accepted"] < self.books["miners_accepted"] or self.books["miners_refused"]:
            raise RuntimeError(f"the books of miners and pools differ: {self.books}")

    # --- The table -------------------------------------------------------------------------------------------------

    def table(self) -> str:
        """Return it as markdown."""
        lines = ["| | relay | DPMP | ratio | wanted |", "|---|---|---|---|---|"]
        for key, row in ROWS.items():
            relay, ours = (self._cell(name, key) for name in ("relay", "proxy"))
            ratio = f"{ours / relay:.2f}" if ours and relay else ""
            cells = [
                row.shown.format(value) if value is not None else self.failed.get((name, key), "")
                for name, value in (("relay", relay), ("proxy", ours))
            ]
            lines.append(f"| {row.name} | {cells[0]} | {cells[1]} | {ratio} | {row.wanted} |")
        return "\n".join(lines)

    def _cell(self, subject: str, key: str) -> float | None:
        values = self.measured[subject][key]
        return ROWS[key].best(values) if values else None

    def as_json(self) -> dict[str, Any]:
        """Return every value, and where it was measured."""
        return {
            "machine": {
                "processors": os.cpu_count(),
                "system": platform.platform(),
                "python": sys.version.split()[0],
                "uvloop": uvloop.__version__,
                "load": os.getloadavg(),
            },
            "measured": self.measured,
            "failed": {f"{subject} {row}": text for (subject, row), text in self.failed.items()},
            "books": self.books,
        }


def _processors() -> tuple[int | None, int | None]:
    """One for the farm, one for what is measured; None where there is only one."""
    ours = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return (ours[0], ours[1]) if len(ours) > 1 else (None, None)


async def _run(options: argparse.Namespace) -> None:
    farms, subjects = _processors()
    if farms is not None:
        os.sched_setaffinity(0, {farms})
    with tempfile.TemporaryDirectory(prefix="dpmp-bench-") as folder:
        farm = await start_farm({"a": 8, "b": 4, RELAY_POOL: 8}, Path(folder))
        try:
            budget = Budget(options, farm)
            await budget.run(Path(folder), subjects)
        finally:
            await farm.end()
    print(budget.table())
    options.json.write_text(json.dumps(budget.as_json(), indent=1) + "\n")
    print(f"every value: {options.json}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the measurement from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each flood and each paced run")
    parser.add_argument("--idle", type=float, default=60.0, help="seconds of idling (one job each 30 s)")
    parser.add_argument("--recover", type=float, default=10.0, help="seconds for the proxy to find a pool again")
    parser.add_argument("--only", choices=STEPS, action="append", help="only this step, for a quick look")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="where every single value goes")
    allow_open_files()
    uvloop.run(_run(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()
