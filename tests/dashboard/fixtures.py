"""Snapshots as the pages may meet them: a busy fleet, an empty proxy, a pool that is down, three pools, long names."""

import math
import random
from dataclasses import replace

from proxy.balance.balance_view import BalanceState, BalanceView, ChainView, HistoryPoint, SourceView
from proxy.balance.readings import Measured
from proxy.devices.facts import Api, Facts
from proxy.devices.views import DeviceRow, DevicesView, DeviceView
from proxy.history.counters import NO_SHARES, Tally
from proxy.history.switch_cost import SwitchCost
from proxy.observe.live.views import (
    Alarm,
    ControlView,
    ListenerView,
    LiveSnapshot,
    PoolView,
    RateView,
    SessionView,
    SplitPart,
    SplitView,
    WorkerView,
)
from proxy.sentence import sentence
from proxy.types import (
    MAIN_LISTENER,
    AdminStatus,
    Chain,
    ListenerId,
    PoolKey,
    PoolStatus,
    SessionId,
    WorkerName,
)
from tests.support.tallies import tally

NOW = 1_790_000_000.0
A, B, C = PoolKey("A"), PoolKey("B"), PoolKey("C")


def rate(value: float, error: float = 0.03) -> RateView:
    """A known rate with a relative error."""
    return RateView(value=value, low=value * (1 - error), high=value * (1 + error), known=True)


def pool_a() -> PoolView:
    """A solo pool of BTC that works."""
    return PoolView(
        key=A,
        name="Solo CK",
        chain=Chain.BTC,
        status=PoolStatus.UP,
        admin=AdminStatus.ENABLED,
        colour=0,
        since=NOW - 1_051_200,
        endpoint="solo.example.org:3333",
        weight=0.7,
        target=0.7,
        miners=3,
        connections=4,
        rate=rate(81.2e12),
        delivered_5m=rate(61.9e12),
        difficulty=52_700,
        latency_ms=41,
        latency_p90_ms=60,
        latency_p99_ms=88,
        counts=tally(
            accepted=44_441,
            rejected=9,
            reasons={"stale": 6, "low_difficulty": 3},
            unanswered=1,
            credited=833.8e6,
            best=662_000,
        ),
        jobs=51_212,
        job_gap_s=29.6,
        last_share_at=NOW - 3,
        last_job_at=NOW - 11,
        height=968_412,
        network_difficulty=142.3e12,
        last_block_at=NOW - 360,
        block_delay_ms=120,
        effort=0.0000059,
        payout_percent=98.0,
        payout_ok=True,
        extranonce2_size=8,
        version_mask=0x1FFFE000,
    )


def pool_b() -> PoolView:
    """A pool of BCH in the same network."""
    return PoolView(
        key=B,
        name="MiningCore BCH",
        chain=Chain.BCH,
        status=PoolStatus.UP,
        admin=AdminStatus.ENABLED,
        colour=1,
        since=NOW - 1_051_100,
        endpoint="192.168.1.20:3053",
        weight=0.3,
        target=0.3,
        miners=1,
        connections=4,
        rate=rate(7.2e12),
        delivered_5m=rate(26.5e12),
        difficulty=3220,
        latency_ms=2,
        latency_p90_ms=3,
        latency_p99_ms=5,
        counts=tally(
            accepted=83_150,
            rejected=102,
            reasons={"stale": 40, "duplicate": 62},
            unanswered=0,
            credited=809.6e6,
            best=49_500,
        ),
        jobs=60_010,
        job_gap_s=4.83,
        last_share_at=NOW - 1,
        last_job_at=NOW - 6,
        height=951_007,
        network_difficulty=812.0e9,
        last_block_at=NOW - 121,
        block_delay_ms=0,
        effort=0.001,
        payout_percent=99.0,
        payout_ok=True,
        extranonce2_size=4,
        version_mask=0x1FFFE000,
    )


def workers() -> tuple[WorkerView, ...]:
    """Four miners, one of them away."""
    return (
        WorkerView(
            name=WorkerName("AvalonQ"),
            connections=1,
            agent="cgminer/4.11.1",
            firmware="Avalon Q",
            peer="192.168.1.51",
            pool=A,
            rate_5m=rate(79.7e12),
            rate_1h=rate(79.1e12)._replace(span_s=3600.0),
            rate_24h=rate(79.9e12),
            shares_per_s=0.303,
            difficulty=52_700,
            counts=tally(accepted=26_000, rejected=12, reasons={"stale": 8, "low_difficulty": 4}, credited=800e6),
            by_pool={A: 600e6, B: 200e6},
            best=662_000,
            connected_at=NOW - 90_000,
            last_share_at=NOW - 3,
            last_seen_at=NOW - 3,
            extranonce1="2f1a",
            extranonce2_size=4,
            version_mask=0x1FFFE000,
            control="slider",
            sessions=(
                SessionView(
                    session=SessionId(17),
                    peer="192.168.1.51",
                    agent="cgminer/4.11.1",
                    firmware="Avalon Q",
                    connected_at=NOW - 90_000,
                    pool=A,
                    difficulty=52_700,
                    extranonce1="2f1a",
                    extranonce2_size=4,
                    version_mask=0x1FFFE000,
                    suggested_difficulty=50_000,
                ),
            ),
        ),
        WorkerView(
            name=WorkerName("Nano3S"),
            connections=1,
            agent="cgminer/4.11.1",
            firmware="Avalon Nano 3S",
            peer="192.168.1.52",
            pool=B,
            rate_5m=rate(6.1e12),
            rate_1h=rate(6.2e12),
            rate_24h=rate(6.3e12),
            shares_per_s=0.34,
            difficulty=3220,
            counts=tally(accepted=30_000, rejected=30, reasons={"stale": 20}, credited=90e6),
            by_pool={A: 60e6, B: 30e6},
            best=49_500,
            connected_at=NOW - 90_000,
            last_share_at=NOW - 1,
            last_seen_at=NOW - 1,
            extranonce1="77b0",
            extranonce2_size=4,
            control="slider",
        ),
        WorkerView(
            name=WorkerName("BitAxe1"),
            connections=1,
            agent="bitaxe/BM1370/v2.6.0",
            firmware="Bitaxe Gamma",
            peer="192.168.1.53",
            pool=A,
            pinned=A,
            rate_5m=rate(1.06e12),
            rate_1h=rate(1.04e12),
            rate_24h=rate(1.06e12),
            shares_per_s=0.33,
            difficulty=665,
            counts=tally(accepted=28_000, rejected=0, credited=18e6),
            by_pool={A: 18e6},
            best=13_100,
            connected_at=NOW - 5000,
            last_share_at=NOW - 9,
            last_seen_at=NOW - 9,
            control="pinned to A",
        ),
        WorkerView(
            name=WorkerName("BitAxe2"),
            connections=0,
            agent="bitaxe/BM1370/v2.6.0",
            firmware="Bitaxe Gamma",
            rate_1h=rate(0.42e12),
            rate_24h=rate(1.0e12),
            difficulty=660,
            counts=tally(accepted=21_000, rejected=20, credited=14e6),
            by_pool={A: 7e6, B: 7e6},
            best=8070,
            last_share_at=NOW - 2220,
            last_seen_at=NOW - 2220,
        ),
    )


def listeners() -> tuple[ListenerView, ...]:
    """One that is open, one with all that a listener can have, one that cannot be opened, one that is off."""
    return (
        ListenerView(id=MAIN_LISTENER, name="miners", address="0.0.0.0:3351", is_open=True, miners=2, port=3351),
        ListenerView(
            id=ListenerId(7), name="Rack", address="192.0.2.1:3360", is_open=True, tls=True, miners=41,
            row=7, port=3360, behind_balancer=True, needs_password=True, directives=("d", "p", "s"),
        ),
        ListenerView(
            id=ListenerId(8), name="Busy", address="0.0.0.0:3361", is_open=False, row=8, port=3361,
            problem="miners cannot connect to 0.0.0.0:3361: Address already in use",
        ),
        ListenerView(
            id=ListenerId(9), name="Off", address="0.0.0.0:3362", is_open=False, enabled=False, row=9, port=3362
        ),
    )  # fmt: skip


def spark(keys: tuple[PoolKey, ...] = (A, B)) -> tuple[tuple[float, dict[PoolKey, float]], ...]:
    """An hour by minute that wobbles."""
    base = dict(zip(keys, (62e12, 26e12, 12e12), strict=False))
    return tuple(
        (
            NOW - 3600 + 60 * minute,
            {
                key: value * (1 + 0.06 * math.sin(minute / (3 + index)))
                for index, (key, value) in enumerate(base.items())
            },
        )
        for minute in range(60)
    )


def balance() -> BalanceView:
    """Auto-balance that watches two chains."""

    def seen(rate: float) -> Measured:
        return Measured(rate=rate, low=rate * 0.7, high=rate * 1.4, blocks=6)

    too_little = sentence("the {gap:g} points that it differs are inside the dead-band of {band:g}", gap=1, band=2)
    return BalanceView(
        at=NOW,
        state=BalanceState.HEALTHY,
        in_control=False,
        strategy="hashrate-ratio",
        significance=0.95,
        short_window=6,
        long_window=72,
        failures=0,
        weights={A: 55.0, B: 45.0},
        decision=sentence("Stayed at {parts}: {why}.", parts="BTC 55 %, BCH 45 %", why=too_little),
        would_do=sentence("Would go to {wanted}, but {why}.", wanted="BTC 54 %, BCH 46 %", why=too_little),
        next_poll_at=NOW + 300,
        sources=(
            SourceView(name="observed", answered_at=NOW - 60),
            SourceView(name="mempool", problem="no answer within 10 s", failures=2),
        ),
        chains=(
            ChainView(
                chain=Chain.BTC,
                pools=(A,),
                source="observed",
                taken_at=NOW - 60,
                difficulty=142.3e12,
                short=seen(1.01e21),
                long=seen(1.0e21),
                ratio=1.01,
                weight=55.0,
                wanted=55.0,
            ),
            ChainView(
                chain=Chain.BCH,
                pools=(B,),
                source="observed",
                taken_at=NOW - 60,
                difficulty=812e9,
                short=seen(5.4e18),
                long=seen(5.9e18),
                ratio=0.915,
                weight=45.0,
                wanted=46.1,
                reason="within the noise",
            ),
        ),
        history=tuple(
            HistoryPoint(
                at=NOW - 600 * (60 - step),
                short={
                    Chain.BTC: 1e21 * (1 + 0.02 * math.sin(step / 4)),
                    Chain.BCH: 5.5e18 * (1 + 0.1 * math.sin(step / 6)),
                },
                long={Chain.BTC: 1e21, Chain.BCH: 5.5e18},
                difficulty={Chain.BTC: 142.3e12, Chain.BCH: 812e9},
                weights={Chain.BTC: 50 + step / 12, Chain.BCH: 50 - step / 12},
                reason="",
            )
            for step in range(60)
        ),
    )


def devices() -> DevicesView:
    """A large miner, one whose fan stands still, and one that nobody can reach."""
    return DevicesView(
        devices=(
            DeviceView(
                row=DeviceRow(id=1, address="192.168.1.51", port=4028, api=Api.CGMINER, moved=True),
                worker=WorkerName("AvalonQ"),
                facts=Facts(
                    api=Api.CGMINER,
                    model="Avalon Q",
                    firmware="Q-25052801_14a19a2",
                    user="ownername0.AvalonQ",
                    pool="stratum+tcp://192.168.1.2:3351",
                    hashrate=81.3e12,
                    power_w=1540.0,
                    temperature_c=78.0,
                    fans_rpm=(1520, 1610),
                    frequency_mhz=464.9,
                    uptime_s=90_000.0,
                ),
                heard_at=NOW - 12,
            ),
            DeviceView(
                row=DeviceRow(id=2, address="192.168.1.53", port=80, api=Api.AXEOS),
                worker=WorkerName("BitAxe1"),
                facts=Facts(
                    api=Api.AXEOS,
                    model="Bitaxe 601 BM1370",
                    firmware="v2.6.0",
                    hostname="BitAxe1",
                    user="ownername0.BitAxe1",
                    pool="192.168.1.2:3351",
                    hashrate=1.1e12,
                    power_w=17.8,
                    temperature_c=61.2,
                    regulator_c=54.0,
                    fans_rpm=(0,),
                    fan_percent=58.0,
                    frequency_mhz=525.0,
                    voltage_v=1.142,
                    uptime_s=5_100.0,
                    errors=("overheat mode",),
                ),
                heard_at=NOW - 11,
            ),
            DeviceView(
                row=DeviceRow(id=3, address="192.168.1.60", port=80, api=Api.AXEOS, name="Cellar"),
                heard_at=NOW - 4000,
                problem="It does not answer.",
            ),
        ),
        price_per_kwh=0.3,
        currency="EUR",
    )


def rich(revision: int = 1) -> LiveSnapshot:
    """A small fleet where all is well; the slider is in control."""
    return LiveSnapshot(
        revision=revision,
        at=NOW,
        started_at=NOW - 1_051_200,
        version="4.0.0",
        pools=(pool_a(), pool_b()),
        workers=workers(),
        control=ControlView(
            source="override",
            detail="slider",
            mode="weights",
            weights={A: 0.7, B: 0.3},
            set_by="operator",
            since=NOW - 840,
            policy="packing",
            min_switch_s=30,
            follows_in_s=300,
        ),
        splits=(
            SplitView(
                label="change",
                since=NOW - 840,
                parts=(
                    SplitPart(pool=A, delivered=0.703, error=0.012, wanted=0.7),
                    SplitPart(pool=B, delivered=0.297, error=0.012, wanted=0.3),
                ),
            ),
            SplitView(
                label="day",
                since=NOW - 86400,
                parts=(
                    SplitPart(pool=A, delivered=0.68, error=0.002, wanted=0.68),
                    SplitPart(pool=B, delivered=0.32, error=0.002, wanted=0.32),
                ),
            ),
        ),
        rate_5m=rate(88.4e12),
        rate_1h=rate(87.9e12, 0.009),
        rate_24h=rate(88.1e12, 0.002),
        spark=spark(),
        sessions=3,
        counts=tally(accepted=127_591, rejected=111, reasons={"stale": 46}, unanswered=1),
        miner_address="192.168.1.10:3351",
        extra={"balance": balance(), "devices": devices()},
        switch_costs=(
            SwitchCost(
                profile="cgminer", switches=400, shares=390, measured_s=3.5, expected_s=3.1, cost_s=0.4, error_s=0.3
            ),
            SwitchCost(
                profile="unknown", switches=4, shares=3, measured_s=2.5, expected_s=3.1, cost_s=-0.6, error_s=3.0
            ),
        ),
    )


def lively(revision: int = 1) -> LiveSnapshot:
    """``rich`` as it goes on: each figure is another one with each revision, with more digits and with fewer."""
    dice = random.Random(revision)

    def moved(seen: RateView) -> RateView:
        return rate(seen.value * dice.uniform(0.6, 1.5), dice.uniform(0.005, 0.2)) if seen.value else seen

    def counted(counts: Tally, shares: int) -> Tally:
        return tally(
            accepted=counts.accepted + revision * shares,
            rejected=dice.choice((19, 99, 104)),
            reasons={"stale": dice.choice((3, 8)), "low_difficulty": 1},
            credited=(counts.credited or 1e6) * dice.uniform(0.9, 1.3),
            best=counts.best,
        )

    snap = rich(revision)
    there = dice.uniform(0.58, 0.79)
    return replace(
        snap,
        pools=tuple(
            replace(
                pool,
                miners=dice.choice((0, 2, 11)),
                connections=dice.choice((4, 12)),
                rate=moved(pool.rate),
                delivered_5m=moved(pool.delivered_5m),
                difficulty=pool.difficulty and pool.difficulty * dice.choice((1, 2, 16)),
                latency_ms=dice.choice((7, 48, 131)),
                latency_p90_ms=dice.choice((60, 312)),
                counts=counted(pool.counts, 700),
                jobs=pool.jobs + revision,
                last_share_at=NOW - dice.choice((0, 8, 75)),
                last_job_at=NOW - dice.choice((1, 22)),
                effort=dice.choice((0.0004, 0.123, 1.5)),
            )
            for pool in snap.pools
        ),
        workers=tuple(
            replace(
                worker,
                pool=worker.pool and dice.choice((A, B)),
                rate_5m=moved(worker.rate_5m),
                rate_1h=moved(worker.rate_1h),
                shares_per_s=worker.shares_per_s * dice.uniform(0.5, 30),
                difficulty=worker.difficulty and worker.difficulty * dice.choice((1, 2, 16)),
                counts=counted(worker.counts, 300),
                last_share_at=NOW - dice.choice((0, 8, 75)),
                last_seen_at=NOW - dice.choice((0, 8, 75)),
            )
            if worker.connections
            else worker
            for worker in snap.workers
        ),
        splits=tuple(
            replace(
                view,
                parts=(
                    replace(view.parts[0], delivered=there, error=dice.choice((0.012, 0.004))),
                    replace(view.parts[1], delivered=1 - there, error=dice.choice((0.012, 0.004))),
                ),
            )
            for view in snap.splits
        ),
        rate_5m=moved(snap.rate_5m),
        rate_1h=moved(snap.rate_1h),
        counts=counted(snap.counts, 1000),
        sessions=dice.choice((3, 12)),
    )


def empty(revision: int = 1) -> LiveSnapshot:
    """A proxy that nobody has set up."""
    return LiveSnapshot(
        revision=revision,
        at=NOW,
        started_at=NOW - 5,
        version="4.0.0",
        miner_address="192.168.1.10:3351",
    )


def waiting(revision: int = 1) -> LiveSnapshot:
    """Two pools and no miner yet."""
    idle = {
        "miners": 0,
        "rate": RateView(),
        "delivered_5m": RateView(),
        "counts": NO_SHARES,
        "last_share_at": None,
        "effort": None,
    }
    return LiveSnapshot(
        revision=revision,
        at=NOW,
        started_at=NOW - 60,
        version="4.0.0",
        pools=(replace(pool_a(), **idle), replace(pool_b(), **idle)),
        control=ControlView(
            source="default",
            detail="Everyday",
            mode="ratio",
            weights={A: 0.5, B: 0.5},
            policy="automatic",
            min_switch_s=30,
        ),
        miner_address="192.168.1.10:3351",
    )


def down(revision: int = 2) -> LiveSnapshot:
    """Pool A was lost; everything works on B."""
    lost = replace(
        pool_a(),
        status=PoolStatus.DOWN,
        reason="connection refused",
        since=NOW - 95,
        target=0.0,
        miners=0,
        rate=RateView(),
        latency_ms=None,
        latency_p90_ms=None,
        latency_p99_ms=None,
        payout_ok=False,
        payout_percent=0.0,
    )
    return replace(
        rich(revision),
        pools=(lost, replace(pool_b(), target=1.0, miners=4, rate=rate(88.4e12))),
        alarms=(
            Alarm(
                level="bad",
                text=sentence("{pool} is down: {why}", pool="Solo CK", why="connection refused"),
                subject="A",
                kind="pool",
                since=NOW - 95,
            ),
            Alarm(
                level="warn",
                text=sentence("1 worker has no work: {names}", names="BitAxe2"),
                subject="BitAxe2",
                kind="worker",
                since=NOW - 2220,
            ),
        ),
    )


def three(revision: int = 1) -> LiveSnapshot:
    """Three pools with long names, auto-balance in control, many workers."""
    third = replace(
        pool_b(),
        key=C,
        name="A pool of DigiByte whose owner could not stop typing",
        chain=Chain.DGB,
        colour=2,
        weight=0.2,
        target=0.2,
        status=PoolStatus.STARTING,
        latency_ms=None,
        payout_ok=None,
        payout_percent=None,
        endpoint="stratum.a-very-long-host-name.pool.example.com:33333",
    )
    many = tuple(
        replace(workers()[index % 4], name=WorkerName(f"rack-{index:02d}-position-with-a-long-name"))
        for index in range(24)
    )
    return replace(
        rich(revision),
        pools=(replace(pool_a(), weight=0.5, target=0.5), pool_b(), third),
        workers=many,
        control=ControlView(
            source="auto-balance",
            detail="network hash rates",
            mode="auto-balance",
            weights={A: 0.5, B: 0.3, C: 0.2},
            since=NOW - 3000,
            until=NOW + 7200,
            policy="packing",
        ),
        splits=(
            SplitView(
                label="hour",
                since=NOW - 3600,
                parts=(
                    SplitPart(pool=A, delivered=0.512, error=0.02, wanted=0.5),
                    SplitPart(pool=B, delivered=0.305, error=0.02, wanted=0.3),
                    SplitPart(pool=C, delivered=0.183, error=0.02, wanted=0.2),
                ),
            ),
        ),
        spark=spark((A, B, C)),
        config_problems=("Pool C has no wallet.",),
        demo=True,
    )


def stopped(revision: int = 3) -> LiveSnapshot:
    """Both pools were lost: nobody has work."""
    lost = down(revision)
    other = replace(
        pool_b(),
        status=PoolStatus.DOWN,
        reason="no answer within 10 s",
        since=NOW - 40,
        target=0.0,
        miners=0,
        rate=RateView(),
        delivered_5m=rate(9e12),
    )
    return replace(
        lost,
        pools=(lost.pools[0], other),
        alarms=(
            *lost.alarms,
            Alarm(
                level="bad",
                text=sentence("{pool} is down: {why}", pool="MiningCore BCH", why="no answer"),
                subject="B",
                kind="pool",
                since=other.since,
            ),
            Alarm(
                level="bad",
                text=sentence(
                    "No pool works. Miners are kept; after {minutes:g} min without any pool they are let go.",
                    minutes=30,
                ),
                kind="pools",
            ),
        ),
    )
