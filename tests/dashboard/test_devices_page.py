"""The miners' own facts: off until switched on, shown to whoever may see, changed by administrators alone."""

import time

import pytest

from dashboard import live
from dashboard.models import AuditEntry
from proxy.config.loader import load_snapshot
from proxy.devices.facts import NotAllowed
from proxy.models import Device, DeviceSample, DeviceScan, DeviceSettings, MoneySettings
from proxy.observe.live.views import store
from tests.dashboard import fixtures

SETTINGS = {
    "enabled": "on",
    "networks": "192.168.1.0/24",
    "mdns": "on",
    "interval_s": "30",
}


@pytest.fixture
def switched_on(db):
    DeviceSettings(enabled=True, networks="192.168.1.0/24").save()
    return Device.objects.create(id=2, address="192.168.1.53", port=80, api="axeos")


def test_it_is_off_until_switched_on(browser_of, pools):
    assert load_snapshot().devices is None
    page = browser_of("administrator").get("/devices/").content.decode()
    assert "The miners are not asked" in page and "Switch on" in page


def test_switched_on_it_acts_and_is_in_the_audit_log(browser_of, pools):
    assert browser_of("administrator").post("/devices/settings/", SETTINGS).status_code == 302
    config = load_snapshot().devices
    assert config is not None
    assert (config.networks, config.interval_s, config.price_per_kwh) == ("192.168.1.0/24", 30.0, 0.0)
    entry = AuditEntry.objects.latest("pk")
    assert (entry.action, entry.new) == ("change miners' facts", "on")


@pytest.mark.parametrize(("shown", "price"), [(True, 0.3), (False, 0.0)])
def test_power_costs_what_the_settings_of_money_say_where_money_is_shown(switched_on, pools, shown, price):
    MoneySettings(enabled=shown, electricity_price=0.3, currency="EUR").save()
    assert load_snapshot().devices.price_per_kwh == price


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"networks": "8.8.8.0/24"}, "Write private networks"),
        ({"networks": "127.0.0.1"}, "Write private networks"),
        ({"networks": "10.0.0.0/8"}, "Write private networks"),
        ({"networks": "lan"}, "Write private networks"),
        ({"interval_s": "1"}, "greater than or equal to 10"),
    ],
)
def test_nonsense_is_refused_with_a_sentence(browser_of, pools, changes, said):
    answer = browser_of("administrator").post("/devices/settings/", SETTINGS | changes)
    assert answer.status_code == 422 and said in answer.content.decode()
    assert load_snapshot().devices is None


def test_a_viewer_sees_what_miners_say_and_changes_nothing(browser_of, switched_on):
    page = browser_of("viewer").get("/devices/").content.decode()
    assert "1.54 kW" in page and "78 °C" in page and "Avalon Q" in page
    assert "18.9" in page, "J/TH by its own hash rate"
    assert "19.5" in page, "J per accepted TH"
    assert "11.09 EUR" in page, "a day"
    assert "a fan stands still" in page and "no answer" in page
    assert "Search the networks" not in page and "/devices/2/" not in page


def test_what_a_miner_wrote_cannot_break_the_page(browser_of, switched_on):
    evil = fixtures.devices().devices[1]
    store.put(
        fixtures.replace(
            fixtures.rich(),
            extra={
                "devices": fixtures.DevicesView(
                    devices=(fixtures.replace(evil, facts=fixtures.replace(evil.facts, model="<script>alert(1)")),)
                )
            },
        )
    )
    page = browser_of("viewer").get("/devices/").content.decode()
    assert "<script>alert(1)" not in page and "&lt;script&gt;alert(1)" in page


def test_a_search_is_asked_for_once(browser_of, switched_on):
    browser = browser_of("administrator")
    for _ in range(2):
        assert browser.post("/devices/scan/").status_code == 302
    assert DeviceScan.objects.count() == 1
    assert AuditEntry.objects.filter(action="scan for miners").count() == 1


def test_nothing_is_searched_where_no_network_is_named(browser_of, db):
    DeviceSettings(enabled=True).save()
    browser_of("administrator").post("/devices/scan/")
    assert not DeviceScan.objects.exists()


def test_a_miner_is_added_by_its_address_with_the_usual_port(browser_of, switched_on):
    browser = browser_of("administrator")
    assert browser.post("/devices/new/", {"address": "192.168.1.77", "api": "cgminer"}).status_code == 302
    row = Device.objects.get(address="192.168.1.77")
    assert (row.port, row.found_by) == (4028, "hand")
    again = browser.post("/devices/new/", {"address": "192.168.1.77", "api": "cgminer"})
    assert again.status_code == 422 and "already exists" in again.content.decode()


@pytest.mark.parametrize("address", ["8.8.8.8", "127.0.0.1", "169.254.169.254", "miner.lan", "::1"])
def test_only_private_addresses_are_taken(browser_of, switched_on, address):
    answer = browser_of("administrator").post("/devices/new/", {"address": address, "api": "axeos"})
    assert answer.status_code == 422
    assert Device.objects.count() == 1


def test_a_miner_is_changed_and_taken_out_of_the_list(browser_of, switched_on):
    browser = browser_of("administrator")
    fields = {"address": "192.168.1.53", "api": "axeos", "port": "80", "name": "Desk", "worker": "BitAxe1"}
    assert browser.post("/devices/2/", fields).status_code == 302
    assert Device.objects.get().name == "Desk"
    assert "no longer asked" in browser.get("/devices/2/?ask=delete").content.decode()
    assert browser.post("/devices/2/", {"do": "delete"}).status_code == 302
    assert not Device.objects.exists()


def test_a_pool_is_changed_only_after_a_question(browser_of, switched_on):
    page = browser_of("administrator").get("/devices/2/").content.decode()
    assert 'value="use"' not in page and "?ask=use" in page
    assert 'value="use"' in browser_of_same(page, "?ask=use")


def browser_of_same(page: str, link: str) -> str:
    """The page that ``link`` leads to."""
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client()
    client.force_login(User.objects.get(), backend="django.contrib.auth.backends.ModelBackend")
    assert link in page
    return client.get(f"/devices/2/{link}").content.decode()


class Pools:
    """Stands for what is written to a miner."""

    def __init__(self):
        self.written, self.fails = [], False

    async def use(self, reader, api, host, port, proxy):
        if self.fails:
            raise NotAllowed("The miner does not allow it.")
        self.written.append((host, port, proxy))
        return {"host": "pool.example.org", "port": 3333}

    async def put_back(self, reader, api, host, port, before):
        self.written.append((host, port, before))
        return f"{before['host']}:{before['port']}"


@pytest.fixture
def written(monkeypatch):
    pools = Pools()
    monkeypatch.setattr("proxy.devices.pools.use", pools.use)
    monkeypatch.setattr("proxy.devices.pools.put_back", pools.put_back)
    return pools


def test_a_miner_is_moved_here_and_back_and_what_it_had_first_is_kept(browser_of, switched_on, written):
    browser = browser_of("administrator")
    for _ in range(2):
        browser.post("/devices/2/", {"do": "use", "host": "192.168.1.2", "port": "3351"})
        assert Device.objects.get().before == {"host": "pool.example.org", "port": 3333}
    browser.post("/devices/2/", {"do": "back"})
    assert Device.objects.get().before is None
    assert written.written[-1] == ("192.168.1.53", 80, {"host": "pool.example.org", "port": 3333})
    assert [entry.new for entry in AuditEntry.objects.filter(action="change miner's pool").order_by("pk")] == [
        "192.168.1.2:3351",
        "192.168.1.2:3351",
        "pool.example.org:3333",
    ]


def test_a_miner_that_does_not_allow_it_is_told(browser_of, switched_on, written):
    written.fails = True
    browser = browser_of("administrator")
    page = browser.post("/devices/2/", {"do": "use", "host": "192.168.1.2", "port": "3351"}, follow=True)
    assert "The miner does not allow it." in page.content.decode()
    assert Device.objects.get().before is None


@pytest.mark.parametrize("fields", [{"host": "a b", "port": "3351"}, {"host": "192.168.1.2", "port": "0"}, {}])
def test_an_address_that_is_none_is_not_written(browser_of, switched_on, written, fields):
    answer = browser_of("administrator").post("/devices/2/", {"do": "use"} | fields)
    assert answer.status_code == 422 and not written.written


def test_nothing_is_put_back_that_is_not_known(browser_of, switched_on, written):
    browser_of("administrator").post("/devices/2/", {"do": "back"})
    assert not written.written


@pytest.mark.parametrize("group", ["viewer", "operator"])
def test_others_write_nothing_to_a_miner(browser_of, switched_on, written, group):
    answer = browser_of(group).post("/devices/2/", {"do": "use", "host": "192.168.1.2", "port": "3351"})
    assert answer.status_code == 403 and not written.written


def test_the_admin_has_the_same_form(browser_of, db):
    page = browser_of("administrator").get("/admin/proxy/devicesettings/1/change/").content.decode()
    assert "192.168.1.0/24" in page
    assert live.snapshot() is not None


def test_a_workers_page_has_what_its_miner_says_and_charts_of_it(browser_of, switched_on):
    Device.objects.create(id=1, address="192.168.1.51", port=4028, api="cgminer")
    now = int(time.time()) // 600 * 600
    for back, watts in ((0, 1500.0), (600, 1510.0), (1200, None)):
        DeviceSample.objects.create(device_id=1, at=now - back, power_w=watts, temperature_c=77.0)
    browser = browser_of("viewer")
    page = browser.get("/workers/AvalonQ/").content.decode()
    assert "What the miner says" in page and "1.54 kW" in page and 'data-what="power"' in page
    assert 'data-what="power"' not in browser.get("/workers/Nano3S/").content.decode()
    drawn = browser.get("/charts/worker/AvalonQ/?what=power&span=1h").json()["lines"]
    assert [line["label"] for line in drawn] == ["AvalonQ"]
    assert set(drawn[0]["values"]) <= {1500.0, 1510.0, None} and 1510.0 in drawn[0]["values"]
    assert not browser.get("/charts/worker/Nano3S/?what=temperature").json()["lines"]


def test_the_table_of_workers_has_columns_of_it_that_sort_and_go_into_the_file(browser_of, switched_on):
    browser = browser_of("viewer")
    assert (
        browser.get("/workers/?choose=1&column=power&column=joules&column=temperature&column=cost").status_code == 302
    )
    page = browser.get("/workers/?sort=-power").content.decode()
    assert page.index("1.54 kW") < page.index("17.8 W")
    lines = browser.get("/workers.csv").content.decode().splitlines()
    assert any("AvalonQ" in line and "1540.0" in line and "18.942" in line for line in lines)


def test_columns_of_it_are_offered_only_where_miners_are_asked(browser_of, db):
    store.put(fixtures.replace(fixtures.rich(), extra={}))
    page = browser_of("viewer").get("/workers/").content.decode()
    assert "J per accepted TH" not in page and 'value="joules"' not in page
