"""``python -m tests.abuse``: attack a proxy while five honest miners mine beside, and print what it did to them.

Without ``--proxy`` each attack gets a proxy of its own, with two simulated pools, on throw-away data; all traffic is
on loopback. With it the attacks go to one that runs already: **only ever your own**. It should have been started with
``--hashes-per-difficulty 1024``, so that the honest miners find shares, as in ``make demo``.
"""

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

from tests.abuse.clients import SOURCE, Target
from tests.abuse.measure import Measured, honest_miners, measure
from tests.abuse.rows import ROWS, Row
from tests.abuse.subject import HASHES_PER_DIFFICULTY, Attacked, workshop
from tests.bench.farm import allow_open_files


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.abuse", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("attacks", nargs="*", metavar="ATTACK", help=f"some of: {', '.join(ROWS)}; none: all")
    parser.add_argument("--seconds", type=float, help="how long each attack lasts")
    parser.add_argument("--proxy", type=int, metavar="PORT", help="where a proxy listens for miners on this machine")
    parser.add_argument("--web", type=int, default=8855, metavar="PORT", help="its pages")
    parser.add_argument("--metrics", type=int, default=9210, metavar="PORT", help="its metrics")
    parser.add_argument("--pid", type=int, default=0, help="its process, so that its memory can be looked at")
    parser.add_argument("--hashes-per-difficulty", type=int, default=HASHES_PER_DIFFICULTY)
    parser.add_argument("--source", default=SOURCE, help="address to attack from; 127.0.0.1 is the honest miners' own")
    options = parser.parse_args()
    if unknown := set(options.attacks) - set(ROWS):
        parser.error(f"no attack {', '.join(sorted(unknown))}")
    return options


@asynccontextmanager
async def _one_that_runs(options: argparse.Namespace) -> AsyncIterator[Attacked]:
    yield Attacked(
        target=Target(
            stratum=options.proxy,
            web=options.web,
            metrics=options.metrics,
            hashes_per_difficulty=options.hashes_per_difficulty,
            source=options.source,
        ),
        pid=options.pid,
    )


async def run(options: argparse.Namespace) -> int:
    """Make all attacks that were asked for; return how many rows were not as wanted."""
    failed = 0
    _say("| attack | 4.0.0 | wanted | measured | |\n|---|---|---|---|---|")
    async with workshop(None if options.proxy else _processor_for_the_proxy()) as shop:
        for name in options.attacks or ROWS:
            row = ROWS[name]
            proxy: AbstractAsyncContextManager[Attacked] = _one_that_runs(options) if options.proxy else shop.proxy()
            async with proxy as attacked:
                found = await _measured(attacked, row, options.seconds or row.seconds)
            missed = [text for check in row.checks for text in check(found)]
            failed += bool(missed)
            _say(f"| {name} | {row.before} | {row.wanted} | {_told(row, found)} | {'; '.join(missed) or 'ok'} |")
    return failed


def _processor_for_the_proxy() -> int | None:
    """One that miners, pools and attackers leave alone, if there are two: an attacker has processors of its own."""
    first, *others = sorted(os.sched_getaffinity(0))
    if not others:
        return None
    os.sched_setaffinity(0, others)
    return first


async def _measured(attacked: Attacked, row: Row, seconds: float) -> Measured:
    if row.prepare is not None:
        row.prepare(attacked)
    if row.beside:
        attacked = replace(attacked, target=replace(attacked.target, source="127.0.0.1"))
    async with honest_miners(attacked) as honest:
        name = row.sends or row.attack
        return await measure(attacked, honest, name, seconds, during=row.during, after=row.after, calm_s=row.calm_s)


def _told(row: Row, found: Measured) -> str:
    rest, under = found.rest, found.under
    return (
        f"p99 {under.p99_ms:.0f} (p50 {under.p50_ms:.0f}, worst {under.worst_ms:.0f}; at rest {rest.p99_ms:.0f}; "
        f"measuring itself {under.own_ms:.0f} and {rest.own_ms:.0f}); "
        f"{under.refused} of {under.answers} refused, {under.unanswered} unanswered, {under.disconnects} cut off; "
        f"{found.grown_mb:+.0f} MB, then {found.kept_mb:+.0f}; wrote {found.written_mb:.1f} MB; {found.dials} dials "
        f"({found.dials_per_s:.0f}/s), {found.suggestions} suggestions; {found.notes or ''} {dict(found.counts)}"
    )


def _say(text: str) -> None:
    print(text, flush=True)


def main() -> int:
    """Entry point: 1 if something is not as wanted."""
    allow_open_files()
    return min(1, asyncio.run(run(parsed())))


if __name__ == "__main__":
    sys.exit(main())
