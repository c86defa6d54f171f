"""What is wrong with a configuration is said in sentences, all of it at once; the running one stays in force."""

from dataclasses import replace

import pytest

from proxy.config.snapshot import ConfigSnapshot, Endpoint, PoolConfig, ScheduleConfig
from proxy.config.validate import validate
from proxy.errors import ConfigError
from proxy.types import PoolKey

A = PoolKey("A")
POOL = PoolConfig(key=A, wallet="wallet", endpoints=(Endpoint(host="pool.example", port=3333),))
SCHEDULE = ScheduleConfig(id=1, name="Day", allocations=((A, 100.0),), is_default=True)


def config(pool: PoolConfig = POOL, *schedules: ScheduleConfig) -> ConfigSnapshot:
    return ConfigSnapshot(pools={pool.key: pool}, schedules=schedules or (SCHEDULE,))


def test_a_good_configuration_is_handed_back() -> None:
    good = config()
    assert validate(good) is good


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (
            config(replace(POOL, key=PoolKey("a pool")), replace(SCHEDULE, allocations=((PoolKey("a pool"), 1.0),))),
            "no pool key",
        ),
        (config(replace(POOL, wallet="")), "Pool A has no wallet."),
        (config(replace(POOL, endpoints=())), "Pool A has no address to connect to."),
        (config(replace(POOL, endpoints=(Endpoint(host="pool.example", port=0),))), "0 is no port"),
        (config(replace(POOL, min_difficulty=-1.0)), "a difficulty must be a number above 0"),
        (config(replace(POOL, max_difficulty=float("inf"))), "a difficulty must be a number above 0"),
        (config(replace(POOL, min_difficulty=5.0, max_difficulty=4.0)), "minimum difficulty is above the maximum"),
        (config(POOL, replace(SCHEDULE, fallbacks=(PoolKey("Z"),))), "fallback pool Z does not exist"),
        (config(POOL, replace(SCHEDULE, min_switch_s=0.5)), "minimum time between switches"),
        (config(POOL, replace(SCHEDULE, slice_s=0.0)), "the slice must be above 0"),
        (config(POOL, replace(SCHEDULE, time_zone="Nowhere/Land")), '"Nowhere/Land" is no time zone'),
        (config(POOL, SCHEDULE, replace(SCHEDULE, id=2, name="Night")), "Only one schedule can be the default."),
    ],
)
def test_each_fault_has_its_sentence(wrong: ConfigSnapshot, sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        validate(wrong)
    assert sentence in str(refused.value)


def test_a_negative_weight_is_refused() -> None:
    with pytest.raises(ConfigError, match="a weight must be 0 or more"):
        validate(config(POOL, replace(SCHEDULE, allocations=((A, -1.0),))))
