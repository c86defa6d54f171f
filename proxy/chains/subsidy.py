"""What a block creates, from its height alone, in the smallest unit (1/100,000,000 coin) as consensus rounds it."""

from proxy.types import Chain

COIN = 100_000_000

HALVING_INTERVAL = 210_000
"""Bitcoin Core ``chainparams.cpp`` nSubsidyHalvingInterval; BCHN kept it."""

_DGB_RULES_FROM = 67_200
_DGB_WEEKLY_UNTIL = 400_000
_DGB_FAST_UNTIL = 1_430_000
_DGB_BLOCK_S = 15
_DGB_MONTH_S = 3600 * 24 * 365 // 12
_DGB_MAX_MONTHS = 1_000
"""After that the reward is 1 DGB anyway (it is after about 630 months)."""


def subsidy(chain: Chain, height: int) -> int | None:
    """Satoshis that the block at ``height`` creates; None for a chain whose schedule is not known.

    Sources: Bitcoin Core and BCHN ``validation.cpp`` GetBlockSubsidy; DigiByte Core ``validation.cpp`` GetBlockSubsidy
    and GetDGBSubsidy with ``chainparams.cpp`` (the same reward whichever of the five algorithms found the block).

    Raises:
        ValueError: a height below 0.
    """
    if height < 0:
        raise ValueError(f"{height} is no height")
    if chain in (Chain.BTC, Chain.BCH):
        return _halving(height)
    return _digibyte(height) if chain is Chain.DGB else None


def _halving(height: int) -> int:
    halvings = height // HALVING_INTERVAL
    return 0 if halvings >= 64 else (50 * COIN) >> halvings


def _digibyte(height: int) -> int:
    if height < _DGB_RULES_FROM:
        return (72_000 if height < 1_440 else 16_000 if height < 5_760 else 8_000) * COIN
    if height < _DGB_WEEKLY_UNTIL:
        return _less(8_000 * COIN, 200, (height - _DGB_RULES_FROM) // 10_080 + 1)
    if height < _DGB_FAST_UNTIL:
        return _less(2_459 * COIN, 100, (height - _DGB_WEEKLY_UNTIL) // 80_160 + 1)
    months = (height - _DGB_FAST_UNTIL) * _DGB_BLOCK_S // _DGB_MONTH_S
    reward = 2_157 * COIN // 2
    for _ in range(min(months, _DGB_MAX_MONTHS)):
        reward = reward * 98_884 // 100_000
    return max(reward, COIN)


def _less(reward: int, divisor: int, periods: int) -> int:
    for _ in range(periods):
        reward -= reward // divisor
    return max(reward, COIN)
