"""What if: replay the own history under other settings, compare, and make the change."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core import signing
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from dashboard import charts, live
from dashboard.access import SEE, STEER, needs, of_request
from dashboard.forms import SplitForm
from dashboard.svg import PALETTE
from dashboard.trials import BALANCE_FIELDS, Question, Trial, differs, trials
from dashboard.views.editing import noted
from proxy.models import BalanceSettings, MoneySettings, Pool, Schedule
from proxy.money.facts import prices_now
from proxy.observe.live.views import LiveSnapshot
from proxy.ops import steering
from proxy.whatif.past import SPANS_S
from proxy.whatif.plan import Kind
from proxy.whatif.trial import Column

SPANS = {
    "24h": gettext_lazy("24 h"),
    "7d": gettext_lazy("7 d"),
    "30d": gettext_lazy("30 d"),
    "90d": gettext_lazy("90 d"),
}
KINDS = {
    Kind.WEIGHTS: gettext_lazy("Other weights, as with the slider"),
    Kind.SCHEDULE: gettext_lazy("The schedules, with nothing set by hand"),
    Kind.BALANCE: gettext_lazy("Auto-balance with these settings"),
}


class BalanceForm(forms.ModelForm):  # type: ignore[type-arg]
    """The settings of auto-balance that a replay can try."""

    class Meta:
        model = BalanceSettings
        fields = BALANCE_FIELDS


@require_GET
@needs(SEE)
def whatif(request: HttpRequest) -> HttpResponseBase:
    """The question, and the last result: the own one, else the newest of anybody."""
    return render(request, "dashboard/whatif.html", {**_shown(request), **_asked()})


@require_GET
@needs(SEE)
def state(request: HttpRequest) -> HttpResponseBase:
    """The last trial alone, while it is running; once it is over, the whole page with its chart is asked for."""
    shown = _shown(request)
    response = render(request, "dashboard/_whatif_result.html", shown)
    if shown["trial"] is not None and shown["trial"].over:
        response["HX-Refresh"] = "true"
    return response


def _asked() -> dict[str, Any]:
    return {
        "spans": SPANS.items(),
        "kinds": KINDS.items(),
        "schedules": Schedule.objects.filter(enabled=False),
        "balance_form": BalanceForm(instance=BalanceSettings.load()),
        "pools": Pool.objects.order_by("key"),
    }


def _shown(request: HttpRequest) -> dict[str, Any]:
    trial = _trial(request)
    context: dict[str, Any] = {"snap": live.snapshot(), "trial": trial}
    if trial is not None and trial.comparison is not None:
        context |= {"columns": _columns(live.snapshot(), trial), "sealed": trial.question.sealed()}
        context |= {"what": described(trial.question), "span": SPANS[trial.question.span], "found": trial.comparison}
    return context


def _trial(request: HttpRequest) -> Trial | None:
    own = trials.of(request.user.get_username()) if of_request(request).steer else None
    return own or trials.newest()


@require_POST
@needs(SEE, STEER)
def run(request: HttpRequest) -> HttpResponseBase:
    """Start a trial in the background."""
    question, problem = _question(request)
    snap = live.snapshot()
    if question is not None:
        trial = Trial(person=request.user.get_username(), question=question, now=snap.at)
        problem = trials.start(trial, snap.hashes_per_difficulty, get_language() or "en")
    if problem:
        messages.error(request, problem)
    return redirect("whatif")


@require_POST
@needs(SEE, STEER)
def cancel(request: HttpRequest) -> HttpResponseBase:
    """End the own trial."""
    trials.cancel(request.user.get_username())
    return redirect("whatif")


def _question(request: HttpRequest) -> tuple[Question | None, str]:
    """What the form asks, or what is wrong with it."""
    said = request.POST
    span = said.get("span", "")
    if span not in SPANS_S or said.get("kind") not in set(Kind):
        return None, _("Choose a time and what to try.")
    kind = Kind(said["kind"])
    if kind is Kind.WEIGHTS:
        form = SplitForm(said, keys=list(Pool.objects.values_list("key", flat=True)))
        if not form.is_valid():
            return None, _sentences(form)
        return Question(kind=kind, span=span, weights=form.weights()), ""
    if kind is Kind.SCHEDULE:
        pk = said.get("schedule", "")
        return Question(kind=kind, span=span, schedule=int(pk) if pk.isdecimal() and len(pk) < 19 else None), ""
    settings = BalanceForm(said, instance=BalanceSettings.load())
    if not settings.is_valid():
        return None, _sentences(settings)
    return Question(kind=kind, span=span, balance={name: settings.cleaned_data[name] for name in BALANCE_FIELDS}), ""


def _sentences(form: forms.BaseForm) -> str:
    return " ".join(str(one) for errors in form.errors.values() for one in errors)


def described(question: Question) -> str:
    """What was tried, in a line."""
    if question.kind is Kind.WEIGHTS:
        split = " : ".join(f"{part:g}" for part in question.weights.values())
        return _("weights %(split)s") % {"split": split}
    if question.kind is Kind.BALANCE:
        return _("auto-balance")
    row = _schedule(question)
    return _("the schedules with %(name)s") % {"name": row.name} if row else _("the schedules")


def _schedule(question: Question, **which: bool) -> Schedule | None:
    """The schedule that would be enabled too."""
    return None if question.schedule is None else Schedule.objects.filter(pk=question.schedule, **which).first()


# --- The result ---------------------------------------------------------------------------------------------------


def _columns(snap: LiveSnapshot, trial: Trial) -> list[dict[str, Any]]:
    """As it was, as it is set now, as it was tried: split, switches, coins by chain and their worth."""
    found = trial.comparison
    assert found is not None
    titles = (
        (_("As it was"), found.was),
        (_("Settings of now, replayed"), found.present),
        (_("What if"), found.tried),
    )
    return [{"title": title, **_figures(snap, column)} for title, column in titles]


def _figures(snap: LiveSnapshot, column: Column) -> dict[str, Any]:
    settings = MoneySettings.load()
    prices = prices_now(settings, snap.extra.get("balance"), snap.at)
    rows, amounts = [], []
    for pool in snap.pools:
        part, coins = column.split.get(pool.key, 0.0), column.coins.get(pool.key)
        price = prices[pool.chain].amount if pool.chain in prices else None
        amount = None if coins is None or price is None else coins * price
        rows.append({"pool": pool, "part": part, "coins": coins})
        if part > 0:
            amounts.append(amount)
    known = [amount for amount in amounts if amount is not None]
    return {
        "rows": rows,
        "switches": column.switches,
        "amount": sum(known) if known and len(known) == len(amounts) else None,
        "currency": settings.currency,
    }


@require_GET
@needs(SEE)
def chart(request: HttpRequest) -> HttpResponseBase:
    """Each pool's part over time: as it was, dashed as it was tried. Of two pools the first alone."""
    trial, snap = _trial(request), live.snapshot()
    found = trial.comparison if trial is not None else None
    lines: list[charts.Line] = []
    if found is not None:
        pools = snap.pools[:1] if len(snap.pools) == 2 else snap.pools
        for pool in pools:
            for column, dashed, text in (
                (found.was, False, _("%(pool)s as it was")),
                (found.tried, True, _("%(pool)s what if")),
            ):
                values: list[float | None] = [100 * step.get(pool.key, 0.0) for step in column.over_time]
                lines.append(charts.Line(text % {"pool": pool.key}, pool.colour % PALETTE, values, dashed=dashed))
    answer = JsonResponse(charts.Series(list(found.starts) if found else [], lines).as_json())
    answer["Cache-Control"] = "no-store"
    return answer


# --- The change ---------------------------------------------------------------------------------------------------


@require_POST
@needs(SEE, STEER)
def apply(request: HttpRequest) -> HttpResponseBase:
    """Make the change that was tried, once it was confirmed."""
    try:
        question = Question.opened(request.POST.get("sealed", ""))
    except signing.BadSignature:
        messages.error(request, _("This is too old to be applied: replay it again."))
        return redirect("whatif")
    if question.kind is Kind.BALANCE and differs(question) and not of_request(request).administer:
        messages.error(request, _("The settings of auto-balance are for administrators."))
        return redirect("whatif")
    if request.POST.get("confirmed") != "yes":
        context = {"snap": live.snapshot(), "what": described(question), "question": question}
        return render(request, "dashboard/whatif_confirm.html", context | {"sealed": request.POST["sealed"]})
    try:
        with transaction.atomic():
            _make(request, question)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return redirect("whatif")
    messages.success(request, _("Done: %(what)s.") % {"what": described(question)})
    return redirect("home")


def _make(request: HttpRequest, question: Question) -> None:
    """By the ways of the slider, the schedules and auto-balance; each writes the audit log."""
    user = request.user
    if question.kind is Kind.WEIGHTS:
        steering.set_weights(user, question.weights)
    elif question.kind is Kind.SCHEDULE:
        row = _schedule(question, enabled=False)
        if row is not None:
            row.enabled = True
            row.save()
            noted(request, row.name, action="enable schedule")
        steering.reset(user)
    else:
        if differs(question):
            settings = BalanceSettings.load()
            for name, value in question.balance.items():
                setattr(settings, name, value)
            settings.full_clean()
            settings.save()
            noted(request, settings, action="change")
        steering.switch_auto_balance(user, True)
