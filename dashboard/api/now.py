"""The live snapshot as the API says it."""

from collections.abc import Iterable
from typing import Any

from dashboard.api import schemas
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
    return schemas.Shares(
        accepted=counts.accepted,
        rejected=counts.rejected,
        stale=counts.stale,
        duplicate=counts.duplicate,
        unanswered=counts.unanswered,
        work_only=counts.work_only,
        credited_difficulty=counts.credited,
        work_difficulty=counts.work,
        best_share_difficulty=counts.best,
        rejected_by_reason=dict(counts.rejects_by_reason()),
    )


def fleet(snap: LiveSnapshot) -> schemas.Fleet:
    """All miners together."""
    return schemas.Fleet(
        revision=snap.revision,
        taken_unix_s=snap.at,
        started_unix_s=snap.started_at,
        version=snap.version,
        connections=snap.sessions,
        workers=len(snap.workers),
        hashrate_5m=rate(snap.rate_5m),
        hashrate_1h=rate(snap.rate_1h),
        hashrate_24h=rate(snap.rate_24h),
        shares=shares(snap.counts),
        miner_address=snap.miner_address,
        config_problems=list(snap.config_problems),
    )


def pool(view: PoolView) -> schemas.Pool:
    """One pool."""
    return schemas.Pool(
        key=view.key,
        name=view.name,
        chain=view.chain,
        status=view.status,
        admin_status=view.admin,
        down_reason=view.reason,
        since_unix_s=view.since,
        endpoint=view.endpoint,
        weight_percent=view.weight * 100,
        target_percent=view.target * 100,
        miners=view.miners,
        connections=view.connections,
        excluded_miners=view.waiting_miners,
        hashrate_of_miners_now=rate(view.rate),
        delivered_5m=rate(view.delivered_5m),
        difficulty=view.difficulty,
        latency_p50_ms=view.latency_ms,
        latency_p90_ms=view.latency_p90_ms,
        latency_p99_ms=view.latency_p99_ms,
        shares=shares(view.counts),
        jobs=view.jobs,
        job_interval_s=view.job_gap_s,
        last_share_unix_s=view.last_share_at,
        last_job_unix_s=view.last_job_at,
        last_block_unix_s=view.last_block_at,
        block_delay_ms=view.block_delay_ms,
        height=view.height,
        network_difficulty=view.network_difficulty,
        effort_percent=None if view.effort is None else view.effort * 100,
        payout_percent=view.payout_percent,
        payout_ok=view.payout_ok,
        extranonce2_size_bytes=view.extranonce2_size,
        time_share_percent=view.time_share * 100,
        time_sum_s=view.time_sum_s,
        shared_connections=view.shared.connections if view.shared else None,
        shared_miners=view.shared.miners if view.shared else None,
        waiting_for_place=view.shared.waiting if view.shared else None,
    )


def workers(views: Iterable[WorkerView], snap: LiveSnapshot) -> list[schemas.Worker]:
    """Some of the workers of ``snap``."""
    everybody, devices = Fleet(snap), devices_of(snap)
    return [schemas.Worker(**_worker_fields(view, everybody), own_facts=_own_facts(view, devices)) for view in views]


def worker_detail(view: WorkerView, note: str, snap: LiveSnapshot) -> schemas.WorkerDetail:
    """One worker with its note and connections."""
    sessions = [_connection(one) for one in view.sessions]
    own = _own_facts(view, devices_of(snap))
    return schemas.WorkerDetail(**_worker_fields(view, Fleet(snap)), own_facts=own, note=note, sessions=sessions)


def _own_facts(view: WorkerView, devices: DevicesView | None) -> schemas.OwnFacts | None:
    miners = devices.by_worker.get(view.name) if devices is not None else None
    if devices is None or not miners:
        return None
    found = devices.together(miners, view)
    return schemas.OwnFacts(
        miners=len(miners),
        power_w=found.power_w,
        temperature_celsius=found.temperature_c,
        own_hashes_per_s=found.hashrate,
        joules_per_th=found.joules_per_th,
        joules_per_accepted_th=found.joules_per_accepted_th,
        cost_per_day=found.cost_per_day,
        currency=devices.currency,
        fan_stopped=any(one.facts is not None and one.facts.fan_stopped for one in miners),
    )


def _worker_fields(view: WorkerView, everybody: Fleet) -> dict[str, Any]:
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
        "name": view.name,
        "connections": view.connections,
        "user_agent": view.agent,
        "firmware": view.firmware,
        "address": view.peer,
        "pool": view.pool,
        "pinned_pool": view.pinned,
        "controlled_by": view.control,
        "hashrate_5m": rate(view.rate_5m),
        "hashrate_1h": rate(view.rate_1h),
        "hashrate_24h": rate(view.rate_24h),
        "shares_per_s": view.shares_per_s,
        "shares_aim_per_min": view.shares_aim,
        "difficulty": view.difficulty,
        "shares": shares(view.counts),
        "accepted_difficulty_by_pool": dict(view.by_pool),
        "best_share_difficulty": view.best,
        "connected_unix_s": view.connected_at,
        "last_share_unix_s": view.last_share_at,
        "last_seen_unix_s": view.last_seen_at,
        "waiting_reason": view.waiting,
        "excluded_reason_by_pool": dict(view.excluded),
        "listener": view.listener,
        "node": view.node,
    }


def _connection(view: SessionView) -> schemas.Connection:
    return schemas.Connection(
        session=view.session,
        address=view.peer,
        user_agent=view.agent,
        firmware=view.firmware,
        pool=view.pool,
        connected_unix_s=view.connected_at,
        difficulty=view.difficulty,
        suggested_difficulty=view.suggested_difficulty,
        extranonce1_hex=view.extranonce1,
        extranonce2_size_bytes=view.extranonce2_size,
        version_mask_hex=None if view.version_mask is None else f"{view.version_mask:08x}",
        waiting_reason=view.waiting,
        listener=view.listener,
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
    return schemas.Control(
        source=view.source,
        detail=view.detail,
        mode=view.mode,
        weights_percent={key: weight * 100 for key, weight in view.weights.items()},
        schedule_id=view.schedule_id,
        set_by=view.set_by,
        since_unix_s=view.since,
        until_unix_s=view.until,
        policy=view.policy,
        min_switch_s=view.min_switch_s,
        follows_in_s=view.follows_in_s,
    )


def alarms(snap: LiveSnapshot) -> list[schemas.Alarm]:
    """What a person should know now."""
    return [
        schemas.Alarm(
            level=one.level,
            kind=one.kind,
            subject=one.subject,
            text=one.text,
            since_unix_s=one.since,
            nodes=list(one.nodes),
        )
        for one in snap.alarms
    ]


def nodes(snap: LiveSnapshot) -> list[schemas.Node]:
    """By name."""
    return [
        schemas.Node(
            name=one.name,
            host=one.host,
            version=one.version,
            state=one.state,
            leads=one.leads,
            started_unix_s=one.started_at,
            heard_unix_s=one.heard_at,
            connections=one.connections,
            workers=one.workers,
            hashrate_5m=rate(one.rate_5m),
            hashrate_1h=rate(one.rate_1h),
            work_percent=None if one.part is None else one.part * 100,
            config_revision=one.config_revision,
            trouble=one.trouble,
        )
        for one in snap.nodes
    ]


def switch_costs(snap: LiveSnapshot) -> list[schemas.SwitchCost]:
    """By firmware, since the process started."""
    return [
        schemas.SwitchCost(firmware=one.profile, switches=one.switches, cost_s=one.cost_s, error_s=one.error_s)
        for one in snap.switch_costs
    ]


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
    return schemas.Balance(
        at_unix_s=view.at,
        state=view.state,
        in_control=view.in_control,
        strategy=view.strategy,
        decision=view.decision,
        would_do=view.would_do,
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
    return schemas.BalanceChain(
        chain=view.chain,
        pools=list(view.pools),
        source=view.source,
        taken_unix_s=view.taken_at,
        network_difficulty=view.difficulty,
        short_window=_measured(view.short),
        long_window=_measured(view.long),
        weight_percent=view.weight,
        wanted_percent=view.wanted,
        reason=view.reason,
    )


def _measured(window: Measured | None) -> schemas.NetworkRate | None:
    if window is None:
        return None
    return schemas.NetworkRate(
        hashes_per_s=window.rate, low_hashes_per_s=window.low, high_hashes_per_s=window.high, blocks=window.blocks
    )
