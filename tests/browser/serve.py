"""A process of its own that serves the dashboard with made-up snapshots, for the browser tests.

Started with a free port, and with ``new`` for what is there before the guided start, ``fresh`` for right after it.
Obeys lines on its standard input: the name of a snapshot of ``tests.dashboard.fixtures``; says on standard output when
it is shown; ``hold`` and ``go on``: it takes nothing over in between; ``quick``: frames come faster, until ``anew``.
Like the proxy it takes over what the operator sets by hand, half a second later.
"""

import asyncio
import contextlib
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.browser.settings")

PASSWORD = "a long pass phrase"
PEOPLE = {"vera": "viewer", "otto": "operator", "ada": "administrator"}


def prepare(age: str) -> None:
    """Tables, people, and rows that fit the snapshots; ``fresh``: only two pools under the default schedule."""
    from django.contrib.auth.models import Group, User
    from django.core.management import call_command

    from proxy.models import AlertRule, AlertTarget, Device, DeviceSettings, Schedule, ScheduleWindow

    call_command("migrate", verbosity=0)
    for name, group in PEOPLE.items():
        User.objects.create_user(name, password=PASSWORD).groups.add(Group.objects.get(name=group))
    AlertRule.ensure()
    if age == "new":
        return
    always = Schedule(name="Always", is_default=True)
    always.save()
    if age == "fresh":
        pools([always])
        return
    night = Schedule(name="Night", priority=5, time_zone="Europe/Berlin")
    night.save()
    ScheduleWindow(schedule=night, start="22:00", end="06:00", weekdays=0b0011111).save()
    pools([always, night])
    AlertTarget(label="Telephone", url="ntfy://a-topic-nobody-guesses").save()
    DeviceSettings(enabled=True, networks="192.168.1.0/24").save()
    Device(
        address="192.168.1.51", port=4028, api="cgminer", before={"url": "stratum+tcp://pool.example.org:3333"}
    ).save()
    history(time.time())
    money(time.time())
    logged(time.time())


def pools(schedules: list) -> None:
    """Pools A and B with their wallets, and their weights in ``schedules``."""
    from proxy.models import Allocation, Pool, PoolEndpoint, Wallet

    for index, (key, chain) in enumerate((("A", "BTC"), ("B", "BCH"))):
        wallet = Wallet(label=f"wallet {key}", chain=chain, kind="account", address=f"owner{index}")
        wallet.save()
        pool = Pool(key=key, name={"A": "Solo CK", "B": "MiningCore BCH"}[key], chain=chain, wallet=wallet, solo=True)
        pool.save()
        PoolEndpoint(pool=pool, host="127.0.0.1", port=4000 + index).save()
        for schedule, weight in zip(schedules, (50, 80 if index else 20), strict=False):
            Allocation(schedule=schedule, pool=pool, weight=weight, position=index).save()


def money(now: float) -> None:
    """Ten days of expected income with a price for one of the two coins."""
    from datetime import UTC, datetime, timedelta

    from proxy.models import ChainPrice, IncomeDay, MoneySettings, PowerDay

    MoneySettings(enabled=True, currency="EUR", electricity_price=0.31, watts=1660).save()
    ChainPrice(chain="BTC", price=64_000).save()
    today = datetime.fromtimestamp(now, UTC).date()
    for back in range(10):
        day = today - timedelta(days=back)
        for pool, chain, coins, price in (("A", "BTC", 3.1e-5, 64_000.0), ("B", "BCH", 2.2e-3, None)):
            IncomeDay(
                day=day, pool=pool, chain=chain, work=1e9, expected_blocks=1e-5, expected_coins=coins * (1 + back % 3),
                network_difficulty=1.4e14, price=price, currency="EUR" if price else "",
            ).save()  # fmt: skip
        PowerDay(day=day, energy_kwh=39.8, cost=12.3, currency="EUR", recorded_at=now).save()


def logged(now: float) -> None:
    """What the log page shows."""
    from proxy.observe import log
    from proxy.observe.events import ControlChanged, MinerAuthorized, PoolDown, PoolSwitched, PoolUp
    from proxy.observe.log.lines import Entry
    from proxy.types import PoolKey, SessionId, SwitchReason, WorkerName

    a, b, session, worker = PoolKey("A"), PoolKey("B"), SessionId(17), WorkerName("AvalonQ")
    events = (
        ControlChanged(source="schedule", detail="Night", weights={a: 0.2, b: 0.8}),
        MinerAuthorized(
            session=session, worker=worker, user="AvalonQ", peer="192.168.1.51", agent="cgminer/4.11.1",
            profile="cgminer", first=True,
        ),
        PoolSwitched(session=session, worker=worker, old=b, new=a, reason=SwitchReason.WEIGHT),
        PoolDown(pool=a, reason="connection refused"),
        PoolUp(pool=a, down_s=95.0),
    )  # fmt: skip
    for number, event in enumerate(events, 1):
        about = getattr(event, "worker", None), getattr(event, "pool", None)
        log.lines.append(Entry(number, now - 9000 + 1500 * number, event, getattr(event, "session", None), *about))


def history(now: float) -> None:
    """Six hours of shares with a gap in the middle, best shares and a block."""
    from datetime import UTC, datetime

    from proxy.models.history import BestShare, Block, PayoutRecord, ShareBucket

    rows = []
    for minute in range(360):
        start = int(now) // 60 * 60 - 60 * minute
        if 120 <= minute < 150:
            continue
        for worker, pool, work in (("AvalonQ", "A", 900_000), ("AvalonQ", "B", 200_000), ("Nano3S", "B", 90_000)):
            rows.append(
                ShareBucket(
                    worker=worker,
                    pool=pool,
                    step=60,
                    start=start,
                    accepted=18 + minute % 5,
                    work=work * (1 + 0.1 * ((minute * 7) % 5)),
                    work_squares=18 * (work / 18) ** 2,
                    work_shares=18,
                )
            )
    ShareBucket.objects.bulk_create(rows)
    moment = datetime.fromtimestamp(now - 90_000, UTC)
    for index in range(6):
        BestShare(worker="AvalonQ", chain="BTC", pool="A", true_difficulty=6.6e5 / (index + 1), at=moment).save()
    Block(
        header_hash="0" * 20 + "ab" * 22,
        worker="Nano3S",
        pool="B",
        chain="BCH",
        height=951_000,
        at=moment,
        header="00" * 80,
        coinbase="00",
        nbits=0x1A0FFFFF,
        true_difficulty=9e11,
        network_difficulty=8.1e11,
        verdict="accepted",
    ).save()
    PayoutRecord(pool="A", at=moment, percent=98.0, ok=True).save()


def find_block() -> None:
    """A block of pool A, accepted this moment."""
    from django.utils import timezone

    from proxy.models.history import Block

    Block(
        header_hash=f"{time.time_ns():064x}",
        worker="AvalonQ",
        pool="A",
        chain="BTC",
        height=968_413,
        at=timezone.now(),
        header="00" * 80,
        coinbase="00",
        nbits=0x17053894,
        true_difficulty=2e14,
        network_difficulty=1.423e14,
        verdict="accepted",
    ).save()


def forget_blocks() -> None:
    """No block was found meanwhile."""
    from proxy.models.history import Block

    Block.objects.filter(pk__gt=Block.objects.earliest("pk").pk).delete()


def shifted(snap, now: float, revision: int):
    """``snap`` with all its times moved to now, and with what only pages beside Home show."""
    from proxy.observe.live.moves import Moves, Stay
    from tests.dashboard.fixtures import NOW, A, B, listeners

    off = now - NOW

    def move(view, *names):
        return replace(view, **{name: getattr(view, name) + off for name in names if getattr(view, name)})

    return replace(
        move(snap, "at", "started_at"),
        revision=revision,
        pools=tuple(move(pool, "since", "last_share_at", "last_job_at", "last_block_at") for pool in snap.pools),
        listeners=listeners(),
        monotonic=600.0,
        moves={worker.name: Moves(7, {A: Stay(1000.0, 1, 100.0), B: Stay(500.0)}) for worker in snap.workers[:2]},
        extra={name: heard(view, off) if name == "devices" else told(view, off) for name, view in snap.extra.items()},
        workers=tuple(
            replace(
                move(worker, "connected_at", "last_share_at", "last_seen_at"),
                listener=("miners", "Rack")[number % 2],
                sessions=tuple(move(one, "connected_at") for one in worker.sessions),
            )
            for number, worker in enumerate(snap.workers)
        ),
        control=move(snap.control, "since", "until"),
        splits=tuple(move(split, "since") for split in snap.splits),
        alarms=tuple(move(alarm, "since") for alarm in snap.alarms),
        spark=tuple((start + off, rates) for start, rates in snap.spark),
    )


def heard(view, off: float):
    """What miners said of themselves, ``off`` seconds later."""
    return replace(
        view,
        devices=tuple(
            replace(one, heard_at=None if one.heard_at is None else one.heard_at + off) for one in view.devices
        ),
    )


def told(view, off: float):
    """Auto-balance's view, later by ``off`` seconds."""
    return replace(
        view,
        at=view.at + off,
        next_poll_at=view.next_poll_at + off,
        sources=tuple(replace(one, answered_at=one.answered_at and one.answered_at + off) for one in view.sources),
        chains=tuple(replace(one, taken_at=one.taken_at and one.taken_at + off) for one in view.chains),
        history=tuple(replace(point, at=point.at + off) for point in view.history),
    )


def controlled(snap, override):
    """``snap`` under what was set by hand, as the proxy would say it."""
    from proxy.observe.live.views import ControlView

    if not snap.pools:
        return snap
    if override is None:
        by_hand = snap.control.source == "override"
        scheduled = replace(snap.control, source="schedule", detail="Always", mode="ratio", set_by="", until=None)
        return replace(snap, control=scheduled) if by_hand else snap
    if not override.weights:
        return replace(
            snap,
            control=replace(
                snap.control,
                source="auto-balance",
                detail="",
                set_by=override.set_by,
                since=override.set_at.timestamp(),
            ),
        )
    total = sum(override.weights.values())
    weights = {pool.key: override.weights.get(pool.key, 0) / total for pool in snap.pools}
    return replace(
        snap,
        pools=tuple(replace(pool, weight=weights[pool.key], target=weights[pool.key]) for pool in snap.pools),
        control=ControlView(
            source="override",
            detail="slider",
            mode="weights",
            weights=weights,
            set_by=override.set_by,
            since=override.set_at.timestamp(),
            until=override.until and override.until.timestamp(),
            policy="packing",
            min_switch_s=30,
            follows_in_s=300,
        ),
    )


PACE_S, QUICK_S = 0.5, 0.2


async def tick_for_ever(chosen: list[str], news: asyncio.Event) -> None:
    """A new snapshot of the first name and a tick twice a second, and as soon as there is news.

    The other names are said once they are shown.
    """
    from channels.db import database_sync_to_async

    from proxy.config.loader import current_revision
    from proxy.observe.live.broadcast import Ticker
    from proxy.observe.live.views import store
    from proxy.ops.steering import current_override
    from tests.dashboard import fixtures

    def configuration():
        return current_revision(), current_override()

    ticker, revision, holds, pace_s = Ticker(), 0, False, PACE_S
    while True:
        revision += 1
        now = time.time()
        wanted, chosen[1:] = chosen[1:], []
        snap = shifted(getattr(fixtures, chosen[0])(revision), now, revision)
        for name in wanted:
            holds = {"hold": True, "go on": False}.get(name, holds)
            pace_s = {"quick": QUICK_S, "anew": PACE_S}.get(name, pace_s)
        if not holds:
            applied, override = await database_sync_to_async(configuration)()
        store.put(replace(controlled(snap, override), config_revision=applied))
        await ticker.tick(revision)
        for name in wanted:
            print("shows", name, flush=True)  # noqa: T201 - the tests wait for this line
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(news.wait(), pace_s)
        news.clear()


async def obey(chosen: list[str], news: asyncio.Event) -> None:
    """Lines on standard input choose the snapshot; each is the first name from then on, and is to be said.

    The line ``block`` makes a block that was found just now; ``anew`` forgets those and shows what is shown first.
    """
    from channels.db import database_sync_to_async

    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        if line.strip() == b"block":
            await database_sync_to_async(find_block)()
            chosen.append("block")
        elif line.strip() == b"anew":
            await database_sync_to_async(forget_blocks)()
            chosen[0] = "rich"
            chosen.append("anew")
        elif line.strip() in (b"hold", b"go on", b"quick"):
            chosen.append(line.decode().strip())
        else:
            chosen[0] = line.decode().strip()
            chosen.append(chosen[0])
        news.set()
    os._exit(0)  # the tests are gone


def main() -> None:
    """Serve until standard input ends."""
    import django

    django.setup()
    prepare(*sys.argv[2:3] or ["full"])
    from daphne.server import twisted_loop

    twisted_loop.run_until_complete(serve(int(sys.argv[1])))


async def serve(port: int) -> None:
    """Pages as ``runproxy`` serves them, and snapshots that come and go."""
    from dpmp_site.asgi import application
    from proxy.net import servers as web

    web.WEBSOCKET_HANDSHAKE_S = 90  # a browser that gets no processor for 5 s is no stranger that holds connections
    chosen, news = ["rich"], asyncio.Event()
    server = web.WebServer(application)
    await server.start("127.0.0.1", port)
    print("ready", server.address[1], flush=True)  # noqa: T201 - the tests wait for this line
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(tick_for_ever(chosen, news))
        tasks.create_task(obey(chosen, news))


if __name__ == "__main__":
    main()
