"""All miners are asked again and again, found where somebody looks for them, and joined with the workers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from proxy.config.snapshot import DevicesConfig
from proxy.devices import finder, rows
from proxy.devices import service as service_module
from proxy.devices.facts import Api
from proxy.devices.networks import address_of
from proxy.devices.service import DevicesService
from proxy.devices.views import DevicesView
from proxy.models import Device, DeviceSample, DeviceScan
from proxy.net.clock import LoopClock
from proxy.net.tasks import cancel_and_wait, spawn
from proxy.observe.events import DeviceFound, DevicesTrouble, EventStream
from proxy.observe.live.views import LiveSnapshot, SessionView, WorkerView
from proxy.simulator.axeos_api import AxeOsApi
from proxy.simulator.cgminer_api import CgminerApi
from proxy.simulator.device import SimDevice
from proxy.types import SessionId, WorkerName
from tests.support.patience import PATIENCE_S

pytestmark = pytest.mark.django_db(transaction=True)
HERE = "127.0.0.1"


@pytest.fixture(autouse=True)
def in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "LEAST_WAIT_S", 0.05)


def worker(name: str, peer: str = HERE) -> WorkerView:
    return WorkerView(
        name=WorkerName(name), connections=1, peer=peer, sessions=(SessionView(session=SessionId(1), peer=peer),)
    )


LIVE = LiveSnapshot(revision=1, at=0.0, started_at=0.0, workers=(worker("kitchen"), worker("attic")))


@asynccontextmanager
async def watched(**changes: Any) -> AsyncIterator[tuple[DevicesService, list[Any]]]:
    events, told = EventStream(), []
    for kind in (DeviceFound, DevicesTrouble):
        events.subscribe(kind, told.append)
    service = DevicesService(
        replace(DevicesConfig(interval_s=0.05, mdns=False, price_per_kwh=0.3), **changes),
        clock=LoopClock(asyncio.get_running_loop()),
        events=events,
        snapshot=lambda: LIVE,
        loopback=True,
    )
    task = spawn(service.run(), name="miners")
    try:
        yield service, told
    finally:
        await cancel_and_wait(task, timeout_s=PATIENCE_S)


async def until(service: DevicesService, holds: Callable[[DevicesView], bool]) -> DevicesView:
    """Wait for a view."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds(service.view):
            await asyncio.sleep(0.02)
    return service.view


async def add(port: int, api: Api, **fields: Any) -> None:
    await sync_to_async(Device.objects.create)(address=HERE, port=port, api=api.value, **fields)


async def test_miners_are_asked_joined_with_their_workers_and_kept_for_the_charts():
    kitchen = AxeOsApi(SimDevice(user="demo.kitchen", watts=15.0))
    attic = CgminerApi(SimDevice(user="demo.attic", watts=130.0, model="Avalon Nano3s"))
    await add(await kitchen.start(), Api.AXEOS)
    await add(await attic.start(), Api.CGMINER)
    async with watched() as (service, _told):
        view = await until(service, lambda view: len(view.by_worker) == 2)
        assert view.together(view.devices).power_w == 145.0
        assert view.together(view.by_worker["kitchen"]).cost_per_day == pytest.approx(15 * 24 / 1000 * 0.3)
        async with asyncio.timeout(PATIENCE_S):
            while await sync_to_async(DeviceSample.objects.count)() < 2:
                await asyncio.sleep(0.02)
        kitchen.device.watts = 16.0
        await until(service, lambda view: view.together(view.by_worker["kitchen"]).power_w == 16.0)
    await kitchen.stop()
    await attic.stop()


@pytest.mark.no_cover
async def test_one_that_is_away_is_told_and_holds_up_nobody_else(monkeypatch):
    monkeypatch.setattr(service_module, "CONCURRENT", 1)
    kitchen = AxeOsApi(SimDevice(user="demo.kitchen"))
    await add(9, Api.AXEOS)
    await add(await kitchen.start(), Api.AXEOS)
    async with watched() as (service, _told):
        view = await until(service, lambda view: len(view.devices) == 2)
        assert view.devices[0].problem == "It does not answer." and view.devices[0].facts is None
        assert view.devices[1].facts is not None
        await until(service, lambda _view: kitchen.device.asked > 12)
        assert service._failures[view.devices[0].row.id] < 12, "asked less often"
    await kitchen.stop()


@pytest.mark.no_cover
async def test_a_row_that_is_not_private_is_not_asked():
    kitchen = AxeOsApi(SimDevice())
    await add(await kitchen.start(), Api.AXEOS)
    async with watched() as (service, _told):
        service._loopback = False
        view = await until(service, lambda view: bool(view.devices))
        assert view.devices[0].problem == "This address is not in a private network." and not kitchen.device.asked
    await kitchen.stop()


async def test_what_was_said_long_ago_is_not_shown_as_the_present():
    kitchen = AxeOsApi(SimDevice(user="demo.kitchen"))
    await add(await kitchen.start(), Api.AXEOS)
    async with watched() as (service, _told):
        await until(service, lambda view: bool(view.by_worker))
        await kitchen.stop()
        ident = service.view.devices[0].row.id
        await until(service, lambda view: bool(view.devices[0].problem))
        service._said[ident] = (service._said[ident][0] - 3600, service._said[ident][1])
        view = await until(service, lambda view: view.devices[0].facts is None)
        assert view.devices[0].heard_at is not None and view.devices[0].worker is None


async def test_a_miner_that_is_taken_out_of_the_list_is_forgotten():
    await add(9, Api.AXEOS)
    async with watched() as (service, _told):
        await until(service, lambda view: bool(view.devices))
        await sync_to_async(Device.objects.all().delete)()
        await until(service, lambda view: not view.devices)
        assert not service._problems


async def test_a_search_finds_miners_in_the_named_networks_and_asks_nobody_twice(monkeypatch):
    kitchen, attic = AxeOsApi(SimDevice(user="demo.kitchen")), CgminerApi(SimDevice(user="demo.attic"))
    ports = {Api.AXEOS: await kitchen.start("127.0.0.9"), Api.CGMINER: await attic.start("127.0.0.10")}
    monkeypatch.setattr(finder, "PORTS", ports)
    monkeypatch.setattr(service_module, "LOOK_S", 3600.0)
    async with watched(networks="127.0.0.8/29") as (service, told):
        for _ in range(2):  # asked for in this process: done without waiting for the next look
            scan = await sync_to_async(DeviceScan.objects.create)(asked_by="ada")
            async with asyncio.timeout(PATIENCE_S):
                while scan.ended_at is None:
                    await asyncio.sleep(0.02)
                    await sync_to_async(scan.refresh_from_db)()
        await until(service, lambda view: len([one for one in view.devices if one.facts]) == 2)
    assert {(event.address, event.api, event.by) for event in told} == {
        ("127.0.0.9", "axeos", "scan"),
        ("127.0.0.10", "cgminer", "scan"),
    }
    scans = await sync_to_async(lambda: list(DeviceScan.objects.order_by("id").values_list("hosts", "found")))()
    assert scans == [(6, 2), (4, 0)]
    await kitchen.stop()
    await attic.stop()


async def test_what_another_process_asks_for_or_adds_is_noticed_at_the_next_look(monkeypatch):
    monkeypatch.setattr(service_module, "LOOK_S", 0.05)
    async with watched(interval_s=3600.0, networks="8.8.8.0/24") as (service, _told):
        await until(service, lambda view: view.round_s > 0.0)
        # Neither row tells of itself: to this process it is as if another one had written it.
        await sync_to_async(Device.objects.bulk_create)([Device(address=HERE, port=1, api="axeos")])
        await until(service, lambda view: len(view.devices) == 1)
        await sync_to_async(DeviceScan.objects.bulk_create)([DeviceScan(asked_by="ada")])
        async with asyncio.timeout(PATIENCE_S):
            while await sync_to_async(DeviceScan.objects.filter(ended_at=None).exists)():
                await asyncio.sleep(0.02)


async def test_miners_that_are_found_at_the_same_moment_are_all_counted(monkeypatch):
    both = asyncio.Barrier(2)

    async def yes(*_args):
        return True

    async def found(*_args):
        await both.wait()
        return True

    monkeypatch.setattr(finder, "knock", yes)
    monkeypatch.setattr(finder, "is_a_miner", yes)
    scan = finder.Scan(None, found)
    assert await scan.run([ip_address("127.0.0.9"), ip_address("127.0.0.10")])
    assert scan.found == 2


async def test_a_search_of_a_network_that_may_not_be_searched_says_so():
    scan = await sync_to_async(DeviceScan.objects.create)(asked_by="ada")
    async with watched(networks="8.8.8.0/24"):
        async with asyncio.timeout(PATIENCE_S):
            while scan.ended_at is None:
                await asyncio.sleep(0.02)
                await sync_to_async(scan.refresh_from_db)()
    assert "private" in scan.problem and scan.hosts == 0


async def test_a_search_ends_when_its_time_is_over(monkeypatch):
    monkeypatch.setattr(finder, "SCAN_S", 0.05)
    found = []

    async def keep(*args: object) -> bool:
        found.append(args)
        return True

    scan = finder.Scan(None, keep)  # type: ignore[arg-type]
    monkeypatch.setattr(finder, "PORTS", {})
    hosts = (address_of(f"127.0.0.{index}", loopback=True) for index in range(1, 255))
    assert not await scan.run(hosts)
    assert scan.asked < 254 and not found


async def test_axeos_that_announces_itself_is_found(monkeypatch):
    """A real responder of zeroconf beside a real browser, on the loopback interface."""
    from zeroconf import IPVersion, ServiceInfo
    from zeroconf.asyncio import AsyncZeroconf

    kitchen = AxeOsApi(SimDevice(user="demo.kitchen"))
    port = await kitchen.start()
    heard: asyncio.Queue[tuple[Any, int]] = asyncio.Queue()
    announcer = AsyncZeroconf(interfaces=[HERE], ip_version=IPVersion.V4Only)
    announced = ServiceInfo(
        finder.ANNOUNCED,
        "Bitaxe Gamma 601 (EEFF)._http._tcp.local.",
        port=port,
        parsed_addresses=[HERE],
        server="bitaxe-eeff.local.",
        properties={"board": "601", "fw_version": "v2.14.0"},
    )
    try:
        await announcer.async_register_service(announced, cooperating_responders=True)
        async with finder.announcements(
            lambda address, port: heard.put_nowait((address, port)), interfaces=[HERE], loopback=True
        ):
            async with asyncio.timeout(PATIENCE_S):
                assert await heard.get() == (address_of(HERE, loopback=True), port)
    finally:
        await announcer.async_close()
        await kitchen.stop()


def test_only_so_many_miners_are_kept(monkeypatch):
    monkeypatch.setattr(rows, "MOST_DEVICES", 2)
    kept = [rows.add(address_of(f"10.0.0.{index}"), 80, Api.AXEOS, "scan") for index in (1, 1, 2, 3)]
    assert kept == [True, False, True, False]


def test_samples_are_kept_for_a_week():
    device = Device.objects.create(address="10.0.0.1", port=80, api="axeos")
    DeviceSample.objects.create(device=device, at=0, power_w=5.0)
    rows.keep_samples([], 8 * 86_400.0)
    assert not DeviceSample.objects.exists()


def test_old_searches_are_forgotten():
    for _ in range(25):
        DeviceScan.objects.create(asked_by="ada")
    for ident in DeviceScan.objects.order_by("id").values_list("id", flat=True):
        rows.scan_ended(ident, hosts=1, found=0)
    assert DeviceScan.objects.count() <= rows.KEPT_SCANS + 1
