"""Simulates a fleet that is described on the command line, and tabulates how its split comes out."""

import math
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from proxy.config.snapshot import ConfigSnapshot, Endpoint, Policy, PoolConfig, ScheduleConfig
from proxy.config.validate import validate
from proxy.errors import ConfigError
from proxy.ops import simulate_sharing
from proxy.ops.simulate_sharing import Sharing
from proxy.scheduling.simulation import TERA, Fault, PoolBehaviour, SimSample, Simulation, bound_dwell, target_of
from proxy.types import PoolKey, WorkerName

MOST_MINERS = 10_000
MOST_HOURS = 24 * 60
MOST_CHURN = 1000
MOST_COST_S = 60
LEAST_PACE, MOST_PACE = 0.1, 600
_MINERS = re.compile(r"(?:(\d{1,6})x)?(\d{1,9}(?:\.\d{1,9})?)")
_FAULT = re.compile(r"([\w.-]+)@(\d{1,7}(?:\.\d{1,9})?)\+(\d{1,7}(?:\.\d{1,9})?)")
_BARS = 60
"""Characters for the bars of all pools together."""
_LEAST_BAR = 5
_SAMPLES_S = (60, 300, 900, 1800, 3600)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is simulated. Texts are as typed; see ``manage.py simulate --help``."""

    fleet: str
    weights: str
    hours: float
    seed: int
    min_switch_s: float = 30.0
    slice_s: float = 15.0
    policy: Policy = Policy.AUTOMATIC
    switch_cost_s: float = 0.5
    shares_per_minute: float = 18.0
    reject: str = ""
    churn: float = 0.0
    """Percent of the miners that leave within an hour; as many join, each as large as one of the fleet."""
    down: Sequence[str] = ()
    mute: Sequence[str] = ()
    shared: int = 0
    """Miners on a shared connection at most; 0: each has its own."""
    extranonce2: int = 8
    """Bytes that the pools leave, for shared connections."""


def rates_of(text: str) -> list[float]:
    """Return TH/s of each miner of ``80,6,2x1``.

    Raises:
        ConfigError: it cannot be read, or there are too many.
    """
    rates: list[float] = []
    for part in text.split(","):
        found = _MINERS.fullmatch(part.strip())
        if found is None or float(found[2]) <= 0:
            raise ConfigError(f'"{part}" is no miner: write TH/s, or a count and TH/s such as 12x100.')
        if found[1] and not int(found[1]):
            raise ConfigError(f'"{part}" are no miners: the count must be at least 1.')
        rates += [float(found[2])] * min(int(found[1] or 1), MOST_MINERS + 1)
        if len(rates) > MOST_MINERS:
            raise ConfigError(f"At most {MOST_MINERS} miners can be simulated.")
    return rates


def config_of(plan: Plan) -> ConfigSnapshot:
    """Return pools A, B, ... with one schedule.

    Raises:
        ConfigError: the weights or seconds cannot be used.
    """
    try:
        weights = [float(part) for part in plan.weights.split(":")]
    except ValueError:
        raise ConfigError(f'"{plan.weights}" are no weights: write numbers with colons, such as 70:30.') from None
    if not 1 <= len(weights) <= 26:
        raise ConfigError("Give 1 to 26 weights.")
    keys = [PoolKey(chr(ord("A") + index)) for index in range(len(weights))]
    pools = {
        key: PoolConfig(key=key, wallet="simulated", endpoints=(Endpoint(host="simulated", port=1),)) for key in keys
    }
    schedule = ScheduleConfig(
        id=1,
        name="simulated",
        is_default=True,
        policy=plan.policy,
        allocations=tuple(zip(keys, weights, strict=True)),
        min_switch_s=plan.min_switch_s,
        slice_s=plan.slice_s,
    )
    return validate(ConfigSnapshot(pools=pools, schedules=(schedule,)))


def run(plan: Plan) -> Iterator[str]:
    """Run the plan and yield the lines of its report.

    Raises:
        ConfigError: something in the plan cannot be used.
    """
    config, rates = config_of(plan), rates_of(plan.fleet)
    _check(plan)
    sharing = _sharing(plan)
    rng = random.Random(plan.seed)
    simulation = Simulation(config, rng, behaviour=_behaviour(plan, config), switch_cost_s=plan.switch_cost_s)
    faults = _faults(plan, config, len(rates))
    for rate in rates:
        simulation.add(rate * TERA)
    yield from _head(plan, rates)
    for sample_s in _sample_times(plan.hours * 3600):
        for until in _churn(simulation, plan, rates, rng, sample_s):
            begun = simulation.clock.now()
            simulation.run_to(
                until,
                [fault for fault in faults if begun <= fault.at < until or begun <= fault.at + fault.duration < until],
            )
        yield from _lines(simulation.measure(target_of(config), bound_dwell(config)))
    yield from _foot(simulation)
    if sharing is not None:
        yield from simulate_sharing.report(sharing, len(rates))


def _check(plan: Plan) -> None:
    if not 0 < plan.hours <= MOST_HOURS:
        raise ConfigError(f"Simulate up to {MOST_HOURS} hours.")
    if not 0 <= plan.churn <= MOST_CHURN:
        raise ConfigError(f"Let 0 to {MOST_CHURN} percent of the miners leave and join each hour.")
    if not 0 <= plan.switch_cost_s <= MOST_COST_S:
        raise ConfigError(f"A switch can be taken to cost 0 to {MOST_COST_S} seconds.")
    if not LEAST_PACE <= plan.shares_per_minute <= MOST_PACE:
        raise ConfigError(f"Pools can aim at {LEAST_PACE} to {MOST_PACE} shares a minute.")


def _sharing(plan: Plan) -> Sharing | None:
    if not plan.shared:
        return None
    return Sharing(most_miners=plan.shared, extranonce2=plan.extranonce2, shares_per_minute=plan.shares_per_minute)


def _churn(
    simulation: Simulation, plan: Plan, rates: Sequence[float], rng: random.Random, sample_s: float
) -> Iterator[float]:
    """Yield until when to run next; in between, at random instants, a miner leaves and another one joins."""
    while plan.churn:
        due = simulation.clock.now() + rng.expovariate(plan.churn / 100 * len(simulation.miners) / 3600)
        if due >= sample_s:
            break
        yield due
        simulation.remove(rng.choice(list(simulation.miners.values())))
        simulation.add(rng.choice(rates) * TERA)
    yield sample_s


def _sample_times(end_s: float) -> list[float]:
    hourly = [3600.0 * hour for hour in range(2, math.ceil(end_s / 3600))]
    step = max(1, len(hourly) // 12)
    return [*(float(at) for at in _SAMPLES_S if at < end_s), *hourly[step - 1 :: step], end_s]


def _behaviour(plan: Plan, config: ConfigSnapshot) -> dict[PoolKey, PoolBehaviour]:
    refusing = {}
    for part in filter(None, plan.reject.split(",")):
        pool, _, percent = part.partition("=")
        if pool not in config.pools or not re.fullmatch(r"\d+(\.\d+)?", percent) or float(percent) > 100:
            raise ConfigError(f'"{part}" cannot be read: write for example B=5 for 5 percent.')
        refusing[pool] = float(percent) / 100
    return {
        key: PoolBehaviour(reject=refusing.get(key, 0.0), shares_per_minute=plan.shares_per_minute)
        for key in config.pools
    }


def _faults(plan: Plan, config: ConfigSnapshot, miners: int) -> list[Fault]:
    faults = []
    for text in plan.down:
        name, at, duration = _fault(text)
        if name not in config.pools:
            raise ConfigError(f"There is no pool {name}.")
        faults.append(Fault(at=at, duration=duration, pool=PoolKey(name)))
    for text in plan.mute:
        name, at, duration = _fault(text)
        if name not in {f"rig{number}" for number in range(miners)}:
            raise ConfigError(f"There is no miner {name}: they are called rig0, rig1, ...")
        faults.append(Fault(at=at, duration=duration, worker=WorkerName(name)))
    return faults


def _fault(text: str) -> tuple[str, float, float]:
    found = _FAULT.fullmatch(text)
    if found is None:
        raise ConfigError(f'"{text}" cannot be read: write who@minute+minutes, such as B@60+10.')
    return found[1], float(found[2]) * 60, float(found[3]) * 60


def _head(plan: Plan, rates: Sequence[float]) -> Iterator[str]:
    yield (
        f"{len(rates)} miners, {sum(rates):g} TH/s, weights {plan.weights}, at least {plan.min_switch_s:g} s "
        f"between switches, seed {plan.seed}"
    )
    if plan.churn:
        yield f"each hour {plan.churn:g} % of the miners leave and as many join"
    yield "error: of true work, in points; bound: half a dwell of what is sliced + what the estimates cannot know"
    yield ""
    yield f"{'time':>8}  {'error':>7}  {'bound':>15}  {'paid':>8}  split"


def _lines(sample: SimSample) -> Iterator[str]:
    bound = f"{sample.slicing_bound * 100:.2f} + {sample.estimate_bound * 100:.2f}"
    yield (
        f"{_time(sample.at):>8}  {sample.error * 100:>7.2f}  {bound:>15}  "
        f"{'as lucky' if sample.paid_in_band == 1 else 'outside':>8}  {_bar(sample)}"
    )


def _bar(sample: SimSample) -> str:
    width = max(_LEAST_BAR, _BARS // len(sample.split))
    return "  ".join(
        f"{pool} {part * 100:6.2f} % {'#' * round(part * width):<{width}}" for pool, part in sample.split.items()
    ).rstrip()


def _time(seconds: float) -> str:
    return f"{seconds / 60:g} min" if seconds < 3600 else f"{seconds / 3600:g} h"


def _foot(simulation: Simulation) -> Iterator[str]:
    hours = simulation.miner_seconds / 3600
    yield ""
    yield f"{simulation.switches} switches, {simulation.switches / hours if hours else 0:.2f} per miner-hour"
    yield (
        f"{simulation.lost_s:.0f} miner-seconds lost to switching, "
        f"{simulation.lost_s / simulation.miner_seconds * 100 if hours else 0:.3f} % of the time"
    )
    yield f"policy at the end: {simulation.scheduler.snapshot().policy}"
