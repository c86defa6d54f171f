"""Logs: live, newest first, filtered; a download with wallets taken out; which events are written."""

import io
import math
import time
import zipfile
from pathlib import Path

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from dashboard import live
from dashboard.access import ADMINISTER, LOGS, needs, of_request
from dashboard.forms import LogFilter
from dashboard.logring import LogLine, ring
from dashboard.sentences import events_of, sentence, stays
from dashboard.views.editing import noted
from proxy.models import ProxySettings, Wallet
from proxy.models.settings import event_names
from proxy.observe.events import DEBUG, REGISTRY
from proxy.observe.log import Redactor, log_files

LOG_FILE = "logs/dpmp.log"
"""In the data directory, where ``runproxy`` writes it."""
SHOWN = 200
IN_ZIP = 100_000
MAX_ZIP_BYTES = 200 * 1024 * 1024


@require_GET
@needs(LOGS)
def logs(request: HttpRequest) -> HttpResponseBase:
    """The newest lines; htmx gets the lines alone."""
    form = LogFilter(request.GET)
    lines = _lines(form, SHOWN)
    template = "dashboard/_logs.html" if request.headers.get("HX-Request") else "dashboard/logs.html"
    return render(
        request,
        template,
        {
            "snap": live.snapshot(),
            "form": form,
            "lines": with_sentences(lines),
            "until": form.is_valid() and form.cleaned_data["until"],
            "link": _without_until(request),
            "events": sorted(REGISTRY),
            "query": request.GET.urlencode(),
            "filtered": any(request.GET.values()),
        },
    )


def _lines(form: LogFilter, limit: int) -> list[LogLine]:
    if not form.is_valid():
        return []
    said = form.cleaned_data
    return ring().recent(
        limit=limit,
        level=said["level"] or 0,
        text=said["text"],
        events={said["event"]} if said["event"] else events_of(said["kind"]) if said["kind"] else frozenset(),
        since=time.time() - said["span"] if said["span"] else 0.0,
        until=said["until"] or math.inf,
        worker=said["worker"] or None,
        pool=said["pool"] or None,
    )


def with_sentences(lines: list[LogLine]) -> list[tuple[LogLine, str]]:
    """Each line with its sentence."""
    snap, stayed = live.snapshot(), stays(lines)
    return [(line, sentence(line, snap, stayed.get(line.id))) for line in lines]


def _without_until(request: HttpRequest) -> str:
    """The query of what is shown, to which a line adds its own time."""
    query = request.GET.copy()
    query.pop("until", None)
    return f"{query.urlencode()}&" if query else ""


@require_GET
@needs(LOGS)
def download(request: HttpRequest) -> HttpResponseBase:
    """The log as a zip; without wallets unless an administrator asks for them."""
    plain = request.GET.get("wallets") == "keep" and of_request(request).administer
    redactor = Redactor(Wallet.objects.values_list("address", flat=True))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        _pack(archive, "recent.jsonl", "\n".join(line.json() for line in ring().recent(limit=IN_ZIP)), plain, redactor)
        for path in _newest_files():
            _pack(archive, path.name, path.read_text(encoding="utf-8", errors="replace"), plain, redactor)
    noted(request, "", action="log download", new="with wallets" if plain else "redacted")
    response = HttpResponse(packed.getvalue(), content_type="application/zip")
    name = f"dpmp-log-{timezone.now():%Y%m%d-%H%M%S}.zip"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _newest_files() -> list[Path]:
    left, chosen = MAX_ZIP_BYTES, []
    for path in log_files(settings.DATA_DIR / LOG_FILE):
        size = path.stat().st_size
        if size > left:
            break
        left -= size
        chosen.append(path)
    return chosen


def _pack(archive: zipfile.ZipFile, name: str, text: str, plain: bool, redactor: Redactor) -> None:
    archive.writestr(name, text if plain else redactor(text))


@require_GET
@needs(LOGS, ADMINISTER)
def switches(request: HttpRequest) -> HttpResponseBase:
    """The log filter: which events are written."""
    row = ProxySettings.load()
    allow, deny = event_names(row.log_allow), event_names(row.log_deny)
    events = [
        (name, _description(kind), "allow" if name in allow else "deny" if name in deny else "", kind.level <= DEBUG)
        for name, kind in REGISTRY.items()
    ]
    return render(
        request,
        "dashboard/log_switches.html",
        {"events": events, "changed": bool(allow or deny), "settings": row, "snap": live.snapshot()},
    )


def _description(kind: type) -> str:
    """An event's description, from its docstring, for somebody who does not read the source."""
    return " ".join((kind.__doc__ or "").split("\n\n")[0].split()).replace("``", "")


@require_POST
@needs(LOGS, ADMINISTER)
def save_switches(request: HttpRequest) -> HttpResponseBase:
    """Save the switches; the proxy uses them at once."""
    row = ProxySettings.load()
    before = (row.log_allow, row.log_deny)
    chosen = {name: request.POST.get(f"event-{name}", "") for name in REGISTRY}
    row.log_allow = "\n".join(name for name, choice in chosen.items() if choice == "allow")
    row.log_deny = "\n".join(name for name, choice in chosen.items() if choice == "deny")
    try:
        row.full_clean()
        row.save()
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return redirect("logs-switches")
    if (row.log_allow, row.log_deny) != before:
        noted(request, "", action="log events", new=f"always: {row.log_allow.split()} never: {row.log_deny.split()}")
    messages.success(request, _("Saved."))
    return redirect("logs-switches")
