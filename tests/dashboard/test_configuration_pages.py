"""The daily configuration has pages of its own, which write the tables of the admin by the same rules."""

from dataclasses import replace

import pytest
from django.contrib.auth.models import User

from dashboard.models import AuditEntry
from proxy.config.loader import load_snapshot
from proxy.models import Pool, PoolEndpoint, Wallet, WorkerPin
from proxy.models.alerts import AlertRule, AlertTarget
from proxy.observe.live.views import store
from tests.dashboard import fixtures

HTMX = {"HX-Request": "true"}
POOL = {
    "address": "pool.example.org:3333",
    "chain": "BTC",
    "kind": "account",
    "wallet": "farm7",
    "password": "x",
    "name": "Third",
    "more": "stratum+ssl://two.example.org:443\n[2001:db8::1]:3333",
    "user_format": "{wallet}.{worker}",
    "min_difficulty": "",
    "max_difficulty": "",
    "payout_min_percent": "95",
    "payout_action": "alarm",
    "note": "",
}


@pytest.fixture
def ada(browser_of, pools):
    return browser_of("administrator")


def endpoints(key):
    return [(row.host, row.port, row.tls) for row in PoolEndpoint.objects.filter(pool__key=key).order_by("position")]


def test_pool_is_added_with_its_addresses_and_gets_the_next_key(ada):
    assert 'value="C"' in ada.get("/pools/new/").content.decode()
    assert ada.post("/pools/new/", POOL)["Location"] == "/pools/C/"
    assert endpoints("C") == [
        ("pool.example.org", 3333, "off"),
        ("two.example.org", 443, "verify"),
        ("2001:db8::1", 3333, "off"),
    ]
    assert load_snapshot().pools["C"].wallet == "farm7"
    assert AuditEntry.objects.filter(action="add pool", subject="C").exists()


@pytest.mark.no_cover
def test_pool_saved_as_it_is_stays_as_it_is(ada):
    ada.post("/pools/new/", POOL)
    PoolEndpoint.objects.filter(host="two.example.org").update(tls="insecure")
    before = [vars(row) | {"_state": None} for row in PoolEndpoint.objects.order_by("pk")]
    form = ada.get("/pools/C/edit/").context["form"]
    sent = {name: form[name].value() for name in form.fields if form[name].value() not in (None, False)}
    assert ada.post("/pools/C/edit/", sent)["Location"] == "/pools/C/"
    assert [vars(row) | {"_state": None} for row in PoolEndpoint.objects.order_by("pk")] == before
    assert Wallet.objects.filter(address="farm7").count() == 1


def test_address_comes_first_and_what_was_dropped_is_gone(ada):
    page = ada.get("/pools/A/edit/").content.decode()
    order = [page.index(f'name="{name}"') for name in ("address", "wallet", "password", "name")]
    assert order == sorted(order)
    ada.post("/pools/A/edit/", {**POOL, "name": "Renamed", "wallet": "ownername0", "more": ""})
    assert endpoints("A") == [("pool.example.org", 3333, "off")] and Pool.objects.get(key="A").name == "Renamed"


@pytest.mark.parametrize(
    "wrong, field, says",
    [
        ({"address": "http://pool.example.org:3333"}, "address", "http:// is not needed here"),
        ({"address": "pool.example.org:99999"}, "address", "A port is a number from 1 to 65535."),
        ({"address": "pool.example.org:abc"}, "address", "a port is a number from 1 to 65535"),
        ({"address": "pool.example.org:" + "9" * 5000}, "address", "characters"),
        ({"more": "one.example.org:1 https://two"}, "more", "https:// is not needed here"),
        ({"min_difficulty": "-1"}, None, "above 0"),
        ({"payout_min_percent": "101"}, None, "percentage"),
        ({"user_format": "{x}"}, None, "Only {wallet} and {worker}"),
        ({"key": "a b"}, "key", "capital letter"),
        ({"key": "A"}, "key", "already exists"),
    ],
)
def test_what_is_wrong_is_said_in_plain_words_and_nothing_is_saved(ada, wrong, field, says):
    response = ada.post("/pools/new/", {**POOL, **wrong})
    assert response.status_code == 422 and Pool.objects.count() == 2
    errors = response.context["form"].errors
    found = errors.get(field, []) if field else [text for texts in errors.values() for text in texts]
    assert says in " ".join(found), errors


def test_pool_is_disabled_with_what_follows_and_only_deleted_when_nothing_uses_it(ada):
    assert "its miners work on the others" in ada.get("/pools/B/edit/").content.decode()
    ada.post("/pools/B/edit/", {"do": "disable"})
    assert Pool.objects.get(key="B").status == "disabled"
    ada.post("/pools/B/edit/", {"do": "enable"})
    assert Pool.objects.get(key="B").status == "enabled"
    asked = ada.get("/pools/B/edit/?delete").content.decode()
    assert "It cannot be deleted yet." in asked and "used by Always" in asked
    assert "still used" in ada.post("/pools/B/edit/", {"do": "delete"}, follow=True).content.decode()
    Pool.objects.get(key="B").allocations.all().delete()
    assert ada.post("/pools/B/edit/", {"do": "delete"})["Location"] == "/pools/"
    assert not Pool.objects.filter(key="B").exists()


def test_wallet_is_changed_for_its_pools_and_kept_while_one_uses_it(ada):
    row = Wallet.objects.get(label="wallet A")
    new = {"label": "Mine", "chain": "BTC", "kind": "account", "address": "other7"}
    assert ada.post(f"/wallets/{row.pk}/", new)["Location"] == "/wallets/"
    assert load_snapshot().pools["A"].wallet == "other7" and "other7" in ada.get("/wallets/").content.decode()
    assert "It cannot be deleted yet." in ada.get(f"/wallets/{row.pk}/?delete").content.decode()
    assert "still used" in ada.post(f"/wallets/{row.pk}/", {"do": "delete"}, follow=True).content.decode()
    wrong = ada.post("/wallets/new/", {**new, "label": "Typo", "kind": "address", "address": "1A1zP1"})
    assert wrong.status_code == 422 and "address" in wrong.context["form"].errors
    ada.post("/wallets/new/", {**new, "label": "Unused", "address": "x1"})
    ada.post(f"/wallets/{Wallet.objects.get(label='Unused').pk}/", {"do": "delete"})
    assert not Wallet.objects.filter(label="Unused").exists()


@pytest.mark.parametrize(
    "kind, fields, url",
    [
        ("telegram", {"token": "123456789:AAFabc_def-12345678901234567890123", "chat": "-100987"}, None),
        ("ntfy", {"topic": "my rig"}, "ntfy://my%20rig"),
        ("ntfy", {"topic": "rig", "server": "https://ntfy.example.org/"}, "ntfys://ntfy.example.org/rig"),
        ("ntfy", {"topic": "rig", "server": "http://10.0.0.5:8080"}, "ntfy://10.0.0.5:8080/rig"),
        ("ntfy", {"topic": "rig", "token": "tk_1"}, "ntfys://tk_1@ntfy.sh/rig"),
        ("discord", {"webhook": "https://discord.com/api/webhooks/123/ab-C_d"}, "discord://123/ab-C_d"),
        (
            "mail",
            {"to": "me@example.org", "server": "smtp.example.org", "user": "me@example.org", "password": "p/w:@"},
            "mailtos://me%40example.org:p%2Fw%3A%40@smtp.example.org"
            "?from=me%40example.org&to=me%40example.org&smtp=smtp.example.org",
        ),
        (
            "mail",
            {"to": "me@example.org", "server": "mail.lan", "port": "25", "sender": "rig@example.org"},
            "mailto://mail.lan:25?from=rig%40example.org&to=me%40example.org&smtp=mail.lan",
        ),
        ("other", {"entered": "json://localhost/x"}, "json://localhost/x"),
    ],
)
def test_address_of_a_target_is_made_of_plain_fields(ada, kind, fields, url):
    response = ada.post("/alerts/new/", {"kind": kind, "label": "Me", **fields})
    assert response.status_code == 302, response.context["form"].errors
    saved = AlertTarget.objects.get()
    assert saved.url == (url or "tgram://123456789:AAFabc_def-12345678901234567890123/-100987/")
    page = ada.get(f"/alerts/{saved.pk}/").content.decode()
    assert f'?kind={kind}" aria-current' in page.replace("\n", "") or kind == "other"
    assert not any(secret in page for secret in (saved.url, fields.get("token", saved.url), "p/w:@"))
    ada.post(f"/alerts/{saved.pk}/", {"kind": kind, "label": "Still me"})
    assert AlertTarget.objects.get().url == saved.url and AlertTarget.objects.get().label == "Still me"


@pytest.mark.parametrize(
    "kind, fields, field",
    [
        ("telegram", {"token": "1:a"}, "chat"),
        ("ntfy", {"server": "x"}, "topic"),
        ("discord", {"webhook": "https://evil.example.org/api/webhooks/1/a"}, "webhook"),
        ("mail", {"to": "nobody", "server": "x"}, "to"),
        ("mail", {"to": "me@example.org"}, "server"),
        ("other", {}, "entered"),
        ("other", {"entered": "what://"}, "__all__"),
        ("nothing", {}, "token"),
    ],
)
def test_what_a_target_lacks_is_said_at_its_field(ada, kind, fields, field):
    response = ada.post("/alerts/new/", {"kind": kind, "label": "Me", **fields})
    assert response.status_code == 422 and field in response.context["form"].errors
    assert not AlertTarget.objects.exists()


def test_test_is_sent_to_what_stands_in_the_form_before_it_is_saved(ada, monkeypatch):
    heard = []
    monkeypatch.setattr("dashboard.views.configure.send_test", lambda url: heard.append(url) or "")
    said = ada.post("/alerts/test/", {"kind": "ntfy", "topic": "rig"}, headers=HTMX).content.decode()
    assert heard == ["ntfy://rig"] and "Sent." in said and not AlertTarget.objects.exists()
    AlertTarget(label="Me", url="json://localhost/secret").save()
    ada.post("/alerts/test/", {"kind": "other", "target": str(AlertTarget.objects.get().pk)}, headers=HTMX)
    assert heard[1:] == ["json://localhost/secret"]
    assert "needed" in ada.post("/alerts/test/", {"kind": "ntfy"}, headers=HTMX).content.decode()
    assert len(heard) == 2


@pytest.mark.no_cover
def test_target_is_disabled_with_what_follows_and_deleted(ada):
    AlertTarget(label="Me", url="json://localhost/secret").save()
    address = f"/alerts/{AlertTarget.objects.get().pk}/"
    assert "it gets no alerts" in ada.get(address).content.decode()
    ada.post(address, {"do": "disable"})
    assert not AlertTarget.objects.get().enabled and "disabled" in ada.get("/alerts/").content.decode()
    ada.post(address, {"do": "enable"})
    assert AlertTarget.objects.get().enabled
    assert "Delete Me?" in ada.get(f"{address}?delete").content.decode()
    ada.post(address, {"do": "delete"})
    assert not AlertTarget.objects.exists()


def test_person_gets_another_role_and_password_and_is_disabled(ada, person):
    vera = person("viewer")
    address = f"/people/{vera.pk}/"
    assert ada.post(address, {"role": "operator", "password": ""})["Location"] == "/people/"
    assert vera.groups.get().name == "operator"
    assert ada.post(address, {"role": "viewer", "password": "1"}).status_code == 422
    ada.post(address, {"role": "viewer", "password": "another long one"})
    vera.refresh_from_db()
    assert vera.check_password("another long one") and vera.groups.get().name == "viewer"
    ada.post(address, {"do": "disable"})
    vera.refresh_from_db()
    assert not vera.is_active
    ada.post(address, {"do": "enable"})
    assert "Delete viewer?" in ada.get(f"{address}?delete").content.decode()
    ada.post(address, {"do": "delete"})
    assert not User.objects.filter(username="viewer").exists()
    assert set(AuditEntry.objects.values_list("action", flat=True)) == {
        "change person",
        "disable person",
        "enable person",
        "delete person",
    }


def test_nobody_locks_out_themselves(ada):
    myself = User.objects.get(username="administrator")
    for do in ("disable", "delete"):
        assert "your own account" in ada.post(f"/people/{myself.pk}/", {"do": do}, follow=True).content.decode()
    ada.post(f"/people/{myself.pk}/", {"role": "viewer", "password": ""})
    myself.refresh_from_db()
    assert myself.is_active and myself.groups.get().name == "administrator"


# --- The guided setup -----------------------------------------------------------------------------------------------


@pytest.mark.no_cover
def test_guided_setup_goes_back_and_changes_what_was_entered(ada):
    page = ada.get("/start/").content.decode()
    assert "/start/?step=A" in page and ">Back</a>" in page
    form = ada.get("/start/?step=A").context["form"]
    assert form["address"].value() == "127.0.0.1:4000" and form["wallet"].value() == "ownername0"
    changed = {**POOL, "address": "127.0.0.1:5000", "name": "First"}
    assert ada.post("/start/?step=A", changed)["Location"] == "/start/"
    assert endpoints("A") == [("127.0.0.1", 5000, "off")] and Pool.objects.count() == 2
    assert "/start/?step=A" in ada.get("/start/?step=B").content.decode()


def test_with_one_pool_home_offers_the_second_instead_of_a_slider(ada, browser_of):
    snap = fixtures.rich()
    store.put(replace(snap, pools=snap.pools[:1]))
    page = ada.get("/").content.decode()
    assert "Add the second pool" in page and 'id="slider"' not in page
    assert 'id="slider"' not in browser_of("operator").get("/").content.decode()


@pytest.mark.no_cover
def test_guided_setup_ends_with_the_first_accepted_share(ada):
    store.put(fixtures.empty())
    assert "Waiting for the first accepted share" in ada.get("/start/?step=miners").content.decode()
    store.put(fixtures.rich())
    assert "The first share is accepted" in ada.get("/start/?step=miners").content.decode()


# --- Alert rules and pins -------------------------------------------------------------------------------------------


def test_alert_rule_asks_what_its_kind_needs_and_is_switched_off_on_a_page_of_its_own(ada):
    page = ada.get("/alerts/").content.decode()
    assert "Hash rate drop" in page and "Daily summary" in page
    rules = {rule.kind: rule for rule in AlertRule.objects.all()}
    drop = ada.get(f"/alerts/rules/{rules['hashrate_drop'].pk}/").content.decode()
    assert "percent below the usual hash rate" in drop and 'name="workers"' not in drop
    daily = ada.get(f"/alerts/rules/{rules['daily'].pk}/").content.decode()
    assert 'name="threshold"' not in daily and 'name="delay_s"' not in daily and 'name="quiet_from"' in daily
    address = f"/alerts/rules/{rules['hashrate_drop'].pk}/"
    wrong = ada.post(address, {"threshold": "120", "delay_s": "60"})
    assert wrong.status_code == 422 and "above 0 and below 100" in wrong.content.decode()
    quiet = {"threshold": "40", "delay_s": "60", "quiet_from": "22:00", "quiet_until": "07:00"}
    assert ada.post(address, quiet)["Location"] == "/alerts/"
    rule = AlertRule.objects.get(pk=rules["hashrate_drop"].pk)
    assert (rule.enabled, rule.threshold, rule.quiet_from.hour) == (False, 40, 22)
    page = ada.get("/alerts/").content.decode()
    assert "quiet 22:00 to 07:00" in page
    assert AuditEntry.objects.filter(action="change alert rule", new="off").exists()


def test_pins_have_a_page_where_a_worker_that_is_away_is_pinned_and_let_go(browser_of, pools):
    operator = browser_of("operator")
    assert "No worker is pinned." in operator.get("/pins/").content.decode()
    pinned = operator.post("/pins/set/", {"next": "pins", "worker": "garage", "pool": "B"})
    assert pinned["Location"] == "/pins/"
    page = operator.get("/pins/").content.decode()
    assert "garage" in page and "offline" in page
    operator.post("/pins/set/", {"next": "pins", "worker": "garage"})
    assert not WorkerPin.objects.exists()
    operator.post("/pins/set/", {"next": "pins", "worker": "", "pool": "B"})
    assert not WorkerPin.objects.exists() and "/pins/" in operator.get("/workers/").content.decode()
