"""The live snapshot as states on the broker: one JSON object a device, rounded so that noise sends nothing.

What people act on stands first in each, the figures that never stand still follow: they are sent less often.
"""

import json
from collections.abc import Iterable, Mapping
from math import floor, isfinite, log10

from proxy.balance.balance_view import BalanceView
from proxy.devices.views import Together, devices_of
from proxy.mqtt.outgoing import Retained
from proxy.mqtt.topics import Topics
from proxy.observe.live.views import LiveSnapshot, PoolView, RateView, WorkerView
from proxy.observe.live.worker_health import Level, health_of
from proxy.types import PoolStatus, WorkerName

NOT_PINNED = "not pinned"
ON, OFF = "ON", "OFF"
_MAX_TEXT = 255
"""Home Assistant takes no longer states."""
ALARMS_SHOWN = 10
TERA = 1e12


def chosen(live: LiveSnapshot, published: Iterable[WorkerName], most: int) -> list[WorkerView]:
    """At most ``most`` workers: those published already stay while they are known, then those with the most work."""
    known = {worker.name: worker for worker in live.workers}
    stay = [known[name] for name in dict.fromkeys(published) if name in known][:most]
    names = {worker.name for worker in stay}
    others = sorted(
        (worker for worker in live.workers if worker.name not in names),
        key=lambda worker: (not worker.connections, -worker.rate_24h.value, worker.name),
    )
    return stay + others[: most - len(stay)]


def states(live: LiveSnapshot, topics: Topics, workers: Iterable[WorkerView]) -> dict[str, Retained]:
    """Topic -> what it is to hold."""
    found = {topics.proxy_state: _proxy(live)}
    found |= {topics.pool_state(pool.key): _pool(live, pool) for pool in live.pools}
    return found | {topics.worker_state(worker.name): _worker(live, worker) for worker in workers}


def auto_balance_is_on(live: LiveSnapshot) -> bool:
    """Whether auto-balance decides the weights."""
    balance = live.extra.get("balance")
    return isinstance(balance, BalanceView) and balance.in_control


def percents(live: LiveSnapshot) -> dict[str, float]:
    """Pool -> its configured part of the work, in percent."""
    return {pool.key: round(pool.weight * 100, 1) for pool in live.pools}


def _proxy(live: LiveSnapshot) -> Retained:
    bad = [alarm for alarm in live.alarms if alarm.level == "bad"]
    return _retained(
        {
            "miners": live.sessions,
            "control": live.control.detail[:_MAX_TEXT],
            "auto_balance": ON if auto_balance_is_on(live) else OFF,
            "alarm": ON if bad else OFF,
            "alarms": [alarm.text[:_MAX_TEXT] for alarm in live.alarms[:ALARMS_SHOWN]],
        },
        {
            "hashrate_5m": _rate(live.rate_5m),
            "hashrate_24h": _rate(live.rate_24h),
            "accepted": live.counts.accepted,
            "rejected": live.counts.rejected,
            "best_share": _round(live.counts.best),
        },
    )


def _pool(live: LiveSnapshot, pool: PoolView) -> Retained:
    # The day's part: that of the hour is luck for the small miner this is for.
    parts = [part for split in live.splits if split.label == "day" for part in split.parts if part.pool == pool.key]
    delivered = parts[0].delivered if parts else None
    return _retained(
        {
            "connected": ON if pool.status is PoolStatus.UP else OFF,
            "status": pool.status.value,
            "problem": ON if pool.reason or pool.payout_ok is False else OFF,
            "reason": pool.reason[:_MAX_TEXT],
            "percent": round(pool.weight * 100, 1),
        },
        {
            "miners": pool.miners,
            "delivered_percent": None if delivered is None else round(delivered * 100, 1),
            "hashrate": _rate(pool.delivered_5m),
            "accepted": pool.counts.accepted,
            "rejected": pool.counts.rejected,
            "latency_ms": None if pool.latency_ms is None else round(pool.latency_ms),
            "difficulty": _round(pool.difficulty),
            "effort_percent": None if pool.effort is None else _round(pool.effort * 100),
        },
    )


def _worker(live: LiveSnapshot, worker: WorkerView) -> Retained:
    health = health_of(worker, live)
    devices = devices_of(live)
    own = devices.by_worker.get(worker.name) if devices is not None else None
    figures = devices.together(own, worker) if devices is not None and own else Together()
    return _retained(
        {
            "connected": ON if worker.connections else OFF,
            "problem": OFF if health.level is Level.HEALTHY else ON,
            "health": health.level.value,
            "causes": [finding.cause.value for finding in health.findings],
            "pin": worker.pinned or NOT_PINNED,
            "firmware": worker.firmware[:_MAX_TEXT],
        },
        {
            "pool": worker.pool if worker.connections and worker.pool else "none",
            "power": None if figures.power_w is None else _round(figures.power_w),
            "temperature": None if figures.temperature_c is None else round(figures.temperature_c),
            "joules_per_th": None if figures.joules_per_th is None else _round(figures.joules_per_th),
            "hashrate_5m": _rate(worker.rate_5m),
            "hashrate_24h": _rate(worker.rate_24h),
            "accepted": worker.counts.accepted,
            "rejected": worker.counts.rejected,
            "best_share": _round(worker.best),
            "difficulty": _round(worker.difficulty),
        },
    )


def _rate(rate: RateView) -> float | None:
    return _round(rate.value / TERA) if rate.known else None


def _round(number: float, digits: int = 3) -> float:
    """``number`` to some significant digits."""
    if not number or not isfinite(number):
        return 0.0
    return round(number, digits - 1 - floor(log10(abs(number))))


def _retained(states: Mapping[str, object], figures: Mapping[str, object]) -> Retained:
    return Retained(json.dumps({**states, **figures}, separators=(",", ":")).encode(), states)
