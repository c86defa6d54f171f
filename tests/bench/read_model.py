"""What each cache and throttle between an event and the browser buys: ``python -m tests.bench.read_model``.

A fleet of a thousand miners in memory (a tenth of them sends a share between two snapshots), fifty viewers. Each line
is a cache: what a snapshot, or a tick of fifty viewers, costs with it and without it.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import django

os.environ["DPMP_DATA_DIR"] = tempfile.mkdtemp(prefix="dpmp-bench-")
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dpmp_site.settings")
django.setup()

from django.core.management import call_command  # noqa: E402

from dashboard import live  # noqa: E402
from dashboard.access import LOGS, SEE, STEER, WALLETS, Access  # noqa: E402
from dashboard.viewers import Viewer, check  # noqa: E402
from proxy.observe.live.snapshot import SnapshotBuilder  # noqa: E402
from proxy.observe.live.views import store  # noqa: E402
from proxy.types import PoolKey  # noqa: E402
from tests.observe.test_snapshot_sessions import builder_of  # noqa: E402
from tests.support.shares import share  # noqa: E402
from tests.support.world import World  # noqa: E402

MINERS, VIEWERS, ROUNDS = 1000, 50, 20
HOME = ("alarms", "headline", "split", "pools", "fleet")
EVERYTHING = Access(frozenset({SEE, LOGS, STEER, WALLETS}))


def timed(work: Callable[[], object], before: Callable[[], object] = lambda: None) -> float:
    """Median milliseconds of the processor: the machine may have other work."""
    took = []
    for _ in range(ROUNDS):
        before()
        began = time.process_time()
        work()
        took.append((time.process_time() - began) * 1e3)
    return statistics.median(took)


def line(name: str, kept: float, dropped: float, unit: str = "ms") -> None:
    print(f"{name:44} {kept:8.2f} {dropped:8.2f} {unit}", flush=True)


def fleet() -> tuple[World, SnapshotBuilder, Callable[[], None]]:
    world = World({"A": 8, "B": 8})
    builder = builder_of(world)
    miners = [world.miner(user=f"addr.rig{number}") for number in range(MINERS)]
    world.advance(5)

    def second() -> None:
        for miner in miners[::10]:
            world.events.emit(share(miner.session.worker, PoolKey("A"), 8.0, session=miner.session.id))
        world.advance(1.0)

    for _ in range(5):
        second()
    return world, builder, second


def main() -> None:
    call_command("migrate", verbosity=0)
    _world, builder, second = fleet()
    builder.build()
    whole = timed(builder.build, second)

    def forget_rows() -> None:
        second()
        builder._rows._made_for = None

    print(f"{'':44} {'with':>8} {'without':>8}")
    line("rows of workers handed on (snapshot)", whole, timed(builder.build, forget_rows))
    store.put(builder.build())
    asyncio.run(pages(builder))


async def pages(builder: SnapshotBuilder) -> None:
    """The dashboard's own."""
    viewer = Viewer("nobody", 1, "", None)

    async def tick(each: Callable[[], Awaitable[object]]) -> float:
        began = time.process_time()
        await asyncio.gather(*(each() for _ in range(VIEWERS)))
        return (time.process_time() - began) * 1e3

    async def median(each: Callable[[], Awaitable[object]], before: Callable[[], object]) -> float:
        took = []
        for _ in range(ROUNDS):
            before()
            took.append(await tick(each))
        return statistics.median(took)

    def shared() -> Awaitable[object]:
        return live.frames.get(HOME, EVERYTHING, "en")

    async def alone() -> None:
        await live.database_sync_to_async(live.make_frame)(HOME, EVERYTHING, "en", live.snapshot())

    async def alone_and_anew() -> None:
        snap = live.snapshot()
        await live.database_sync_to_async(
            lambda: [live.Renderings().get(key, EVERYTHING, "en", snap) for key in HOME]
        )()

    def newer() -> None:
        store.put(builder.build())

    frames = await median(shared, newer)
    one_each = await median(alone, newer)
    line(f"frames shared ({VIEWERS} viewers of Home, a tick)", frames, one_each)
    line("renderings of a snapshot shared (the same)", one_each, await median(alone_and_anew, newer))

    async def ask(viewers: list[Viewer]) -> None:
        with suppress(Exception):
            await live.database_sync_to_async(check)(viewers)

    one = []
    for _ in range(ROUNDS):
        began = time.process_time()
        await ask([viewer] * VIEWERS)
        one.append((time.process_time() - began) * 1e3)
    line(
        "access asked once for all viewers (a tick)",
        statistics.median(one),
        await median(lambda: ask([viewer]), lambda: None),
    )

    for name in ("records", "blocks", "plans", "schedules", "pool:A", "luck"):
        found = live.find(name)
        if found is None or found[0].version is None:
            continue
        region, argument = found

        def version(region: live.Region = region, argument: str = argument) -> object:
            assert region.version is not None
            return region.version(live.snapshot(), argument)

        def render(name: str = name) -> object:
            return live.Renderings().get(name, EVERYTHING, "en", live.snapshot())

        line(
            f"rendering kept while its version holds ({name})",
            await asyncio.to_thread(timed, version),
            await asyncio.to_thread(timed, render),
        )


if __name__ == "__main__":
    main()
