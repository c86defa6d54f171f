"""The daily configuration as pages of our own: pools, wallets, alert targets, one person. The admin has everything."""

from django.contrib import messages
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from dashboard.access import ADMINISTER, SEE, needs
from dashboard.alert_addresses import FORMS, KINDS, TargetForm, kind_of
from dashboard.forms import PersonEditForm, RuleForm, WalletForm
from dashboard.start import PoolEditForm, free_key
from dashboard.views.editing import deleted, noted, page, switched
from proxy.alerts.sending import send_test
from proxy.models import Pool, Wallet, WeightOverride
from proxy.models.alerts import AlertDelivery, AlertRule, AlertTarget
from proxy.types import AdminStatus

SENT_SHOWN = 10


# --- Pools --------------------------------------------------------------------------------------------------------


@require_http_methods(["GET", "POST"])
@needs(SEE, ADMINISTER)
def pool(request: HttpRequest, key: str | None = None) -> HttpResponseBase:
    """A pool: address, wallet, password; the rest behind folds. Test, disable, delete."""
    row = get_object_or_404(Pool.objects.select_related("wallet"), key=key) if key is not None else None
    do = request.POST.get("do", "")
    if row is not None and do in ("enable", "disable", "delete"):
        return _pool_done(request, row, do)
    form = PoolEditForm(request.POST or None, pool=row, initial={} if row else {"key": free_key()})
    if request.method == "POST" and form.is_valid():
        new_key = row.key if row else form.cleaned_data["key"].strip() or free_key()
        if form.save(new_key):
            noted(request, new_key, action="change pool" if row else "add pool", new=form.cleaned_data["name"])
            messages.success(request, _("Saved: %(name)s.") % {"name": form.cleaned_data["name"]})
            return redirect("pool", new_key)
    return page(
        request,
        "dashboard/pool_edit.html",
        {
            "form": form,
            "row": row,
            "enabled": row is not None and row.status == AdminStatus.ENABLED,
            "wallets": Wallet.objects.all(),
            "uses": _uses(row) if row else [],
        },
    )


def _uses(row: Pool) -> list[str]:
    """What names the pool: it cannot be deleted while there is any."""
    uses = [str(entry.schedule) for entry in row.allocations.select_related("schedule")]
    uses += [str(entry.schedule) for entry in row.fallbacks.select_related("schedule")]
    uses += [str(entry.worker) for entry in row.pins.all()[:5]]
    override = WeightOverride.objects.filter(cleared_at__isnull=True).first()
    if override is not None and override.active and row.key in override.weights:
        uses.append(_("the slider"))
    return list(dict.fromkeys(uses))


def _pool_done(request: HttpRequest, row: Pool, do: str) -> HttpResponseBase:
    if do == "delete":
        if _uses(row):
            messages.error(
                request,
                _("It is still used: %(users)s. Change that first, or disable it.") % {"users": ", ".join(_uses(row))},
            )
            return redirect("pool-edit", row.key)
        return redirect("pools") if deleted(request, row, action="delete pool") else redirect("pool-edit", row.key)
    with transaction.atomic():
        row.status = (AdminStatus.ENABLED if do == "enable" else AdminStatus.DISABLED).value
        row.save()
        noted(request, row, action=f"{do} pool")
    said = {
        "enable": _("%(name)s is enabled."),
        "disable": _("%(name)s is disabled: its miners work on the other pools."),
    }
    messages.success(request, said[do] % {"name": row})
    return redirect("pool-edit", row.key)


# --- Wallets ------------------------------------------------------------------------------------------------------


@require_GET
@needs(SEE, ADMINISTER)
def wallets(request: HttpRequest) -> HttpResponseBase:
    """All wallets and who pays to them."""
    return page(request, "dashboard/wallets.html", {"wallets": Wallet.objects.prefetch_related("pools")})


@require_http_methods(["GET", "POST"])
@needs(SEE, ADMINISTER)
def wallet(request: HttpRequest, pk: int | None = None) -> HttpResponseBase:
    """One wallet: all pools that use it follow a change."""
    row = get_object_or_404(Wallet, pk=pk) if pk is not None else None
    if row is not None and request.POST.get("do") == "delete":
        return redirect("wallets") if deleted(request, row, action="delete wallet") else redirect("wallet", row.pk)
    form = WalletForm(request.POST or None, instance=row)
    if request.method == "POST" and form.is_valid():
        saved = form.save()
        noted(request, saved, action="change wallet" if row else "add wallet")
        messages.success(request, _("Saved: %(name)s.") % {"name": saved})
        return redirect("wallets")
    pools = list(row.pools.all()) if row else []
    return page(request, "dashboard/wallet_edit.html", {"form": form, "row": row, "pools": pools})


# --- Alert targets ------------------------------------------------------------------------------------------------


@require_GET
@needs(SEE, ADMINISTER)
def alerts(request: HttpRequest) -> HttpResponseBase:
    """Whom alerts go to, and what was sent."""
    AlertRule.ensure()
    context = {
        "targets": AlertTarget.objects.all(),
        "rules": AlertRule.objects.prefetch_related("targets"),
        "sent": AlertDelivery.objects.all()[:SENT_SHOWN],
    }
    return page(request, "dashboard/alerts.html", context)


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
@needs(SEE, ADMINISTER)
def alert(request: HttpRequest, pk: int | None = None) -> HttpResponseBase:
    """One alert target: the address is made of plain fields, and never shown again."""
    row = get_object_or_404(AlertTarget, pk=pk) if pk is not None else None
    do = request.POST.get("do", "")
    if row is not None and do == "delete":
        return redirect("alerts") if deleted(request, row, action="delete alert target") else redirect("alert", row.pk)
    if row is not None and do in ("enable", "disable"):
        off = _("%(name)s is disabled: nothing is sent to it.")
        switched(request, row, do, action=f"{do} alert target", off=off)
        return redirect("alert", row.pk)
    kind = kind_of(row, request.POST.get("kind", "") or request.GET.get("kind", ""))
    form = FORMS[kind](request.POST or None, target=row)
    if request.method == "POST" and form.is_valid():
        saved = form.save()
        noted(request, saved, action="change alert target" if row else "add alert target")
        messages.success(request, _("Saved: %(name)s.") % {"name": saved})
        return redirect("alerts")
    return page(request, "dashboard/alert_edit.html", {"form": form, "row": row, "kind": kind, "kinds": KINDS})


@sensitive_post_parameters()
@require_POST
@needs(SEE, ADMINISTER)
def alert_test(request: HttpRequest) -> HttpResponseBase:
    """Send a test to the address that stands in the form, before anything is saved."""
    pk = request.POST.get("target", "")
    row = AlertTarget.objects.filter(pk=pk).first() if pk.isdecimal() and len(pk) < 19 else None
    entered = {**request.POST.dict(), "label": "?"}
    form: TargetForm = FORMS[kind_of(row, request.POST.get("kind", ""))](entered, target=row)
    if form.is_valid():
        problem = send_test(form.url())
        outcome = "" if problem else _("Sent. Look whether it has arrived.")
    else:
        problem, outcome = " ".join(str(text) for texts in form.errors.values() for text in texts), ""
    return render(request, "dashboard/_outcome.html", {"outcome": outcome, "problem": problem})


@require_http_methods(["GET", "POST"])
@needs(SEE, ADMINISTER)
def alert_rule(request: HttpRequest, pk: int) -> HttpResponseBase:
    """What is told of one kind of event: whether, from when on, and to whom."""
    row = get_object_or_404(AlertRule, pk=pk)
    form = RuleForm(request.POST or None, instance=row)
    if request.method == "POST" and form.is_valid():
        form.save()
        noted(request, row, action="change alert rule", new="" if row.enabled else "off")
        messages.success(request, _("Saved: %(name)s.") % {"name": row})
        return redirect("alerts")
    return page(request, "dashboard/rule_edit.html", {"form": form, "row": row})


# --- People -------------------------------------------------------------------------------------------------------


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
@needs(SEE, ADMINISTER)
def person(request: HttpRequest, pk: int) -> HttpResponseBase:
    """One person: role, a new password; disable or delete. Nobody locks out themselves."""
    row = get_object_or_404(User.objects.prefetch_related("groups"), pk=pk)
    itself = row.pk == request.user.pk
    do = request.POST.get("do", "")
    if do in ("enable", "disable", "delete"):
        if itself:
            messages.error(request, _("This is your own account: another administrator can do that."))
            return redirect("person", row.pk)
        if do == "delete":
            return redirect("people") if deleted(request, row, action="delete person") else redirect("person", row.pk)
        row.is_active = do == "enable"
        row.save(update_fields=["is_active"])
        noted(request, row, action=f"{do} person")
        said = _("%(name)s can log in.") if row.is_active else _("%(name)s is logged out and cannot log in.")
        messages.success(request, said % {"name": row})
        return redirect("person", row.pk)
    form = PersonEditForm(request.POST or None, person=row, itself=itself)
    if request.method == "POST" and form.is_valid():
        try:
            form.save()
            noted(request, row, action="change person", new=form.cleaned_data.get("role", ""))
            messages.success(request, _("Saved: %(name)s.") % {"name": row})
            return redirect("people")
        except ValidationError as error:
            form.add_error(None, error)
    return page(request, "dashboard/person.html", {"form": form, "row": row, "itself": itself})
