"""The miners themselves: what they say, where they are looked for, and the one thing that can be written to them."""

import threading
from collections.abc import Mapping

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from dashboard import live
from dashboard.access import ADMINISTER, SEE, needs
from dashboard.forms import DeviceForm, UseProxyForm
from dashboard.minersettings import miner_settings
from dashboard.views.editing import noted, page, settings_page
from proxy.admin.devices import DevicesForm
from proxy.devices.facts import Api, DeviceError
from proxy.devices.networks import NetworkError, address_of
from proxy.devices.views import devices_of
from proxy.models import Device, DeviceScan, DeviceSettings

MOST_DEVICES = 500
_changes = threading.BoundedSemaphore(1)
"""A change holds one of the few places that pages have."""


@require_GET
@needs(SEE)
def devices(request: HttpRequest) -> HttpResponseBase:
    """All miners that are asked."""
    snap = live.snapshot()
    return render(
        request,
        "dashboard/devices.html",
        {
            "snap": snap,
            "view": devices_of(snap),
            "settings": DeviceSettings.load(),
            "scan": DeviceScan.objects.exclude(ended_at=None).first(),
        },
    )


@require_http_methods(["GET", "POST"])
@needs(SEE, ADMINISTER)
def settings(request: HttpRequest) -> HttpResponseBase:
    """The settings; they act as soon as they are saved."""
    form = DevicesForm(request.POST or None, instance=DeviceSettings.load())
    return settings_page(
        request, "dashboard/devices_settings.html", form, about="miners' facts", subject="networks", back="devices"
    )


@require_POST
@needs(SEE, ADMINISTER)
def scan(request: HttpRequest) -> HttpResponseBase:
    """Have the named networks searched."""
    row = DeviceSettings.load()
    if not row.enabled or not row.networks:
        messages.error(request, _("Switch it on and name your networks first."))
    elif DeviceScan.objects.filter(ended_at=None).exists():
        messages.error(request, _("A search is under way already."))
    else:
        DeviceScan(asked_by=request.user.get_username()).save()
        noted(request, row.networks, action="scan for miners")
        messages.success(request, _("The networks are searched; what is found appears here."))
    return redirect("devices")


@require_http_methods(["GET", "POST"])
@needs(SEE, ADMINISTER)
def device(request: HttpRequest, pk: int | None = None) -> HttpResponseBase:
    """One miner: add, change, take out of the list, change its pool."""
    row = get_object_or_404(Device, pk=pk) if pk is not None else None
    do = request.POST.get("do", "")
    if row is not None and do == "delete":
        noted(request, row, action="delete miner")
        row.delete()
        messages.success(request, _("%(name)s is no longer asked.") % {"name": row})
        return redirect("devices")
    if row is not None and do in ("use", "back"):
        return _change_pool(request, row, do)
    form = DeviceForm(request.POST or None, instance=row)
    if request.method == "POST" and form.is_valid():
        if row is None and Device.objects.count() >= MOST_DEVICES:
            form.add_error(None, _("There are %(n)d miners already.") % {"n": MOST_DEVICES})
        elif _saved(form):
            noted(request, form.instance, action="change miner" if row else "add miner")
            messages.success(request, _("Saved: %(name)s.") % {"name": form.instance})
            return redirect("devices")
    return _device_page(request, row, form)


def _saved(form: DeviceForm) -> bool:
    try:
        with transaction.atomic():
            form.save()
    except IntegrityError:
        form.add_error("address", _("This miner is in the list already."))
        return False
    return True


def _device_page(
    request: HttpRequest, row: Device | None, form: DeviceForm, use: UseProxyForm | None = None
) -> HttpResponseBase:
    view, ours = devices_of(live.snapshot()), miner_settings(request)
    return page(
        request,
        "dashboard/device.html",
        {
            "row": row,
            "form": form,
            "asks": request.GET.get("ask", "") if row else "",
            "use": use or UseProxyForm(initial={"host": ours.host, "port": ours.port}),
            "needs_password": ours.needs_password,
            "one": next((one for one in view.devices if row and one.row.id == row.pk), None) if view else None,
            "view": view,
        },
    )


def _change_pool(request: HttpRequest, row: Device, do: str) -> HttpResponseBase:
    """Have the miner use the proxy, or what it had before."""
    form = UseProxyForm(request.POST)
    if do == "use" and not form.is_valid():
        return _device_page(request, row, DeviceForm(instance=row), form)
    if do == "use" and miner_settings(request).needs_password:
        messages.error(request, _("This proxy asks miners for a password: enter the pool on the miner's own page."))
    elif do == "back" and not isinstance(row.before, dict):
        messages.error(request, _("What this miner had before is not known."))
    elif not _changes.acquire(blocking=False):
        messages.error(request, _("Another change is under way: try again in some seconds."))
    else:
        try:
            said = _used(row, form.cleaned_data) if do == "use" else _put_back(row)
        except (DeviceError, NetworkError) as error:
            messages.error(request, _("Nothing was changed, or not all of it: %(problem)s") % {"problem": error})
            noted(request, row, action="miner's pool not changed", new=str(error))
        else:
            noted(request, row, action="change miner's pool", new=said)
            messages.success(request, _("%(name)s uses %(pool)s now.") % {"name": row, "pool": said})
        finally:
            _changes.release()
    return redirect("device", row.pk)


def _used(row: Device, proxy: Mapping[str, object]) -> str:
    from proxy.devices import pools  # with its HTTP client loaded where a miner is written to

    host, port = str(proxy["host"]), int(str(proxy["port"]))
    api, address = Api(row.api), _address(row)
    before = pools.at_once(lambda reader: pools.use(reader, api, address, row.port, (host, port)))
    if row.before is None:  # asked for twice: what it had before the first time is what it had
        row.before = before
        row.save(update_fields=["before"])
    return f"{host}:{port}"


def _put_back(row: Device) -> str:
    from proxy.devices import pools

    api, address, before = Api(row.api), _address(row), dict(row.before or {})
    said = pools.at_once(lambda reader: pools.put_back(reader, api, address, row.port, before))
    row.before = None
    row.save(update_fields=["before"])
    return said


def _address(row: Device) -> str:
    return str(address_of(row.address, loopback=live.snapshot().demo))
