"""Actions of operators: change the split, switch modes, pin workers. Each answers in the page, or redirects without
htmx."""

from datetime import datetime, timedelta

from django.contrib import messages
from django.core import signing
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from dashboard import live
from dashboard.access import STEER, needs
from dashboard.forms import PinForm, SplitForm
from proxy.config.loader import current_revision
from proxy.models import Pool
from proxy.ops import steering

UNDO = "dashboard.undo"
UNDO_S = 60
"""How long a change can be undone; the page offers it for ten seconds."""


@require_POST
@needs(STEER)
def split_set(request: HttpRequest) -> HttpResponseBase:
    """The slider was moved."""
    form = SplitForm(request.POST, keys=list(Pool.objects.values_list("key", flat=True)))
    if not form.is_valid():
        return _answer(request, problem=" ".join(str(one) for errors in form.errors.values() for one in errors))
    hours = form.cleaned_data["hours"]
    until = timezone.now() + timedelta(hours=hours) if hours else None
    weights, before = form.weights(), _before()
    try:
        steering.set_weights(request.user, weights, until)
    except ValidationError as error:
        return _answer(request, problem=" ".join(error.messages))
    outcome = _("Set to %(split)s.") % {"split": " : ".join(f"{part:g}" for part in weights.values())}
    return _answer(request, outcome=outcome, before=before)


@require_POST
@needs(STEER)
def split_auto(request: HttpRequest) -> HttpResponseBase:
    """Auto-balance was pressed: on, or off when it was on."""
    before = _before()
    row = steering.current_override()
    on = not (row is not None and row.active and not row.weights)
    steering.switch_auto_balance(request.user, on)
    if on:
        return _answer(request, outcome=_("Auto-balance is on."), before=before)
    return _answer(request, outcome=_("Back to the schedule."), before=before)


@require_POST
@needs(STEER)
def split_reset(request: HttpRequest) -> HttpResponseBase:
    """Back to the schedule."""
    before = _before()
    steering.reset(request.user)
    return _answer(request, outcome=_("Back to the schedule."), before=before)


@require_POST
@needs(STEER)
def split_undo(request: HttpRequest) -> HttpResponseBase:
    """As it was before the last change by hand."""
    try:
        before = signing.loads(request.POST.get("before", ""), salt=UNDO, max_age=UNDO_S)
    except signing.BadSignature:
        return _answer(request, problem=_("This can no longer be undone."))
    weights, until = before["weights"], before["until"]
    moment = datetime.fromisoformat(until) if until else None
    if before["kind"] == "schedule" or (moment is not None and moment <= timezone.now()):
        steering.reset(request.user)
        return _answer(request, outcome=_("Undone: back to the schedule."))
    if weights is None:
        steering.switch_auto_balance(request.user, True)
        return _answer(request, outcome=_("Undone: auto-balance is on."))
    try:
        steering.set_weights(request.user, weights, moment)
    except ValidationError as error:
        return _answer(request, problem=" ".join(error.messages))
    return _answer(request, outcome=_("Undone."))


def _before() -> str:
    """What is set by hand now, for ``split_undo``."""
    row = steering.current_override()
    if row is None or not row.active:
        state: dict[str, object] = {"kind": "schedule", "weights": None, "until": None}
    else:
        state = {"kind": "override", "weights": row.weights or None, "until": row.until and row.until.isoformat()}
    return signing.dumps(state, salt=UNDO)


@require_POST
@needs(STEER)
def pin(request: HttpRequest, name: str) -> HttpResponseBase:
    """Pin a worker to a pool, or remove the pin."""
    form = PinForm(request.POST)
    if not form.is_valid():
        return _pinned(request, name, problem=_("Choose one of the pools."))
    pool = form.cleaned_data["pool"]
    try:
        steering.pin(request.user, name, pool.key if pool else None)
    except ValidationError as error:
        return _pinned(request, name, problem=" ".join(error.messages))
    outcome = _("Pinned to %(pool)s.") % {"pool": pool} if pool else _("No longer pinned.")
    return _pinned(request, name, outcome=outcome)


def _answer(request: HttpRequest, *, outcome: str = "", problem: str = "", before: str = "") -> HttpResponseBase:
    if request.headers.get("HX-Request"):
        return render(
            request,
            "dashboard/_slider_state.html",
            {
                "outcome": outcome,
                "problem": problem,
                "expect": current_revision(),
                "before": before,
                "snap": live.snapshot(),
            },
            status=422 if problem else 200,
        )
    (messages.error if problem else messages.success)(request, problem or outcome)
    return redirect("balance" if request.POST.get("next") == "balance" else "home")


def _pinned(request: HttpRequest, name: str, *, outcome: str = "", problem: str = "") -> HttpResponseBase:
    if request.headers.get("HX-Request"):
        return render(
            request, "dashboard/_outcome.html", {"outcome": outcome, "problem": problem}, status=422 if problem else 200
        )
    (messages.error if problem else messages.success)(request, problem or outcome)
    return redirect("worker", name)
