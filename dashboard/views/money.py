"""Money: what to expect on average, what the power costs, how it was; and its settings."""

import csv
import io

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from dashboard import live
from dashboard import money as figures
from dashboard.access import ADMINISTER, SEE, needs
from dashboard.views.editing import settings_page
from proxy.admin.money import MoneyForm
from proxy.models import MoneySettings
from proxy.money.recorder import MOST_DAYS


@require_GET
@needs(SEE)
def money(request: HttpRequest) -> HttpResponseBase:
    """The outlook and the last days; while it is switched off, only that."""
    settings, snap = MoneySettings.load(), live.snapshot()
    context: dict[str, object] = {"snap": snap, "settings": settings}
    if settings.enabled:
        context |= {
            "outlook": figures.outlook(snap, settings),
            "days": figures.days(settings.currency, figures.TABLE_DAYS),
        }
    return render(request, "dashboard/money.html", context)


@require_http_methods(["GET", "POST"])
@needs(SEE, ADMINISTER)
def settings(request: HttpRequest) -> HttpResponseBase:
    """Switch it on or off; currency, electricity, the pools' fees."""
    form = MoneyForm(request.POST or None, instance=MoneySettings.load())
    return settings_page(
        request, "dashboard/money_settings.html", form, about="money", subject="currency", back="money"
    )


@require_GET
@needs(SEE)
def as_csv(request: HttpRequest) -> HttpResponseBase:
    """All days that are kept, for a spreadsheet."""
    text = io.StringIO()
    found = figures.days(MoneySettings.load().currency, MOST_DAYS)
    csv.writer(text, lineterminator="\r\n").writerows(figures.table(found))
    response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="dpmp-money-{timezone.now():%Y%m%d-%H%M}.csv"'
    return response


@require_GET
@needs(SEE)
def chart(request: HttpRequest) -> HttpResponseBase:
    """The days as a chart's data."""
    series = figures.chart(live.snapshot(), request.GET.get("span", ""), MoneySettings.load().currency)
    response = JsonResponse(series.as_json())
    response["Cache-Control"] = "no-store"
    return response
