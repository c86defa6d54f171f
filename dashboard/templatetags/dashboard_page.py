"""Template tags of the page's frame."""

from typing import TYPE_CHECKING, cast
from urllib.parse import urlencode

from django import template
from django.forms import BoundField
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from dashboard.access import LOGS, SEE, Access, of_request
from dashboard.banners import closed_by
from dashboard.charts import DEFAULT_SPAN, span_choices
from dashboard.columns import COLUMNS, Column
from dashboard.presenters import DASH
from dashboard.regions.workers import SORTS
from dashboard.templatetags.units import Figure
from dashboard.terms import TERMS
from dpmp_site.hosts import passkeys_work
from proxy.models import MoneySettings
from proxy.observe.live.views import LiveSnapshot, store

if TYPE_CHECKING:
    from proxy.updates.releases import Release

register = template.Library()


@register.simple_tag(takes_context=True)
def access(context: template.Context) -> Access:
    """The viewer's permissions."""
    return of_request(context["request"])


@register.simple_tag(takes_context=True, name="passkeys_work")
def can_use_passkeys(context: template.Context) -> bool:
    """Whether a browser allows passkeys at the address of this page."""
    return passkeys_work(context["request"])


_UNDER = {"fleet": "workers", "pins": "workers", "wallets": "pools", "wallet": "pools"}
"""Page -> the page of the navigation that leads to it."""


@register.simple_tag(takes_context=True)
def navigation(context: template.Context) -> SafeString:
    """The links to the pages that the viewer may see, the current one marked."""
    request: HttpRequest = context["request"]
    pages = [
        ("home", _("Home"), SEE),
        ("workers", _("Workers"), SEE),
        ("pools", _("Pools"), SEE),
        ("schedule", _("Schedule"), SEE),
        ("balance", _("Balance"), SEE),
        ("records", _("Records"), SEE),
        ("logs", _("Logs"), LOGS),
        ("help", _("Help"), SEE),
    ]
    if MoneySettings.is_on():
        pages.insert(6, ("money", _("Money"), SEE))
    found = store.current()
    if found is not None and len(found.nodes) > 1:
        pages.insert(3, ("nodes", _("Nodes"), SEE))
    may = of_request(request).may
    here = (request.resolver_match.view_name if request.resolver_match else "").split("-")[0]
    here = _UNDER.get(here, here)
    return format_html_join(
        "",
        '<a href="{}"{}>{}</a>',
        (
            (
                reverse(name),
                SafeString(' aria-current="page"' if name.removesuffix("s") == here.removesuffix("s") else ""),
                label,
            )
            for name, label, needs in pages
            if needs in may
        ),
    )


@register.simple_tag
def pool_key(snap: LiveSnapshot, key: str | None) -> SafeString:
    """A pool's key on its colour; a dash for none."""
    pool = snap.pool(key) if key else None
    if pool is None:
        return format_html('<span class="key none">{}</span>', key or DASH)
    return format_html('<span class="key p{}" title="{}">{}</span>', pool.colour % 8, pool.name or pool.key, pool.key)


@register.simple_tag
def pool_name(snap: LiveSnapshot, key: str) -> str:
    """A pool's name; its key where it has none, or is not configured any more."""
    pool = snap.pool(key)
    return (pool.name if pool else "") or key


@register.simple_tag(takes_context=True)
def closed_blocks(context: template.Context) -> str:
    """Which blocks the viewer needs no message about, as the region ``found`` takes it."""
    return closed_by(context["request"])


@register.simple_tag
def table_query(sort: str, text: str, pool: str, group: str = "", listener: str = "") -> str:
    """The query string that the workers' table was shown with."""
    shown = (("sort", sort), ("q", text), ("pool", pool), ("group", group), ("listener", listener))
    return urlencode({name: value for name, value in shown if value})


@register.simple_tag(takes_context=True)
def sort_head(context: template.Context, name: str, label: str, where: str = "") -> SafeString:
    """A column's head that sorts by it; pressed again, the other way round. Numbers start with the largest.

    ``where`` is a class for columns that not every screen shows.
    """
    sort = context["sort"]
    falling = sort == f"-{name}"
    current = sort.removeprefix("-") == name
    text_first = name in ("name", "firmware", "pool")
    following = name if falling or (text_first and not current) else f"-{name}"
    state = SafeString(f' aria-sort="{"descending" if falling else "ascending"}"' if current else "")
    query = table_query(following, context["q"], context["pool"], context["group"], context["listener"])
    address = f"{reverse('workers')}?{query}"
    kind = where if text_first else f"r {where}".strip()
    text = TERMS[_TERM_OF_COLUMN[name]] if name in _TERM_OF_COLUMN else ""
    return format_html(
        '<th scope="col" class="{}"{}><a href="{}" hx-get="{}" hx-target="#workers" hx-swap="innerHTML" '
        'hx-push-url="true"{}>{}</a></th>',
        kind,
        state,
        address,
        address,
        format_html(' title="{}" data-tip="{}"', text, text) if text else "",
        label,
    )


@register.simple_tag
def term(name: str, label: str) -> SafeString:
    """A term that explains itself in a sentence under the pointer, with the focus, and at a touch."""
    text = TERMS[name]
    return format_html('<button type="button" class="term" title="{}" data-tip="{}">{}</button>', text, text, label)


@register.filter
def unit_of(field: BoundField) -> str:
    """What a number in this field of a form counts, to stand beside it; nothing where its name does not tell."""
    if field.name.startswith("fee-"):
        return "%"
    if field.name.endswith("_s") and not field.name.endswith("_per_s"):
        return _("seconds")
    return {"price_days": _("days"), "electricity_price": _("per kWh"), "watts": "W"}.get(field.name, "")


_TERM_OF = {"stale": "stale", "unanswered": "no_reply", "work_only": "work_only"}
"""Counter -> the term that explains it."""
_TERM_OF_COLUMN = {
    "rate": "rate_5m",
    "hour": "rate_1h",
    "day": "rate_24h",
    "line": "day_line",
    "shares": "shares_per_s",
    "difficulty": "difficulty",
    "accepted": "shares",
    "best": "best",
    "rejected": "rejected",
    "joules": "joules",
    "joules_accepted": "joules_accepted",
    "seen": "seen",
}
"""Column of the workers' table -> the term that explains it."""


@register.simple_tag
def counter_term(figure: Figure) -> SafeString | str:
    """The name of a counter, with its explanation where it has one."""
    label = capfirst(str(figure.name))
    return term(_TERM_OF[figure.key], label) if figure.key in _TERM_OF else label


_WHERE = {"firmware": "wide-only", "line": "wide-only", "shares": "mid", "difficulty": "mid", "accepted": "mid"}
"""Columns that not every screen shows."""


@register.simple_tag(takes_context=True)
def column_head(context: template.Context, column: Column) -> SafeString:
    """The head of a column that can be left out; it sorts where the column has an order."""
    if column.name in SORTS:
        return sort_head(context, column.name, str(column.label), _WHERE.get(column.name, ""))
    label = str(column.label)
    head = term(_TERM_OF_COLUMN[column.name], label) if column.name in _TERM_OF_COLUMN else label
    return format_html('<th scope="col" class="{}">{}</th>', _WHERE.get(column.name, ""), head)


@register.simple_tag
def column_labels() -> dict[str, str]:
    """The labels of all columns, looked up once for all rows."""
    return {column.name: str(column.label) for column in COLUMNS}


@register.simple_tag
def column_class(column: Column) -> str:
    """The class of a cell in a column that not every screen shows."""
    return _WHERE.get(column.name, "")


@register.simple_tag(takes_context=True)
def sort_choices(context: template.Context) -> list[tuple[str, str]]:
    """The orders in which the workers can be shown where there are no heads to press."""
    offered = list(context.get("columns") or COLUMNS)
    named = {column.name: str(column.label) for column in offered if column.name in SORTS}
    texts = [(name, label) for name, label in named.items() if name in ("firmware", "pool")]
    numbers = [(f"-{name}", label) for name, label in named.items() if name not in ("firmware", "pool")]
    return [*numbers, ("name", _("Name")), *texts]


@register.simple_tag
def chart_spans() -> list[tuple[str, object]]:
    """The spans a chart can show."""
    return [(name, label) for name, label in span_choices()]


@register.simple_tag
def default_span() -> str:
    """The span that is shown first."""
    return DEFAULT_SPAN


@register.simple_tag
def newer_release() -> "Release | None":
    """The release that is newer than what runs, if a feed was asked and names one."""
    found = store.current()
    release = found.extra.get("update") if found is not None else None
    return cast("Release | None", release)
