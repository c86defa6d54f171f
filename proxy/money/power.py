"""How much power the miners take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """The power of all miners together."""

    watts: float
    measured: bool
    """By the miners themselves; else it is the operator's number."""


def watts_of_workers(entered_watts: float | None) -> Power | None:
    """The power that the cost is worked out from: what the operator entered; None where nothing was."""
    return None if entered_watts is None else Power(watts=entered_watts, measured=False)
