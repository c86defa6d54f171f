"""Rows become a snapshot, in few queries, or sentences that say what is wrong with them."""

from datetime import time, timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from proxy.config import loader
from proxy.config.loader import current_revision, load_snapshot, mark_applied, mark_refused
from proxy.config.snapshot import (
    ConfigSnapshot,
    Endpoint,
    HealthConfig,
    Limits,
    Listeners,
    Mode,
    OverrideKind,
    Tls,
    Window,
)
from proxy.errors import ConfigError
from proxy.models import (
    BalanceSettings,
    BalanceSource,
    ConfigRevision,
    Fallback,
    Pool,
    PoolEndpoint,
    PoolFact,
    ProxySettings,
    ScheduleWindow,
    Wallet,
    WeightOverride,
    WorkerPin,
    WorkerTrace,
)
from proxy.types import AdminStatus, Chain
from tests.config.rows import BCH_ADDRESS, BTC_ADDRESS, make_pool, make_schedule, make_wallet

pytestmark = pytest.mark.django_db


def problems_of_load() -> str:
    with pytest.raises(ConfigError) as refused:
        load_snapshot({})
    return " ".join(refused.value.problems)


def test_an_empty_database_is_the_default_configuration() -> None:
    assert load_snapshot({}) == ConfigSnapshot()


def test_every_field_of_a_pool_arrives() -> None:
    wallet = make_wallet("cash", chain="BCH", address=BCH_ADDRESS)
    pool = make_pool(
        "B",
        wallet,
        name="Second",
        chain="BCH",
        password="x",
        user_format="{wallet}_{worker}",
        min_difficulty=64.0,
        max_difficulty=4096.0,
        status="drain",
        solo=True,
        payout_min_percent=98.0,
        payout_action="take-out",
    )
    PoolEndpoint.objects.create(pool=pool, host="10.0.0.2", port=4444, tls="verify", position=1)
    PoolFact.objects.create(pool=pool, extranonce2_size=8)
    loaded = load_snapshot({}).pools["B"]
    assert loaded.wallet == BCH_ADDRESS and loaded.chain is Chain.BCH and loaded.label == "Second"
    assert loaded.endpoints == (
        Endpoint(host="b.example", port=3333),
        Endpoint(host="10.0.0.2", port=4444, tls=Tls.VERIFY),
    )
    assert loaded.user_for("rig1") == f"{BCH_ADDRESS}_rig1"
    assert (loaded.password, loaded.min_difficulty, loaded.max_difficulty) == ("x", 64.0, 4096.0)
    assert loaded.status is AdminStatus.DRAIN and loaded.solo and loaded.payout_min_percent == 98.0
    assert loaded.payout_action == "take-out" and loaded.extranonce2_size == 8


def test_an_account_name_stands_where_an_address_would() -> None:
    make_pool("A", make_wallet("braiins", kind="account", address="ann"))
    assert load_snapshot({}).pools["A"].user_for("rig1") == "ann.rig1"


def test_every_field_of_a_schedule_arrives() -> None:
    first, second, third = make_pool("A"), make_pool("B"), make_pool("C")
    schedule = make_schedule(
        {second: 70, first: 30},
        "nights",
        mode="priority",
        policy="packing",
        min_switch_s=50,
        slice_s=20,
        time_zone="Europe/Berlin",
        priority=5,
        workers="rig*",
        is_default=True,
    )
    Fallback.objects.create(schedule=schedule, pool=third)
    ScheduleWindow.objects.create(schedule=schedule, weekdays=0b1000001, start=time(22), end=time(6))
    (loaded,) = load_snapshot({}).schedules
    assert loaded.allocations == (("B", 70.0), ("A", 30.0)) and loaded.fallbacks == ("C",)
    assert loaded.mode is Mode.PRIORITY and loaded.policy == "packing" and loaded.is_default
    assert (loaded.min_switch_s, loaded.slice_s, loaded.priority, loaded.workers) == (50, 20, 5, "rig*")
    assert loaded.windows == (Window(weekdays=frozenset({0, 6}), start=time(22), end=time(6)),)
    assert loaded.time_zone == "Europe/Berlin"


def test_a_schedule_that_is_switched_off_is_not_there() -> None:
    make_schedule({make_pool(): 1}, enabled=False)
    assert load_snapshot({}).schedules == ()


def test_the_settings_fill_limits_health_listeners_and_log() -> None:
    ProxySettings.objects.create(
        max_sessions=10,
        fall=7,
        stratum_port=4000,
        log_level="DEBUG",
        log_allow="pool_notify, pool_diff",
        log_deny="share_result",
    )
    loaded = load_snapshot({})
    assert loaded.limits == Limits(max_sessions=10) and loaded.health == HealthConfig(fall=7)
    assert loaded.listeners == Listeners(stratum_port=4000)
    assert loaded.log.level == "DEBUG" and loaded.log.allow == {"pool_notify", "pool_diff"}


def test_the_settings_of_the_log_file_and_of_the_metrics_arrive() -> None:
    ProxySettings(file_bytes=20_000, file_count=3, redact_wallets=True, worker_series=12).save()
    loaded = load_snapshot({})
    assert (loaded.log.file_bytes, loaded.log.file_count, loaded.log.redact_wallets) == (20_000, 3, True)
    assert loaded.worker_series == 12


def test_who_may_mine_arrives_as_networks_and_a_password() -> None:
    ProxySettings(miner_allow="192.168.1.0/24, 10.0.0.7", miner_password="sesame").save()
    loaded = load_snapshot({})
    assert [str(network) for network in loaded.access.networks] == ["192.168.1.0/24", "10.0.0.7/32"]
    assert loaded.access.password == "sesame"


def test_networks_that_were_written_past_the_rules_are_refused_with_a_sentence() -> None:
    ProxySettings().save()
    ProxySettings.objects.update(miner_allow="192.168.1.7/24")
    with pytest.raises(ConfigError, match=r"Where miners may connect from: 192\.168\.1\.7/24 has host bits set"):
        load_snapshot({})


def test_the_environment_wins_over_the_log_fields() -> None:
    ProxySettings.objects.create(log_level="DEBUG", log_deny="share_result")
    log = load_snapshot({"DPMP_LOG_LEVEL": "warning", "DPMP_LOG_ALLOW": "pool_up"}).log
    assert (log.level, log.allow, log.deny) == ("WARNING", {"pool_up"}, {"share_result"})


def test_auto_balance_arrives_with_its_sources() -> None:
    BalanceSettings(max_deviation=30).save()
    BalanceSource(kind="oracle", url="https://oracle.example/", poll_s=900).save()
    balance = load_snapshot({}).balance
    assert balance.max_deviation == 30 and balance.sources[0].url == "https://oracle.example/"
    BalanceSource.objects.update(chain="BTC")
    assert load_snapshot({}).balance.sources[0].chain is Chain.BTC


def test_a_wrong_log_level_in_the_environment_is_named() -> None:
    with pytest.raises(ConfigError, match='"LOUD" is no log level'):
        load_snapshot({"DPMP_LOG_LEVEL": "loud"})


def test_only_the_override_in_force_counts() -> None:
    make_pool("A")
    WeightOverride.put(by="ann", weights={"A": 5})
    WeightOverride.put(by="bob")
    override = load_snapshot({}).override
    assert override is not None and override.kind is OverrideKind.AUTO_BALANCE and override.set_by == "bob"
    WeightOverride.clear_active("bob")
    assert load_snapshot({}).override is None


def test_an_override_whose_time_is_over_does_not_count() -> None:
    make_pool("A")
    WeightOverride.put(by="ann", weights={"A": 5}, until=timezone.now() - timedelta(seconds=1))
    assert load_snapshot({}).override is None


def test_pins_and_traces_arrive_and_old_traces_do_not() -> None:
    now = timezone.now()
    WorkerPin.objects.create(worker="rig1", pool=make_pool("A"))
    WorkerTrace.objects.create(worker="rig2", until=now + timedelta(minutes=5))
    WorkerTrace.objects.create(worker="rig3", until=now - timedelta(minutes=5))
    loaded = load_snapshot({})
    assert loaded.pins == {"rig1": "A"} and loaded.trace_workers.keys() == {"rig2"}


def test_a_schedule_with_all_weights_zero_is_refused() -> None:
    make_schedule({make_pool(): 0})
    assert 'Schedule "always": at least one pool needs a weight above 0.' in problems_of_load()


def test_a_pool_without_endpoint_is_refused() -> None:
    make_pool().endpoints.all().delete()
    assert "Pool A has no address to connect to." in problems_of_load()


def test_rows_written_past_the_rules_are_refused_with_sentences() -> None:
    make_pool("A")
    make_pool("B", make_wallet("cash", chain="BCH", address=BCH_ADDRESS), chain="BCH")
    Wallet.objects.filter(label="main").update(address=BTC_ADDRESS[:-1] + "5")
    Pool.objects.filter(key="B").update(chain="DGB")
    problems = problems_of_load()
    assert "Pool A, wallet main: The checksum is wrong: check for a typo." in problems
    assert "Pool B mines DGB, but its wallet cash is of BCH." in problems


def test_an_override_for_a_pool_that_is_gone_is_refused() -> None:
    make_pool("A")
    WeightOverride.put(by="ann", weights={"A": 5})
    Pool.objects.get().delete()
    assert "The override: pool A does not exist." in problems_of_load()


def test_the_number_of_queries_does_not_grow_with_the_rows(django_assert_num_queries) -> None:
    pools = {make_pool(key): 1.0 for key in ("A", "B", "C", "D")}
    for name in ("one", "two", "three"):
        schedule = make_schedule(pools, name)
        ScheduleWindow.objects.create(schedule=schedule, start=time(1), end=time(2))
    with django_assert_num_queries(24):
        load_snapshot({})


def test_each_save_and_delete_raises_the_revision() -> None:
    assert current_revision() == 0
    make_wallet()
    assert current_revision() == 1
    pool = make_pool()
    assert current_revision() == 3
    PoolFact.objects.create(pool=pool, extranonce2_size=4)
    assert current_revision() == 3, "what the proxy itself learns is no change of the configuration"
    pool.delete()
    assert current_revision() == 5, "the pool and its endpoint"
    assert load_snapshot({}).revision == 5


def test_a_save_that_is_rolled_back_leaves_the_revision_alone() -> None:
    make_wallet()
    with pytest.raises(IntegrityError), transaction.atomic():
        make_pool("A")
        Pool.objects.create(key="B", wallet=Wallet.objects.get(), payout_min_percent=200)
    assert current_revision() == 1 and not Pool.objects.exists()


def test_what_the_proxy_made_of_a_revision_is_noted_for_all_processes() -> None:
    make_wallet()
    mark_refused(1, ["Pool A has no wallet."])
    row = ConfigRevision.objects.get()
    assert (row.number, row.refused_revision, row.problems) == (1, 1, ["Pool A has no wallet."])
    mark_applied(1)
    row.refresh_from_db()
    assert (row.number, row.applied_revision, row.refused_revision, row.problems) == (1, 1, None, [])


def test_an_extranonce_size_once_seen_is_remembered_without_a_new_revision() -> None:
    make_pool("A")
    revision = current_revision()
    PoolFact.objects.create(pool=Pool.objects.get(key="A"), extranonce2_size=4)
    assert load_snapshot({}).pools["A"].extranonce2_size == 4 and current_revision() == revision


def test_rows_that_change_while_they_are_read_are_read_again(monkeypatch) -> None:
    make_wallet()
    real, changes = loader._traces, iter([lambda: make_pool("A")])

    def traces() -> dict[str, float]:
        next(changes, lambda: None)()
        return real()

    monkeypatch.setattr(loader, "_traces", traces)
    snapshot = load_snapshot({})
    assert snapshot.revision == current_revision() and snapshot.pools.keys() == {"A"}
