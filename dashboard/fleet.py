"""What the fleet's table and the API say of a worker beside its shares: health with reasons, switches, its pools."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard import presenters
from dashboard.said import said
from proxy.models.labels import Text
from proxy.observe.live.moves import Moves
from proxy.observe.live.views import LiveSnapshot, WorkerView
from proxy.observe.live.worker_health import Cause, Finding, Level, WorkerHealth, health_of
from proxy.types import PoolKey

LEVELS: Mapping[Level, Text] = {
    Level.HEALTHY: gettext_lazy("healthy"),
    Level.ATTENTION: gettext_lazy("attention"),
    Level.BAD: gettext_lazy("bad"),
}
CHIPS: Mapping[Level, str] = {Level.HEALTHY: "ok", Level.ATTENTION: "warn", Level.BAD: "bad"}


def _away(finding: Finding) -> str:
    return _("not connected for %s") % presenters.duration(finding.number) if finding.number else _("not connected")


_SENTENCES: Mapping[Cause, Callable[[Finding], str]] = {
    Cause.AWAY: _away,
    Cause.NO_WORK: lambda finding: _("has no work: %s") % said(finding.text),
    Cause.SILENT: lambda finding: (
        _("no share for %s, far longer than is usual for it") % presenters.duration(finding.number)
    ),
    Cause.NO_SHARE_YET: lambda finding: (
        _("no share in the %s since it connected") % presenters.duration(finding.number)
    ),
    Cause.REJECTS: lambda finding: _("%s of its shares were rejected lately") % presenters.percent(finding.number),
    Cause.FIRMWARE: lambda finding: (
        _("%s of its shares were wrong in themselves lately: look at its firmware and overclocking")
        % presenters.percent(finding.number)
    ),
    Cause.SLOW: lambda finding: (
        _("in the last hour it did %s of what it does on its own average day") % presenters.percent(finding.number, 0)
    ),
    Cause.EXCLUDED: lambda finding: _("cannot use %s") % said(finding.text),
}


def sentence(finding: Finding) -> str:
    """A reason in words, in the viewer's language."""
    return _SENTENCES[finding.cause](finding)


@dataclass(frozen=True, slots=True)
class PoolStay:
    """A worker's time on a pool, since the process started."""

    pool: PoolKey
    seconds: float
    part: float
    """Of its time on all pools, 0..1."""
    work: float | None
    """Its work there as a part of the fleet's, 0..1: its part of the fleet's, by its time; None where not known."""


@dataclass(frozen=True, slots=True)
class Place:
    """A worker in the fleet."""

    health: WorkerHealth
    switches: int
    stays: tuple[PoolStay, ...]
    """By pool."""
    part: float | None
    """Of the fleet's work of the last hour, 0..1; None while nobody has any."""

    @property
    def level(self) -> Level:
        """How it is."""
        return self.health.level

    @property
    def label(self) -> Text:
        """The level in words."""
        return LEVELS[self.health.level]

    @property
    def chip(self) -> str:
        """The class of its chip."""
        return CHIPS[self.health.level]

    @property
    def reasons(self) -> list[str]:
        """A sentence for each finding."""
        return [sentence(finding) for finding in self.health.findings]


class Fleet:
    """Places of the workers of one snapshot."""

    def __init__(self, snap: LiveSnapshot) -> None:
        self._snap = snap
        self._rate = sum(worker.rate_1h.value for worker in snap.workers)

    def place(self, worker: WorkerView) -> Place:
        """Where ``worker`` stands."""
        moves = self._snap.moves.get(worker.name, Moves())
        seconds = moves.seconds(self._snap.monotonic)
        total = sum(seconds.values())
        part = worker.rate_1h.value / self._rate if self._rate > 0.0 else None
        stays = [
            PoolStay(pool, spent, share, None if part is None else part * share)
            for pool, spent in sorted(seconds.items())
            for share in (spent / total if total > 0.0 else 0.0,)
        ]
        return Place(health_of(worker, self._snap), moves.switches, tuple(stays), part)
