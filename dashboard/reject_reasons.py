"""Plain explanations why shares are rejected, and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from proxy.types import Reason

Text = str | Promise


@dataclass(frozen=True, slots=True)
class Refused:
    """One reason's line on a page."""

    reason: str
    count: int
    what: Text
    advice: Text


REASONS: dict[str, tuple[Text, Text]] = {
    Reason.STALE: (
        _("Stale: the block had changed"),
        _("A few in a thousand are normal. If there are more, choose a server that is nearer."),
    ),
    Reason.UNKNOWN_JOB: (_("Unknown job"), _("Normal after a reconnect. If it continues, restart the miner.")),
    Reason.DUPLICATE: (_("Duplicate"), _("The miner repeats shares: update its firmware or overclock it less.")),
    Reason.LOW_DIFFICULTY: (
        _("Below the difficulty"),
        _("Normal just after a change of difficulty. If it continues, restart the miner."),
    ),
    Reason.FRACTION: (
        _("Between a whole and a fractional difficulty"),
        _("The firmware only knows whole difficulties. Harmless."),
    ),
    Reason.BAD_PARAMS: (_("Malformed"), _("The miner sends what the protocol does not allow: update its firmware.")),
    Reason.VERSION: (
        _("Version bits that the pool did not allow"),
        _("Switch version rolling off in the miner, or update its firmware."),
    ),
    Reason.NTIME: (_("Time out of range"), _("Check that this machine's clock is right.")),
    Reason.EXTRANONCE: (_("Wrong extranonce"), _("Restart the miner. If it comes back, report its model.")),
    Reason.UNAUTHORIZED: (_("The pool refuses the user name"), _("Check the pool's wallet and user name format.")),
    Reason.NOT_SUBSCRIBED: (_("Not subscribed"), _("The proxy reconnects by itself; nothing to do.")),
    Reason.POOL_LOST: (
        _("The pool's connection ended before it answered"),
        _("Nothing to do if rare. Else look at the pool's connection log."),
    ),
    Reason.TIMEOUT: (_("The pool did not answer in time"), _("The pool or the line to it is slow: see its latency.")),
    Reason.OTHER: (_("Other reason"), _("The log has the pool's own message.")),
}


def words_for(reason: str) -> str:
    """A reason in plain words."""
    return str(REASONS[reason][0]) if reason in REASONS else reason.replace("_", " ")


def refused(counts: Mapping[str, int]) -> list[Refused]:
    """The reasons that occurred, the most frequent first."""
    lines = [
        Refused(reason, number, *REASONS.get(reason, (reason.replace("_", " "), "")))
        for reason, number in counts.items()
        if number
    ]
    return sorted(lines, key=lambda line: -line.count)
