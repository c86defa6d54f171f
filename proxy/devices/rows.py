"""The miners' rows in the database, for the service's threads. Everything here blocks."""

from collections.abc import Sequence
from datetime import UTC, datetime

from django.db import transaction
from django.db.models import Count, Max

from proxy.devices.facts import Api
from proxy.devices.networks import Address
from proxy.devices.views import DeviceRow, DeviceView
from proxy.models import Device, DeviceSample, DeviceScan

MOST_DEVICES = 500
KEPT_S, SLOT_S = 7 * 86_400, 600
"""Samples: how long they are kept, and the time that one stands for."""
KEPT_SCANS = 20


def load() -> tuple[DeviceRow, ...]:
    """All miners, oldest first."""
    return tuple(
        DeviceRow(
            id=row.pk,
            address=row.address,
            port=row.port,
            api=Api(row.api),
            name=row.name,
            worker=row.worker,
            moved=row.before is not None,
        )
        for row in Device.objects.filter(api__in=[each.value for each in Api])[:MOST_DEVICES]
    )


def look() -> tuple[int | None, tuple[int, int]]:
    """The oldest search that waits; and what changes when rows are added or taken away: their number and highest id."""
    scan = DeviceScan.objects.filter(ended_at=None).order_by("id").values_list("id", flat=True).first()
    rows = Device.objects.aggregate(count=Count("id"), last=Max("id"))
    return scan, (rows["count"], rows["last"] or 0)


def add(address: Address, port: int, api: Api, found_by: str) -> bool:
    """Keep a miner that was found; False: it is known, or there are too many."""
    with transaction.atomic():
        if Device.objects.filter(address=str(address)).exists() or Device.objects.count() >= MOST_DEVICES:
            return False
        Device(address=str(address), port=port, api=api.value, found_by=found_by).save()
    return True


def keep_samples(devices: Sequence[DeviceView], now: float) -> None:
    """Keep what was said for the charts, once in ``SLOT_S``, and forget what is older than ``KEPT_S``."""
    slot = int(now) // SLOT_S * SLOT_S
    known = set(Device.objects.values_list("id", flat=True))
    DeviceSample.objects.bulk_create(
        [
            DeviceSample(
                device_id=device.row.id,
                at=slot,
                power_w=device.facts.power_w,
                temperature_c=device.facts.temperature_c,
                hashrate=device.facts.hashrate,
            )
            for device in devices
            if device.facts is not None and device.row.id in known
        ],
        ignore_conflicts=True,
    )
    DeviceSample.objects.filter(at__lt=slot - KEPT_S).delete()


def scan_ended(scan: int, *, hosts: int, found: int, problem: str = "") -> None:
    """Note what came of a scan, and forget old ones."""
    DeviceScan.objects.filter(pk=scan).update(
        ended_at=datetime.now(UTC), hosts=hosts, found=found, problem=problem[:200]
    )
    kept = list(DeviceScan.objects.values_list("id", flat=True)[:KEPT_SCANS])
    DeviceScan.objects.exclude(pk__in=kept).filter(ended_at__isnull=False).delete()


def addresses() -> frozenset[str]:
    """Those of all miners that are known."""
    return frozenset(Device.objects.values_list("address", flat=True))
