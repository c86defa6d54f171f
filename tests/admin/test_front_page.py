"""The admin's front page in sections, the pools' state in their list, and the ways back to the dashboard."""

import re

import pytest
from django.contrib import admin
from django.contrib.auth.models import User

from dpmp_site.admin_site import SECTIONS
from proxy.models import Allocation, Pool, PoolEndpoint, Schedule, Wallet, WorkerPin
from proxy.observe.live.views import store
from tests.dashboard import fixtures


@pytest.fixture
def owner(client, db):
    client.force_login(User.objects.create_superuser("owner"), backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def pool(db):
    wallet = Wallet.objects.create(label="mine", chain="BTC", kind="account", address="ownername")
    made = Pool.objects.create(key="A", chain="BTC", wallet=wallet)
    PoolEndpoint.objects.create(pool=made, host="127.0.0.1", port=4000)
    return made


@pytest.fixture(autouse=True)
def no_proxy():
    store.__init__()
    yield
    store.__init__()


def test_tables_stand_by_what_they_are_for(owner):
    sections = owner.get("/admin/").context["app_list"]
    assert [str(one["name"]) for one in sections] == [str(name) for _label, name, _models in SECTIONS]
    first = [model["object_name"] for model in sections[0]["models"]]
    assert first == ["Pool", "Wallet", "Schedule", "WorkerPin", "WeightOverride"]


def test_no_table_is_lost_and_none_stands_twice(owner):
    shown = [model["object_name"] for one in owner.get("/admin/").context["app_list"] for model in one["models"]]
    assert sorted(shown) == sorted(model.__name__ for model in admin.site._registry)


def test_list_of_pools_says_how_the_running_proxy_finds_them(owner, pool):
    assert "state-" not in owner.get("/admin/proxy/pool/").content.decode()
    store.put(fixtures.down())
    html = owner.get("/admin/proxy/pool/").content.decode()
    assert '<span class="state-down" title="connection refused">down</span>' in html


def test_forms_lead_to_the_pages_of_what_they_set(owner, pool):
    schedule = Schedule.objects.create(name="Always", is_default=True)
    Allocation.objects.create(schedule=schedule, pool=pool, weight=100, position=0)
    pin = WorkerPin.objects.create(worker="garage", pool=pool)
    for form, page in (
        (f"pool/{pool.pk}", "/pools/A/"),
        (f"schedule/{schedule.pk}", "/schedule/"),
        (f"workerpin/{pin.pk}", "/workers/garage/"),
        ("balancesettings/1", "/balance/"),
    ):
        html = owner.get(f"/admin/proxy/{form}/change/").content.decode()
        assert f'href="{page}" class="viewsitelink"' in html, form


def test_fields_of_tables_have_labels_of_their_own(owner, pool):
    html = owner.get(f"/admin/proxy/pool/{pool.pk}/change/").content.decode()
    row = re.findall(r'<(?:input|select)[^>]*name="endpoints-0-(?!id|pool)[^>]*>', html)
    assert len(row) == 5 and all("aria-label=" in field for field in row)
    Schedule.objects.create(name="Always", is_default=True)
    html = owner.get("/admin/proxy/schedule/add/").content.decode()
    assert re.search(r'<select[^>]*name="allocations-0-pool"[^>]*aria-label="Pool"', html)
    html = owner.get("/admin/proxy/alertrule/").content.decode()
    assert re.search(r'name="form-0-enabled"[^>]*aria-label="Enabled"', html)
