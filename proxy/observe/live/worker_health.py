"""Says of each worker whether it is healthy, needs attention or is in a bad state, and why.

A worker is healthy while nothing below holds. Each finding is about the present or the last hour, and is told only
where chance cannot explain it: a miner with a share an hour is assessed by what is usual for itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from proxy.observe.live.moves import ShareSum, share_sum
from proxy.observe.live.views import LiveSnapshot, WorkerView
from proxy.sentence import Sentence, sentence

SILENT_INTERVALS, SILENT_LEAST_S = 12.0, 300.0
"""Twelve usual gaps without a share come by chance once in 160 000."""
DEAD_INTERVALS, DEAD_LEAST_S = 24.0, 900.0
NO_SHARE_YET_S = 3600.0
"""A new worker that has never sent a share is told after this; it may simply be slow."""
LEAST_REJECTED, REJECTS_ATTENTION, REJECTS_BAD = 5, 0.03, 0.15
LEAST_FAULTS, FAULTS_ATTENTION, FAULTS_BAD = 5, 0.01, 0.10
SLOW_ATTENTION, SLOW_BAD = 0.85, 0.5
"""Part of its own day's rate."""
SLOW_HOUR_S, SLOW_DAY_S = 1800.0, 4 * 3600.0
"""Spans that have to be known for a rate of the hour to be held against the day's."""


class Level(StrEnum):
    """How a worker is."""

    HEALTHY = "healthy"
    ATTENTION = "attention"
    BAD = "bad"


class Cause(StrEnum):
    """Why it is not healthy."""

    AWAY = "away"
    """No connection; ``number``: seconds since it was seen."""
    NO_WORK = "no_work"
    """Connected, and no pool can give it work; ``text`` says why."""
    SILENT = "silent"
    """No share for far longer than is usual for it; ``number``: seconds."""
    NO_SHARE_YET = "no_share_yet"
    """Connected for ``number`` seconds, and never a share."""
    REJECTS = "rejects"
    """``number``: the part of its shares that was refused lately."""
    FIRMWARE = "firmware"
    """Refused lately for what a good firmware does not send (twice the same, wrong time, size or version bits,
    too little difficulty); ``number``: the part of its shares."""
    SLOW = "slow"
    """``number``: the last hour's rate as a part of its own day's."""
    EXCLUDED = "excluded"
    """It cannot use one of the pools; ``text`` says which and why."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason."""

    level: Level
    cause: Cause
    number: float = 0.0
    text: str = ""


@dataclass(frozen=True, slots=True)
class WorkerHealth:
    """The worst level of its findings, and the findings, the worst first."""

    level: Level
    findings: tuple[Finding, ...] = ()

    @property
    def score(self) -> float:
        """For boards of v2, whose scale is 0.1 (unreliable) to 1.0 (perfect)."""
        return _SCORES[self.level]


_SCORES: Mapping[Level, float] = {Level.HEALTHY: 1.0, Level.ATTENTION: 0.5, Level.BAD: 0.1}
_ORDER: Mapping[Level, int] = {Level.BAD: 0, Level.ATTENTION: 1, Level.HEALTHY: 2}


def health_of(worker: WorkerView, live: LiveSnapshot) -> WorkerHealth:
    """How ``worker`` of ``live`` is."""
    recent = share_sum(worker.counts).since(live.marks.get(worker.name, ShareSum()))
    return assess(worker, recent, at=live.at, hashes_per_difficulty=live.hashes_per_difficulty)


def assess(worker: WorkerView, recent: ShareSum, *, at: float, hashes_per_difficulty: float) -> WorkerHealth:
    """How ``worker`` is at ``at`` (unix seconds); ``recent``: its shares of the last half hour to hour."""
    if not worker.connections:
        findings = [Finding(Level.BAD, Cause.AWAY, max(0.0, at - worker.last_seen_at) if worker.last_seen_at else 0.0)]
    else:
        findings = [
            *_without_work(worker),
            *_silence(worker, at, hashes_per_difficulty),
            *_rejects(recent),
            *_slow(worker),
            *(
                Finding(Level.ATTENTION, Cause.EXCLUDED, text=sentence("{pool}: {why}", pool=key, why=Sentence.of(why)))
                for key, why in worker.excluded.items()
            ),
        ]
    findings.sort(key=lambda finding: _ORDER[finding.level])
    return WorkerHealth(findings[0].level if findings else Level.HEALTHY, tuple(findings))


def _without_work(worker: WorkerView) -> list[Finding]:
    return [Finding(Level.BAD, Cause.NO_WORK, text=worker.waiting)] if worker.waiting else []


def _silence(worker: WorkerView, at: float, hashes_per_difficulty: float) -> list[Finding]:
    if worker.waiting:
        return []  # it has nothing to work on
    since = max(worker.last_share_at or 0.0, worker.connected_at or 0.0)
    if not since:
        return []
    silent_s = at - since
    if worker.last_share_at is None:
        return [Finding(Level.ATTENTION, Cause.NO_SHARE_YET, silent_s)] if silent_s > NO_SHARE_YET_S else []
    usual = worker.rate_24h if worker.rate_24h.known else worker.rate_1h
    if not usual.known or usual.value <= 0.0 or worker.difficulty <= 0.0:
        return []
    gap_s = worker.difficulty * hashes_per_difficulty / usual.value
    if silent_s > max(DEAD_LEAST_S, DEAD_INTERVALS * gap_s):
        return [Finding(Level.BAD, Cause.SILENT, silent_s)]
    if silent_s > max(SILENT_LEAST_S, SILENT_INTERVALS * gap_s):
        return [Finding(Level.ATTENTION, Cause.SILENT, silent_s)]
    return []


def _rejects(recent: ShareSum) -> list[Finding]:
    shares = recent.good + recent.rejected
    found = []
    for cause, number, least, attention, bad in (
        (Cause.FIRMWARE, recent.faults, LEAST_FAULTS, FAULTS_ATTENTION, FAULTS_BAD),
        (Cause.REJECTS, recent.rejected - recent.faults, LEAST_REJECTED, REJECTS_ATTENTION, REJECTS_BAD),
    ):
        part = number / shares if shares else 0.0
        if number >= least and part > attention:
            found.append(Finding(Level.BAD if part > bad else Level.ATTENTION, cause, part))
    return found


def _slow(worker: WorkerView) -> list[Finding]:
    hour, day = worker.rate_1h, worker.rate_24h
    if not (hour.known and day.known) or hour.span_s < SLOW_HOUR_S or day.span_s < SLOW_DAY_S or day.value <= 0.0:
        return []
    part = hour.value / day.value
    if hour.high < SLOW_BAD * day.low:  # even the best case of the hour is below the worst of the day
        return [Finding(Level.BAD, Cause.SLOW, part)]
    return [Finding(Level.ATTENTION, Cause.SLOW, part)] if hour.high < SLOW_ATTENTION * day.low else []
