"""Numbers as people read them: the one place where values get units and are rounded.

Every function takes plain values (H/s, difficulty, seconds, fractions of 1) and returns text; None and unknown become a
dash, so that a table never shows a zero that nobody measured.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from proxy.history.counters import Tally
from proxy.observe.live.views import RateView
from proxy.types import PoolKey

DASH = "–"
COVERED = 0.9
"""Part of a window that must have been watched to call a figure that of the window."""
HOUR_S, DAY_S = 3600.0, 86400.0
SMALLEST_COIN, SMALLEST_AMOUNT = 1e-8, 1e-6
_PREFIXES = ("", "K", "M", "G", "T", "P", "E", "Z", "Y")


def significant(value: float, digits: int = 3) -> str:
    """``value`` with ``digits`` significant digits and no exponent: 7.20, 88.4, 665, 1234."""
    if value == 0:
        return "0"
    value = float(f"{value:.{digits}g}") if abs(value) < 10**digits else value
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return number_format(round(value, decimals), min(decimals, 8))


def _scaled(value: float) -> tuple[str, str]:
    """The number with three digits, and its prefix."""
    scaled, step = value, 0
    while float(f"{abs(scaled):.3g}") >= 1000 and step < len(_PREFIXES) - 1:
        scaled, step = scaled / 1000.0, step + 1
    return significant(scaled), _PREFIXES[step]


def hash_rate(value: float | None) -> tuple[str, str]:
    """The number and its unit, ``("88.4", "TH/s")``; a dash without a unit where nothing is known."""
    if value is None or not math.isfinite(value):
        return DASH, ""
    number, prefix = _scaled(max(value, 0.0))
    return number, f"{prefix.replace('K', 'k')}H/s"


def rate(view: RateView | float | None, prefix: str = "") -> str:
    """A hash rate in one piece, ``88.4 TH/s``; in the unit of ``prefix`` where one is given."""
    value = view if not isinstance(view, RateView) else (view.value if view.known else None)
    if prefix and value is not None and math.isfinite(value):
        return f"{significant(max(value, 0.0) / 1000.0 ** _PREFIXES.index(prefix))} {prefix}H/s"
    number, unit = hash_rate(value)
    return f"{number} {unit}".strip()


def covers(view: RateView, window_s: float) -> bool:
    """Whether a rate is one of the whole window; one of which nothing is known does not say otherwise."""
    return not view.known or not view.span_s or view.span_s >= COVERED * window_s


def rate_error(view: RateView) -> str:
    """Half the width of the rate's 95 % interval in the rate's own unit, ``0.8``; empty while unknown."""
    if not view.known or view.value <= 0:
        return ""
    _number, prefix = _scaled(view.value)
    half = (view.high - view.low) / 2 / 1000.0 ** _PREFIXES.index(prefix)
    return significant(half, 2)


def difficulty(value: float | None) -> str:
    """``52.7 K``, ``665``, ``0.10``; difficulties have K/M/G and no unit."""
    if not value or not math.isfinite(value):
        return DASH
    number, prefix = _scaled(value)
    return f"{number} {prefix}".rstrip()


def a_minute(per_s: float) -> str:
    """Events a second as those a minute, ``14.2``."""
    return significant(per_s * 60.0)


def percent(fraction: float | None, decimals: int = 1) -> str:
    """A fraction of 1 as ``70.3 %``."""
    if fraction is None or not math.isfinite(fraction):
        return DASH
    return f"{number_format(round(fraction * 100, decimals), decimals)} %"


def percent_figure(fraction: float | None, decimals: int = 1) -> str:
    """As ``percent``, without the sign where the unit is shown elsewhere."""
    return percent(fraction, decimals).removesuffix(" %")


def rejected_fraction(counts: Tally) -> float | None:
    """Rejected of all answered shares; None before the first."""
    answered = counts.answered
    return counts.rejected / answered if answered else None


def count(value: float | None) -> str:
    """A whole number with separators, ``44,441``."""
    return DASH if value is None else number_format(round(value), 0, use_l10n=True, force_grouping=True)


def coins(value: float | None) -> str:
    """An amount of coins, ``0.000312``; the smallest unit of a coin is 0.00000001."""
    if value is None or not math.isfinite(value):
        return DASH
    if 0 < value < SMALLEST_COIN:
        return f"< {number_format(SMALLEST_COIN, 8)}"
    return significant(value)


def amount(value: float | None) -> str:
    """An amount of money with two decimals, ``1,204.50``; a small one with its first two digits, ``0.00042``."""
    if value is None or not math.isfinite(value):
        return DASH
    if value != 0 and abs(value) < SMALLEST_AMOUNT:
        sign = "-" if value < 0 else ""
        return f"< {number_format(SMALLEST_AMOUNT, 6)}" if not sign else f"> {sign}{number_format(SMALLEST_AMOUNT, 6)}"
    if value == 0 or abs(value) >= 0.1:
        return number_format(round(value, 2), 2, use_l10n=True, force_grouping=True)
    return significant(value, 2)


def milliseconds(value: float | None) -> str:
    """``41 ms``, ``1.20 s``, ``0.4 ms``."""
    if value is None:
        return DASH
    if value >= 1000:
        return f"{significant(value / 1000)} s"
    return f"{significant(value, 2) if value < 10 else round(value)} ms"


def duration(seconds: float | None) -> str:
    """The two largest units, ``12 d 4 h``, ``6 min``, ``3 s``."""
    if seconds is None or not math.isfinite(seconds):
        return DASH
    left = max(0, round(seconds))
    if left < 60:
        return _("%(n)d s") % {"n": left}
    if left < 3600:
        return _("%(n)d min") % {"n": left // 60}
    if left < 86400:
        return _joined(_("%(n)d h") % {"n": left // 3600}, _("%(n)d min") % {"n": left % 3600 // 60}, left % 3600 // 60)
    if left < 365 * 86400:
        return _joined(
            _("%(n)d d") % {"n": left // 86400}, _("%(n)d h") % {"n": left % 86400 // 3600}, left % 86400 // 3600
        )
    return _("%(n)s years") % {"n": significant(left / (365.25 * 86400), 2 if left < 3.2e9 else 3)}


def seconds(value: float | None) -> str:
    """A time of some seconds, with a decimal where that says something: ``4.8 s``, ``30 s``, ``2 min``."""
    if value is None or not 0 < value < 10:
        return duration(value)
    return _("%(n)s s") % {"n": number_format(value, 1)}


def _joined(large: str, small: str, small_count: int) -> str:
    return f"{large} {small}" if small_count else large


def watts(value: float | None) -> str:
    """``15.2 W``, ``3.29 kW``."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{significant(value / 1000)} kW" if value >= 1000 else f"{significant(value)} W"


def celsius(value: float | None) -> str:
    """``61 °C``."""
    return DASH if value is None or not math.isfinite(value) else f"{round(value)} °C"


def megahertz(value: float | None) -> str:
    """``525 MHz``."""
    return DASH if value is None else f"{plain(value)} MHz"


def volts(value: float | None) -> str:
    """``1.14 V``."""
    return DASH if value is None else f"{plain(value)} V"


def plain(value: float | None) -> str:
    """A number with three digits; a dash where there is none."""
    return DASH if value is None or not math.isfinite(value) else significant(value)


def money(value: float | None, currency: str) -> str:
    """``1.23 EUR``; smaller sums with more digits."""
    if value is None or not math.isfinite(value):
        return DASH
    number = number_format(round(value, 2), 2) if value >= 1 or not value else significant(value, 2)
    return f"{number} {currency}".strip()


def rpm(speeds: Sequence[int]) -> str:
    """``4210 rpm``, of several fans the slowest and the fastest: ``1,520–4,210 rpm``."""
    if not speeds:
        return DASH
    least, most = min(speeds), max(speeds)
    return f"{count(most)} rpm" if least == most else f"{count(least)}–{count(most)} rpm"


def iso(unix: float | None) -> str:
    """Unix seconds as ISO 8601 in UTC, which the browser turns into the viewer's own zone."""
    return "" if unix is None else datetime.fromtimestamp(unix, UTC).isoformat(timespec="seconds")


def utc_text(unix: float | None) -> str:
    """The text shown where no script runs."""
    return DASH if unix is None else datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def ratio(weights: Mapping[PoolKey, float], order: Sequence[PoolKey]) -> str:
    """``70 : 30`` in the pools' order; weights are fractions of 1."""
    parts = [round(weights.get(key, 0.0) * 100, 1) for key in order]
    return " : ".join(number_format(part, 0 if part == round(part) else 1) for part in parts)


def miners(number: int) -> str:
    """``1 miner``, ``3 miners``."""
    return ngettext("%(n)d miner", "%(n)d miners", number) % {"n": number}


def odds(expected_s: float | None) -> str:
    """How long a block takes on average, ``12 d 4 h``."""
    return duration(expected_s) if expected_s else DASH
