"""What is tried, as the configuration that would be in force."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from proxy.config.snapshot import BalanceConfig, ConfigSnapshot, Mode, OverrideConfig, OverrideKind
from proxy.types import PoolKey


class Kind(StrEnum):
    """What would be changed."""

    WEIGHTS = "weights"
    """As with the slider: these weights, until reset."""
    SCHEDULE = "schedule"
    """Nothing by hand; with one more schedule, if one is named."""
    BALANCE = "balance"
    """Auto-balance, switched on by hand, with these settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to try."""

    kind: Kind
    weights: Mapping[PoolKey, float] | None = None
    balance: BalanceConfig | None = None
    """Its sources and prices are not used: the past is known from the pools' jobs, prices are those of now."""


def changed(config: ConfigSnapshot, plan: Plan) -> ConfigSnapshot:
    """``config`` under ``plan``; for ``SCHEDULE`` it has the schedules already."""
    if plan.kind is Kind.WEIGHTS:
        return replace(config, override=OverrideConfig(weights=dict(plan.weights or {})))
    if plan.kind is Kind.SCHEDULE:
        return replace(config, override=None)
    balance = replace(plan.balance or config.balance, sources=config.balance.sources, prices=config.balance.prices)
    return replace(config, override=OverrideConfig(kind=OverrideKind.AUTO_BALANCE), balance=balance)


def needs_balance(config: ConfigSnapshot) -> bool:
    """Whether auto-balance has a say anywhere in ``config``."""
    override = config.override
    by_hand = override is not None and override.kind is OverrideKind.AUTO_BALANCE
    return by_hand or any(schedule.mode is Mode.AUTO_BALANCE for schedule in config.schedules)
