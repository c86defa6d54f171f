"""How much power the miners take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """The power of all miners together."""

    watts: float
    measured: bool
    """By the miners themselves; else it is the operator's number."""


def watts_of_workers(entered_watts: float | None, measured_watts: float | None) -> Power | None:
    """The power that the cost is worked out from: what all miners together say, else what the operator entered.

    ``measured_watts``: None unless all of them say it. Returns None where nothing is known.
    """
    if measured_watts is not None:
        return Power(watts=measured_watts, measured=True)
    return None if entered_watts is None else Power(watts=entered_watts, measured=False)
