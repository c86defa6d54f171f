"""Reads auto-balance's tables into a ``BalanceConfig``. Blocking."""

from proxy.config.snapshot import BalanceConfig, BalanceSourceConfig, BalanceStrategy
from proxy.errors import ConfigError
from proxy.models.balance import BalanceSettings, BalanceSource, ChainPrice
from proxy.models.money import MoneySettings
from proxy.types import Chain

_SAME_NAME = (
    "short_window",
    "long_window",
    "max_deviation",
    "min_weight",
    "max_weight",
    "max_step_per_hour",
    "dead_band",
    "significance",
    "on_failure",
)


def load_balance() -> BalanceConfig:
    """The settings, sources and prices; the defaults where there are no rows. Four queries.

    Raises:
        ConfigError: a row holds an unknown strategy or chain.
    """
    row = BalanceSettings.load()
    sources = tuple(source_config(source) for source in BalanceSource.objects.filter(enabled=True))
    try:
        strategy = BalanceStrategy(row.strategy)
        prices = {Chain(price.chain): price.price for price in ChainPrice.objects.all()}
    except ValueError as error:
        raise ConfigError(f"Auto-balance: {error}.") from error
    return BalanceConfig(
        strategy=strategy,
        prices=prices,
        sources=sources or BalanceConfig().sources,
        wants_prices=MoneySettings.is_on(),
        **{name: getattr(row, name) for name in _SAME_NAME},
    )


def source_config(row: BalanceSource) -> BalanceSourceConfig:
    """The configuration of one source.

    Raises:
        ConfigError: its chain is unknown.
    """
    try:
        chain = Chain(row.chain) if row.chain else Chain.OTHER
    except ValueError as error:
        raise ConfigError(f"Source {row.kind}: {error}.") from error
    return BalanceSourceConfig(
        kind=row.kind, url=row.url, chain=chain, user=row.user, password=row.password, poll_s=row.poll_s
    )
