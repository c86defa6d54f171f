"""Template filters: the presenters under the names that templates use."""

import json
from collections.abc import Iterable
from hashlib import sha256
from ipaddress import ip_address
from typing import NamedTuple

from django import template
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from dashboard import labels, presenters
from dashboard.said import said
from proxy.history.counters import COUNTERS, Tally
from proxy.models.labels import COUNTER_LABELS, Text
from proxy.observe.live.views import PoolView

register = template.Library()

register.filter("said", said)
register.filter("rate", presenters.rate)
register.filter("rate_error", presenters.rate_error)
register.filter("difficulty", presenters.difficulty)
register.filter("significant", presenters.significant)
register.filter("a_minute", presenters.a_minute)
register.filter("percent", presenters.percent)
register.filter("percent_figure", presenters.percent_figure)
register.filter("count", presenters.count)
register.filter("coins", presenters.coins)
register.filter("amount", presenters.amount)
register.filter("ms", presenters.milliseconds)
register.filter("duration", presenters.duration)
register.filter("seconds", presenters.seconds)
register.filter("miners", presenters.miners)
register.filter("odds", presenters.odds)
register.filter("watts", presenters.watts)
register.filter("celsius", presenters.celsius)
register.filter("plain", presenters.plain)
register.filter("megahertz", presenters.megahertz)
register.filter("volts", presenters.volts)
register.filter("rpm", lambda speeds: presenters.rpm(speeds or ()))
register.simple_tag(presenters.money, name="money")
for label in (
    labels.pool_state,
    labels.chain_name,
    labels.control_source,
    labels.mode_name,
    labels.admin_state,
    labels.balance_state,
    labels.balance_look,
    labels.source_name,
    labels.action_name,
):
    register.filter(label.__name__, label)


@register.filter
def figure(view: presenters.RateView) -> SafeString:
    """A hash rate whose unit is set small."""
    number, unit = presenters.hash_rate(view.value if view.known else None)
    return format_html("{} <small>{}</small>", number, unit)


@register.simple_tag
def rate_in(rate: presenters.RateView | float, unit: str = "") -> str:
    """A hash rate in the unit that the viewer chose."""
    return presenters.rate(rate, unit)


@register.simple_tag
def rate_of_hour(rate: presenters.RateView, at: float, unit: str = "") -> SafeString | str:
    """The rate of the last hour; with its beginning where less was watched. ``at`` is now, unix seconds."""
    text = presenters.rate(rate, unit)
    return text if presenters.covers(rate, presenters.HOUR_S) else _since(text, at - rate.span_s)


@register.simple_tag
def rate_of_day(rate: presenters.RateView, hour: presenters.RateView, at: float, unit: str = "") -> SafeString | str:
    """As ``rate_of_hour``; a dash where not even the hour is covered, which says the same."""
    text = presenters.rate(rate, unit)
    if presenters.covers(rate, presenters.DAY_S):
        return text
    return _since(text, at - rate.span_s) if presenters.covers(hour, presenters.HOUR_S) else presenters.DASH


@register.filter
def day_path(line: bytes) -> str:
    """A worker's last day as an SVG path in a box of 96 x 20; empty where there is nothing."""
    if not any(line):
        return ""
    return "M" + " ".join(f"{96 * at / (len(line) - 1):.0f} {19 - 18 * part / 255:.0f}" for at, part in enumerate(line))


@register.filter
def own_page(address: str) -> str:
    """The address of a miner's own page: only of one in the own network, which the viewer can reach as well."""
    try:
        found = ip_address(address.strip("[]").partition("%")[0])
    except ValueError:
        return ""
    if not found.is_private or found.is_loopback or found.is_unspecified:
        return ""
    return f"http://[{found}]/" if found.version == 6 else f"http://{found}/"


@register.filter
def dom_id(name: str) -> str:
    """A part of an element's id for any name."""
    return sha256(name.encode("utf-8", "replace")).hexdigest()[:12]


def _since(text: str, unix: float) -> SafeString:
    since = SafeString(gettext("since %(time)s") % {"time": _moment(unix, "hours")})
    return format_html('{} <small class="since">{}</small>', text, since)


@register.filter
def stamp(unix: float | None) -> SafeString | str:
    """A moment that the browser shows as day and time of day with seconds in the viewer's zone."""
    return _moment(unix, "stamp")


@register.filter
def hours(unix: float | None) -> SafeString | str:
    """A moment that the browser shows as hours and minutes in the viewer's zone."""
    return _moment(unix, "hours")


@register.filter
def names(pools: Iterable[PoolView]) -> str:
    """The names of pools, one after the other."""
    return ", ".join(pool.name or pool.key for pool in pools)


@register.filter
def ago(unix: float | None) -> SafeString | str:
    """A moment that the browser shows as "6 min ago", with the exact time on hover."""
    return _moment(unix, "ago")


@register.filter
def moment(unix: float | None) -> SafeString | str:
    """A moment that the browser shows as date and time in the viewer's zone."""
    return _moment(unix, "at")


@register.filter
def clock(unix: float | None) -> SafeString | str:
    """A moment that the browser shows as the time of day in the viewer's zone."""
    return _moment(unix, "clock")


def _moment(unix: float | None, style: str) -> SafeString | str:
    if unix is None:
        return presenters.DASH
    return format_html('<time datetime="{}" data-{}>{}</time>', presenters.iso(unix), style, presenters.utc_text(unix))


@register.filter
def logged(value: object) -> str:
    """A field of a log line as the log writes it, but with no more digits than say something."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


@register.filter
def timestamp(when: object) -> float | None:
    """A model's datetime as unix seconds, for the filters above."""
    return when.timestamp() if hasattr(when, "timestamp") else None


@register.filter
def at_key(mapping: object, key: object) -> object:
    """``mapping[key]``, or None."""
    return mapping.get(key) if hasattr(mapping, "get") else None


class Figure(NamedTuple):
    """A counter on a page."""

    key: str
    name: Text
    number: float


@register.filter
def figures(counts: Tally) -> list[Figure]:
    """The counters that are listed, in the order of the schema."""
    return [
        Figure(each.name, COUNTER_LABELS[each.name].name, getattr(counts, each.name)) for each in COUNTERS if each.shown
    ]


@register.filter
def rejected(counts: Tally) -> str:
    """The part of the shares that was refused, in percent."""
    fraction = presenters.rejected_fraction(counts)
    return presenters.percent(fraction, 2 if fraction is not None and fraction < 0.01 else 1)


@register.filter
def effort(part: float | None) -> str:
    """Work done since the last own block against what a block takes, in percent with digits that say something."""
    if part is None:
        return presenters.DASH
    return (
        f"{presenters.significant(part * 100, 2)} %" if part >= 1e-5 or not part else f"< {number_format(0.001, 3)} %"
    )


@register.filter
def unlocal(number: float) -> str:
    """A number as machines read it, for attributes."""
    return f"{number:g}"


@register.filter("hex")
def as_hex(number: int) -> str:
    """A mask as Stratum writes it."""
    return f"{number:08x}"


@register.filter
def add_up(number: float, more: float) -> float:
    """A sum, of fractions too."""
    return float(number) + float(more)
