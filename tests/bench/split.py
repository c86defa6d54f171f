"""Measure how exact, calm and quick the split is: the table of docs/dev/measurements.md.

``python -m tests.bench.split`` runs a short version, ``--seeds 1000 --hours 4`` the full one; ``--day`` times 24 hours
of 200 miners. Everything is reproducible from ``--seed``.
"""

import argparse
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from proxy.config.snapshot import ConfigSnapshot, Endpoint, PoolConfig, ScheduleConfig
from proxy.config.validate import validate
from proxy.scheduling.rounds import round_period
from proxy.scheduling.simulation import TERA, SimSample, Simulation, bound_dwell, dwells_of, target_of
from proxy.scheduling.tuning import DEFAULT_TUNING, SchedulerTuning
from proxy.types import PoolKey

MIXED = [0.5, 1, 1, 4, 14, 60, 90, 110, 120, 150, 180, 200]
FLEETS: dict[str, Callable[[random.Random], list[float]]] = {
    "1": lambda rng: [80],
    "80+6+1+1": lambda rng: [80, 6, 1, 1],
    "12 mixed": lambda rng: MIXED,
    "50 equal": lambda rng: [100] * 50,
    "200 churning": lambda rng: [200 ** rng.random() for _ in range(200)],
}
WEIGHTS = ((50, 50), (70, 30), (85, 15), (95, 5), (100, 0), (60, 30, 10))
TIMES_MIN = (1, 5, 15, 60, 240)
CHURN_PER_HOUR = 0.05


def config_for(weights: Sequence[float], min_switch_s: float, slice_s: float | None = None) -> ConfigSnapshot:
    """Return pools A, B, ... and one default schedule with ``weights``."""
    keys = [PoolKey(chr(ord("A") + index)) for index in range(len(weights))]
    pools = {
        key: PoolConfig(key=key, wallet="wallet", endpoints=(Endpoint(host="pool.test", port=3333),)) for key in keys
    }
    schedule = ScheduleConfig(
        id=1,
        name="always",
        allocations=tuple(zip(keys, weights, strict=True)),
        is_default=True,
        min_switch_s=min_switch_s,
        slice_s=slice_s or (15 if min_switch_s <= 30 else 30),
    )
    return validate(ConfigSnapshot(pools=pools, schedules=(schedule,)))


def slicing_rate(config: ConfigSnapshot) -> float:
    """Return the switches per miner-hour of slicing every miner."""
    dwells = dwells_of(config)
    return 3600 * len(dwells) / round_period(target_of(config), dwells) if len(dwells) > 1 else 0.0


def simulate(
    fleet: str,
    config: ConfigSnapshot,
    seed: int,
    times_s: Sequence[float],
    tuning: SchedulerTuning = DEFAULT_TUNING,
) -> tuple[list[SimSample], Simulation]:
    """Run one seed and return a sample at each of the times."""
    rng = random.Random(seed)
    simulation = Simulation(config, rng, tuning=tuning)
    for rate in FLEETS[fleet](rng):
        simulation.add(rate * TERA)
    samples = []
    for when_s in times_s:
        if "churning" in fleet:
            churn_to(simulation, rng, when_s)
        else:
            simulation.run_to(when_s)
        samples.append(simulation.measure(target_of(config), bound_dwell(config, tuning)))
    return samples, simulation


def churn_to(simulation: Simulation, rng: random.Random, when: float) -> None:
    """Let time pass; at random instants, at 5 % of the fleet an hour, a miner leaves and another one joins."""
    while True:
        due = simulation.clock.now() + rng.expovariate(CHURN_PER_HOUR * len(simulation.miners) / 3600)
        simulation.run_to(min(due, when))
        if due >= when:
            return
        simulation.remove(rng.choice(list(simulation.miners.values())))
        simulation.add(200 ** rng.random() * TERA)


def row(
    fleet: str,
    weights: Sequence[float],
    min_switch_s: float,
    seeds: int,
    times_s: Sequence[float],
    seed: int,
    tuning: SchedulerTuning = DEFAULT_TUNING,
) -> str:
    """Return one line of the table."""
    config = config_for(weights, min_switch_s)
    runs = [simulate(fleet, config, seed + number, times_s, tuning) for number in range(seeds)]
    cells = []
    for index in range(len(times_s)):
        samples = [samples[index] for samples, _ in runs]
        errors = sorted(sample.error for sample in samples)
        in_bound = sum(sample.error <= sample.bound + 1e-9 for sample in samples) / seeds
        in_band = sum(sample.paid_in_band for sample in samples) / seeds
        bound = sorted(sample.bound for sample in samples)[seeds // 2]
        cells.append(
            f"{errors[int(0.95 * (seeds - 1))] * 100:.2f} / {bound * 100:.2f} · {in_bound * 100:.0f} · "
            f"{in_band * 100:.0f}"
        )
    rate = sum(run.switches for _, run in runs) / (sum(run.miner_seconds for _, run in runs) / 3600)
    usual = slicing_rate(config)
    part = f"{rate / usual:.3f}" if usual else "-"
    name = ":".join(f"{weight:g}" for weight in weights)
    return f"| {fleet} | {name} | {min_switch_s:g} | {seeds} | {' | '.join(cells)} | {rate:.1f} | {part} |"


def header(times_s: Sequence[float]) -> str:
    """Return the head of the table."""
    names = [f"{when_s / 60:g} min" for when_s in times_s]
    return (
        f"| fleet, TH/s | weights | min switch, s | seeds | {' | '.join(names)} | switches per miner-hour | "
        f"of slicing all |\n|---|---|---|---|{'---|' * len(names)}---|---|"
    )


def time_day(miners: int = 200, hours: float = 24.0, seed: int = 1) -> Mapping[str, float]:
    """Return the processor seconds of a simulated day and what happened in it."""
    rng = random.Random(seed)
    simulation = Simulation(config_for((70, 30), 30), rng)
    for _ in range(miners):
        simulation.add(200 ** rng.random() * TERA)
    begun = time.process_time()
    churn_to(simulation, rng, hours * 3600)
    return {
        "cpu_s": time.process_time() - begun,
        "switches": simulation.switches,
        "miner_hours": simulation.miner_seconds / 3600,
    }


def tuned(changes: Sequence[str]) -> SchedulerTuning:
    """Return the default tuning with ``NAME=VALUE`` changed."""
    pairs = [change.split("=") for change in changes]
    values = {name: type(getattr(DEFAULT_TUNING, name))(value) for name, value in pairs}
    return replace(DEFAULT_TUNING, **values)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fleet", choices=FLEETS, action="append")
    parser.add_argument("--weights", action="append", help="for example 70:30")
    parser.add_argument("--min-switch", type=float, action="append")
    parser.add_argument("--tuning", action="append", default=[], help="another constant, for example calm_part=0.1")
    parser.add_argument("--day", action="store_true", help="time 24 hours of 200 miners")
    options = parser.parse_args(arguments)
    if options.day:
        print(time_day(seed=options.seed))
        return
    times_s = [minutes * 60.0 for minutes in TIMES_MIN if minutes <= options.hours * 60]
    tuning = tuned(options.tuning)
    print(header(times_s))
    chosen = [tuple(map(float, text.split(":"))) for text in options.weights or ()] or WEIGHTS
    for fleet in options.fleet or FLEETS:
        for weights in chosen:
            for min_switch_s in options.min_switch or (30.0, 50.0):
                print(row(fleet, weights, min_switch_s, options.seeds, times_s, options.seed, tuning), flush=True)


if __name__ == "__main__":
    main()
