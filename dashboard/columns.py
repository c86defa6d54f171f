"""The columns of the workers' table: which there are, which somebody chose, and what of them goes into a CSV file."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from dashboard import presenters
from dashboard.models import WorkerNote
from proxy.devices.views import DevicesView, Together
from proxy.models.labels import Text
from proxy.observe.live.views import RateView, WorkerView
from proxy.text import harmless_cell

COLUMNS_COOKIE, UNIT_COOKIE = "dpmp_columns", "dpmp_unit"
KEPT_S = 365 * 86400
UNITS = ("", "G", "T", "P")
"""Prefixes of H/s in which all rates of the table can be shown; none: each as it reads best."""


NOTHING_SAID = Together()


@dataclass(frozen=True, slots=True)
class Row:
    """A worker, with what people say of it."""

    worker: WorkerView
    note: WorkerNote | None = None
    own: Together = NOTHING_SAID
    """What its miners say of themselves; nothing where they are not asked."""
    currency: str = ""

    @property
    def shown_name(self) -> str:
        """What people call it; else its own name."""
        return (self.note.name if self.note else "") or self.worker.name

    @property
    def groups(self) -> list[str]:
        """Its groups."""
        return self.note.group_list if self.note else []

    @property
    def text(self) -> str:
        """The note about it."""
        return self.note.text if self.note else ""


def with_facts(row: Row, view: DevicesView | None) -> Row:
    """``row`` with what its miners say of themselves."""
    devices = view.by_worker.get(row.worker.name) if view is not None else None
    if view is None or not devices:
        return row
    return replace(row, own=view.together(devices, row.worker), currency=view.currency)


def _short(value: float | None) -> object:
    return "" if value is None else round(value, 3)


def _rate(rate: RateView) -> object:
    return round(rate.value) if rate.known else ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column that can be left out."""

    name: str
    label: Text
    value: Callable[[Row], object] | None
    """What stands in the CSV file; None: a picture."""
    chosen: bool = True
    """Whether it is shown where nobody chose."""


COLUMNS: Sequence[Column] = (
    Column("firmware", _("Firmware"), lambda row: row.worker.firmware),
    Column("address", _("Address"), lambda row: row.worker.peer, chosen=False),
    Column("listener", _("Listener"), lambda row: row.worker.listener, chosen=False),
    Column("node", _("Node"), lambda row: row.worker.node, chosen=False),
    Column("groups", _("Groups"), lambda row: ", ".join(row.groups), chosen=False),
    Column("pool", _("Pool"), lambda row: row.worker.pool if row.worker.connections else ""),
    Column("rate", _("5 min"), lambda row: _rate(row.worker.rate_5m)),
    Column("hour", _("1 h"), lambda row: _rate(row.worker.rate_1h)),
    Column("day", _("24 h"), lambda row: _rate(row.worker.rate_24h)),
    Column("line", _("Last day"), None),
    Column("shares", _("Shares/s"), lambda row: round(row.worker.shares_per_s, 4)),
    Column("difficulty", _("Difficulty"), lambda row: row.worker.difficulty),
    Column("accepted", _("Shares"), lambda row: row.worker.counts.good),
    Column("best", _("Best"), lambda row: row.worker.best),
    Column("rejected", _("Rejected"), lambda row: row.worker.counts.rejected),
    Column("temperature", _("°C"), lambda row: _short(row.own.temperature_c), chosen=False),
    Column("power", _("Power"), lambda row: _short(row.own.power_w), chosen=False),
    Column("joules", _("J/TH"), lambda row: _short(row.own.joules_per_th), chosen=False),
    Column("joules_accepted", _("J per accepted TH"), lambda row: _short(row.own.joules_per_accepted_th), chosen=False),
    Column("cost", _("Cost a day"), lambda row: _short(row.own.cost_per_day), chosen=False),
    Column("seen", _("Seen"), lambda row: presenters.iso(row.worker.last_seen_at)),
    Column("note", _("Note"), lambda row: row.text, chosen=False),
)
OF_MINERS = frozenset({"temperature", "power", "joules", "joules_accepted", "cost"})
"""Columns of what miners say of themselves: offered where they are asked."""
_BY_NAME: Mapping[str, Column] = {column.name: column for column in COLUMNS}


@dataclass(frozen=True, slots=True)
class Choice:
    """Which columns are shown, and the unit of their rates."""

    names: frozenset[str] = field(default_factory=lambda: frozenset(each.name for each in COLUMNS if each.chosen))
    unit: str = ""

    @property
    def columns(self) -> list[Column]:
        """The columns, from left to right."""
        return [column for column in COLUMNS if column.name in self.names]


def chosen(request: HttpRequest) -> Choice:
    """What the viewer chose in this browser."""
    unit = request.COOKIES.get(UNIT_COOKIE, "")
    unit = unit if unit in UNITS else ""
    kept = request.COOKIES.get(COLUMNS_COOKIE)
    return Choice(unit=unit) if kept is None else Choice(frozenset(kept.split(".")) & _BY_NAME.keys(), unit)


def asked_for(names: Sequence[str], unit: str) -> Choice:
    """A choice of a form."""
    return Choice(frozenset(names) & _BY_NAME.keys(), unit if unit in UNITS else "")


def table(rows: Sequence[Row], choice: Choice) -> list[list[object]]:
    """Heads and rows for a CSV file: rates in H/s, times in UTC."""
    columns = [column for column in choice.columns if column.value is not None]
    heads = [
        f"{column.label} (H/s)" if column.name in ("rate", "hour", "day") else str(column.label) for column in columns
    ]
    return [
        [str(_("Worker")), str(_("Name")), *heads],
        *(
            [
                harmless_cell(cell) if isinstance(cell, str) else cell
                for cell in (
                    row.worker.name,
                    row.note.name if row.note else "",
                    *(column.value(row) for column in columns if column.value),
                )
            ]
            for row in rows
        ),
    ]
