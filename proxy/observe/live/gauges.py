"""The metrics' read side: gauges from the newest snapshot, the scheduler and the queues."""

from collections.abc import Callable, Mapping, Sequence

from proxy.balance.balance_view import BalanceState, BalanceView
from proxy.devices.views import DevicesView, devices_of
from proxy.observe.live.views import LiveSnapshot, LiveStore
from proxy.observe.live.worker_health import health_of
from proxy.observe.metrics import Gauges, OracleGauges, PoolGauges, WorkerGauges
from proxy.types import PoolKey, PoolStatus

RATIO_SLOTS, SLOT_S = 5, 120.0
"""Whole slots of ``LiveSnapshot.spark`` in the window of ``dpmp_ratio_window``; the one that fills comes on top."""


class SnapshotGauges:
    """``GaugeSource`` from frozen values; ``extra`` is refreshed on the loop together with the snapshot."""

    def __init__(
        self,
        store: LiveStore,
        *,
        queues: Callable[[], Mapping[str, int]],
        dropped: Callable[[], Mapping[str, int]],
        write_errors: Callable[[], int],
        write_lag_s: Callable[[], float],
        shown: LiveStore,
    ) -> None:
        """``store``: what this process sees by itself; ``shown``: what its pages show, maybe of several nodes."""
        self._store = store
        self._queues = queues
        self._dropped = dropped
        self._write_errors = write_errors
        self._write_lag_s = write_lag_s
        self._shown = shown

    def gauges(self) -> Gauges:
        """The present, as of the newest snapshot (at most a second old)."""
        live = self._store.current()
        if live is None:
            return Gauges(nodes=self._nodes())
        devices = devices_of(live)
        return Gauges(
            downstream_connections=live.sessions,
            downstream_difficulty=live.last_difficulty,
            pools=tuple(_pools(live)),
            oracle=_oracle(live),
            queues=self._queues(),
            log_lines_dropped=dict(self._dropped()),
            log_write_errors=self._write_errors(),
            database_write_lag_s=self._write_lag_s(),
            version=live.version,
            switch_costs=live.switch_costs,
            devices_heard=None if devices is None else sum(one.facts is not None for one in devices.devices),
            devices_power_w=None if devices is None else devices.together(devices.devices).power_w,
            nodes=self._nodes(),
        )

    def _nodes(self) -> dict[str, bool]:
        shown = self._shown.current()
        return {} if shown is None else {node.name: node.is_heard for node in shown.nodes}

    def workers(self) -> Sequence[WorkerGauges]:
        """All workers of the newest snapshot."""
        live = self._store.current()
        if live is None:
            return ()
        devices = devices_of(live) or DevicesView()
        own = {name: devices.together(miners) for name, miners in devices.by_worker.items()}
        return tuple(
            WorkerGauges(
                name=worker.name,
                connections=worker.connections,
                hashrate=worker.rate_5m.value,
                difficulty=worker.difficulty,
                health=health_of(worker, live).score,
                counts=worker.counts,
                power_w=own[worker.name].power_w if worker.name in own else None,
                temperature_c=own[worker.name].temperature_c if worker.name in own else None,
            )
            for worker in live.workers
        )


def _ratio_window(live: LiveSnapshot) -> dict[PoolKey, float]:
    """Pool -> its part of the work of the last ten to twelve minutes; empty while there was none."""
    work: dict[PoolKey, float] = {}
    for begin, rates in live.spark[-RATIO_SLOTS - 1 :]:
        seconds = min(SLOT_S, max(live.at - begin, SLOT_S / 8))
        for key, rate in rates.items():
            work[key] = work.get(key, 0.0) + rate * seconds
    total = sum(work.values())
    return {key: part / total for key, part in work.items()} if total > 0.0 else {}


def _pools(live: LiveSnapshot) -> list[PoolGauges]:
    ratios = _ratio_window(live)
    return [
        PoolGauges(
            key=pool.key,
            up=pool.status is PoolStatus.UP,
            active=pool.miners > 0,
            connections=pool.connections,
            share=pool.time_share,
            time_sum_s=pool.time_sum_s,
            weight=pool.weight,
            hashrate=pool.rate.value,
            ratio_window=ratios.get(pool.key),
            extranonce2_size=pool.extranonce2_size,
            shared_connections=pool.shared.connections if pool.shared else None,
            waiting_for_place=pool.shared.waiting if pool.shared else None,
        )
        for pool in live.pools
    ]


def _oracle(live: LiveSnapshot) -> OracleGauges | None:
    view = live.extra.get("balance")
    if not isinstance(view, BalanceView) or view.state in (BalanceState.OFF, BalanceState.WAITING):
        return None
    windows = [
        (chain, name, measured)
        for chain in view.chains
        for name, measured in (("short", chain.short), ("long", chain.long))
    ]
    return OracleGauges(
        hashrates={(chain.chain.value, name): measured.rate for chain, name, measured in windows if measured},
        ratios={chain.chain.value: chain.ratio for chain in view.chains if chain.ratio is not None},
        weights=dict(view.weights or {}),
        healthy=view.state is BalanceState.HEALTHY,
        data_age_s=view.age_s,
    )
