"""Finds what is wrong in a snapshot of the fleet: by the rules' thresholds, and only beyond chance."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, sqrt
from typing import NamedTuple

from proxy.alerts.rules import AlertConfig, AlertKind, AlertRuleConfig
from proxy.alerts.texts import FLEET, chain_subject, device_subject, pool_subject, short, span, worker_subject
from proxy.devices.axeos import OVERHEATED
from proxy.devices.facts import Facts
from proxy.devices.views import DeviceView, devices_of
from proxy.in_parts import in_parts
from proxy.observe.live.views import LiveSnapshot, PoolView, RateView, WorkerOutline, WorkerView
from proxy.types import AdminStatus, PoolStatus, WorkerName

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
DROP_LEAST_S = 3600.0
"""A worker's hash rate is compared once it has been connected for so long."""
LOOK_AGAIN_S, CLOCKS_DIFFER_S = 300.0, 1.0
"""A worker that is fine is looked at this often in any case, and so much before time may have changed something."""
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
WORKERS_A_PART = 64
"""Looked at without a break: half a millisecond, in which the loop's thread waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The result for one snapshot."""

    wrong: dict[Key, str]
    exists: Callable[[str], bool]
    """Whether there is a pool, chain, worker or device of that subject; until the next evaluation begins."""


class Moment(NamedTuple):
    """What all rules go by in one evaluation."""

    live: LiveSnapshot
    now: float
    """Monotonic seconds."""
    first_at: float
    """When the first evaluation was, in unix seconds."""
    working: bool
    """Whether any pool works."""
    was: Callable[[Key], bool]


class HourlyCounts:
    """How far two counters of a pool or a worker moved within the last hour."""

    __slots__ = ("_samples", "subject")

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self._samples: list[tuple[float, int, int]] = []  # an empty deque takes as much room as five samples

    def add(self, now: float, good: int, rejected: int) -> tuple[int, int]:
        """Add a sample. Returns how far each counter moved within the hour."""
        samples = self._samples
        if samples and (good < samples[-1][1] or rejected < samples[-1][2]):
            samples.clear()  # they began anew
        if not samples or now - samples[-1][0] >= REJECT_SAMPLE_S:
            samples.append((now, good, rejected))
            del samples[:-REJECT_SAMPLES]
        return good - samples[0][1], rejected - samples[0][2]

    @property
    def next_at(self) -> float:
        """From when on another sample is taken, in monotonic seconds."""
        return self._samples[-1][0] + REJECT_SAMPLE_S if self._samples else inf


class Seen(HourlyCounts):
    """What the rules last saw of a worker."""

    __slots__ = ("due", "outline")

    def __init__(self, subject: str) -> None:
        super().__init__(subject)
        self.outline: WorkerOutline | None = None
        """None where something was wrong, and where it was a row, which would be kept for too long."""
        self.due = 0.0
        """When time alone may have changed that, in monotonic seconds."""


class Evaluators:
    """Compares snapshots with the rules; keeps an hour of share counts for the reject rate.

    A worker that was fine is looked at again when its outline is another one, when time alone may have changed that,
    and when something that holds for all has: the rules, whether any pool works, what a difficulty stands for.
    """

    def __init__(self) -> None:
        self._pool_counts: dict[str, HourlyCounts] = {}
        self._seen: dict[WorkerName, Seen] = {}
        self._others: frozenset[str] = frozenset()
        """Subjects that are no workers, all those of the last snapshot."""
        self._subjects: frozenset[str] | None = None
        """Those that are, as far as somebody asked."""
        self._holds_for: object = None
        """What holds for all, as it was when all were looked at."""
        self._last_share_at: float | None = None
        """Of all workers, in unix seconds."""
        self._first_at: float | None = None

    def evaluate(
        self, snapshot: LiveSnapshot, now: float, config: AlertConfig, was: Callable[[Key], bool]
    ) -> Generator[None, None, Evaluation]:
        """What is wrong now, with pauses; ``was``: whether it was until now (some thresholds have a hysteresis)."""
        self._first_at = snapshot.at if self._first_at is None else self._first_at
        working = any(pool.status is PoolStatus.UP for pool in snapshot.pools)
        moment = Moment(snapshot, now, self._first_at, working, was)
        rules = {rule.kind: rule for rule in config.rules}
        subjects = [FLEET, *(subject_of(device) for device in asked(snapshot))]
        for pool in snapshot.pools:
            subjects += pool_subject(pool.key), chain_subject(pool.chain)
        self._others, self._subjects = frozenset(subjects), None
        problems = [*self._pools(moment, rules)]
        problems += yield from self._workers(moment, config, rules)
        problems += [*device_problems(snapshot, rules, was), *fleet_problems(moment, self._last_share_at, rules)]
        wrong = {(kind, subject): text for kind, subject, text in problems if kind in rules}
        return Evaluation(wrong=wrong, exists=self._exists)

    def _exists(self, subject: str) -> bool:
        if subject in self._others:
            return True
        if self._subjects is None:
            self._subjects = frozenset([seen.subject for seen in self._seen.values()])
        return subject in self._subjects

    def _pools(self, moment: Moment, rules: Mapping[AlertKind, AlertRuleConfig]) -> Iterator[Problem]:
        self._pool_counts = {name: counts for name, counts in self._pool_counts.items() if name in self._others}
        for pool in moment.live.pools:
            subject = pool_subject(pool.key)
            if pool.status is PoolStatus.DOWN and pool.admin is AdminStatus.ENABLED:
                yield AlertKind.POOL_DOWN, subject, down_sentence(pool.reason)
            if pool.payout_ok is False:
                yield AlertKind.PAYOUT, subject, payout_sentence(pool)
            if rule := rules.get(AlertKind.REJECT_RATE):
                counts = self._pool_counts.setdefault(subject, HourlyCounts(subject))
                if text := many_refused(pool, counts, rule, moment):
                    yield AlertKind.REJECT_RATE, subject, text

    def _workers(
        self, moment: Moment, config: AlertConfig, rules: Mapping[AlertKind, AlertRuleConfig]
    ) -> Generator[None, None, list[Problem]]:
        watched: Sequence[WorkerView | WorkerOutline] = moment.live.watched
        checks = [(rule, WORKER_CHECKS[kind]) for kind, rule in rules.items() if kind in WORKER_CHECKS]
        silent_rule = rules.get(AlertKind.WORKER_SILENT)
        holds_for = config, moment.working, moment.live.hashes_per_difficulty
        all_anew = holds_for != self._holds_for
        seen_of, problems, last_share_at = self._seen, list[Problem](), -inf
        for part in in_parts(watched, WORKERS_A_PART):
            for worker in part:
                if worker.last_share_at is not None and worker.last_share_at > last_share_at:
                    last_share_at = worker.last_share_at
                seen = seen_of.get(worker.name)
                if seen is None:
                    seen = seen_of[worker.name] = Seen(worker_subject(worker.name))
                elif worker is seen.outline and moment.now < seen.due and not all_anew:
                    continue
                is_fine = True
                for rule, check in checks:
                    if rule.concerns(worker.name) and (text := check(worker, seen, rule, moment)):
                        is_fine = False
                        problems.append((rule.kind, seen.subject, text))
                if is_fine and isinstance(worker, WorkerOutline):
                    seen.outline, seen.due = worker, fine_until(worker, seen, silent_rule, moment)
                else:
                    seen.outline = None
            yield
        if len(seen_of) > len(watched):
            self._seen = {worker.name: seen_of[worker.name] for worker in watched}
        self._holds_for, self._last_share_at = holds_for, last_share_at if last_share_at > -inf else None
        return problems


def fine_until(worker: WorkerOutline, seen: Seen, silent_rule: AlertRuleConfig | None, moment: Moment) -> float:
    """Until when a worker that is fine stays so if only time passes, in monotonic seconds."""
    least_s, at = min(LOOK_AGAIN_S, seen.next_at - moment.now), moment.live.at
    if worker.connections:
        compared_s = (worker.connected_at or at) + DROP_LEAST_S - at
        if 0.0 < compared_s < least_s:
            least_s = compared_s
        if silent_rule is not None and moment.working and not worker.waiting:
            silent_s = _began(worker) + _silence_s(worker, silent_rule, moment.live) - at
            if silent_s < least_s and silent_rule.concerns(worker.name):
                least_s = silent_s
    return moment.now + least_s - CLOCKS_DIFFER_S


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


def lower_bound(hits: int, trials: int) -> float:
    """Lower end of the 95 % Wilson interval of ``hits / trials``."""
    part, square = hits / trials, _Z * _Z / trials
    return (part + square / 2 - _Z * sqrt(part * (1 - part) / trials + square / (4 * trials))) / (1 + square)


def fleet_problems(
    moment: Moment, last_share_at: float | None, rules: Mapping[AlertKind, AlertRuleConfig]
) -> Iterator[Problem]:
    """What is wrong with all workers together."""
    live = moment.live
    rule = rules.get(AlertKind.NO_SHARES)
    if rule and last_share_at is not None:
        silence_s = live.at - max(last_share_at, live.started_at)
        is_long, was = silence_s >= rule.threshold * 60, moment.was((AlertKind.NO_SHARES, FLEET))
        if (moment.working and is_long) or (not moment.working and was):
            yield AlertKind.NO_SHARES, FLEET, f"Nobody has sent a share for {span(silence_s)}."
    rule = rules.get(AlertKind.HASHRATE_DROP)
    is_known = live.at - live.started_at >= DROP_LEAST_S
    if rule and is_known and (text := slower_than_usual(FLEET, live.rate_1h, live.rate_24h, rule, moment)):
        yield AlertKind.HASHRATE_DROP, FLEET, text


def offline_worker(worker: WorkerView | WorkerOutline, seen: Seen, rule: AlertRuleConfig, moment: Moment) -> str:
    """A worker has left; not one that left long before the rules began to look."""
    at, last = moment.live.at, worker.last_seen_at
    if worker.connections or last is None or at - last > FORGET_S or last < moment.first_at - DAY_S:
        return ""
    return f"Last seen {span(max(0.0, at - last))} ago."


def silent_worker(worker: WorkerView | WorkerOutline, seen: Seen, rule: AlertRuleConfig, moment: Moment) -> str:
    """A worker is connected, has work, and has sent no share for longer than chance explains."""
    began, at = _began(worker), moment.live.at
    if not worker.connections or worker.waiting or not moment.working or not began:
        wrong = moment.was((AlertKind.WORKER_SILENT, seen.subject))  # unknown now: unchanged
    else:
        wrong = at - began >= _silence_s(worker, rule, moment.live)
    return f"Connected, but no share for {span(at - began)}." if wrong else ""


def _began(worker: WorkerView | WorkerOutline) -> float:
    """When its silence began, in unix seconds; 0 where that is unknown."""
    return max(worker.last_share_at or 0.0, worker.connected_at or 0.0)


def _silence_s(worker: WorkerView | WorkerOutline, rule: AlertRuleConfig, live: LiveSnapshot) -> float:
    """The seconds without a share from which on that is told."""
    return max(rule.threshold * 60, EXPECTED_GAPS * usual_gap(worker, live.hashes_per_difficulty))


def usual_gap(worker: WorkerView | WorkerOutline, hashes_per_difficulty: float) -> float:
    """Mean seconds between two shares by its hash rate of the last day; 0 where that is unknown."""
    rate = worker.rate_24h
    return worker.difficulty * hashes_per_difficulty / rate.value if rate.known and rate.value > 0 else 0.0


def slow_worker(worker: WorkerView | WorkerOutline, seen: Seen, rule: AlertRuleConfig, moment: Moment) -> str:
    """A worker's last hour is slower than its last day; only if it was connected for that hour."""
    if not worker.connections:
        return "It is offline now." if moment.was((AlertKind.HASHRATE_DROP, seen.subject)) else ""
    if moment.live.at - (worker.connected_at or moment.live.at) < DROP_LEAST_S:
        return ""
    return slower_than_usual(seen.subject, worker.rate_1h, worker.rate_24h, rule, moment)


def slower_than_usual(subject: str, hour: RateView, day: RateView, rule: AlertRuleConfig, moment: Moment) -> str:
    """The hour is below the day by more than the threshold and by more than noise."""
    if not hour.known or not day.known or day.value <= 0:
        return ""
    keep = 1 - rule.threshold / 100
    stays = hour.value < keep * day.value and moment.was((AlertKind.HASHRATE_DROP, subject))
    if hour.high >= keep * day.low and not stays:
        return ""
    return (
        f"{short(hour.value, 'H/s')} in the last hour, {short(day.value, 'H/s')} in the last day "
        f"({hour.value / day.value - 1:+.0%})."
    )


def many_refused(
    who: PoolView | WorkerView | WorkerOutline, counts: HourlyCounts, rule: AlertRuleConfig, moment: Moment
) -> str:
    """More shares of the last hour were refused than may be, and than chance explains."""
    good, rejected = counts.add(moment.now, who.counts.good, who.counts.rejected)
    if not rejected:
        return ""
    answered, limit = good + rejected, rule.threshold / 100
    part = rejected / answered
    many = rejected >= MIN_REJECTED and lower_bound(rejected, answered) > limit
    if not many and not (part > limit and moment.was((AlertKind.REJECT_RATE, counts.subject))):
        return ""
    return f"{rejected} of the last {answered} shares ({part:.1%}) were refused; the limit is {rule.threshold:g} %."


WORKER_CHECKS: Mapping[AlertKind, Callable[[WorkerView | WorkerOutline, Seen, AlertRuleConfig, Moment], str]] = {
    AlertKind.WORKER_OFFLINE: offline_worker,
    AlertKind.WORKER_SILENT: silent_worker,
    AlertKind.HASHRATE_DROP: slow_worker,
    AlertKind.REJECT_RATE: many_refused,
}
"""What a rule finds wrong with one worker, in a sentence; empty where all is well."""


def down_sentence(reason: str) -> str:
    """Why a pool is down, and what follows."""
    return f"{reason.rstrip('.') or 'It cannot be reached'}. Miners work on the other pools as far as there are any."


def payout_sentence(pool: PoolView) -> str:
    """What the payout check found."""
    if pool.payout_percent is None:
        return "The jobs' coinbase does not pay the configured wallet as it should."
    return f"The jobs' coinbase pays {pool.payout_percent:.1f} % to the configured wallet."
