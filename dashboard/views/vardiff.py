"""The proxy's own difficulty on shared connections: how it is found, what it aims at, and rules that are stronger."""

from dataclasses import dataclass

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from dashboard import live
from dashboard.access import ADMINISTER, SEE, needs
from dashboard.forms import VardiffRuleForm
from dashboard.views.editing import deleted, noted, page, switched
from proxy.config.snapshot import Connections
from proxy.models import Pool, VardiffRule
from proxy.stratum.firmware import BY_NAME


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule, and its firmware's label."""

    rule: VardiffRule
    firmware: str


@require_GET
@needs(SEE)
def rules(request: HttpRequest) -> HttpResponseBase:
    """The aim of each pool with shared connections, and the rules that are stronger."""
    rows = [
        RuleRow(rule, BY_NAME[rule.profile].label if rule.profile in BY_NAME else rule.profile)
        for rule in VardiffRule.objects.select_related("listener")
    ]
    pools = Pool.objects.exclude(connections=Connections.OWN.value)
    return render(request, "dashboard/vardiff.html", {"snap": live.snapshot(), "rows": rows, "pools": pools})


@require_http_methods(["GET", "POST"])
@needs(SEE, ADMINISTER)
def rule(request: HttpRequest, pk: int | None = None) -> HttpResponseBase:
    """One rule: add, change, switch off and on, delete."""
    row = get_object_or_404(VardiffRule, pk=pk) if pk is not None else None
    do = request.POST.get("do", "")
    if row is not None and do == "delete":
        deleted(request, row, action="delete vardiff rule", new=_aim(row))
        return redirect("vardiff")
    if row is not None and do in ("enable", "disable"):
        off = _("%(name)s is disabled: its miners get their pool's aim.")
        switched(request, row, do, action=f"{do} vardiff rule", off=off, new=_aim(row))
        return redirect("vardiff")
    form = VardiffRuleForm(request.POST or None, instance=row)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            saved = form.save()
            noted(request, saved, action="change vardiff rule" if row else "add vardiff rule", new=_aim(saved))
        messages.success(request, _("Saved: %(name)s.") % {"name": saved})
        return redirect("vardiff")
    return page(request, "dashboard/vardiff_edit.html", {"form": form, "row": row})


def _aim(row: VardiffRule) -> str:
    return "" if row.shares_per_minute is None else f"{row.shares_per_minute:g}"
