"""Whatever happens, in any order: no move to a pool that is down, disabled or without a job; dwell is respected."""

import random
from dataclasses import replace

import pytest

from proxy.config.snapshot import ConfigSnapshot, Mode, OverrideConfig, Policy
from proxy.scheduling.rounds import dwell
from proxy.scheduling.tuning import DEFAULT_TUNING
from proxy.types import AdminStatus, PoolKey, SessionId, SwitchReason
from tests.scheduling.harness import A, B, C, SchedulerHarness, pool, schedule

POOLS = (A, B, C)
CALM = {SwitchReason.SLICE, SwitchReason.ASSIGN, SwitchReason.RETURN}


class Walk(SchedulerHarness):
    """A random life of a fleet; every move is checked when it is made."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.truth = dict.fromkeys(POOLS, True)
        self.ready_pools: dict[SessionId, set[PoolKey]] = {}
        self.last: dict[SessionId, tuple[float, PoolKey, SwitchReason]] = {}
        self.ledger_at = 0.0
        self.snapshot = self.some_config(ConfigSnapshot())
        super().__init__(self.snapshot)
        self.next = 0

    def some_config(self, old: ConfigSnapshot) -> ConfigSnapshot:
        rng = self.random
        weights = {key: rng.choice([0, 5, 30, 50, 95]) for key in POOLS}
        weights[rng.choice(POOLS)] = 50
        chosen = schedule(
            weights,
            mode=rng.choice([Mode.RATIO, Mode.RATIO, Mode.PRIORITY]),
            policy=rng.choice(list(Policy)),
            fallbacks=(rng.choice(POOLS),),
            min_switch_s=rng.choice([30, 50]),
            slice_s=rng.choice([15, 30]),
        )
        pools = {
            key: pool(key, rng.choice([AdminStatus.ENABLED] * 5 + [AdminStatus.DISABLED, AdminStatus.DRAIN]))
            for key in POOLS
        }
        override = None
        if rng.random() < 0.3:
            override = OverrideConfig(weights={A: rng.choice([0, 20, 100]), B: 50}, set_by="ann")
        pins = {"rig1": rng.choice(POOLS)} if rng.random() < 0.3 else {}
        return replace(old, pools=pools, schedules=(chosen,), override=override, pins=pins)

    def move(self, session: SessionId, pool: PoolKey, reason: SwitchReason) -> bool:
        now = self.clock.now()
        assert self.truth[pool], f"moved to {pool}, which is down"
        assert pool in self.ready_pools[session], f"moved to {pool} without a ready connection"
        assert self.snapshot.pools[pool].status is AdminStatus.ENABLED, f"moved to {pool}, which is taken out"
        allowed = {*self.scheduler.control(f"rig{session}").weights, *self.scheduler.control(f"rig{session}").fallbacks}
        assert pool in allowed, f"moved to {pool}, which has weight 0"
        since, old, why = self.last.get(session, (0.0, None, SwitchReason.START))
        assert old != pool or reason in (SwitchReason.START, SwitchReason.FAILOVER), "moved to where it is"
        if reason in CALM and since > self.ledger_at and why is not SwitchReason.START:
            control = self.scheduler.control(f"rig{session}")
            least = dwell(0.0, min_switch_s=control.min_switch_s, slice_s=control.slice_s, tuning=DEFAULT_TUNING)
            assert now - since >= least - 1e-6, f"left after {now - since} s"
        if self.random.random() < 0.05:
            return False
        self.last[session] = (now, pool, reason)
        return super().move(session, pool, reason)

    def step(self) -> None:
        act = self.random.choice(
            [
                self.come,
                self.go,
                self.pool_flips,
                self.connection_flips,
                self.reconfigure,
                self.live,
                self.live,
                self.live,
                self.live,
            ]
        )
        act()
        for session, current in self.pools().items():
            assert current is None or current in self.ready_pools[session], "stays where it has no connection"

    def come(self) -> None:
        if len(self.ready_pools) < 15:
            session = SessionId(self.next)
            self.next += 1
            self.ready_pools[session] = {key for key in POOLS if self.truth[key]}
            self.join(session, tuple(self.ready_pools[session]), worker=f"rig{session}")

    def go(self) -> None:
        if self.ready_pools:
            session = self.random.choice(sorted(self.ready_pools))
            self.scheduler.remove_miner(session)
            del self.ready_pools[session]

    def pool_flips(self) -> None:
        key = self.random.choice(POOLS)
        self.truth[key] = not self.truth[key]
        self.ledger_at = self.clock.now()
        if not self.truth[key]:
            self.scheduler.pool_status(key, False)
        for session, ready_pools in self.ready_pools.items():
            (ready_pools.add if self.truth[key] else ready_pools.discard)(key)
            self.ready(session, *ready_pools)
        if self.truth[key]:
            self.scheduler.pool_status(key, True)

    def connection_flips(self) -> None:
        if self.ready_pools:
            session, key = self.random.choice(sorted(self.ready_pools)), self.random.choice(POOLS)
            if self.truth[key]:
                self.ready_pools[session] ^= {key}
            self.ledger_at = self.clock.now()
            self.ready(session, *self.ready_pools[session])

    def reconfigure(self) -> None:
        if self.random.random() < 0.3:
            self.snapshot = self.some_config(self.snapshot)
            self.ledger_at = self.clock.now()
            self.scheduler.apply(self.snapshot)

    def live(self) -> None:
        busy = tuple(session for session in self.ready_pools if self.random.random() < 0.9)
        self.work(
            self.random.choice([5, 20, 60]),
            every=5.0,
            sessions=busy,
            difficulty={session: 500.0 * (1 + session % 5) for session in busy},
        )


QUIET_RESIDUAL = (2124, 2351, 2405, 2718)
"""Lives in which a residual miner falls silent, its pool leaves the target, and it wakes (a crash once)."""


@pytest.mark.parametrize("seed", [*range(25), *QUIET_RESIDUAL])
def test_a_random_life_breaks_no_rule(seed: int):
    walk = Walk(seed)
    for _ in range(150):
        walk.step()
    assert walk.moves
