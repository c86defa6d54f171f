"""``manage.py importconfig``: the set-up of a DPMP v2 comes over whole, twice is once, and errors are sentences."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from proxy.config.loader import current_revision, load_snapshot
from proxy.config.snapshot import Mode
from proxy.models import Pool, ProxySettings, Schedule, Wallet, WeightOverride
from proxy.models.history import BestShare, V2BestShare
from proxy.types import Chain
from tests.config.rows import BCH_ADDRESS, BTC_ADDRESS, make_pool, make_schedule

pytestmark = pytest.mark.django_db


def v2(**changes: Any) -> dict[str, Any]:
    return {
        "listen": {"host": "0.0.0.0", "port": 3352},
        "metrics": {"enabled": False, "host": "127.0.0.1", "port": 9300},
        "logging": {
            "json": True,
            "level": "debug",
            "allow": ["pool_notify"],
            "deny": ["share_result", "id_response_seen"],
        },
        "pools": {
            "A": {"host": "a.example", "name": "First", "port": 3333, "wallet": BTC_ADDRESS, "chain": "BTC"},
            "B": {"host": "b.example", "name": "Second", "port": "4444", "wallet": BCH_ADDRESS, "chain": "BCH"},
        },
        "downstream_diff": {"default_min": 64, "poolB_min": 128, "poolB_max": 1024},
        "scheduler": {
            "mode": "ratio",
            "poolA_weight": 70,
            "poolB_weight": 30,
            "min_switch_seconds": 60,
            "slice_seconds": 20,
            "auto_balance": False,
        },
        **changes,
    }


def written(folder: Path, config: object, **beside: object) -> Path:
    for name, content in beside.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    path = folder / "config_v2.json"
    path.write_text(config if isinstance(config, str) else json.dumps(config))
    return path


def run(path: Path, *arguments: str) -> str:
    out = StringIO()
    call_command("importconfig", str(path), *arguments, stdout=out)
    return out.getvalue()


def refusal(path: Path) -> str:
    before = current_revision()
    with pytest.raises(CommandError) as refused:
        run(path)
    assert current_revision() == before, "nothing was changed"
    return str(refused.value)


@pytest.mark.no_cover
def test_everything_of_a_whole_file_arrives(tmp_path) -> None:
    run(written(tmp_path, v2(), weights_override={"poolA_weight": 20, "poolB_weight": 80}))
    loaded = load_snapshot({})
    first, second = loaded.pools["A"], loaded.pools["B"]
    assert (first.name, str(first.endpoints[0]), first.wallet) == ("First", "a.example:3333", BTC_ADDRESS)
    assert (first.min_difficulty, first.max_difficulty) == (64, None), "default_min is the floor of both"
    assert (second.chain, second.min_difficulty, second.max_difficulty) == (Chain.BCH, 128, 1024)
    (schedule,) = loaded.schedules
    assert schedule.is_default and schedule.weights() == {"A": 70, "B": 30} and schedule.mode is Mode.RATIO
    assert (schedule.min_switch_s, schedule.slice_s) == (60, 20)
    assert loaded.listeners.stratum_port == 3352 and not loaded.listeners.metrics_enabled
    assert (loaded.listeners.metrics_host, loaded.listeners.metrics_port) == ("127.0.0.1", 9300)
    assert loaded.log.level == "DEBUG" and loaded.log.allow == {"pool_notify"} and loaded.log.deny == {"share_result"}
    assert loaded.override is not None and loaded.override.weights == {"A": 20, "B": 80}


def test_running_it_twice_changes_nothing(tmp_path) -> None:
    path = written(tmp_path, v2(), weights_override={"poolA_weight": 20, "poolB_weight": 80})
    assert "Pool A: added" in run(path)
    revision = current_revision()
    again = run(path)
    assert "Pool A: unchanged" in again and "Override: unchanged" in again
    assert "added" not in again and "changed (" not in again
    assert current_revision() == revision


@pytest.mark.no_cover
def test_a_check_says_what_would_happen_and_changes_nothing(tmp_path) -> None:
    out = run(written(tmp_path, v2()), "--check")
    assert "Pool A: added" in out and "nothing was changed" in out
    assert not Pool.objects.exists() and not ProxySettings.objects.exists() and current_revision() == 0


def test_a_changed_file_changes_only_what_it_names(tmp_path) -> None:
    run(written(tmp_path, v2()))
    Pool.objects.filter(key="A").update(password="x", note="mine")
    config = v2()
    config["pools"]["A"]["host"] = "new.example"
    config["scheduler"]["poolA_weight"] = 50
    out = run(written(tmp_path, config))
    assert "Address of pool A: added" in out and "Weight of pool A: changed (weight: 70.0 -> 50.0)" in out
    assert "Pool A: unchanged" in out and "Pool B: unchanged" in out
    pool = Pool.objects.get(key="A")
    assert pool.note == "mine" and [entry.host for entry in pool.endpoints.all()] == ["new.example"]


@pytest.mark.no_cover
def test_another_wallet_is_a_new_row(tmp_path) -> None:
    run(written(tmp_path, v2()))
    config = v2()
    config["pools"]["A"]["wallet"] = "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"
    run(written(tmp_path, config))
    assert load_snapshot({}).pools["A"].wallet == "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"
    assert Wallet.objects.filter(address=BTC_ADDRESS).exists()


@pytest.mark.no_cover
def test_the_default_schedule_that_is_there_is_the_one_that_changes(tmp_path) -> None:
    make_schedule({make_pool("A"): 1}, "mine", is_default=True)
    run(written(tmp_path, v2()))
    assert Schedule.objects.get().name == "mine" and load_snapshot({}).schedules[0].weights() == {"A": 70, "B": 30}


def test_older_files_have_listeners_at_the_top(tmp_path) -> None:
    config = {key: value for key, value in v2().items() if key not in ("listen", "metrics")}
    run(
        written(
            tmp_path,
            config
            | {
                "listen_host": "127.0.0.1",
                "listen_port": 3360,
                "metrics_enabled": True,
                "metrics_host": "127.0.0.1",
                "metrics_port": 9301,
            },
        )
    )
    listeners = load_snapshot({}).listeners
    assert (listeners.stratum_host, listeners.stratum_port) == ("127.0.0.1", 3360)
    assert (listeners.metrics_host, listeners.metrics_port, listeners.metrics_enabled) == ("127.0.0.1", 9301, True)


@pytest.mark.no_cover
def test_what_the_file_does_not_say_is_as_v2_took_it(tmp_path) -> None:
    run(written(tmp_path, {"pools": v2()["pools"]}))
    (schedule,) = load_snapshot({}).schedules
    assert (schedule.min_switch_s, schedule.slice_s, schedule.weights()) == (50, 30, {"A": 50, "B": 50})


def test_auto_balance_becomes_the_mode_and_the_override_that_it_wrote_is_left_out(tmp_path) -> None:
    config = v2(
        scheduler={
            "auto_balance": True,
            "oracle_url": "https://oracle.example/",
            "oracle_poll_seconds": 900,
            "auto_balance_max_deviation": 30,
        }
    )
    out = run(written(tmp_path, config, weights_override={"poolA_weight": 20, "poolB_weight": 80}))
    loaded = load_snapshot({})
    assert loaded.schedules[0].mode is Mode.AUTO_BALANCE and not WeightOverride.objects.exists()
    assert "v2 wrote it by itself" in out and loaded.balance.max_deviation == 30
    (source,) = loaded.balance.sources
    assert (source.kind, source.url, source.poll_s) == ("oracle", "https://oracle.example/", 900)
    assert "added" not in (again := run(tmp_path / "config_v2.json")) and "changed (" not in again


def test_with_auto_balance_off_no_oracle_will_be_asked(tmp_path) -> None:
    config = v2()
    config["scheduler"] |= {"oracle_url": "https://oracle.example/", "auto_balance_max_deviation": 25}
    assert '"scheduler.oracle_url" was left out' in run(written(tmp_path, config))
    balance = load_snapshot({}).balance
    assert balance.max_deviation == 25 and [source.kind for source in balance.sources] == ["observed"]


@pytest.mark.no_cover
def test_unknown_keys_and_events_are_named(tmp_path) -> None:
    config = v2(colour="red")
    config["pools"]["A"]["tls"] = True
    config["scheduler"]["poolC_weight"] = 5
    out = run(written(tmp_path, config))
    for name in ('"colour"', '"pools.A.tls"', '"scheduler.poolC_weight"', "id_response_seen"):
        assert name in out


@pytest.mark.no_cover
def test_best_shares_are_kept_as_history_and_not_as_records(tmp_path) -> None:
    out = run(written(tmp_path, v2(), best_shares={"rig1": 4096, "rig2": "x", "rig3": 12.5}))
    assert "Best shares of v2: 2 kept as history (assigned difficulties, not achieved ones)" in out
    assert list(V2BestShare.objects.values_list("worker", "assigned_difficulty")) == [("rig1", 4096), ("rig3", 12.5)]
    assert not BestShare.objects.exists()


@pytest.mark.no_cover
def test_best_shares_of_a_second_run_change_only_what_is_higher(tmp_path) -> None:
    path = written(tmp_path, v2(), best_shares={"rig1": 4096, "rig2": 8})
    run(path)
    assert "Best shares of v2: unchanged" in run(path)
    assert "Best shares of v2: 1 kept" in run(written(tmp_path, v2(), best_shares={"rig1": 64, "rig2": 16}))
    assert dict(V2BestShare.objects.values_list("worker", "assigned_difficulty")) == {"rig1": 4096, "rig2": 16}


@pytest.mark.no_cover
def test_best_share_of_a_whole_user_name_belongs_to_its_worker(tmp_path) -> None:
    run(written(tmp_path, v2(), best_shares={f"{BTC_ADDRESS}.rig1": 5, "rig1": 9, "other.rig1": 7}))
    assert dict(V2BestShare.objects.values_list("worker", "assigned_difficulty")) == {"rig1": 9}


def test_check_keeps_no_best_share(tmp_path) -> None:
    assert "1 kept" in run(written(tmp_path, v2(), best_shares={"rig1": 5}), "--check")
    assert not V2BestShare.objects.exists()


@pytest.mark.no_cover
def test_a_name_that_is_no_address_becomes_an_account(tmp_path) -> None:
    config = v2()
    config["pools"]["A"] |= {"wallet": "ann"}
    del config["pools"]["B"]["chain"]
    run(written(tmp_path, config))
    assert Wallet.objects.get(address="ann").kind == "account"
    assert Pool.objects.get(key="B").chain == "BCH", "recognised by its address"


def test_an_unknown_chain_becomes_other(tmp_path) -> None:
    config = v2()
    config["pools"]["A"]["chain"] = "XEC"
    assert 'becomes "other"' in run(written(tmp_path, config))
    assert Pool.objects.get(key="A").chain == "OTHER"


@pytest.mark.parametrize(
    ("pool", "sentence"),
    [
        ({"wallet": BTC_ADDRESS[:-1] + "5"}, "The checksum is wrong: check for a typo."),
        ({"wallet": BCH_ADDRESS}, "This looks like a BCH address"),
        ({"wallet": BTC_ADDRESS[:-1] + "5", "chain": None}, "The checksum is wrong"),
        ({"wallet": "POOL_A_WALLET"}, "still the placeholder"),
        ({"wallet": ""}, '"pools.A.wallet" is missing.'),
        ({"host": "POOL_A_HOST"}, "still the placeholder"),
        ({"host": "a b"}, "neither a host name nor an IP address"),
        ({"port": 0}, '"pools.A.port" is no port'),
        ({"port": "x"}, '"pools.A.port" is no port'),
        ({"port": 1e400}, '"pools.A.port" is no port'),
        ({"wallet": "ann smith"}, "No spaces"),
    ],
)
def test_a_wrong_pool_is_refused_whole(tmp_path, pool, sentence) -> None:
    config = v2()
    config["pools"]["A"] |= pool
    assert sentence in refusal(written(tmp_path, config))
    assert not Pool.objects.exists()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"scheduler": {"poolA_weight": 0, "poolB_weight": 0}}, "at least one pool needs a weight above 0"),
        ({"scheduler": {"poolA_weight": -5}}, "Weight of pool A, weight: "),
        ({"scheduler": {"poolA_weight": "many"}}, '"scheduler.poolA_weight" is no number.'),
        ({"scheduler": {"min_switch_seconds": 30, "slice_seconds": 40}}, "The slice is above"),
        ({"scheduler": {"min_switch_seconds": 2, "slice_seconds": 1}}, "minimum time between switches: Ensure"),
        ({"scheduler": {"auto_balance_max_deviation": 60}}, "Auto-balance: The largest deviation is 5 to 45 points."),
        ({"scheduler": {"auto_balance": True, "oracle_url": "ftp://x"}}, "Oracle of auto-balance"),
        ({"scheduler": {"mode": "random"}}, '"scheduler.mode"'),
        ({"scheduler": []}, '"scheduler" must be an object.'),
        ({"downstream_diff": {"poolA_min": 9, "poolA_max": 3}}, "The minimum difficulty is above the maximum."),
        ({"listen": {"port": 99999}}, "65535"),
        ({"metrics": {"port": 9210.5}}, '"metrics.port" is no port'),
        ({"logging": {"level": "LOUD"}}, "log level"),
        ({"logging": {"deny": "share_result"}}, '"logging.deny" must be a list.'),
        ({"pools": {}}, 'There are no "pools"'),
    ],
)
def test_a_wrong_setting_is_refused_whole(tmp_path, changes, sentence) -> None:
    assert sentence in refusal(written(tmp_path, v2(**changes)))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "is no JSON"),
        ("[1]", "holds no JSON object"),
        ("[" * 100_000, "is no JSON"),
        ('"' + "x" * 1_100_000, "larger"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path, content, sentence) -> None:
    assert sentence in refusal(written(tmp_path, content))


def test_a_missing_file_is_named(tmp_path) -> None:
    assert "none.json cannot be read: No such file" in refusal(tmp_path / "none.json")


def test_a_wrong_override_refuses_everything(tmp_path) -> None:
    assert "at least one pool needs a weight" in refusal(written(tmp_path, v2(), weights_override={"poolA_weight": 0}))


@pytest.mark.no_cover
def test_what_a_file_says_moves_no_terminals_cursor(tmp_path) -> None:
    config = v2()
    config["pools"]["A"]["host"] = "\u202eevil\x1b[2J\x9b"
    config["scheduler"]["odd\x1b]0;title\x07"] = 1
    said = run(written(tmp_path, v2(**{"odd\x9b2J": 1})), "--check") + refusal(written(tmp_path, config))
    assert "\\u009b2J" in said and all(letter.isprintable() or letter == "\n" for letter in said), ascii(said)
