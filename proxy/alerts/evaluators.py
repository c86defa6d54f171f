"""Reads from a look at the fleet what is wrong now, by the rules' thresholds and honest about noise."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import sqrt

from proxy.alerts.fleet_snapshot import FleetSnapshot, PoolSnapshot, RateSnapshot, WorkerSnapshot
from proxy.alerts.rules import AlertConfig, AlertKind, AlertRuleConfig
from proxy.alerts.texts import FLEET, chain_subject, pool_subject, short, span, worker_subject
from proxy.types import AdminStatus, PoolStatus

Key = tuple[AlertKind, str]
Sign = tuple[AlertKind, str, str]
"""Kind, subject, the sentence."""

DAY_S = 86400.0
FORGET_S = 7 * DAY_S
"""A worker that has been away for so long has left."""
EXPECTED_GAPS = 10.0
"""A silence of so many usual gaps between shares is chance once in 20,000."""
REJECT_SAMPLE_S, REJECT_SAMPLES = 300.0, 13
"""Refused shares are counted over the last hour."""
MIN_REJECTED = 5
_Z = 1.96

READ_KINDS = frozenset(
    {
        AlertKind.POOL_DOWN,
        AlertKind.WORKER_OFFLINE,
        AlertKind.NO_SHARES,
        AlertKind.WORKER_SILENT,
        AlertKind.HASHRATE_DROP,
        AlertKind.REJECT_RATE,
        AlertKind.PAYOUT,
    }
)
"""What a look decides; the other kinds come as events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a look says."""

    wrong: dict[Key, str]
    subjects: frozenset[str]
    """All pools and workers there are."""


class Evaluators:
    """Compares a look with the rules; keeps an hour of tallies for the reject rate."""

    def __init__(self) -> None:
        self._tallies: dict[str, Tallies] = {}
        self._first_at: float | None = None

    def read(self, look: FleetSnapshot, now: float, config: AlertConfig, was: Callable[[Key], bool]) -> Reading:
        """What is wrong; ``was`` says what was so far (some things end at another level than they begin at)."""
        self._first_at = look.at if self._first_at is None else self._first_at
        rules = {rule.kind: rule for rule in config.rules}
        subjects = {
            FLEET,
            *(pool_subject(pool.key) for pool in look.pools),
            *(chain_subject(pool.chain) for pool in look.pools),
            *(worker_subject(worker.name) for worker in look.workers),
        }
        self._tallies = {name: tallies for name, tallies in self._tallies.items() if name in subjects}
        signs = (*self._pools(look, now, rules, was), *self._workers(look, now, rules, was), *fleet(look, rules, was))
        return Reading(
            wrong={(kind, subject): text for kind, subject, text in signs if kind in rules},
            subjects=frozenset(subjects),
        )

    def _pools(
        self, look: FleetSnapshot, now: float, rules: dict[AlertKind, AlertRuleConfig], was: Callable[[Key], bool]
    ) -> Iterator[Sign]:
        for pool in look.pools:
            subject = pool_subject(pool.key)
            if pool.status is PoolStatus.DOWN and pool.admin is AdminStatus.ENABLED:
                yield AlertKind.POOL_DOWN, subject, down_sentence(pool.reason)
            if pool.payout_ok is False:
                yield AlertKind.PAYOUT, subject, payout_sentence(pool)
            if rule := rules.get(AlertKind.REJECT_RATE):
                yield from self._rejects(subject, pool, now, rule, was)

    def _workers(
        self, look: FleetSnapshot, now: float, rules: dict[AlertKind, AlertRuleConfig], was: Callable[[Key], bool]
    ) -> Iterator[Sign]:
        working = any(pool.status is PoolStatus.UP for pool in look.pools)
        for worker in look.workers:
            subject = worker_subject(worker.name)
            if (rule := rules.get(AlertKind.WORKER_OFFLINE)) and rule.concerns(worker.name):
                yield from self._offline(subject, worker, look.at)
            if (rule := rules.get(AlertKind.WORKER_SILENT)) and rule.concerns(worker.name):
                yield from silent(subject, worker, look, rule, working, was)
            if (rule := rules.get(AlertKind.HASHRATE_DROP)) and rule.concerns(worker.name):
                yield from slow_worker(subject, worker, look.at, rule, was)
            if (rule := rules.get(AlertKind.REJECT_RATE)) and rule.concerns(worker.name):
                yield from self._rejects(subject, worker, now, rule, was)

    def _offline(self, subject: str, worker: WorkerSnapshot, at: float) -> Iterator[Sign]:
        seen = worker.last_seen_at
        if worker.connections or seen is None or at - seen > FORGET_S or seen < (self._first_at or at) - DAY_S:
            return
        yield AlertKind.WORKER_OFFLINE, subject, f"Last seen {span(max(0.0, at - seen))} ago."

    def _rejects(
        self,
        subject: str,
        who: PoolSnapshot | WorkerSnapshot,
        now: float,
        rule: AlertRuleConfig,
        was: Callable[[Key], bool],
    ) -> Iterator[Sign]:
        accepted, rejected = self._tallies.setdefault(subject, Tallies()).add(now, who.accepted, who.rejected)
        judged = accepted + rejected
        if not judged:
            return
        limit, part = rule.threshold / 100, rejected / judged
        many = rejected >= MIN_REJECTED and lower_bound(rejected, judged) > limit
        if many or (was((AlertKind.REJECT_RATE, subject)) and part > limit):
            yield (
                AlertKind.REJECT_RATE,
                subject,
                (
                    f"{rejected} of the last {judged} shares ({part:.1%}) were refused; the limit is "
                    f"{rule.threshold:g} %."
                ),
            )


class Tallies:
    """The last hour of two counters."""

    __slots__ = ("_samples",)

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int, int]] = deque(maxlen=REJECT_SAMPLES)

    def add(self, now: float, accepted: int, rejected: int) -> tuple[int, int]:
        """Note the counters; how far they have moved within the hour."""
        samples = self._samples
        if samples and (accepted < samples[-1][1] or rejected < samples[-1][2]):
            samples.clear()  # they began anew
        if not samples or now - samples[-1][0] >= REJECT_SAMPLE_S:
            samples.append((now, accepted, rejected))
        return accepted - samples[0][1], rejected - samples[0][2]


def lower_bound(hits: int, trials: int) -> float:
    """Lower end of the 95 % interval (Wilson) of a part."""
    part, square = hits / trials, _Z * _Z / trials
    return (part + square / 2 - _Z * sqrt(part * (1 - part) / trials + square / (4 * trials))) / (1 + square)


def fleet(look: FleetSnapshot, rules: dict[AlertKind, AlertRuleConfig], was: Callable[[Key], bool]) -> Iterator[Sign]:
    """What is wrong with all workers together."""
    if rule := rules.get(AlertKind.NO_SHARES):
        yield from no_shares(look, rule, was)
    rule = rules.get(AlertKind.HASHRATE_DROP)
    if rule and look.at - look.started_at >= 3600:
        yield from slower(FLEET, look.rate_1h, look.rate_24h, rule, was)


def no_shares(look: FleetSnapshot, rule: AlertRuleConfig, was: Callable[[Key], bool]) -> Iterator[Sign]:
    """Nobody sends shares although a pool has work."""
    shares = [worker.last_share_at for worker in look.workers if worker.last_share_at is not None]
    if not shares:
        return
    silence_s = look.at - max(*shares, look.started_at)
    working = any(pool.status is PoolStatus.UP for pool in look.pools)
    if (working and silence_s >= rule.threshold * 60) or (not working and was((AlertKind.NO_SHARES, FLEET))):
        yield AlertKind.NO_SHARES, FLEET, f"Nobody has sent a share for {span(silence_s)}."


def silent(
    subject: str,
    worker: WorkerSnapshot,
    look: FleetSnapshot,
    rule: AlertRuleConfig,
    working: bool,
    was: Callable[[Key], bool],
) -> Iterator[Sign]:
    """A worker is connected, has work, and sends nothing for longer than chance explains."""
    began = max(worker.last_share_at or 0.0, worker.connected_at or 0.0)
    if not worker.connections or worker.waiting or not working or not began:
        wrong = was((AlertKind.WORKER_SILENT, subject))  # not known now: as before
    else:
        usual = usual_gap(worker, look.hashes_per_difficulty)
        wrong = look.at - began >= max(rule.threshold * 60, EXPECTED_GAPS * usual)
    if wrong:
        yield AlertKind.WORKER_SILENT, subject, f"Connected, but no share for {span(look.at - began)}."


def usual_gap(worker: WorkerSnapshot, hashes_per_difficulty: float) -> float:
    """Seconds between two shares, as its rate of the last day has it; 0 where that is not known."""
    rate = worker.rate_24h
    return worker.difficulty * hashes_per_difficulty / rate.value if rate.known and rate.value > 0 else 0.0


def slow_worker(
    subject: str, worker: WorkerSnapshot, at: float, rule: AlertRuleConfig, was: Callable[[Key], bool]
) -> Iterator[Sign]:
    """A worker's last hour against its day; only while it has been connected for that hour."""
    if not worker.connections:
        if was((AlertKind.HASHRATE_DROP, subject)):
            yield AlertKind.HASHRATE_DROP, subject, "It is offline now."
    elif at - (worker.connected_at or at) >= 3600:
        yield from slower(subject, worker.rate_1h, worker.rate_24h, rule, was)


def slower(
    subject: str, hour: RateSnapshot, day: RateSnapshot, rule: AlertRuleConfig, was: Callable[[Key], bool]
) -> Iterator[Sign]:
    """The hour is below the day by more than the threshold, and by more than noise."""
    if not hour.known or not day.known or day.value <= 0:
        return
    keep = 1 - rule.threshold / 100
    begins = hour.high < keep * day.low
    if begins or (was((AlertKind.HASHRATE_DROP, subject)) and hour.value < keep * day.value):
        yield (
            AlertKind.HASHRATE_DROP,
            subject,
            (
                f"{short(hour.value, 'H/s')} in the last hour, {short(day.value, 'H/s')} in the last day "
                f"({hour.value / day.value - 1:+.0%})."
            ),
        )


def down_sentence(reason: str) -> str:
    """Why a pool is down, and what follows."""
    return f"{reason.rstrip('.') or 'It cannot be reached'}. Miners work on the other pools as far as there are any."


def payout_sentence(pool: PoolSnapshot) -> str:
    """What the payout check found."""
    if pool.payout_percent is None:
        return "The jobs' coinbase does not pay the configured wallet as it should."
    return f"The jobs' coinbase pays {pool.payout_percent:.1f} % to the configured wallet."
