"""The database and the models refuse what the admin refuses, also from code that knows no form."""

from datetime import time, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.db.models import ProtectedError
from django.utils import timezone

from proxy.models import (
    Allocation,
    ConfigRevision,
    Pool,
    PoolEndpoint,
    ProxySettings,
    Schedule,
    ScheduleWindow,
    Wallet,
    WeightOverride,
    WorkerPin,
)
from tests.config.rows import BCH_ADDRESS, BTC_ADDRESS, make_pool, make_schedule, make_wallet

pytestmark = pytest.mark.django_db


def refuse(rows: models.QuerySet[Any], **values: Any) -> None:
    """The database itself refuses ``values``, past all Python rules, by a constraint that the model names."""
    with pytest.raises(IntegrityError) as refused, transaction.atomic():
        rows.update(**values)
    assert any(rule.name in str(refused.value) for rule in rows.model._meta.constraints), refused.value


@pytest.mark.parametrize(
    "values",
    [
        {"min_difficulty": 0},
        {"max_difficulty": -1},
        {"min_difficulty": 8, "max_difficulty": 4},
        {"status": "on"},
        {"payout_min_percent": 101},
        {"chain": "XYZ"},
        {"payout_action": "x"},
        {"key": ""},
    ],
)
def test_pool_columns(values) -> None:
    make_pool()
    refuse(Pool.objects.all(), **values)


@pytest.mark.parametrize("values", [{"port": 0}, {"port": 65536}, {"host": ""}, {"tls": "maybe"}])
def test_endpoint_columns(values) -> None:
    make_pool()
    refuse(PoolEndpoint.objects.all(), **values)


@pytest.mark.parametrize(
    "values",
    [
        {"min_switch_s": 4.9, "slice_s": 4},
        {"slice_s": 31},
        {"slice_s": 0},
        {"mode": "x"},
        {"policy": "x"},
        {"workers": ""},
    ],
)
def test_schedule_columns(values) -> None:
    make_schedule({make_pool(): 1})
    refuse(Schedule.objects.all(), **values)


def test_weights_and_windows() -> None:
    schedule = make_schedule({make_pool(): 1})
    refuse(Allocation.objects.all(), weight=-0.1)
    ScheduleWindow.objects.create(schedule=schedule, start=time(1), end=time(2))
    refuse(ScheduleWindow.objects.all(), weekdays=0)
    refuse(ScheduleWindow.objects.all(), weekdays=128)


def test_a_pool_has_one_weight_in_a_schedule() -> None:
    pool = make_pool()
    schedule = make_schedule({pool: 1})
    with pytest.raises(IntegrityError):
        Allocation.objects.create(schedule=schedule, pool=pool, weight=2)


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "values",
    [
        {"id": 2},
        {"web_port": 0},
        {"metrics_port": 65536},
        {"tls_port": 3352},
        {"tls_port": 70_000, "tls_certificate": "/x"},
        {"subscribe_timeout_s": 0},
        {"max_workers": 0},
        {"input_bytes_per_s": 100},
        {"input_burst_bytes": 100},
        {"input_lines_per_s": 0},
        {"backoff_max_s": 0.1},
        {"log_level": "x"},
        {"file_bytes": 9999},
        {"file_count": 1},
        {"worker_series": 1001},
    ],
)
def test_settings_columns(values) -> None:
    ProxySettings().save()
    refuse(ProxySettings.objects.all(), **values)


def test_a_second_settings_row_cannot_be() -> None:
    ProxySettings().save()
    with pytest.raises(IntegrityError):
        ProxySettings(pk=2).save()


def test_a_second_revision_counter_cannot_be() -> None:
    with pytest.raises(IntegrityError):
        ConfigRevision(pk=2).save()


def test_a_second_default_schedule_cannot_be() -> None:
    pool = make_pool()
    make_schedule({pool: 1}, "one", is_default=True)
    make_schedule({pool: 1}, "two")
    with pytest.raises(IntegrityError, match=r"is_default|one_default"):
        Schedule.objects.filter(name="two").update(is_default=True)


def test_a_second_override_in_force_cannot_be() -> None:
    make_pool("A")
    WeightOverride.put(by="ann", weights={"A": 1})
    with pytest.raises(IntegrityError):
        WeightOverride(weights={"A": 2}).save()


def test_of_old_overrides_the_newest_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    make_pool("A")
    monkeypatch.setattr("proxy.models.base.PRUNE_EVERY", 5)
    monkeypatch.setattr("proxy.models.control.MOST_OVERRIDES", 3)
    for weight in range(1, 11):
        last = WeightOverride.put(by="automation", weights={"A": weight})
        assert WeightOverride.objects.count() <= 3 + 4
    while last.pk % 5:
        last = WeightOverride.put(by="automation", weights={"A": 50})
    assert WeightOverride.objects.count() == 3
    assert WeightOverride.objects.get(cleared_at=None) == last


def test_an_override_replaces_the_one_in_force_and_keeps_it_as_history() -> None:
    make_pool("A")
    WeightOverride.put(by="ann", weights={"A": 1})
    WeightOverride.put(by="bob", weights={"A": 2})
    assert [(row.set_by, row.cleared_by) for row in WeightOverride.objects.all()] == [("bob", ""), ("ann", "bob")]
    assert WeightOverride.clear_active("eve") is True
    assert WeightOverride.clear_active("eve") is False


def test_an_override_whose_time_is_over_makes_room() -> None:
    make_pool("A")
    over = timezone.now() - timedelta(minutes=1)
    WeightOverride(weights={"A": 1}, until=over).save()
    fresh = WeightOverride(weights={"A": 2})
    fresh.clean()
    fresh.save()
    assert WeightOverride.objects.get(set_by="", cleared_at=over).weights == {"A": 1}
    with pytest.raises(ValidationError, match="already passed"):
        WeightOverride(weights={"A": 1}, until=over).clean()


def test_a_refused_override_leaves_the_old_one_in_force() -> None:
    make_pool("A")
    WeightOverride.put(by="ann", weights={"A": 1})
    for weights in ({"A": 0}, {"A": -1}, {"A": float("nan")}, {"A": True}, {"Z": 1}, {"A": "1"}):
        with pytest.raises(ValidationError):
            WeightOverride.put(by="bob", weights=weights)
    assert WeightOverride.objects.get(cleared_at=None).set_by == "ann"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"address": BTC_ADDRESS[:-1] + "5"}, "checksum"),
        ({"address": BCH_ADDRESS}, "looks like a BCH address"),
        ({"chain": "BCH"}, "looks like a BTC address"),
        ({"address": ""}, "empty"),
    ],
)
def test_a_save_without_a_form_checks_the_address(fields, sentence) -> None:
    with pytest.raises(ValidationError, match=sentence):
        make_wallet(**fields)


def test_a_save_without_a_form_checks_the_chain_of_the_wallet() -> None:
    with pytest.raises(ValidationError, match="is a BTC wallet and this pool mines BCH"):
        make_pool(chain="BCH")
    wallet = make_pool(chain="OTHER").wallet
    wallet.chain, wallet.address = "BCH", BCH_ADDRESS
    wallet.save()
    Pool.objects.all().delete()
    wallet.chain, wallet.address = "BTC", BTC_ADDRESS
    wallet.save()
    make_pool()
    wallet.chain, wallet.address = "BCH", BCH_ADDRESS
    with pytest.raises(ValidationError, match="Pool A uses this wallet and mines BTC"):
        wallet.save()


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (BCH_ADDRESS, BCH_ADDRESS),
        (BCH_ADDRESS.split(":")[1], BCH_ADDRESS.split(":")[1]),
        (BCH_ADDRESS.split(":")[1].upper(), BCH_ADDRESS.split(":")[1]),
        (f" {BCH_ADDRESS}\n", BCH_ADDRESS),
    ],
)
def test_a_cash_address_keeps_the_form_that_was_typed(typed, kept) -> None:
    assert make_wallet(chain="BCH", address=typed).address == kept


def test_what_is_in_use_is_protected() -> None:
    pool = make_pool()
    with pytest.raises(ProtectedError):
        Wallet.objects.get().delete()
    WorkerPin.objects.create(worker="rig1", pool=pool)
    with pytest.raises(ProtectedError):
        pool.delete()


@pytest.mark.parametrize(
    ("host", "taken"),
    [
        ("stratum+tcp://pool.example:3333", ("pool.example", 3333, "off")),
        ("stratum+ssl://pool.example:443/", ("pool.example", 443, "verify")),
        ("pool.example:25", ("pool.example", 25, "off")),
        ("[2001:db8::1]:3333", ("2001:db8::1", 3333, "off")),
        ("2001:db8::1", ("2001:db8::1", 1000, "off")),
        ("10.0.0.1", ("10.0.0.1", 1000, "off")),
        ("ckpool", ("ckpool", 1000, "off")),
    ],
)
def test_a_pasted_address_is_taken_apart(host, taken) -> None:
    endpoint = PoolEndpoint.objects.create(pool=make_pool(), host=host, port=1000)
    assert (endpoint.host, endpoint.port, endpoint.tls) == taken


@pytest.mark.parametrize("host", ["http://a.example", "a b", "a..b", "-a.example", "1.2.3.4.5", "a.example:99999", "é"])
def test_a_host_that_is_none_is_refused(host) -> None:
    with pytest.raises(ValidationError):
        PoolEndpoint.objects.create(pool=make_pool(), host=host, port=1000)


@pytest.mark.django_db
@pytest.mark.parametrize("feed", ["ftp://x.example/", "x.example", "https://", "https://[", "https://x.example/\u202e"])
def test_a_feed_of_releases_is_a_web_address(feed):
    with pytest.raises(ValidationError, match="no http or https address"):
        ProxySettings(update_feed=feed).check_rules()
