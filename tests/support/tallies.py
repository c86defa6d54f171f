"""Tallies of shares for views that a test makes up."""

from typing import Any

from proxy.history.counters import Counts, Tally, tally_of
from proxy.types import DecidedBy, Reason


def tally(*, rejected: int | None = None, reasons: dict[str, int] | None = None, **numbers: Any) -> Tally:
    """``reasons``: the refusals by reason, all by the pool; ``rejected``: all of them, the rest for no known reason."""
    rejects = {(Reason(reason), DecidedBy.POOL): number for reason, number in (reasons or {}).items()}
    rest = (rejected or 0) - sum(rejects.values())
    if rest > 0:
        rejects[Reason.OTHER, DecidedBy.POOL] = rest
    return tally_of(Counts(rejects=rejects or None, **numbers))


def with_counts(changes: dict[str, Any], *more: str) -> dict[str, Any]:
    """The fields of a view, with the numbers of shares (and those called ``more``) folded into its ``counts``."""
    numbers = {name: value for name, value in changes.items() if name in ("accepted", "work_only", "rejected", *more)}
    rest = {name: value for name, value in changes.items() if name not in numbers}
    return {**rest, "counts": tally(**numbers)} if numbers else rest
