"""The guided setup, and Help: two pools, then the miner's settings."""

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from dashboard import docs, live
from dashboard.access import ADMINISTER, SEE, needs
from dashboard.minersettings import examples, miner_settings
from dashboard.start import KEYS, PoolForm, next_key
from dashboard.views.editing import noted, page
from dashboard.views.pools import run_check
from proxy.models import Pool, Wallet
from proxy.types import Chain


@require_http_methods(["GET", "POST"])
@needs(SEE, ADMINISTER)
def start(request: HttpRequest) -> HttpResponseBase:
    """Ask for one pool at a time, each step can be gone back to; then show what to enter in the miner."""
    wanted = request.GET.get("step", "")
    done = {pool.key: pool for pool in Pool.objects.select_related("wallet").filter(key__in=KEYS)}
    key = wanted if wanted in done else next_key() if wanted != "miners" else None
    steps = [
        {"key": one, "name": _("Pool %(key)s") % {"key": one}, "done": one in done, "current": one == key}
        for one in KEYS
    ]
    before = [one for one in KEYS if one in done and (key is None or one < key)]
    context = {
        "snap": live.snapshot(),
        "key": key,
        "steps": steps,
        "pools": Pool.objects.count(),
        "back": before[-1] if before else "",
    }
    if key is None:
        return render(
            request,
            "dashboard/start_miners.html",
            {**context, "settings": miner_settings(request), "examples": examples(request)},
        )
    row = done.get(key)
    form = PoolForm(request.POST or None, pool=row)
    if request.method == "POST" and form.is_valid() and form.save(key):
        noted(request, key, action="change pool" if row else "add pool", new=form.cleaned_data["name"])
        return redirect("start")
    return page(request, "dashboard/start.html", {**context, "form": form, "row": row, "wallets": Wallet.objects.all()})


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
        {
            "snap": live.snapshot(),
            "settings": miner_settings(request),
            "examples": examples(request),
            "pages": docs.pages(),
        },
    )
