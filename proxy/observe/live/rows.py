"""The workers' rows of the read model: made anew only where something was heard of a worker, else handed on."""

from collections import Counter, deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from proxy.config.snapshot import ALL_WORKERS, ConfigSnapshot
from proxy.engine.engine import Engine
from proxy.engine.session import Session
from proxy.engine.shared_link import SharedLink
from proxy.history import Accounting, Rate, WorkerTally
from proxy.history.counters import NO_SHARES
from proxy.history.records import Record, Records
from proxy.observe.live.changed import ChangedWorkers
from proxy.observe.live.views import UNKNOWN_RATE, RateView, SessionView, WorkerView
from proxy.ports import Clock
from proxy.scheduling.control import NO_CHOICE, Control
from proxy.stratum.firmware import Profile
from proxy.types import PoolKey, SessionId, WorkerName

SESSIONS_SHOWN = 20
"""How many of a worker's newest connections are shown one by one."""
ROW_KEPT_S = 5.0
"""Age of a row that nothing but time has changed: its rates move by 2 % of themselves at most."""
RATES_KEPT_S = 60.0
"""The same for the rates of the hour and the day."""

A_TURN = 32
"""Rows that are made without a break: two milliseconds, of thousands of workers."""

_NONE_BY_POOL: dict[PoolKey, float] = {}
_NO_FACTS: dict[PoolKey, str] = {}
_NOBODY = SessionView(session=-1)  # type: ignore[arg-type]


class SessionKey(NamedTuple):
    """What of a session can change, as it was when its view was made: the row holds while it is the same."""

    session: SessionId
    pool: PoolKey | None
    difficulty: float | None
    version_mask: int | None
    suggested: float | None
    waiting: str
    profile: Profile
    aim: float | None
    unusable: frozenset[PoolKey]
    facts: Mapping[PoolKey, str] | None


class WorkerRow(NamedTuple):
    """A worker's view and what it was made from."""

    view: WorkerView
    keys: tuple[SessionKey, ...]
    stamp: int
    """Of the accounting."""
    record: Record | None
    made_at: float
    """Monotonic seconds."""
    rates_at: float
    """When the rates of the hour and the day were made."""
    line_at: float
    """When the day's line was made."""


class WorkerRows:
    """Keeps the rows of the last snapshot and uses again what still holds."""

    def __init__(
        self,
        *,
        engine: Engine,
        accounting: Accounting,
        records: Records,
        clock: Clock,
        changed: ChangedWorkers,
        node: str = "",
    ) -> None:
        self._engine = engine
        self._accounting = accounting
        self._records = records
        self._clock = clock
        self._changed = changed
        self._node = node
        self._rows: dict[WorkerName, WorkerRow] = {}
        self._made_for: tuple[ConfigSnapshot, str] | None = None
        self._made: deque[tuple[float, list[WorkerName]]] = deque()
        """When rows were made, and which; the oldest first, and those that were made anew since then as well."""
        self._left: list[WorkerName] = []
        """Who is still to be looked at, the next one last."""
        self._views: tuple[WorkerView, ...] | None = None
        self.excluded: Counter[PoolKey] = Counter()
        """How many miners cannot use a pool."""
        self.without_work: dict[WorkerName, None] = {}
        """Who is there and works nowhere."""
        self.new: dict[WorkerName, WorkerView] = {}
        """First rows of workers, until somebody has taken them, as are those whose place others have: ``old``."""
        self.old: list[WorkerView] = []

    def make(self, control: Control) -> Generator[None, None, tuple[WorkerView, ...]]:
        """A row for each worker that is there, and for those away, and pauses after every few: made anew for those
        that changed and where the last one is old, each as its turn found it. ``control``: of (most of) the fleet."""
        config, everybodys = self._engine.config, self._everybodys(control)
        holds = self._made_for == (config, control.detail)
        names = self._changed.take(self, self._rows, everybody=not holds)
        if not holds:
            self._forget()
            self._made_for = config, control.detail
        self._left.extend(reversed([*names, *self._too_old()]))
        while self._left:
            yield
            now = self._clock.now()
            self._made.append(
                (now, [name for name in self._left[: -A_TURN - 1 : -1] if self._look(name, everybodys, now)])
            )
            del self._left[-A_TURN:]
        yield
        if self._views is None:
            self._views = tuple([row.view for row in self._rows.values()])
        return self._views

    def _too_old(self) -> Iterator[WorkerName]:
        """Whose row is of a time when nothing but time has changed it since."""
        now = self._clock.now()
        while self._made and now - self._made[0][0] >= ROW_KEPT_S:
            at, names = self._made.popleft()
            for name in names:
                row = self._rows.get(name)
                if row is not None and row.made_at == at:
                    yield name

    def _look(self, name: WorkerName, everybodys: Control | None, now: float) -> bool:
        """Have the row of a worker that is there, or away and shown; whether it is another one."""
        sessions, before, row = self._engine.workers.of(name), self._rows.get(name), None
        if sessions or self._changed.is_shown(name):
            row = self._row(name, sessions, before, everybodys, now)
        if row is before:
            return False
        self._views = None
        if before is not None:
            self.old.append(before.view)
        if before is None or row is None or row.keys is not before.keys:
            self._count(before, -1)
            self._count(row, 1)
        if row is None:
            del self._rows[name]
            return False
        if before is None:
            self.new[name] = row.view
        self._rows[name] = row
        return True

    def _count(self, row: WorkerRow | None, sign: int) -> None:
        if row is None:
            return
        for key in row.keys:
            for pool in key.unusable:
                self.excluded[pool] += sign
        if row.view.connections and row.view.pool is None:
            if sign > 0:
                self.without_work[row.view.name] = None
            else:
                del self.without_work[row.view.name]

    def _forget(self) -> None:
        self.old.extend([row.view for row in self._rows.values()])
        self._rows, self._views = {}, None
        for kept in (self._made, self.excluded, self.without_work):
            kept.clear()

    def _everybodys(self, control: Control) -> Control | None:
        """``control`` where it is that of all workers without a pin or a choice."""
        schedules = self._engine.config.schedules
        alike = all(one.workers.strip() == ALL_WORKERS and one.listener is None for one in schedules)
        return control if alike else None

    def _row(
        self,
        name: WorkerName,
        sessions: Sequence[Session],
        row: WorkerRow | None,
        everybodys: Control | None,
        now: float,
    ) -> WorkerRow:
        """``row`` if it holds at ``now``, else another one."""
        stamp, record = self._accounting.stamp(name), self._records.best_of(name)
        if row is not None and not _is_as_it_was(row.keys, sessions):
            row = None
        if row is None or row.stamp != stamp or row.record is not record:
            keys = row.keys if row else tuple([_key(session) for session in sessions])
            view = self._view(name, sessions, record, self._control(name, sessions, everybodys), row)
            return WorkerRow(view, keys, stamp, record, now, now, self._line_at(row, now))
        if not 0.0 <= now - row.made_at < ROW_KEPT_S:
            return self._older(row, now, self._clock.wall(), self._control(name, sessions, everybodys))
        return row

    def _control(self, name: WorkerName, sessions: Sequence[Session], everybodys: Control | None) -> str:
        newest = sessions[-1] if sessions else None
        has_choice = newest is not None and newest.choice != NO_CHOICE
        if everybodys is not None and name not in self._engine.config.pins and not has_choice:
            return everybodys.detail
        if newest is None:
            return self._engine.scheduler.control(name).detail
        return self._engine.scheduler.control(name, newest.listener, newest.choice).detail

    def _older(self, row: WorkerRow, now: float, wall: float, control: str) -> WorkerRow:
        """A worker's row after some seconds in which nothing was heard of it: the rates have moved."""
        view, rates_at = row.view, row.rates_at
        seen = wall if view.connections else view.last_seen_at
        if 0.0 <= now - rates_at < RATES_KEPT_S:
            m5 = self._accounting.rate_5m(view.name)
            view = replace(
                view, rate_5m=rate_view(m5), shares_per_s=m5.shares_per_s, control=control, last_seen_at=seen
            )
        else:
            rates_at, rates = now, self._accounting.rates(view.name)
            row = row._replace(line_at=now)
            view = replace(
                view,
                day_line=self._accounting.day_line(view.name),
                rate_5m=rate_view(rates.m5),
                rate_1h=rate_view(rates.h1),
                rate_24h=rate_view(rates.h24),
                shares_per_s=rates.m5.shares_per_s,
                control=control,
                last_seen_at=seen,
            )
        return row._replace(view=view, made_at=now, rates_at=rates_at)

    @staticmethod
    def _line_at(row: WorkerRow | None, now: float) -> float:
        """When the line of the row to be made is from: that of ``row`` for a minute, then a new one."""
        return row.line_at if row is not None and 0.0 <= now - row.line_at < RATES_KEPT_S else now

    def _view(
        self,
        name: WorkerName,
        sessions: Sequence[Session],
        record: Record | None,
        control: str,
        before: WorkerRow | None,
    ) -> WorkerView:
        tally = self._accounting.worker(name)
        total = tally.total if tally else NO_SHARES
        if before is not None and self._line_at(before, self._clock.now()) == before.line_at:
            line = before.view.day_line
        else:
            line = self._accounting.day_line(name)
        if before is not None:
            shown, excluded, aim = before.view.sessions, before.view.excluded, before.view.shares_aim
        else:
            aim = _aim(sessions)
            shown, excluded = tuple([_session(session) for session in sessions[-SESSIONS_SHOWN:]]), _facts(sessions)
        newest = shown[-1] if shown else _NOBODY
        last_share_at = tally.last_share_at if tally else None
        rate_5m, rate_1h, rate_24h = _rates(tally)
        return WorkerView(
            name=name,
            connections=len(sessions),
            pinned=self._engine.config.pins.get(name),
            agent=newest.agent,
            firmware=newest.firmware,
            peer=newest.peer,
            pool=newest.pool,
            difficulty=newest.difficulty,
            connected_at=newest.connected_at,
            extranonce1=newest.extranonce1,
            extranonce2_size=newest.extranonce2_size,
            version_mask=newest.version_mask,
            suggested_difficulty=newest.suggested_difficulty,
            waiting=newest.waiting,
            listener=newest.listener,
            rate_5m=rate_5m,
            rate_1h=rate_1h,
            rate_24h=rate_24h,
            day_line=line,
            shares_per_s=tally.rates.m5.shares_per_s if tally else 0.0,
            shares_aim=aim,
            counts=total,
            by_pool=_by_pool(tally),
            best=record.true_difficulty if record else total.best,
            last_share_at=last_share_at,
            last_seen_at=self._clock.wall() if sessions else last_share_at,
            excluded=excluded,
            control=control,
            sessions=shown,
            node=self._node,
        )


def rate_view(rate: Rate) -> RateView:
    """A rate as pages see it."""
    if not rate.shares and not rate.high:
        return UNKNOWN_RATE
    return RateView(value=rate.value, low=rate.low, high=rate.high, known=rate.shares > 0, span_s=rate.span_s)


def _rates(tally: WorkerTally | None) -> tuple[RateView, RateView, RateView]:
    if tally is None:
        return UNKNOWN_RATE, UNKNOWN_RATE, UNKNOWN_RATE
    rates = tally.rates
    return rate_view(rates.m5), rate_view(rates.h1), rate_view(rates.h24)


def _by_pool(tally: WorkerTally | None) -> Mapping[PoolKey, float]:
    if tally is None or not tally.pools:
        return _NONE_BY_POOL
    return {key: part.credited for key, part in tally.pools.items() if part.credited}


def _key(session: Session) -> SessionKey:
    return SessionKey(
        session.id,
        session.current,
        session.sender.assigned_difficulty,
        session.sender.version_mask,
        session.asked_difficulty.suggested,
        session.waiting,
        session.profile,
        _aim_of(session),
        session.eligible.unusable,
        _facts_of(session),
    )


def _is_as_it_was(keys: Sequence[SessionKey], sessions: Sequence[Session]) -> bool:
    """Whether ``keys`` still hold; compares without making anything: most rows are as they were."""
    if len(keys) != len(sessions):
        return False
    for key, session in zip(keys, sessions, strict=True):
        ident, pool, difficulty, version_mask, suggested, waiting, profile, aim, unusable, facts = key
        if (
            ident != session.id
            or pool != session.current
            or difficulty != session.sender.assigned_difficulty
            or version_mask != session.sender.version_mask
            or suggested != session.asked_difficulty.suggested
            or waiting != session.waiting
            or profile is not session.profile
            or aim != _aim_of(session)
            or unusable != session.eligible.unusable
            or facts != _facts_of(session)
        ):
            return False
    return True


def _aim_of(session: Session) -> float | None:
    """Shares a minute that the miner's difficulty aims at; None while its pool decides the difficulty."""
    if session.vardiff is None or session.current is None:
        return None
    link = session.links.get(session.current)
    return link.shares_per_minute if isinstance(link, SharedLink) else None


def _aim(sessions: Sequence[Session]) -> float | None:
    """The same of a worker's connections that have work together; None if a pool decides for one of them."""
    aims = [_aim_of(session) for session in sessions if session.current is not None]
    known = [aim for aim in aims if aim is not None]
    return sum(known) if known and len(known) == len(aims) else None


def _facts_of(session: Session) -> Mapping[PoolKey, str] | None:
    """What ``Session.facts`` says, if it says anything."""
    if session.eligible.unusable:
        return session.facts()
    for link in session.links.values():
        if link.refused:
            return session.facts()
    return None


def _facts(sessions: Sequence[Session]) -> Mapping[PoolKey, str]:
    found = {key: why for session in sessions for key, why in (_facts_of(session) or _NO_FACTS).items()}
    return found or _NO_FACTS


def _session(session: Session) -> SessionView:
    extranonce = session.downstream.extranonce
    return SessionView(
        session=session.id,
        listener=session.listener_name,
        peer=session.peer.rpartition(":")[0],
        agent=session.downstream.agent,
        firmware=session.profile.label,
        connected_at=session.connected_at,
        pool=session.current,
        difficulty=session.sender.assigned_difficulty or 0.0,
        extranonce1=extranonce.extranonce1.hex() if extranonce else "",
        extranonce2_size=extranonce.size if extranonce else None,
        version_mask=session.sender.version_mask,
        suggested_difficulty=session.asked_difficulty.suggested,
        waiting=session.waiting if session.current is None else "",
    )
