"""The listeners' page: state and miners of each, a form by the model's rules, and what to type into a miner."""

from dataclasses import replace

import pytest

from dashboard.models import AuditEntry
from proxy.config.loader import load_snapshot
from proxy.models import Listener, ProxySettings, Schedule
from proxy.observe.live.views import store
from proxy.types import ListenerId
from tests.dashboard import fixtures

FORM = {"name": "Rack", "port": "3360", "host": "0.0.0.0", "split_least": "0"}


@pytest.fixture
def ada(browser_of, pools):
    return browser_of("administrator")


@pytest.fixture
def shown():
    store.put(replace(fixtures.rich(), listeners=fixtures.listeners()))


def test_each_listener_is_shown_with_its_state_and_its_miners(browser_of, shown):
    page = browser_of("viewer").get("/listeners/").content.decode()
    assert "Address already in use" in page and ">41<" in page and "PROXY v2" in page
    assert page.count("cannot be opened") == 1 and "disabled" in page
    assert "/listeners/7/" not in page and "Add a listener" not in page


def test_miners_of_a_listener_are_a_click_away(browser_of, shown):
    assert 'href="/workers/?listener=Rack">41<' in browser_of("viewer").get("/listeners/").content.decode()


def test_page_without_any_open_port_says_so_and_shows_no_empty_box(browser_of):
    store.put(fixtures.rich())
    page = browser_of("viewer").get("/listeners/").content.decode()
    assert "No port is open" in page and "For each listener" not in page


def test_what_a_miner_types_is_named_as_it_is_typed(ada):
    page = ada.get("/listeners/new/").content.decode()
    assert ">d= difficulty<" in page and ">p= pool<" in page and ">s= split<" in page


def test_an_administrator_gets_to_the_forms_from_there(ada, shown):
    page = ada.get("/listeners/").content.decode()
    assert "/listeners/7/" in page and "/listeners/new/?port=3351" in page


def test_help_says_what_to_type_for_each_listener_and_never_the_password(ada, shown):
    page = ada.get("/help/").content.decode()
    assert "stratum+ssl://192.0.2.1:3360" in page and "stratum+tcp://testserver:3351" in page
    assert "-o stratum+ssl://192.0.2.1:3360 -u worker1 -p PASSWORD,d=1000,p=A,s=70:30" in page
    assert "0.0.0.0:3362" not in page and "load balancer" in page


def test_a_listener_is_added_changed_disabled_and_deleted(ada):
    page = ada.get("/listeners/new/").content.decode()
    assert 'value="3360"' in page
    assert ada.post("/listeners/new/", FORM)["Location"] == "/listeners/"
    row = Listener.objects.get()
    address = f"/listeners/{row.pk}/"
    assert ada.post(address, {**FORM, "password": "sesame", "least_difficulty": "64"}).status_code == 302
    assert load_snapshot().listener(ListenerId(row.pk)).access.password == "sesame"
    ada.post(address, {"do": "disable"})
    assert not load_snapshot().listener(ListenerId(row.pk)).enabled
    ada.post(address, {"do": "enable"})
    assert load_snapshot().listener(ListenerId(row.pk)).enabled
    assert "Delete Rack?" in ada.get(f"{address}?delete").content.decode()
    assert ada.post(address, {"do": "delete"})["Location"] == "/listeners/"
    assert not Listener.objects.exists()
    assert set(AuditEntry.objects.values_list("action", flat=True)) == {
        "add listener", "change listener", "disable listener", "enable listener", "delete listener",
    }  # fmt: skip


def test_what_is_wrong_stands_at_its_field(ada):
    answer = ada.post("/listeners/new/", {**FORM, "port": "8855", "proxy_networks": "0.0.0.0/0"})
    assert answer.status_code == 422 and "This port is that of the pages." in answer.content.decode()
    answer = ada.post("/listeners/new/", {**FORM, "tls": "on"})
    assert "TLS for miners needs a certificate." in answer.content.decode()
    assert ada.post("/listeners/new/", {**FORM, "tls": "on", "tls_certificate": "/no/such"}).status_code == 302
    assert "cannot be read" in ada.get("/listeners/").content.decode()


@pytest.mark.no_cover
def test_a_route_is_made_in_the_schedules_form_and_keeps_its_listener(ada):
    row = Listener.objects.create(name="Rack", port=3360)
    form = ada.get("/schedule/new/").context["form"]
    sent = {name: form[name].value() for name in form.fields if form[name].value() not in (None, False)}
    sent |= {"name": "Customer", "priority": "0", "listener": str(row.pk), "part-B": "100", "part-A": "0", "do": "save"}
    sent.pop("is_default", None)
    answer = ada.post("/schedule/new/", sent)
    assert answer.status_code == 302, answer.context["form"].errors
    assert Schedule.objects.get(name="Customer").listener == row
    page = ada.get("/listeners/").content.decode()
    assert "Rack →" in page and "Customer" in page
    assert "cannot be deleted yet" in ada.get(f"/listeners/{row.pk}/?delete").content.decode()
    ada.post(f"/listeners/{row.pk}/", {"do": "delete"})
    assert Listener.objects.exists()


def test_rules_are_added_to_a_port_of_the_settings(ada):
    ProxySettings(stratum_host="127.0.0.1", tls_port=3352, tls_certificate="/c.pem").save()
    form = ada.get("/listeners/new/?port=3351").context["form"]
    assert (form["port"].value(), form["host"].value(), form["tls"].value()) == (3351, "127.0.0.1", False)
    form = ada.get("/listeners/new/?port=3352").context["form"]
    assert (form["port"].value(), form["tls"].value()) == (3352, True)


def test_workers_are_found_by_their_listener_and_show_it(browser_of):
    snap = fixtures.rich()
    found = replace(snap.workers[0], listener="Rack 3")
    store.put(replace(snap, workers=(found, *snap.workers[1:])))
    page = browser_of("viewer").get("/workers/?q=rack 3").content.decode()
    assert f'href="/workers/{found.name}/"' in page and f'href="/workers/{snap.workers[1].name}/"' not in page
    text = browser_of("operator").get("/workers.csv?choose=1&column=listener").status_code
    assert text == 200


def test_the_admin_has_listeners_too(ada):
    assert ada.get("/admin/proxy/listener/").status_code == 200
    answer = ada.post("/admin/proxy/listener/add/", {**FORM, "enabled": "on", "tls": "on", "tls_certificate": "/no"})
    assert answer.status_code == 302 and Listener.objects.get().name == "Rack"
    page = ada.get(f"/admin/proxy/listener/{Listener.objects.get().pk}/change/").content.decode()
    assert "/listeners/" in page and "Miners cannot connect with TLS yet" in page
