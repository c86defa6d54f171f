"""Groups, password change, sessions, links, the guided start."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from dashboard import access
from dashboard.models import AuditEntry, ReadOnlyLink
from proxy.models import Pool, Schedule
from proxy.observe.live.views import store
from tests.dashboard import fixtures
from tests.dashboard.conftest import PASSWORD

GENESIS = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"


def test_administrators_are_staff_with_all_permissions_and_lose_both(person):
    user = person("administrator")
    assert user.is_staff and user.has_perms(["proxy.change_pool", "auth.change_user", "dashboard.steer"])
    user.groups.clear()
    assert not User.objects.get(pk=user.pk).is_staff


def test_groups_may_what_they_should(person):
    assert access.of_user(person("viewer")).may == {"see", "wallets"}
    assert access.of_user(person("operator")).may == {"see", "view_logs", "steer", "wallets"}
    assert access.of_user(person("")) == access.NOBODY


def test_password_change_logs_other_browsers_out(browser_of):
    here, there = browser_of("viewer"), Client()
    there.force_login(User.objects.get(), backend="django.contrib.auth.backends.ModelBackend")
    response = here.post(
        "/account/",
        {"old_password": PASSWORD, "new_password1": "quite another one", "new_password2": "quite another one"},
    )
    assert response.status_code == 302
    assert here.get("/").status_code == 200
    assert there.get("/").status_code == 302


def test_own_other_session_can_be_ended_and_a_stranger_s_cannot(browser_of, person):
    browser_of("operator")
    here = browser_of("viewer")
    there = Client()
    there.force_login(User.objects.get(username="viewer"), backend="django.contrib.auth.backends.ModelBackend")
    handles = {row.session_key[-12:]: int(row.get_decoded()["_auth_user_id"]) for row in Session.objects.all()}
    viewer = User.objects.get(username="viewer").pk
    mine = here.session.session_key[-12:]
    for handle, owner in handles.items():
        if handle != mine:
            here.post("/account/sessions/end/", {"session": handle})
            assert Session.objects.filter(session_key__endswith=handle).exists() == (owner != viewer)
    assert here.get("/").status_code == 200


@pytest.mark.parametrize("handle", ["", "a", "%"])
def test_ending_a_session_needs_its_whole_handle(browser_of, handle):
    here = browser_of("viewer")
    here.post("/account/sessions/end/", {"session": handle})
    assert Session.objects.count() == 1


def test_link_is_shown_once_and_only_its_hash_is_kept(browser_of):
    ada = browser_of("administrator")
    html = ada.post("/people/", {"form": "link", "link-label": "wall"}).content.decode()
    secret = html.split("/view/")[1].split("/")[0]
    link = ReadOnlyLink.objects.get()
    assert secret not in (link.token_hash, link.label) and len(secret) >= 40
    assert secret not in ada.get("/people/").content.decode()
    assert Client().get(f"/view/{secret}/")["Location"] == "/"


def test_administrator_adds_an_operator_who_can_log_in(browser_of):
    ada = browser_of("administrator")
    response = ada.post(
        "/people/",
        {
            "form": "person",
            "person-username": "otto",
            "person-role": "operator",
            "person-password": "a long pass phrase",
        },
    )
    assert response.status_code == 302
    otto = User.objects.get(username="otto")
    assert otto.groups.get().name == "operator" and otto.check_password("a long pass phrase") and not otto.is_staff
    assert AuditEntry.objects.filter(action="add person", subject="otto").exists()


def test_weak_password_is_refused_at_its_field(browser_of):
    html = (
        browser_of("administrator")
        .post(
            "/people/", {"form": "person", "person-username": "otto", "person-role": "viewer", "person-password": "1"}
        )
        .content.decode()
    )
    assert "too short" in html and not User.objects.filter(username="otto").exists()


def start_form(**changes):
    return {
        "name": "Solo CK",
        "chain": "BTC",
        "address": "stratum+tcp://127.0.0.1:3333",
        "kind": "address",
        "wallet": GENESIS,
        "password": "x",
        "solo": "on",
        **changes,
    }


def test_guided_start_makes_two_pools_and_half_each(browser_of):
    store.put(fixtures.empty())
    ada = browser_of("administrator")
    assert ada.post("/start/", start_form())["Location"] == "/start/"
    assert (
        ada.post(
            "/start/", start_form(name="BCH", chain="BCH", kind="account", wallet="farm7", address="127.0.0.1:3334")
        )["Location"]
        == "/start/"
    )
    assert list(Pool.objects.values_list("key", "chain")) == [("A", "BTC"), ("B", "BCH")]
    schedule = Schedule.objects.get(is_default=True)
    assert [part.weight for part in schedule.allocations.all()] == [50, 50]
    assert b"192.168.1.10:3351" in ada.get("/start/").content


@pytest.mark.parametrize(
    "wrong, field",
    [
        ({"wallet": GENESIS[:-1] + "b"}, "wallet"),
        ({"address": "http://x"}, "address"),
        ({"address": "not a host"}, "address"),
        ({"name": ""}, "name"),
    ],
)
def test_guided_start_says_at_the_field_what_is_wrong(browser_of, wrong, field):
    response = browser_of("administrator").post("/start/", start_form(**wrong))
    assert response.status_code == 422
    assert response.context["form"].errors.get(field), response.context["form"].errors
    assert not Pool.objects.exists()


def test_groups_survive_a_second_migration(db):
    from importlib import import_module

    from django.apps import apps

    import_module("dashboard.migrations.0002_groups").make_groups(apps, None)
    assert Group.objects.count() == 3


def test_login_page_tells_how_to_make_the_first_account(client, db, person):
    assert "createsuperuser" in client.get("/login/").content.decode()
    person("viewer")
    assert "createsuperuser" not in client.get("/login/").content.decode()


def test_the_audit_log_keeps_its_newest_entries(db, monkeypatch):
    monkeypatch.setattr("proxy.models.base.PRUNE_EVERY", 1)
    monkeypatch.setattr("dashboard.models.MOST_AUDITED", 2)
    for number in range(5):
        AuditEntry.write(by="ada", action=f"change {number}")
    assert [entry.action for entry in AuditEntry.objects.all()] == ["change 4", "change 3"]


def test_sessions_that_have_expired_go_with_the_next_login(browser_of):
    browser_of("operator")
    Session.objects.update(expire_date=timezone.now() - timedelta(days=1))
    browser_of("viewer")
    assert Session.objects.count() == 1
