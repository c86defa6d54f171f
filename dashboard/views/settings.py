"""The current settings, and where each comes from."""

from itertools import groupby

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from dashboard import live
from dashboard.access import ADMINISTER, SEE, needs
from proxy.config.origin import settings_in_force


@never_cache
@require_GET
@needs(SEE, ADMINISTER)
def in_force(request: HttpRequest) -> HttpResponseBase:
    """All settings by group, without secrets."""
    snap = live.snapshot()
    lines = settings_in_force(settings.DPMP_VARIABLES, command_line=snap.command_line)
    unset = [line for line in lines if line.group == "environment" and line.origin != "environment"]
    shown = (line for line in lines if line not in unset)
    groups = [(name, list(found)) for name, found in groupby(shown, key=lambda line: line.group)]
    return render(request, "dashboard/settings.html", {"snap": snap, "groups": groups, "unset": unset})
