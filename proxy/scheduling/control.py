"""Who is in control of a worker's weights: pin > its own choice > override > the schedule in force > the default >
nobody. On a route (a schedule that names a listener) the override has no say, and a pin only among the route's pools.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from proxy.config.snapshot import (
    DEFAULT_MIN_SWITCH_S,
    DEFAULT_SLICE_S,
    ConfigSnapshot,
    Mode,
    OverrideConfig,
    OverrideKind,
    Policy,
    ScheduleConfig,
)
from proxy.scheduling import timetable
from proxy.types import MAIN_LISTENER, AdminStatus, ListenerId, PoolKey, WorkerName

Weights = Mapping[PoolKey, float]


class MinerChoice(NamedTuple):
    """What a miner asked for in its password, as far as its listener allowed it then."""

    pin: PoolKey | None = None
    split: tuple[float, ...] = ()
    """Percent for each pool of its schedule, in their order."""


NO_CHOICE = MinerChoice()


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """What decides where a worker's hash power goes."""

    source: str = "none"
    """``pin``, ``miner`` (its own choice), ``override``, ``auto-balance`` (by hand), ``schedule``, ``default``
    or ``none``."""
    detail: str = ""
    """Detail for a sentence: the schedule's name, or who moved the slider."""
    mode: Mode = Mode.RATIO
    weights: Weights = field(default_factory=dict)
    """Normalised to 1 and in order of preference, without pools of weight 0 or pools that the operator excluded."""
    fallbacks: tuple[PoolKey, ...] = ()
    schedule_id: int | None = None
    """The schedule whose timing applies, also under an override or a pin."""
    until: float | None = None
    """Unix seconds."""
    since: float = 0.0
    """Unix seconds; 0: not known."""
    set_by: str = ""
    min_switch_s: float = DEFAULT_MIN_SWITCH_S
    slice_s: float = DEFAULT_SLICE_S
    policy: Policy = Policy.AUTOMATIC
    routed: bool = False
    """Whether the schedule is a route: its miners are none of the override's."""

    @property
    def is_own(self) -> bool:
        """Whether it holds for some miners by name or choice, not for all that follow a schedule."""
        return self.source in ("pin", "miner")


def normalised(weights: Iterable[tuple[PoolKey, float]]) -> dict[PoolKey, float]:
    """Return the weights above 0, scaled to the sum 1; empty if there are none."""
    kept = {pool: weight for pool, weight in weights if weight > 0}
    total = sum(kept.values())
    return {pool: weight / total for pool, weight in kept.items()}


def usable(config: ConfigSnapshot, pool: PoolKey) -> bool:
    """Whether the operator wants work to go to ``pool``."""
    return pool in config.pools and config.pools[pool].status is AdminStatus.ENABLED


def control_of(
    config: ConfigSnapshot,
    worker: WorkerName,
    wall: float,
    *,
    open_now: frozenset[int],
    balance: Weights | None,
    listener: ListenerId = MAIN_LISTENER,
    choice: MinerChoice = NO_CHOICE,
) -> Control:
    """Return who is in control of ``worker`` at unix time ``wall``.

    ``open_now`` are the schedules whose windows are open (``timetable.open_schedules``); ``balance`` is what
    auto-balance computed, None while it does not know. ``listener``: which one the miner came through.
    """
    schedule = timetable.choose(config.schedules, worker, open_now, listener)
    below = _below_pin(config, schedule, wall, balance)
    pinned = pin_of(config, worker, schedule)
    if pinned is not None:
        return _pinned(config, below, pinned, source="pin", detail=f"pinned to {pinned}")
    choice = allowed_choice(config, choice, schedule, listener)
    if choice.pin is not None:
        return _pinned(config, below, choice.pin, source="miner", detail=f"the miner's own choice: {choice.pin}")
    if choice.split:
        weights = zip(split_pools(config, schedule), choice.split, strict=True)
        asked = ":".join(f"{part:g}" for part in choice.split)
        return replace(
            below,
            source="miner",
            detail=f"the miner's own split {asked}",
            mode=Mode.RATIO,
            weights=_enabled(config, weights),
            until=None,
            since=0.0,
            set_by="",
        )
    return below


def pin_of(config: ConfigSnapshot, worker: WorkerName, schedule: ScheduleConfig | None) -> PoolKey | None:
    """The pool that the operator pinned ``worker`` to, if that has a say: names of workers are the miners' own words,
    so a pin does not take a miner of a route to a pool that is none of the route's."""
    pinned = config.pins.get(worker)
    if schedule is not None and schedule.listener is not None and pinned not in schedule.pools:
        return None
    return pinned


def split_pools(config: ConfigSnapshot, schedule: ScheduleConfig | None) -> list[PoolKey]:
    """The pools that the parts of a miner's own split stand for, in order."""
    return [pool for pool, _ in schedule.allocations] if schedule is not None else sorted(config.pools)


def allowed_choice(
    config: ConfigSnapshot, choice: MinerChoice, schedule: ScheduleConfig | None, listener: ListenerId
) -> MinerChoice:
    """What of ``choice`` the listener allows and the schedule in force has pools for."""
    if choice == NO_CHOICE:
        return NO_CHOICE
    allowed = config.listener(listener).directives
    pools = allowed.pools or (schedule.pools if schedule is not None else tuple(config.pools))
    pin = choice.pin if allowed.pin and choice.pin in pools and usable(config, choice.pin) else None
    fits = allowed.split and len(choice.split) == len(split_pools(config, schedule))
    return MinerChoice(pin, choice.split if fits and min(choice.split, default=0.0) >= allowed.split_least else ())


def _pinned(config: ConfigSnapshot, below: Control, pinned: PoolKey, *, source: str, detail: str) -> Control:
    others = tuple(pool for pool in below.weights if pool != pinned)
    return Control(
        source=source,
        detail=detail,
        weights=_enabled(config, [(pinned, 1.0)]),
        fallbacks=_present(config, (*others, *below.fallbacks)),
        schedule_id=below.schedule_id,
        min_switch_s=below.min_switch_s,
        slice_s=below.slice_s,
        policy=below.policy,
        routed=below.routed,
    )


def effective(control: Control, up: Mapping[PoolKey, bool]) -> dict[PoolKey, float]:
    """Return the weights to aim at: pools that are up, else the first fallback that is, else nothing."""
    weights = [(pool, weight) for pool, weight in control.weights.items() if up.get(pool)]
    if control.mode is Mode.PRIORITY:
        weights = weights[:1]
    return normalised(weights or [(pool, 1.0) for pool in control.fallbacks if up.get(pool)][:1])


def wanted_pools(control: Control, up: Mapping[PoolKey, bool]) -> frozenset[PoolKey]:
    """Return the pools to keep a ready connection to: in priority mode the chosen one and the better ones only."""
    wanted = list(control.weights)
    if control.mode is Mode.PRIORITY:
        chosen = next((index for index, pool in enumerate(wanted) if up.get(pool)), len(wanted) - 1)
        wanted = wanted[: chosen + 1]
    if all(up.get(pool) is False for pool in control.weights):
        wanted += [pool for pool in control.fallbacks if up.get(pool) is not False][:1]
    return frozenset(wanted)


def override_in_force(config: ConfigSnapshot, wall: float) -> OverrideConfig | None:
    """Return the override unless its time is over."""
    override = config.override
    return override if override and (override.until is None or wall < override.until) else None


def _below_pin(
    config: ConfigSnapshot, schedule: ScheduleConfig | None, wall: float, balance: Weights | None
) -> Control:
    override = override_in_force(config, wall)
    is_routed = schedule is not None and schedule.listener is not None
    if override is not None and not is_routed:
        return _overridden(config, override, schedule, balance)
    if schedule is None:
        # No schedule is in force. Idle hardware would be worse than any split, so the pools share the work evenly.
        return Control(detail="no schedule in force", weights=_enabled(config, [(key, 1.0) for key in config.pools]))
    return _scheduled(config, schedule, balance)


def _scheduled(config: ConfigSnapshot, schedule: ScheduleConfig, balance: Weights | None) -> Control:
    weights: Iterable[tuple[PoolKey, float]] = schedule.allocations
    if schedule.mode is Mode.AUTO_BALANCE and balance:
        weights = balance.items()
        if schedule.listener is not None:  # a route's miners stay with its pools
            own = {pool for pool, weight in schedule.allocations if weight > 0}
            weights = [(pool, weight) for pool, weight in weights if pool in own] or schedule.allocations
    return Control(
        source="default" if schedule.is_default else "schedule",
        detail=schedule.name,
        mode=schedule.mode,
        weights=_enabled(config, weights),
        fallbacks=_present(config, schedule.fallbacks),
        schedule_id=schedule.id,
        min_switch_s=schedule.min_switch_s,
        slice_s=schedule.slice_s,
        policy=schedule.policy,
        routed=schedule.listener is not None,
    )


def _overridden(
    config: ConfigSnapshot, override: OverrideConfig, schedule: ScheduleConfig | None, balance: Weights | None
) -> Control:
    by = f", set by {override.set_by}" if override.set_by else ""
    if override.kind is OverrideKind.WEIGHTS:
        source, detail, mode, weights = "override", f"slider{by}", Mode.RATIO, override.weights
    else:
        below = schedule.weights() if schedule else {key: 1.0 for key in config.pools}
        source, detail, mode, weights = "auto-balance", f"auto-balance{by}", Mode.AUTO_BALANCE, balance or below
    timing = schedule or _NO_SCHEDULE
    return Control(
        source=source,
        detail=detail,
        mode=mode,
        weights=_enabled(config, weights.items()),
        fallbacks=_present(config, timing.fallbacks),
        schedule_id=schedule.id if schedule else None,
        until=override.until,
        since=override.set_at,
        set_by=override.set_by,
        min_switch_s=timing.min_switch_s,
        slice_s=timing.slice_s,
        policy=timing.policy,
    )


_NO_SCHEDULE = ScheduleConfig(id=0, name="", allocations=())


def _enabled(config: ConfigSnapshot, weights: Iterable[tuple[PoolKey, float]]) -> dict[PoolKey, float]:
    return normalised((pool, weight) for pool, weight in weights if usable(config, pool))


def _present(config: ConfigSnapshot, pools: Iterable[PoolKey]) -> tuple[PoolKey, ...]:
    return tuple(dict.fromkeys(pool for pool in pools if usable(config, pool)))
