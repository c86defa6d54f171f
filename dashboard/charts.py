"""Series for the charts, read from the history of shares: 15 minutes to a year in at most about 400 points."""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from django.db.models import F, QuerySet, Sum
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from dashboard.labels import action_name
from dashboard.logring import ring
from dashboard.models import AuditEntry
from dashboard.reject_reasons import words_for
from dashboard.svg import PALETTE
from proxy.balance.balance_view import HistoryPoint
from proxy.devices.views import devices_of
from proxy.history.rates import Work
from proxy.history.split import parts_of, saved_changes
from proxy.models import DeviceSample
from proxy.models.history import Block, RejectBucket, ShareBucket
from proxy.models.state import SchedulerState
from proxy.observe.live.views import LiveSnapshot
from proxy.types import Chain, PoolKey

SPANS: dict[str, tuple[int, int, str | Promise]] = {
    "15m": (900, 60, _("15 min")),
    "1h": (3600, 60, _("1 h")),
    "6h": (6 * 3600, 60, _("6 h")),
    "24h": (86400, 600, _("24 h")),
    "7d": (7 * 86400, 3600, _("7 d")),
    "30d": (30 * 86400, 4 * 3600, _("30 d")),
    "1y": (365 * 86400, 86400, _("1 y")),
}
"""Name -> (length, width of a point) in seconds, and the button's text."""
DEFAULT_SPAN = "1h"
WRITTEN_AFTER_S = 5
"""Shares are in the database some seconds after they were counted."""
SAMPLE_S = 600
"""What miners say of themselves is kept once in this time."""
MOST_LINES = 12
MARKS = 40
"""Most marks of one chart; the newest are shown."""
STEERING = ("weights", "auto-balance", "reset")
COLUMNS = {"rate": "work", "accepted": "accepted"}
MEANS = {"latency": ("latency_s", "latency_n", 1000.0), "difficulty": ("work", "work_shares", 1.0)}
"""Kind -> sum, what it is divided by, and a factor."""
OWN = {"power": "power_w", "temperature": "temperature_c"}
"""Kind -> column of what miners say of themselves."""
KINDS = (*COLUMNS, *MEANS, *OWN, "rejected")


def span_choices() -> list[tuple[str, str | Promise]]:
    """The buttons, shortest first."""
    return [(name, label) for name, (_length, _width, label) in SPANS.items()]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart; None where nothing was recorded."""

    label: str
    colour: int
    values: list[float | None]
    dashed: bool = False
    errors: list[float | None] | None = None
    """Half the width of a band around the line, where there is one."""


@dataclass(frozen=True, slots=True)
class ChartMark:
    """Something that happened, as a line across a chart."""

    at: float
    kind: str
    """``block``, ``down`` or ``split``."""
    text: str


@dataclass(frozen=True, slots=True)
class Series:
    """Points in time (unix seconds), the lines over them, and marks."""

    times: list[int]
    lines: list[Line]
    marks: tuple[ChartMark, ...] = ()

    def as_json(self) -> dict[str, object]:
        """As ``chart.js`` wants it."""
        return {
            "times": self.times,
            "lines": [
                {"label": line.label, "colour": line.colour, "values": line.values, "dashed": line.dashed}
                | ({"errors": line.errors} if line.errors is not None else {})
                for line in self.lines
            ],
            "marks": [{"at": mark.at, "kind": mark.kind, "text": mark.text} for mark in self.marks],
        }


@dataclass(frozen=True, slots=True)
class PoolSeries:
    """Values by pool at points in time; None where nothing was recorded."""

    times: list[int]
    """When each point begins, unix seconds."""
    width_s: int
    by_pool: dict[str, list[float | None]]


def series(
    snap: LiveSnapshot,
    *,
    kind: str,
    span: str,
    worker: str | None = None,
    pool: str | None = None,
    now: float | None = None,
) -> Series:
    """A line for each pool: hash rate in H/s (``rate``), accepted shares per minute (``accepted``), the mean time of
    the pool's answers in ms (``latency``) or the mean difficulty of shares (``difficulty``); or one for each reason of
    refusals, a minute (``rejected``).
    """
    if kind in OWN:
        return _own(snap, OWN[kind], _points(span, now)[0], worker)
    if kind == "rejected":
        return _rejected(_points(span, now), worker, pool)
    found = by_pool(snap, kind=kind, span=span, worker=worker, pool=pool, now=now)
    lines = [Line(_name(snap, key), _colour(snap, key), values) for key, values in found.by_pool.items()]
    return Series(found.times, lines)


def by_pool(
    snap: LiveSnapshot,
    *,
    kind: str,
    span: str,
    worker: str | None = None,
    pool: str | None = None,
    now: float | None = None,
) -> PoolSeries:
    """The values that ``series`` draws.

    The newest period is left out until it is over and written: it would look like a drop.
    """
    times, width = _points(span, now)
    rows = _rows(worker, pool, times[0], times[-1] + width)
    if kind in MEANS:
        sums, factor = _means(rows, *MEANS[kind][:2], width), MEANS[kind][2]
    else:
        sums = _sums(rows, COLUMNS[kind], width)
        factor = snap.hashes_per_difficulty / width if kind == "rate" else 60.0 / width
    known = {start for (start, _pool) in sums}
    order: dict[str, int] = {one.key: index for index, one in enumerate(snap.pools)}
    keys = sorted({key for (_start, key) in sums if key}, key=lambda key: (order.get(key, len(order)), key))
    return PoolSeries(
        times,
        width,
        {
            key: [
                None
                if start not in known or (kind in MEANS and (start, key) not in sums)
                else sums.get((start, key), 0.0) * factor
                for start in times
            ]
            for key in keys
        },
    )


def _points(span: str, now: float | None) -> tuple[list[int], int]:
    """The times of a span's points, and their width in seconds."""
    length, width, _label = SPANS.get(span, SPANS[DEFAULT_SPAN])
    until = int((time.time() if now is None else now) - WRITTEN_AFTER_S) // width * width
    return list(range(until - length, until, width)), width


def _means(rows: QuerySet[ShareBucket], total: str, number: str, width: int) -> Mapping[tuple[int, str], float]:
    """Sum of a column by that of another, where there is anything to divide by."""
    numbers = _sums(rows, number, width)
    return {place: amount / numbers[place] for place, amount in _sums(rows, total, width).items() if numbers.get(place)}


def _own(snap: LiveSnapshot, column: str, times: list[int], worker: str | None) -> Series:
    """A line for each miner of ``worker``: what it said last before each point."""
    view = devices_of(snap)
    devices = view.by_worker.get(worker or "", ())[:MOST_LINES] if view is not None else ()
    rows = DeviceSample.objects.filter(
        device_id__in=[one.row.id for one in devices], at__gte=times[0] - SAMPLE_S, at__lte=times[-1]
    )
    said: dict[int, dict[int, float | None]] = defaultdict(dict)
    for device, at, value in rows.values_list("device_id", "at", column):
        said[device][at] = value
    lines = [
        Line(one.label, index % PALETTE, [said[one.row.id].get(start // SAMPLE_S * SAMPLE_S) for start in times])
        for index, one in enumerate(devices)
    ]
    return Series(times, [line for line in lines if any(value is not None for value in line.values)])


def _rejected(points: tuple[list[int], int], worker: str | None, pool: str | None) -> Series:
    times, width = points
    rows = RejectBucket.objects.filter(start__gte=times[0] - 86400, start__lt=times[-1] + width)
    if worker is not None:
        rows = rows.filter(worker=worker)
    if pool is not None:
        rows = rows.filter(pool=pool)
    grouped = rows.annotate(point=F("start") - F("start") % width).values_list("step", "point", "reason")
    sums: dict[tuple[int, str], float] = defaultdict(float)
    for step, point, reason, amount in grouped.annotate(amount=Sum("count")).order_by():
        for start, part in _spread(point, step, width):
            sums[start, reason] += amount * part
    reasons = sorted({reason for _start, reason in sums if times[0] <= _start <= times[-1]})
    return Series(
        times,
        [
            Line(words_for(reason), index % PALETTE, [sums.get((start, reason), 0.0) * 60.0 / width for start in times])
            for index, reason in enumerate(reasons)
        ],
    )


SPLIT_WIDTHS = {
    "15m": 60,
    "1h": 300,
    "6h": 1200,
    "24h": 3600,
    "7d": 6 * 3600,
    "30d": 86400,
    "1y": 7 * 86400,
}
"""Span -> width of a point of the split, seconds: wide enough for shares to tell something."""


def split(snap: LiveSnapshot, span: str, now: float | None = None) -> Series:
    """Each pool's part of the work in percent with its error, and what was wanted of it, dashed.

    Of two pools only the first is drawn: the other has the rest.
    """
    span = span if span in SPANS else DEFAULT_SPAN
    length, width = SPANS[span][0], SPLIT_WIDTHS[span]
    moment = time.time() if now is None else now
    until = int(moment - WRITTEN_AFTER_S) // width * width
    times = list(range(until - length // width * width, until, width))
    work = _work(times, width)
    keys = [pool.key for pool in snap.pools]
    drawn = keys[:1] if len(keys) == 2 else keys
    wanted = _wanted_at(snap, times, width, moment)
    points = [{part.pool: part for part in parts_of(work.get(start, {}), dict.fromkeys(keys, 1.0))} for start in times]
    lines = []
    for key in drawn:
        seen = [point.get(key) for point in points]
        lines.append(
            Line(
                _name(snap, key),
                _colour(snap, key),
                [None if part is None else 100 * part.delivered for part in seen],
                errors=[None if part is None else 100 * part.error for part in seen],
            )
        )
        target = [None if goal is None else 100 * goal.get(key, 0.0) for goal in wanted]
        lines.append(Line(gettext("target of %(pool)s") % {"pool": key}, _colour(snap, key), target, dashed=True))
    if not any(point for point in points):
        return Series(times, [])
    return Series(times, lines, tuple(_changes(times[0]))[-MARKS:])


def _work(times: Sequence[int], width: int) -> Mapping[int, dict[PoolKey, Work]]:
    """What each pool got in each period."""
    rows = _rows(None, None, times[0], times[-1] + width).exclude(pool="")
    sums, squares, shares = (_sums(rows, column, width) for column in ("work", "work_squares", "work_shares"))
    found: dict[int, dict[PoolKey, Work]] = defaultdict(dict)
    for (start, key), amount in sums.items():
        place = start, key
        found[start][PoolKey(key)] = Work(amount, squares.get(place, 0.0), round(shares.get(place, 0.0)))
    return found


def _wanted_at(
    snap: LiveSnapshot, times: Sequence[int], width: int, now: float
) -> list[Mapping[PoolKey, float] | None]:
    """What was wanted at the end of each period, as far as the last changes are known: the proxy stores 200."""
    row = SchedulerState.objects.order_by("saved_at").last()  # of several nodes any: all want the same
    changes = saved_changes(row.split if row else {})
    targets = {pool.key: pool.target for pool in snap.pools}
    if any(targets.values()):
        since = snap.splits[0].since if snap.splits else now
        changes = [*(one for one in changes if one[0] < since), (min(since, now), targets)]
    wanted: list[Mapping[PoolKey, float] | None] = []
    for start in times:
        before = [goal for at, goal in changes if at < start + width]
        wanted.append(before[-1] if before else None)
    return wanted


STRIP_S = 600
"""Width of a piece of a worker's day."""


@dataclass(frozen=True, slots=True)
class StripPiece:
    """Some minutes of a worker's day that were alike; positions are percent of the day."""

    left: float
    width: float
    kind: str
    """``pool``, ``mixed`` (several pools), ``idle`` (no share) or ``off`` (no share of anybody)."""
    colour: int
    text: str
    begin: int
    """Unix seconds."""


def day_strip(snap: LiveSnapshot, worker: str, now: float | None = None) -> list[StripPiece]:
    """On which pool a worker was in the last 24 hours, ten minutes by ten; empty where it has no history."""
    times, _width = _points("24h", now)
    sums = _sums(_rows(worker, None, times[0], times[-1] + STRIP_S), "work", STRIP_S)
    by_time: dict[int, dict[str, float]] = defaultdict(dict)
    for (start, key), amount in sums.items():
        if key and amount > 0:
            by_time[start][key] = amount
    if not any(start in by_time for start in times):
        return []
    pieces: list[StripPiece] = []
    for start in times:
        kind, colour, text = _what_of(snap, by_time.get(start, {}), start)
        width = 100 / len(times)
        if pieces and (pieces[-1].kind, pieces[-1].text) == (kind, text):
            pieces[-1] = replace(pieces[-1], width=pieces[-1].width + width)
        else:
            pieces.append(StripPiece((start - times[0]) / STRIP_S * width, width, kind, colour, text, start))
    return pieces


def _what_of(snap: LiveSnapshot, parts: Mapping[str, float], start: int) -> tuple[str, int, str]:
    """Kind, colour and text of ten minutes."""
    if not parts:
        if ShareBucket.objects.filter(start__gte=start, start__lt=start + STRIP_S).exists():
            return "idle", 0, gettext("no shares")
        return "off", 0, gettext("nothing was recorded")
    main = max(parts, key=lambda key: parts[key])
    if parts[main] >= 0.9 * sum(parts.values()):
        return "pool", _colour(snap, main), _name(snap, main)
    return "mixed", _colour(snap, main), gettext("several pools, most of it %(pool)s") % {"pool": _name(snap, main)}


def fleet(snap: LiveSnapshot, span: str) -> Series:
    """The fleet's hash rate by pool, with what happened meanwhile."""
    found = series(snap, kind="rate", span=span)
    begin = found.times[0] if found.times else 0
    marks = sorted([*_blocks(begin), *_changes(begin), *_outages(snap, begin)], key=lambda mark: mark.at)
    return Series(found.times, found.lines, tuple(marks[-MARKS:]))


def _blocks(begin: float) -> list[ChartMark]:
    rows = Block.objects.filter(at__gte=datetime.fromtimestamp(begin, UTC))[:MARKS]
    return [
        ChartMark(row.at.timestamp(), "block", gettext("block by %(worker)s") % {"worker": row.worker}) for row in rows
    ]


def _changes(begin: float) -> list[ChartMark]:
    rows = AuditEntry.objects.filter(action__in=STEERING, at__gte=datetime.fromtimestamp(begin, UTC))[:MARKS]
    return [ChartMark(row.at.timestamp(), "split", f"{action_name(row.action)} {row.new}".strip()) for row in rows]


def _outages(snap: LiveSnapshot, begin: float) -> list[ChartMark]:
    """As far as the log's newest lines go back."""
    lines = ring().recent(limit=MARKS, events=("pool_down",))
    marks = []
    for line in lines:
        if line.ts >= begin:
            marks.append(
                ChartMark(line.ts, "down", gettext("%(pool)s is down") % {"pool": _name(snap, line.pool or "")})
            )
    return marks


def _rows(worker: str | None, pool: str | None, since: int, until: int) -> QuerySet[ShareBucket]:
    rows = ShareBucket.objects.filter(start__gte=since - 86400, start__lt=until)
    if worker is not None:
        rows = rows.filter(worker=worker)
    return rows.filter(pool=pool) if pool is not None else rows


def _sums(rows: QuerySet[ShareBucket], column: str, width: int) -> Mapping[tuple[int, str], float]:
    """Sums by (start of the point, pool). Rows that are wider than a point are spread over the points they cover."""
    grouped = rows.annotate(point=F("start") - F("start") % width).values_list("step", "point", "pool")
    sums: dict[tuple[int, str], float] = defaultdict(float)
    for step, point, key, amount in grouped.annotate(amount=Sum(column)).order_by():
        for start, part in _spread(point, step, width):
            sums[start, key] += amount * part
    return sums


def _spread(point: int, step: int, width: int) -> Iterable[tuple[int, float]]:
    pieces = max(1, step // width)
    return ((point + index * width, 1 / pieces) for index in range(pieces))


def _name(snap: LiveSnapshot, key: str) -> str:
    pool = snap.pool(key)
    return f"{key} {pool.name}".strip() if pool else key


def _colour(snap: LiveSnapshot, key: str) -> int:
    pool = snap.pool(key)
    return pool.colour % PALETTE if pool else PALETTE - 1


def network(snap: LiveSnapshot, what: str) -> Series:
    """The chains' hash rates (``rate``: short and long window), difficulties or weights as auto-balance saw them.

    Rates are relative to the chain's first point of the long window, difficulties to its first point, which counts as
    100: so chains of very different size share a scale. Weights are percent of the whole.
    """
    view = snap.extra.get("balance")
    points = list(getattr(view, "history", ()))
    order: dict[str, int] = {}
    for index, pool in enumerate(snap.pools):
        order.setdefault(pool.chain, index)
    seen = {chain for point in points for chain in point.difficulty.keys() | point.weights.keys()}
    chains = sorted(seen, key=lambda chain: (order.get(chain, len(order)), chain))
    lines = [line for index, chain in enumerate(chains) for line in _network_lines(snap, points, what, chain, index)]
    return Series([int(point.at) for point in points], [line for line in lines if any(map(_known, line.values))])


def _known(value: float | None) -> bool:
    return value is not None


def _network_lines(
    snap: LiveSnapshot, points: Sequence[HistoryPoint], what: str, chain: Chain, index: int
) -> list[Line]:
    colour = next((pool.colour % PALETTE for pool in snap.pools if pool.chain == chain), index % PALETTE)
    if what == "rate":
        short, long = _values(points, "short", chain), _values(points, "long", chain)
        base = _first(long) or _first(short)
        return [
            Line(gettext("%(chain)s short") % {"chain": chain}, colour, _relative(short, base)),
            Line(gettext("%(chain)s long") % {"chain": chain}, colour, _relative(long, base), dashed=True),
        ]
    values = _values(points, what, chain)
    return [Line(str(chain), colour, values if what == "weights" else _relative(values, _first(values)))]


def _values(points: Sequence[HistoryPoint], what: str, chain: Chain) -> list[float | None]:
    return [getattr(point, what).get(chain) for point in points]


def _first(values: Sequence[float | None]) -> float | None:
    return next((value for value in values if value), None)


def _relative(values: Sequence[float | None], base: float | None) -> list[float | None]:
    return [value / base * 100 if value and base else None for value in values]
