"""What shared connections cost, in one run with the yardstick: ``python -m tests.bench.shared``.

A real ``manage.py runproxy --no-web`` whose pools' connections are shared, with two unlike pools, and the bare 1:1
relay of lines (``relay.py``) under the load of ``farm.c``: ten thousand miners in one process, then two hundred that
send shares as fast as they are answered. Most shares are below the pools' difficulty, as on a farm, and go no further.
Every share that the pools get is checked by them.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import uvloop

from tests.bench.farm import Farm, allow_open_files, start_farm
from tests.bench.subject import Subject, start_proxy, start_relay

MINERS, FEW = 10_000, 200
POOL_DIFFICULTY = 64.0
RELAY_POOL, POOLS = "c", "ab"
SETTLE_S = 3.0
A_MINUTE, JOB_GAP_S = 6.0, 30.0
SHARING = {
    "connections": "shared",
    "most_miners": 500,
    "most_connections": 40,
    "shares_per_minute": A_MINUTE,
    "max_difficulty": 1.0,  # the load would else be given more than it can search
}


class Shared:
    """One run; ``found[subject]`` is what the table shows, by its first column."""

    def __init__(self, farm: Farm, miners: int, seconds: float) -> None:
        self.farm = farm
        self.miners = miners
        self.seconds = seconds
        self.found: dict[str, dict[str, str]] = {"relay": {}, "proxy": {}}

    async def measure(self, subject: Subject) -> None:
        """All rows of one subject."""
        pools = RELAY_POOL if subject.name == "relay" else POOLS
        before = subject.rss
        cpu = subject.cpu_s
        answer = await self.farm.do("connect", subject.port, self.miners)
        if not answer["all"]:
            raise RuntimeError(f"{answer['in_work']} of {self.miners} miners are in work, {answer['lost']} were lost")
        self._note(subject, "all in work, s", f"{answer['seconds']:.1f}")
        self._note(subject, "the same, of the processor, s", f"{subject.cpu_s - cpu:.1f}")
        await asyncio.sleep(SETTLE_S)
        self._note(subject, "memory a miner, KB", f"{(subject.rss - before) / self.miners / 1024:.1f}")
        lines = [str((await self.farm.do("lines", pool))["lines"]) for pool in pools]
        self._note(subject, "connections to each pool", ", ".join(lines))
        await self._blocks(subject, pools)
        await self._at_work(subject, pools)
        await self.farm.do("leave")
        await self._flood(subject)

    async def _blocks(self, subject: Subject, pools: str) -> None:
        answers = []
        for _ in range(5):
            cpu = subject.cpu_s
            answer = await self.farm.do("block", pools)
            await asyncio.sleep(SETTLE_S)
            if not answer["all"]:
                raise RuntimeError(f"not every miner got the block: {answer}")
            answers.append((answer["p50_ms"], answer["max_ms"], subject.cpu_s - cpu))
        p50, last, cpu = (median(column) for column in zip(*answers, strict=True))
        self._note(subject, "new block: to half of them, to the last, ms", f"{p50:.0f}, {last:.0f}")
        self._note(subject, "new block: of the processor, ms", f"{cpu * 1e3:.0f}")

    async def _at_work(self, subject: Subject, pools: str) -> None:
        rate = self.miners * A_MINUTE / 60
        await self.farm.do("rate", rate, 5.0)
        cpu, began = subject.cpu_s, time.monotonic()
        answers = []
        for _ in range(max(1, round(self.seconds / JOB_GAP_S))):
            await self.farm.do("job", pools)
            answers.append(await self.farm.do("rate", rate, min(JOB_GAP_S, self.seconds)))
        part = (subject.cpu_s - cpu) / (time.monotonic() - began)
        self._note(subject, f"at {rate:,.0f} shares/s, a job per 30 s: % of a core", f"{part * 100:.1f}")
        self._note(subject, "latency p50, p99, ms", f"{answers[-1]['p50_ms']:.2f}, {answers[-1]['p99_ms']:.2f}")
        if any(answer["refused"] or answer["lost"] for answer in answers):
            raise RuntimeError(f"shares were refused or miners lost: {answers}")

    async def _flood(self, subject: Subject) -> None:
        await self.farm.do("connect", subject.port, FEW)
        await asyncio.sleep(SETTLE_S)
        await self.farm.do("flood", 1)
        cpu, waited, began = subject.cpu_s, self.farm.waited_s, time.monotonic()
        answer = await self.farm.do("flood", 5)
        took = time.monotonic() - began
        self._note(subject, f"{FEW} miners, one share outstanding each: shares/s", f"{answer['per_s']:,.0f}")
        self._note(
            subject, "the same: CPU-s per 1,000 shares", f"{(subject.cpu_s - cpu) / answer['accepted'] * 1e3:.4f}"
        )
        self._note(subject, "the same: % of a core", f"{(subject.cpu_s - cpu) / took * 100:.0f}")
        waited = self.farm.waited_s - waited
        self._note(subject, "the same: the load lacked a processor, % of the time", f"{waited / took * 100:.0f}")
        await self.farm.do("leave")
        if answer["refused"] or answer["lost"]:
            raise RuntimeError(f"{answer['refused']} shares refused, {answer['lost']} miners lost")

    def _note(self, subject: Subject, row: str, shown: str) -> None:
        self.found[subject.name][row] = shown
        print(f"{subject.name:6} {row}: {shown}", flush=True)

    def table(self) -> str:
        """Return it as markdown."""
        lines = [f"| {self.miners:,} miners | relay | DPMP |", "|---|---|---|"]
        lines += [
            f"| {row} | {self.found['relay'].get(row, '')} | {ours} |" for row, ours in self.found["proxy"].items()
        ]
        return "\n".join(lines)


async def _run(options: argparse.Namespace) -> None:
    ours = sorted(os.sched_getaffinity(0))
    farms, processor = (ours[0], ours[1]) if len(ours) > 1 else (None, None)
    if farms is not None:
        os.sched_setaffinity(0, {farms})
    with tempfile.TemporaryDirectory(prefix="dpmp-bench-") as folder:
        farm = await start_farm(
            {"a": 8, "b": 4, RELAY_POOL: 8}, Path(folder), {"a": POOL_DIFFICULTY, "b": POOL_DIFFICULTY}
        )
        run = Shared(farm, options.miners, options.seconds)
        try:
            for name in ("relay", "proxy"):
                if name == "relay":
                    subject = await start_relay(farm.ports[RELAY_POOL], processor)
                else:
                    ports = {pool.upper(): farm.ports[pool] for pool in POOLS}
                    subject = await start_proxy(ports, Path(folder), processor, SHARING)
                try:
                    await asyncio.sleep(SETTLE_S)
                    await run.measure(subject)
                finally:
                    await subject.end()
            books = await farm.do("books")
            if books["pools_refused"] or books["miners_refused"]:
                raise RuntimeError(f"shares were refused: {books}")
        finally:
            await farm.end()
    print(run.table())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the measurement from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--miners", type=int, default=MINERS)
    parser.add_argument("--seconds", type=float, default=60.0, help="of work, with a job each 30 s")
    allow_open_files()
    uvloop.run(_run(parser.parse_args(arguments)))


if __name__ == "__main__":
    main()
