"""Finds what is wrong in a snapshot of the fleet: by the rules' thresholds, and only beyond chance."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import sqrt

from proxy.alerts.rules import AlertConfig, AlertKind, AlertRuleConfig
from proxy.alerts.texts import FLEET, chain_subject, device_subject, pool_subject, short, span, worker_subject
from proxy.devices.axeos import OVERHEATED
from proxy.devices.facts import Facts
from proxy.devices.views import DeviceView, devices_of
from proxy.observe.live.views import LiveSnapshot, PoolView, RateView, WorkerOutline, WorkerView
from proxy.types import AdminStatus, PoolStatus

Key = tuple[AlertKind, str]
Problem = tuple[AlertKind, str, str]
"""Kind, subject, sentence."""

DAY_S = 86400.0
FORGET_S = 7 * DAY_S
"""A worker that has been offline for so long is no longer reported."""
EXPECTED_GAPS = 10.0
"""A silence of so many usual gaps between shares happens by chance once in 20,000."""
REJECT_SAMPLE_S, REJECT_SAMPLES = 300.0, 13
"""Refused shares are counted over the last hour."""
MIN_REJECTED = 5
LEAST_POWER_W = 5.0
"""What a small miner takes without hashing."""
_Z = 1.96

SNAPSHOT_KINDS = frozenset(
    {
        AlertKind.POOL_DOWN,
        AlertKind.WORKER_OFFLINE,
        AlertKind.NO_SHARES,
        AlertKind.WORKER_SILENT,
        AlertKind.HASHRATE_DROP,
        AlertKind.REJECT_RATE,
        AlertKind.DEVICE_HOT,
        AlertKind.FAN_STOPPED,
        AlertKind.POWER_NO_HASH,
        AlertKind.PAYOUT,
    }
)
"""Kinds that are found in snapshots; the others come as events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The result for one snapshot."""

    wrong: dict[Key, str]
    subjects: frozenset[str]
    """All existing pools, chains and workers."""


class Evaluators:
    """Compares snapshots with the rules; keeps an hour of share counts for the reject rate."""

    def __init__(self) -> None:
        self._counts: dict[str, HourlyCounts] = {}
        self._first_at: float | None = None

    def evaluate(
        self, snapshot: LiveSnapshot, now: float, config: AlertConfig, was: Callable[[Key], bool]
    ) -> Evaluation:
        """What is wrong now; ``was``: whether it was until now (some thresholds have a hysteresis)."""
        self._first_at = snapshot.at if self._first_at is None else self._first_at
        rules = {rule.kind: rule for rule in config.rules}
        subjects = {
            FLEET,
            *(pool_subject(pool.key) for pool in snapshot.pools),
            *(chain_subject(pool.chain) for pool in snapshot.pools),
            *(worker_subject(worker.name) for worker in snapshot.watched),
            *(subject_of(device) for device in asked(snapshot)),
        }
        self._counts = {name: counts for name, counts in self._counts.items() if name in subjects}
        problems = (
            *self._pools(snapshot, now, rules, was),
            *self._workers(snapshot, now, rules, was),
            *device_problems(snapshot, rules, was),
            *fleet_problems(snapshot, rules, was),
        )
        return Evaluation(
            wrong={(kind, subject): text for kind, subject, text in problems if kind in rules},
            subjects=frozenset(subjects),
        )

    def _pools(
        self, snapshot: LiveSnapshot, now: float, rules: dict[AlertKind, AlertRuleConfig], was: Callable[[Key], bool]
    ) -> Iterator[Problem]:
        for pool in snapshot.pools:
            subject = pool_subject(pool.key)
            if pool.status is PoolStatus.DOWN and pool.admin is AdminStatus.ENABLED:
                yield AlertKind.POOL_DOWN, subject, down_sentence(pool.reason)
            if pool.payout_ok is False:
                yield AlertKind.PAYOUT, subject, payout_sentence(pool)
            if rule := rules.get(AlertKind.REJECT_RATE):
                yield from self._rejects(subject, pool, now, rule, was)

    def _workers(
        self, snapshot: LiveSnapshot, now: float, rules: dict[AlertKind, AlertRuleConfig], was: Callable[[Key], bool]
    ) -> Iterator[Problem]:
        working = any(pool.status is PoolStatus.UP for pool in snapshot.pools)
        for worker in snapshot.watched:
            subject = worker_subject(worker.name)
            if (rule := rules.get(AlertKind.WORKER_OFFLINE)) and rule.concerns(worker.name):
                yield from self._offline(subject, worker, snapshot.at)
            if (rule := rules.get(AlertKind.WORKER_SILENT)) and rule.concerns(worker.name):
                yield from silent_worker(subject, worker, snapshot, rule, working, was)
            if (rule := rules.get(AlertKind.HASHRATE_DROP)) and rule.concerns(worker.name):
                yield from slow_worker(subject, worker, snapshot.at, rule, was)
            if (rule := rules.get(AlertKind.REJECT_RATE)) and rule.concerns(worker.name):
                yield from self._rejects(subject, worker, now, rule, was)

    def _offline(self, subject: str, worker: WorkerView | WorkerOutline, at: float) -> Iterator[Problem]:
        seen = worker.last_seen_at
        if worker.connections or seen is None or at - seen > FORGET_S or seen < (self._first_at or at) - DAY_S:
            return
        yield AlertKind.WORKER_OFFLINE, subject, f"Last seen {span(max(0.0, at - seen))} ago."

    def _rejects(
        self,
        subject: str,
        who: PoolView | WorkerView | WorkerOutline,
        now: float,
        rule: AlertRuleConfig,
        was: Callable[[Key], bool],
    ) -> Iterator[Problem]:
        accepted, rejected = self._counts.setdefault(subject, HourlyCounts()).add(
            now, who.counts.accepted, who.counts.rejected
        )
        answered = accepted + rejected
        if not answered:
            return
        limit, part = rule.threshold / 100, rejected / answered
        many = rejected >= MIN_REJECTED and lower_bound(rejected, answered) > limit
        if many or (was((AlertKind.REJECT_RATE, subject)) and part > limit):
            yield (
                AlertKind.REJECT_RATE,
                subject,
                (
                    f"{rejected} of the last {answered} shares ({part:.1%}) were refused; the limit is "
                    f"{rule.threshold:g} %."
                ),
            )


def asked(snapshot: LiveSnapshot) -> tuple[DeviceView, ...]:
    """The miners that are asked for facts of their own."""
    view = devices_of(snapshot)
    return view.devices if view is not None else ()


def subject_of(device: DeviceView) -> str:
    """Its worker's; its own where none is known."""
    if device.worker is not None:
        return worker_subject(device.worker)
    return device_subject(device.row.address, device.row.port)


def device_problems(
    snapshot: LiveSnapshot, rules: dict[AlertKind, AlertRuleConfig], was: Callable[[Key], bool]
) -> Iterator[Problem]:
    """What is wrong with miners by their own words; of one that is not heard nothing changes."""
    for device in asked(snapshot):
        subject = subject_of(device)
        for kind in (AlertKind.DEVICE_HOT, AlertKind.FAN_STOPPED, AlertKind.POWER_NO_HASH):
            rule = rules.get(kind)
            if rule is None or not rule.concerns(device.worker or device.row.name):
                continue
            if device.facts is None:
                if was((kind, subject)):
                    yield kind, subject, "It does not answer now."
            elif text := device_problem(kind, device.facts, rule):
                yield kind, subject, text


def device_problem(kind: AlertKind, facts: Facts, rule: AlertRuleConfig) -> str:
    """What is wrong, in a sentence; empty where all is well."""
    if kind is AlertKind.DEVICE_HOT and facts.temperature_c is not None and facts.temperature_c >= rule.threshold:
        return f"{facts.temperature_c:.0f} °C; the limit is {rule.threshold:g} °C."
    if kind is AlertKind.DEVICE_HOT and OVERHEATED in facts.errors:
        return "It has reduced its work because of heat."
    if kind is AlertKind.FAN_STOPPED and facts.fan_stopped:
        return f"Its fans turn at {', '.join(map(str, facts.fans_rpm))} rpm."
    if kind is AlertKind.POWER_NO_HASH and facts.hashrate == 0 and (facts.power_w or 0.0) >= LEAST_POWER_W:
        return f"It takes {facts.power_w:.0f} W."
    return ""


class HourlyCounts:
    """How far two counters moved within the last hour."""

    __slots__ = ("_samples",)

    def __init__(self) -> None:
        self._samples: list[tuple[float, int, int]] = []  # an empty deque takes as much room as five samples

    def add(self, now: float, accepted: int, rejected: int) -> tuple[int, int]:
        """Add a sample. Returns how far each counter moved within the hour."""
        samples = self._samples
        if samples and (accepted < samples[-1][1] or rejected < samples[-1][2]):
            samples.clear()  # they began anew
        if not samples or now - samples[-1][0] >= REJECT_SAMPLE_S:
            samples.append((now, accepted, rejected))
            del samples[:-REJECT_SAMPLES]
        return accepted - samples[0][1], rejected - samples[0][2]


def lower_bound(hits: int, trials: int) -> float:
    """Lower end of the 95 % Wilson interval of ``hits / trials``."""
    part, square = hits / trials, _Z * _Z / trials
    return (part + square / 2 - _Z * sqrt(part * (1 - part) / trials + square / (4 * trials))) / (1 + square)


def fleet_problems(
    snapshot: LiveSnapshot, rules: dict[AlertKind, AlertRuleConfig], was: Callable[[Key], bool]
) -> Iterator[Problem]:
    """What is wrong with all workers together."""
    if rule := rules.get(AlertKind.NO_SHARES):
        yield from no_shares(snapshot, rule, was)
    rule = rules.get(AlertKind.HASHRATE_DROP)
    if rule and snapshot.at - snapshot.started_at >= 3600:
        yield from slower_than_usual(FLEET, snapshot.rate_1h, snapshot.rate_24h, rule, was)


def no_shares(snapshot: LiveSnapshot, rule: AlertRuleConfig, was: Callable[[Key], bool]) -> Iterator[Problem]:
    """Nobody sends shares although a pool has work."""
    shares = [worker.last_share_at for worker in snapshot.watched if worker.last_share_at is not None]
    if not shares:
        return
    silence_s = snapshot.at - max(*shares, snapshot.started_at)
    working = any(pool.status is PoolStatus.UP for pool in snapshot.pools)
    if (working and silence_s >= rule.threshold * 60) or (not working and was((AlertKind.NO_SHARES, FLEET))):
        yield AlertKind.NO_SHARES, FLEET, f"Nobody has sent a share for {span(silence_s)}."


def silent_worker(
    subject: str,
    worker: WorkerView | WorkerOutline,
    snapshot: LiveSnapshot,
    rule: AlertRuleConfig,
    working: bool,
    was: Callable[[Key], bool],
) -> Iterator[Problem]:
    """A worker is connected, has work, and has sent no share for longer than chance explains."""
    began = max(worker.last_share_at or 0.0, worker.connected_at or 0.0)
    if not worker.connections or worker.waiting or not working or not began:
        wrong = was((AlertKind.WORKER_SILENT, subject))  # unknown now: unchanged
    else:
        usual = usual_gap(worker, snapshot.hashes_per_difficulty)
        wrong = snapshot.at - began >= max(rule.threshold * 60, EXPECTED_GAPS * usual)
    if wrong:
        yield AlertKind.WORKER_SILENT, subject, f"Connected, but no share for {span(snapshot.at - began)}."


def usual_gap(worker: WorkerView | WorkerOutline, hashes_per_difficulty: float) -> float:
    """Mean seconds between two shares by its hash rate of the last day; 0 where that is unknown."""
    rate = worker.rate_24h
    return worker.difficulty * hashes_per_difficulty / rate.value if rate.known and rate.value > 0 else 0.0


def slow_worker(
    subject: str, worker: WorkerView | WorkerOutline, at: float, rule: AlertRuleConfig, was: Callable[[Key], bool]
) -> Iterator[Problem]:
    """A worker's last hour is slower than its last day; only if it was connected for that hour."""
    if not worker.connections:
        if was((AlertKind.HASHRATE_DROP, subject)):
            yield AlertKind.HASHRATE_DROP, subject, "It is offline now."
    elif at - (worker.connected_at or at) >= 3600:
        yield from slower_than_usual(subject, worker.rate_1h, worker.rate_24h, rule, was)


def slower_than_usual(
    subject: str, hour: RateView, day: RateView, rule: AlertRuleConfig, was: Callable[[Key], bool]
) -> Iterator[Problem]:
    """The hour is below the day by more than the threshold and by more than noise."""
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


def payout_sentence(pool: PoolView) -> str:
    """What the payout check found."""
    if pool.payout_percent is None:
        return "The jobs' coinbase does not pay the configured wallet as it should."
    return f"The jobs' coinbase pays {pool.payout_percent:.1f} % to the configured wallet."
