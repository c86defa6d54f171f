"""The live snapshot as the API says it."""

from collections.abc import Iterable
from typing import Any

from dashboard.api.filled import filled
from dashboard.api.schemas import live as schemas
from dashboard.fleet import Fleet
from proxy.balance.balance_view import BalanceView, ChainView
from proxy.balance.readings import Measured
from proxy.devices.views import DevicesView, devices_of
from proxy.history.counters import Tally
from proxy.observe.live.views import LiveSnapshot, PoolView, RateView, SessionView, WorkerView


def rate(view: RateView) -> schemas.HashRate | None:
    """None before the first share."""
    if not view.known:
        return None
    return schemas.HashRate(
        hashes_per_s=view.value, low_hashes_per_s=view.low, high_hashes_per_s=view.high, span_s=view.span_s
    )


def shares(counts: Tally) -> schemas.Shares:
    """The counters under their names of the API."""
    return filled(
        schemas.Shares,
        counts,
        credited_difficulty=counts.credited,
        work_difficulty=counts.work,
        best_share_difficulty=counts.best,
        rejected_by_reason=dict(counts.rejects_by_reason()),
    )


def fleet(snap: LiveSnapshot) -> schemas.Fleet:
    """All miners together."""
    return filled(
        schemas.Fleet,
        snap,
        taken_unix_s=snap.at,
        started_unix_s=snap.started_at,
        connections=snap.sessions,
        workers=len(snap.workers),
        hashrate_5m=rate(snap.rate_5m),
        hashrate_1h=rate(snap.rate_1h),
        hashrate_24h=rate(snap.rate_24h),
        shares=shares(snap.counts),
    )


def pool(view: PoolView) -> schemas.Pool:
    """One pool."""
    return filled(
        schemas.Pool,
        view,
        admin_status=view.admin,
        down_reason=view.reason,
        since_unix_s=view.since,
        weight_percent=view.weight * 100,
        target_percent=view.target * 100,
        excluded_miners=view.waiting_miners,
        hashrate_of_miners_now=rate(view.rate),
        delivered_5m=rate(view.delivered_5m),
        latency_p50_ms=view.latency_ms,
        shares=shares(view.counts),
        job_interval_s=view.job_gap_s,
        last_share_unix_s=view.last_share_at,
        last_job_unix_s=view.last_job_at,
        last_block_unix_s=view.last_block_at,
        effort_percent=None if view.effort is None else view.effort * 100,
        extranonce2_size_bytes=view.extranonce2_size,
        time_share_percent=view.time_share * 100,
        shared_connections=view.shared.connections if view.shared else None,
        shared_miners=view.shared.miners if view.shared else None,
        waiting_for_place=view.shared.waiting if view.shared else None,
    )


def workers(views: Iterable[WorkerView], snap: LiveSnapshot) -> list[schemas.Worker]:
    """Some of the workers of ``snap``."""
    everybody, devices = Fleet(snap), devices_of(snap)
    return [filled(schemas.Worker, view, **_worker_fields(view, everybody, devices)) for view in views]


def worker_detail(view: WorkerView, note: str, snap: LiveSnapshot) -> schemas.WorkerDetail:
    """One worker with its note and connections."""
    sessions = [_connection(one) for one in view.sessions]
    fields = _worker_fields(view, Fleet(snap), devices_of(snap))
    return filled(schemas.WorkerDetail, view, **fields, note=note, sessions=sessions)


def _own_facts(view: WorkerView, devices: DevicesView | None) -> schemas.OwnFacts | None:
    miners = devices.by_worker.get(view.name) if devices is not None else None
    if devices is None or not miners:
        return None
    found = devices.together(miners, view)
    return filled(
        schemas.OwnFacts,
        found,
        miners=len(miners),
        temperature_celsius=found.temperature_c,
        own_hashes_per_s=found.hashrate,
        currency=devices.currency,
        fan_stopped=any(one.facts is not None and one.facts.fan_stopped for one in miners),
    )


def _worker_fields(view: WorkerView, everybody: Fleet, devices: DevicesView | None) -> dict[str, Any]:
    place = everybody.place(view)
    return {
        "health": place.level.value,
        "health_reasons": [
            schemas.HealthReason(level=finding.level.value, cause=finding.cause.value, text=text)
            for finding, text in zip(place.health.findings, place.reasons, strict=True)
        ],
        "switches": place.switches,
        "time_by_pool_s": {stay.pool: stay.seconds for stay in place.stays},
        "fleet_work_percent": None if place.part is None else place.part * 100,
        "user_agent": view.agent,
        "address": view.peer,
        "pinned_pool": view.pinned,
        "controlled_by": view.control,
        "hashrate_5m": rate(view.rate_5m),
        "hashrate_1h": rate(view.rate_1h),
        "hashrate_24h": rate(view.rate_24h),
        "shares_aim_per_min": view.shares_aim,
        "shares": shares(view.counts),
        "accepted_difficulty_by_pool": view.by_pool,
        "best_share_difficulty": view.best,
        "connected_unix_s": view.connected_at,
        "last_share_unix_s": view.last_share_at,
        "last_seen_unix_s": view.last_seen_at,
        "waiting_reason": view.waiting,
        "excluded_reason_by_pool": view.excluded,
        "own_facts": _own_facts(view, devices),
    }


def _connection(view: SessionView) -> schemas.Connection:
    return filled(
        schemas.Connection,
        view,
        address=view.peer,
        user_agent=view.agent,
        connected_unix_s=view.connected_at,
        extranonce1_hex=view.extranonce1,
        extranonce2_size_bytes=view.extranonce2_size,
        version_mask_hex=None if view.version_mask is None else f"{view.version_mask:08x}",
        waiting_reason=view.waiting,
    )


def split(snap: LiveSnapshot) -> list[schemas.Split]:
    """Delivered against wanted in each span."""
    return [
        schemas.Split(
            span=view.label,
            since_unix_s=view.since,
            parts=[
                schemas.SplitPart(
                    pool=part.pool,
                    delivered_percent=part.delivered * 100,
                    error_percent=part.error * 100,
                    target_percent=part.wanted * 100,
                )
                for part in view.parts
            ],
        )
        for view in snap.splits
    ]


def control(snap: LiveSnapshot) -> schemas.Control:
    """Who decides the weights."""
    view = snap.control
    return filled(
        schemas.Control,
        view,
        weights_percent={key: weight * 100 for key, weight in view.weights.items()},
        since_unix_s=view.since,
        until_unix_s=view.until,
    )


def alarms(snap: LiveSnapshot) -> list[schemas.Alarm]:
    """What a person should know now."""
    return [filled(schemas.Alarm, one, since_unix_s=one.since) for one in snap.alarms]


def nodes(snap: LiveSnapshot) -> list[schemas.Node]:
    """By name."""
    return [
        filled(
            schemas.Node,
            one,
            started_unix_s=one.started_at,
            heard_unix_s=one.heard_at,
            hashrate_5m=rate(one.rate_5m),
            hashrate_1h=rate(one.rate_1h),
            work_percent=None if one.part is None else one.part * 100,
        )
        for one in snap.nodes
    ]


def switch_costs(snap: LiveSnapshot) -> list[schemas.SwitchCost]:
    """By firmware, since the process started."""
    return [filled(schemas.SwitchCost, one, firmware=one.profile) for one in snap.switch_costs]


def snapshot(snap: LiveSnapshot) -> schemas.Snapshot:
    """What the stream sends."""
    return schemas.Snapshot(
        fleet=fleet(snap),
        pools=[pool(one) for one in snap.pools],
        split=split(snap),
        control=control(snap),
        alarms=alarms(snap),
    )


def balance(snap: LiveSnapshot, points: int) -> schemas.Balance | None:
    """Auto-balance with its newest ``points`` polls; None where no proxy runs."""
    view = snap.extra.get("balance")
    if not isinstance(view, BalanceView):
        return None
    return filled(
        schemas.Balance,
        view,
        at_unix_s=view.at,
        next_poll_unix_s=view.next_poll_at,
        chains=[_chain(one) for one in view.chains],
        history=[
            schemas.BalancePoint(
                at_unix_s=one.at,
                short_hashes_per_s=_by_name(one.short.items()),
                long_hashes_per_s=_by_name(one.long.items()),
                network_difficulty=_by_name(one.difficulty.items()),
                weights_percent=_by_name(one.weights.items()),
            )
            for one in view.history[-points:]
        ],
    )


def _by_name(items: Iterable[tuple[str, float]]) -> dict[str, float]:
    return {str(name): value for name, value in items}


def _chain(view: ChainView) -> schemas.BalanceChain:
    return filled(
        schemas.BalanceChain,
        view,
        taken_unix_s=view.taken_at,
        network_difficulty=view.difficulty,
        short_window=_measured(view.short),
        long_window=_measured(view.long),
        weight_percent=view.weight,
        wanted_percent=view.wanted,
    )


def _measured(window: Measured | None) -> schemas.NetworkRate | None:
    if window is None:
        return None
    return schemas.NetworkRate(
        hashes_per_s=window.rate, low_hashes_per_s=window.low, high_hashes_per_s=window.high, blocks=window.blocks
    )
