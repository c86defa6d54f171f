"""What is counted of shares: one schema for memory, database, files, exports, metrics and pages.

A new counter is one entry in ``Counts``: its line, and the place where it is added. Its database column takes a
migration, its name on pages one label (``proxy.models.labels.COUNTER_LABELS``). Everything else follows: each counter
is kept per worker and pool, and sums over workers, pools and time are made of these.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import isfinite
from typing import Any

from proxy.observe.events import AcceptedShares, ShareResult
from proxy.types import DecidedBy, Reason, Verdict

RejectKey = tuple[Reason, DecidedBy]

STALE_REASONS = frozenset({Reason.STALE, Reason.UNKNOWN_JOB})
"""Both are Stratum's code 21: the job is not (or no longer) good."""

_NO_PROOF = frozenset(
    {
        Reason.DUPLICATE,
        Reason.UNKNOWN_JOB,
        Reason.LOW_DIFFICULTY,
        Reason.BAD_PARAMS,
        Reason.VERSION,
        Reason.NTIME,
        Reason.EXTRANONCE,
    }
)
"""Refusals of shares that prove no work for the pool's job, whatever their hash."""


class Unit(StrEnum):
    """What a counter's number is a number of."""

    SHARES = "shares"
    DIFFICULTY = "difficulty"
    DIFFICULTY_SQUARED = "difficulty squared"
    SECONDS = "seconds"

    @property
    def is_whole(self) -> bool:
        """Whether it comes in whole numbers."""
        return self is Unit.SHARES


class Adding(StrEnum):
    """How two numbers of one counter become one."""

    SUM = "sum"
    LARGEST = "largest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter:
    """One counter."""

    name: str
    """Its attribute in memory and in frozen tallies, its column in the database, its key in files."""
    unit: Unit
    adding: Adding = Adding.SUM
    counted: bool = True
    """Kept as a number of its own; else it is the sum of the refusals that ``matches`` picks."""
    matches: Callable[[RejectKey], bool] | None = None
    stored: bool = True
    """Whether the database has a column for it."""
    shown: bool = False
    """Whether the pages of a worker and of a pool list it; the others that they show have places of their own."""
    column: str = ""
    """Its column in the CSV and JSON export; empty: not exported."""
    pool_metric: str = ""
    """Name of the Prometheus counter with a label ``pool``, without ``_total``; empty: none."""
    worker_metric: str = ""
    """The same with a label ``worker``, for operators who switched such series on."""
    says: str = ""
    """Help text of ``pool_metric``."""
    worker_says: str = ""


_declared: list[Counter] = []


def _number(name: str, unit: Unit, **more: Any) -> Any:
    """Declare a counter that is kept as a number of its own."""
    counter = Counter(name=name, unit=unit, **more)
    _declared.append(counter)
    return field(default=0 if unit.is_whole else 0.0, metadata={"counter": counter})


class _Refusals:
    """Declare a counter that sums up refusals: read like an attribute, kept nowhere."""

    def __init__(self, name: str, matches: Callable[[RejectKey], bool], **more: Any) -> None:
        self._matches = matches
        _declared.append(Counter(name=name, unit=Unit.SHARES, counted=False, matches=matches, **more))

    def __get__(self, counts: "Counts | None", owner: type) -> int:
        if counts is None or not counts.rejects:
            return 0
        matches = self._matches
        return sum([number for key, number in list(counts.rejects.items()) if matches(key)])


@dataclass(slots=True)
class Counts:
    """A running sum of shares; mutable, because it is touched with each of them."""

    accepted: int = _number(
        "accepted",
        Unit.SHARES,
        column="accepted",
        pool_metric="dpmp_shares_accepted",
        says="Shares the pool accepted",
        worker_metric="dpmp_worker_shares_accepted",
        worker_says="Accepted shares of the worker",
    )
    rejected = _Refusals(
        "rejected",
        lambda key: True,
        column="rejected",
        worker_metric="dpmp_worker_shares_rejected",
        worker_says="Rejected shares of the worker",
    )
    """Refused by anybody for any reason."""
    rejected_by_pool = _Refusals(
        "rejected_by_pool",
        lambda key: key[1] is DecidedBy.POOL,
        stored=False,
        pool_metric="dpmp_shares_rejected",
        says="Shares the pool rejected",
    )
    """Part of ``rejected``."""
    stale = _Refusals("stale", lambda key: key[0] in STALE_REASONS, column="stale", shown=True)
    """Part of ``rejected``: the job was not good any more (or never was), whoever said so."""
    duplicate = _Refusals("duplicate", lambda key: key[0] is Reason.DUPLICATE, column="duplicate")
    """Part of ``rejected``: sent twice."""
    unanswered: int = _number(
        "unanswered",
        Unit.SHARES,
        column="unanswered",
        shown=True,
        pool_metric="dpmp_shares_unanswered",
        says="Shares that got no verdict",
    )
    credited: float = _number(
        "credited",
        Unit.DIFFICULTY,
        column="credited_difficulty",
        pool_metric="dpmp_accepted_difficulty_sum",
        says="Sum of the difficulty credited for accepted shares",
    )
    """Sum of the pool's difficulty over accepted shares."""
    work: float = _number(
        "work",
        Unit.DIFFICULTY,
        column="work_difficulty",
        pool_metric="dpmp_work_difficulty_sum",
        says="Sum of the miners' difficulty over shares that proved work",
    )
    """Sum of the miner's assigned difficulty over shares that proved work."""
    work_squares: float = _number("work_squares", Unit.DIFFICULTY_SQUARED)
    work_shares: int = _number("work_shares", Unit.SHARES)
    """Shares that proved work."""
    best: float = _number("best", Unit.DIFFICULTY, adding=Adding.LARGEST, column="best_share")
    """Largest true difficulty of an accepted share."""
    latency_s: float = _number("latency_s", Unit.SECONDS)
    """Sum of the pool's answer times."""
    latency_n: int = _number("latency_n", Unit.SHARES)
    """Shares whose answer was timed."""
    work_only: int = _number(
        "work_only",
        Unit.SHARES,
        column="work_only",
        shown=True,
        pool_metric="dpmp_shares_work_only",
        says="Shares on shared connections below the pool's difficulty, accepted by the proxy alone",
        worker_metric="dpmp_worker_shares_work_only",
        worker_says="Shares of the worker below the pool's difficulty, accepted by the proxy alone",
    )
    """They reached what their miner was given and went no further: part of the work, not of ``accepted``."""
    rejects: dict[RejectKey, int] | None = None
    """Refused shares by reason and by who refused them; None (in a ``Tally``: empty) while there are none."""

    def accept(self, share: ShareResult) -> None:
        """Add one accepted share, and its work if it proves any."""
        difficulty, latency_s = share.difficulty, share.latency_s
        self.accepted += 1
        self.credited += share.pool_difficulty
        if share.true_difficulty > self.best:
            self.best = share.true_difficulty
        if latency_s > 0.0:
            self.latency_s += latency_s
            self.latency_n += 1
        if difficulty <= share.true_difficulty:
            self.work += difficulty
            self.work_squares += difficulty * difficulty
            self.work_shares += 1

    def accept_all(self, shares: AcceptedShares) -> None:
        """Add a sum of accepted shares."""
        difficulty, proven = shares.difficulty, shares.proven
        if shares.number:
            self.accepted += shares.number
            self.credited += shares.pool_difficulty * shares.number
            timed = [latency_s for latency_s in shares.latencies if latency_s > 0.0]
            self.latency_s += sum(timed)
            self.latency_n += len(timed)
        self.work_only += shares.work_only
        if shares.best > self.best:
            self.best = shares.best
        self.work += difficulty * proven
        self.work_squares += difficulty * difficulty * proven
        self.work_shares += proven

    def count(self, share: ShareResult) -> None:
        """Add one share that its pool did not accept, and its work if it proves any."""
        if share.verdict is Verdict.WORK:
            self.work_only += 1
            self.best = max(self.best, share.true_difficulty)
        elif share.verdict is Verdict.UNANSWERED:
            self.unanswered += 1
        else:
            rejects = self.rejects
            if rejects is None:
                rejects = self.rejects = {}
            key = (share.reason, share.decided_by)
            rejects[key] = rejects.get(key, 0) + 1
        if share.latency_s > 0.0:
            self.latency_s += share.latency_s
            self.latency_n += 1
        if proves_work(share):
            self.work += share.difficulty
            self.work_squares += share.difficulty * share.difficulty
            self.work_shares += 1

    def add(self, other: "Counts") -> None:
        """Add all of ``other``."""
        _add_numbers(self, other)
        if other.rejects:
            if self.rejects is None:
                self.rejects = {}
            for key, number in other.rejects.items():
                self.rejects[key] = self.rejects.get(key, 0) + number

    def less(self, other: "Counts") -> None:
        """Take away all of ``other``; never below nothing. What is a largest stays."""
        for name in SUMS_COUNTED:
            setattr(self, name, max(getattr(self, name) - getattr(other, name), 0))
        for key, number in (other.rejects or {}).items():
            if self.rejects and key in self.rejects:
                self.rejects[key] = max(self.rejects[key] - number, 0)

    @property
    def good(self) -> int:
        """Shares that were as they had to be: the pool accepted them, or they were work that went no further."""
        return self.accepted + self.work_only

    @property
    def answered(self) -> int:
        """Shares with a verdict: what the refused ones are a part of. Those of work alone can be refused as well."""
        return self.good + self.rejected

    @property
    def submitted(self) -> int:
        """All shares."""
        return self.answered + self.unanswered


COUNTERS = tuple(_declared)
"""The schema."""
SUMS_COUNTED = tuple(each.name for each in COUNTERS if each.counted and each.adding is Adding.SUM)
COUNTED = tuple(counter.name for counter in COUNTERS if counter.counted)
"""Counters that are kept as numbers: what files hold, beside the refusals by reason."""
STORED = tuple(counter for counter in COUNTERS if counter.stored)
"""Counters with a column in the database."""
SUMS = tuple(counter.name for counter in STORED if counter.adding is Adding.SUM)
LARGEST = tuple(counter.name for counter in STORED if counter.adding is Adding.LARGEST)
EXPORTED = tuple(counter for counter in STORED if counter.column)
LARGEST_NUMBER = 1e300
"""What databases and JSON can hold, with room to be added to."""


def storable(number: float) -> float:
    """``number``, as a database and JSON can hold it."""
    return min(number, LARGEST_NUMBER) if isfinite(number) else (LARGEST_NUMBER if number > 0 else 0.0)


def all_storable(numbers: tuple[float, ...]) -> tuple[float, ...]:
    """``numbers``, none of them below 0, as a database and JSON can hold them: nearly always as they are."""
    return numbers if sum(numbers) <= LARGEST_NUMBER else tuple(map(storable, numbers))


def _numbers_adder() -> Callable[[Counts, Counts], None]:
    """Write one statement for each number, as ``dataclass`` does: a loop over names takes three times as long."""
    lines = ["def add(mine, other):"]
    for counter in COUNTERS:
        if counter.counted and counter.adding is Adding.SUM:
            lines.append(f"    mine.{counter.name} += other.{counter.name}")
        elif counter.counted:
            lines.append(
                f"    if other.{counter.name} > mine.{counter.name}: mine.{counter.name} = other.{counter.name}"
            )
    made: dict[str, Any] = {}
    exec("\n".join(lines), made)
    adder: Callable[[Counts, Counts], None] = made["add"]
    return adder


_add_numbers = _numbers_adder()


def proves_work(share: ShareResult) -> bool:
    """Whether the share is proof of ``share.difficulty`` of work done for its pool, also if no credit came of it.

    A block below the miner's assigned difficulty is none, accepted or not: all work is in the shares that reach it.
    """
    if share.difficulty > share.true_difficulty:
        return False
    return share.verdict is Verdict.ACCEPTED or (
        share.pool is not None and share.difficulty > 0.0 and share.reason not in _NO_PROOF
    )


def sum_of(*parts: Counts | None) -> Counts:
    """The sum of what is there of ``parts``, as counts of its own."""
    total = Counts()
    for part in parts:
        if part is not None:
            total.add(part)
    return total


class Tally(Counts):
    """The sum of some counts, frozen: what readers get from ``tally_of``. Shares of earlier runs are part of it."""

    __slots__ = ()

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a tally never changes")

    def __hash__(self) -> int:
        return hash((self.submitted, self.credited))

    def rejects_by_reason(self) -> Mapping[str, int]:
        """Refused shares by reason, whoever refused them."""
        counted: dict[str, int] = {}
        for (reason, _), number in (self.rejects or {}).items():
            if reason is not Reason.NONE:
                counted[reason.value] = counted.get(reason.value, 0) + number
        return counted


def tally_of(*parts: Counts) -> Tally:
    """Freeze the sum of ``parts``."""
    total = Counts()
    for part in parts:
        total.add(part)
    if total.rejects is None:
        total.rejects = {}
    total.__class__ = Tally  # nobody else holds it; copying each number once more would cost as much again
    assert isinstance(total, Tally)
    return total


NO_SHARES = tally_of()
