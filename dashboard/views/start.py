"""The guided setup, and Help: two pools, then the miner's settings."""

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from dashboard import docs, live
from dashboard.access import ADMINISTER, SEE, needs
from dashboard.minersettings import miner_settings
from dashboard.models import AuditEntry
from dashboard.start import KEYS, PoolForm, next_key
from dashboard.views.pools import run_check
from proxy.models import Pool
from proxy.types import Chain


@require_http_methods(["GET", "POST"])
@needs(SEE, ADMINISTER)
def start(request: HttpRequest) -> HttpResponseBase:
    """Ask for one pool at a time; then show what to enter in the miner."""
    key = next_key() if request.GET.get("step") != "miners" else None
    steps = [
        {"name": _("Pool %(key)s") % {"key": one}, "done": Pool.objects.filter(key=one).exists(), "current": one == key}
        for one in KEYS
    ]
    context = {"snap": live.snapshot(), "key": key, "steps": steps, "pools": Pool.objects.count()}
    if key is None:
        return render(request, "dashboard/start_miners.html", {**context, "settings": miner_settings(request)})
    form = PoolForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and form.save(key):
        AuditEntry.write(by=request.user.get_username(), action="add pool", subject=key, new=form.cleaned_data["name"])
        return redirect("start")
    return render(
        request, "dashboard/start.html", {**context, "form": form}, status=422 if request.method == "POST" else 200
    )


@require_POST
@needs(SEE, ADMINISTER)
def test(request: HttpRequest) -> HttpResponseBase:
    """Try the address that stands in the form, before anything is saved."""
    form = PoolForm(request.POST)
    form.is_valid()
    try:
        said = form.cleaned_data
        lines, problem = run_check(
            form.endpoint(),
            user=said.get("wallet", ""),
            password=said.get("password", "x"),
            chain=Chain(said.get("chain", Chain.OTHER)),
        )
    except (ValidationError, KeyError) as error:
        lines, problem = [], " ".join(getattr(error, "messages", [_("Type the pool's address first.")]))
    return render(request, "dashboard/_report.html", {"lines": lines, "problem": problem, "key": ""})


@require_GET
@needs(SEE)
def help_page(request: HttpRequest) -> HttpResponseBase:
    """How to point a miner at it, how to read the numbers, what the words mean."""
    return render(
        request,
        "dashboard/help.html",
        {"snap": live.snapshot(), "settings": miner_settings(request), "pages": docs.pages()},
    )
