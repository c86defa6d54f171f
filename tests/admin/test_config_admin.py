"""People edit the configuration in the admin: what they are told, and what is saved."""

import re
from typing import Any

import pytest
from django.test import Client

from proxy.config.loader import current_revision, mark_refused
from proxy.models import Pool, ProxySettings, Schedule, Wallet, WeightOverride, WorkerPin
from tests.config.rows import BCH_ADDRESS, BTC_ADDRESS, make_pool, make_schedule, make_wallet

pytestmark = [pytest.mark.django_db, pytest.mark.no_cover]


@pytest.fixture
def admin(admin_user) -> Client:
    client = Client(headers={"host": "localhost"})
    client.force_login(admin_user)
    return client


def text_of(response: Any) -> str:
    return re.sub(r"\s+", " ", response.content.decode().replace("&quot;", '"').replace("&#x27;", "'"))


def inline(prefix: str, *rows: dict[str, Any]) -> dict[str, Any]:
    """The form fields of one inline."""
    fields: dict[str, Any] = {f"{prefix}-TOTAL_FORMS": len(rows), f"{prefix}-INITIAL_FORMS": 0}
    for number, row in enumerate(rows):
        fields |= {f"{prefix}-{number}-{name}": value for name, value in row.items()}
    return fields


def pool_form(wallet: Wallet, *endpoints: dict[str, Any], **fields: Any) -> dict[str, Any]:
    endpoints = endpoints or ({"position": 0, "host": "pool.example", "port": 3333, "tls": "off"},)
    return {
        "key": "A",
        "name": "",
        "status": "enabled",
        "chain": "BTC",
        "wallet": wallet.pk,
        "password": "x",
        "user_format": "{wallet}.{worker}",
        "payout_min_percent": 95,
        "fee_percent": 0,
        "payout_action": "alarm",
        "connections": "own",
        "own_up_to": 50,
        "most_miners": 250,
        "most_connections": 40,
        "group_by": "nothing",
        "shares_per_minute": 15,
        **inline("endpoints", *endpoints),
        **fields,
    }


def schedule_form(weights: dict[Pool, float], *windows: dict[str, Any], **fields: Any) -> dict[str, Any]:
    rows = [{"position": 0, "pool": pool.pk, "weight": weight} for pool, weight in weights.items()]
    return {
        "name": "always",
        "enabled": "on",
        "mode": "ratio",
        "workers": "*",
        "priority": 0,
        "time_zone": "UTC",
        "policy": "automatic",
        "min_switch_s": 30,
        "slice_s": 15,
        **inline("allocations", *rows),
        **inline("fallbacks"),
        **inline("windows", *windows),
        **fields,
    }


WALLET = {"label": "main", "chain": "BTC", "kind": "address", "address": BTC_ADDRESS}


def test_a_wallet_is_saved(admin) -> None:
    assert admin.post("/admin/proxy/wallet/add/", WALLET).status_code == 302
    assert Wallet.objects.get().address == BTC_ADDRESS


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"address": BTC_ADDRESS[:-1] + "5"}, "The checksum is wrong: check for a typo."),
        ({"address": BCH_ADDRESS}, "This looks like a BCH address, but the wallet's chain is BTC."),
        ({"address": "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx"}, "This is an address of a test network"),
        ({"kind": "account", "address": "ann smith"}, "No spaces or control characters"),
    ],
)
def test_a_wrong_wallet_is_explained(admin, fields, sentence) -> None:
    response = admin.post("/admin/proxy/wallet/add/", WALLET | fields)
    assert sentence in text_of(response) and not Wallet.objects.exists()


def test_a_pool_with_its_addresses_is_saved_in_order(admin) -> None:
    form = pool_form(
        make_wallet(),
        {"position": 2, "host": "second.example", "port": 3333, "tls": "off"},
        {"position": 1, "host": "stratum+ssl://first.example:443", "port": 3333, "tls": "off"},
    )
    assert admin.post("/admin/proxy/pool/add/", form).status_code == 302
    assert [(str(row), row.tls) for row in Pool.objects.get().endpoints.all()] == [
        ("first.example:443", "verify"),
        ("second.example:3333", "off"),
    ]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"chain": "BCH"}, "is a BTC wallet and this pool mines BCH"),
        ({"key": "a!"}, "A key is a capital letter"),
        ({"min_difficulty": 10, "max_difficulty": 5}, "The minimum difficulty is above the maximum."),
        ({"min_difficulty": 0}, "The minimum difficulty must be a number above 0."),
        ({"min_difficulty": "nan"}, "Enter a number."),
        ({"user_format": "{wallet}/{rig}"}, "Only {wallet} and {worker} can be filled in"),
        ({"payout_min_percent": 101}, "The minimum payout is a percentage"),
        ({"endpoints-0-port": 70000}, "less than or equal to 65535"),
        ({"endpoints-0-host": "http://pool.example:80"}, "http:// is not needed here"),
        ({"endpoints-0-host": "stratum2+tcp://pool.example:80"}, "is no Stratum v1 address"),
        ({"endpoints-0-host": "pool example"}, "is neither a host name nor an IP address"),
        ({"endpoints-0-DELETE": "on"}, "A pool needs at least one address to connect to."),
        ({"endpoints-TOTAL_FORMS": 0}, "A pool needs at least one address to connect to."),
    ],
)
def test_a_wrong_pool_is_explained(admin, fields, sentence) -> None:
    response = admin.post("/admin/proxy/pool/add/", pool_form(make_wallet()) | fields)
    assert sentence in text_of(response) and not Pool.objects.exists()


def test_the_list_of_pools_shows_no_password(admin) -> None:
    make_pool(password="hunter2")
    page = text_of(admin.get("/admin/proxy/pool/"))
    assert "hunter2" not in page and "a.example:3333" in page and "/admin/proxy/wallet/" in page


def test_a_wallet_that_is_in_use_cannot_be_deleted_and_says_why(admin) -> None:
    pool = make_pool()
    page = text_of(admin.post(f"/admin/proxy/wallet/{pool.wallet_id}/delete/", {"post": "yes"}))
    assert "protected" in page and Wallet.objects.exists()


def test_a_pool_that_the_override_names_cannot_be_deleted_and_says_why(admin) -> None:
    pool = make_pool()
    WeightOverride.put(by="ann", weights={"A": 1})
    page = text_of(admin.post(f"/admin/proxy/pool/{pool.pk}/delete/", {"post": "yes"}))
    assert "the override in force (A 1): clear it first" in page and Pool.objects.exists()


def test_a_schedule_is_saved_with_weights_and_windows(admin) -> None:
    window = {"weekdays": ["0", "6"], "start": "22:00", "end": "06:00"}
    form = schedule_form({make_pool("A"): 70, make_pool("B"): 30}, window)
    assert admin.post("/admin/proxy/schedule/add/", form).status_code == 302
    schedule = Schedule.objects.get()
    assert schedule.windows.get().days == {0, 6}
    page = text_of(admin.get("/admin/proxy/schedule/"))
    assert "A 70, B 30" in page and "Mon Sun 22:00-06:00" in page
    form = text_of(admin.get(f"/admin/proxy/schedule/{schedule.pk}/change/"))
    assert re.findall(r'name="windows-0-weekdays" value="(\d)"[^>]*checked', form) == ["0", "6"]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"allocations-0-weight": 0}, "At least one pool needs a weight above 0."),
        ({"allocations-TOTAL_FORMS": 0}, "At least one pool needs a weight above 0."),
        ({"allocations-0-weight": -1}, "greater than or equal to 0"),
        ({"slice_s": 31}, "The slice is above the minimum time between switches."),
        ({"min_switch_s": 4, "slice_s": 4}, "greater than or equal to 5"),
        ({"time_zone": "Mars/Olympus"}, "is no time zone"),
        ({"workers": "rig*,"}, "A pattern between the commas is empty"),
    ],
)
def test_a_wrong_schedule_is_explained(admin, fields, sentence) -> None:
    response = admin.post("/admin/proxy/schedule/add/", schedule_form({make_pool(): 50}) | fields)
    assert sentence in text_of(response) and not Schedule.objects.exists()


def test_a_window_needs_a_day(admin) -> None:
    form = schedule_form({make_pool(): 50}, {"start": "22:00", "end": "06:00"})
    assert "This field is required." in text_of(admin.post("/admin/proxy/schedule/add/", form))


def test_a_second_default_is_explained(admin) -> None:
    pool = make_pool()
    make_schedule({pool: 1}, "first", is_default=True)
    response = admin.post("/admin/proxy/schedule/add/", schedule_form({pool: 1}, is_default="on"))
    assert "Only one schedule can be the default." in text_of(response)


def settings_form(client: Client) -> dict[str, Any]:
    form = client.get("/admin/proxy/proxysettings/1/change/").context["adminform"].form
    return {name: value for name, value in form.initial.items() if value is not False}


def test_the_settings_list_leads_to_the_one_row(admin) -> None:
    response = admin.get("/admin/proxy/proxysettings/", follow=True)
    assert response.redirect_chain[-1][0] == "/admin/proxy/proxysettings/1/change/"
    assert "DPMP_LOG_DENY" in text_of(response) and not ProxySettings.objects.exists()
    assert admin.get("/admin/proxy/proxysettings/add/").status_code == 403


def test_the_settings_are_saved_as_the_one_row(admin) -> None:
    for most in (10, 20):
        form = settings_form(admin) | {"max_sessions": most}
        assert admin.post("/admin/proxy/proxysettings/1/change/", form).status_code == 302
    assert ProxySettings.objects.get().max_sessions == 20


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"web_port": 3351}, "Miners, pages and metrics need a port each"),
        ({"stratum_port": 0}, "greater than or equal to 1"),
        ({"backoff_max_s": 0.5}, "The longest wait is below the shortest."),
        ({"max_workers": 0}, "This must be above 0."),
        ({"stratum_host": "every where"}, "Give an IP address of this machine"),
        ({"file_bytes": 100}, "greater than or equal to 10000"),
        ({"worker_series": 5000}, "less than or equal to 1000"),
        ({"tls_port": 3352}, "TLS for miners needs a certificate."),
        ({"tls_port": 8855, "tls_certificate": "/x"}, "Miners, pages and metrics need a port each"),
        ({"miner_password": "two words"}, "It cannot contain commas, semicolons or blanks."),
        ({"miner_allow": "192.168.1.7/24"}, "This is no network"),
        ({"log_deny": "share-result"}, '"share-result" is no name of an event.'),
    ],
)
def test_wrong_settings_are_explained(admin, fields, sentence) -> None:
    response = admin.post("/admin/proxy/proxysettings/1/change/", settings_form(admin) | fields)
    assert sentence in text_of(response) and not ProxySettings.objects.exists()


def test_an_event_name_that_nothing_has_is_warned_of(admin) -> None:
    form = settings_form(admin) | {"log_deny": "share_result, share_resluts"}
    page = text_of(admin.post("/admin/proxy/proxysettings/1/change/", form, follow=True))
    assert "No event has the name share_resluts: check for a typo." in page


def test_a_certificate_that_cannot_be_used_is_warned_of(admin) -> None:
    form = settings_form(admin) | {"tls_port": 3352, "tls_certificate": "/no/such/file"}
    page = text_of(admin.post("/admin/proxy/proxysettings/1/change/", form, follow=True))
    assert "Miners cannot use TLS yet: /no/such/file cannot be read" in page


def test_an_override_is_typed_as_plain_text_and_signed(admin) -> None:
    make_pool("A"), make_pool("B")
    form = {"kind": "weights", "weights": "a 70, B: 30"}
    assert admin.post("/admin/proxy/weightoverride/add/", form).status_code == 302
    override = WeightOverride.objects.get()
    assert override.weights == {"A": 70.0, "B": 30.0} and override.set_by == "admin"
    page = text_of(admin.post("/admin/proxy/weightoverride/add/", form))
    assert "Another override is in force: clear it first." in page


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        ("A -5", "is no pool and weight"),
        ("A 0", "At least one pool needs a weight above 0."),
        ("", "At least one pool needs a weight above 0."),
        ("A 5, C 5", "There is no pool C."),
    ],
)
def test_a_wrong_override_is_explained(admin, weights, sentence) -> None:
    make_pool("A")
    response = admin.post("/admin/proxy/weightoverride/add/", {"kind": "weights", "weights": weights})
    assert sentence in text_of(response) and not WeightOverride.objects.exists()


def test_the_override_is_cleared_by_an_action_and_stays_as_history(admin) -> None:
    make_pool("A")
    override = WeightOverride.put(by="ann", weights={"A": 1})
    chosen = {"action": "clear_now", "_selected_action": override.pk}
    assert "the schedules decide again" in text_of(admin.post("/admin/proxy/weightoverride/", chosen, follow=True))
    override.refresh_from_db()
    assert override.cleared_by == "admin" and not override.active
    assert '{"A": 1}' in text_of(admin.get(f"/admin/proxy/weightoverride/{override.pk}/change/"))


def test_a_pin_keeps_its_pool_from_being_deleted(admin) -> None:
    pool = make_pool()
    WorkerPin.objects.create(worker="rig1", pool=pool)
    page = text_of(admin.post(f"/admin/proxy/pool/{pool.pk}/delete/", {"post": "yes"}))
    assert "rig1" in page and "protected" in page and Pool.objects.exists()


def test_a_refused_configuration_is_shown_on_the_pages(admin) -> None:
    make_wallet()
    mark_refused(1, ["Pool A has no wallet."])
    assert "The proxy goes on with the previous configuration." in text_of(admin.get("/admin/proxy/pool/"))


def test_each_form_opens_and_needs_no_inline_code(admin) -> None:
    for name in ("wallet", "pool", "schedule", "weightoverride", "workerpin", "workertrace"):
        response = admin.get(f"/admin/proxy/{name}/add/")
        assert response.status_code == 200
        inline_code = r"<script(?![^>]*src=)(?![^>]*application/json)|\sstyle=|\son[a-z]+="
        assert not re.search(inline_code, text_of(response)), name


def test_a_save_of_a_whole_form_raises_the_revision(admin) -> None:
    before = current_revision()
    admin.post("/admin/proxy/wallet/add/", WALLET)
    assert current_revision() > before
