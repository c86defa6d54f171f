"""Configurations of Braiins Farm Proxy and btcagent: what is taken over, what is said of the rest, what is refused."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from proxy.config.importers.farm_formats import parse_agent, parse_farm_proxy
from proxy.config.loader import load_snapshot
from proxy.config.snapshot import Endpoint, Tls
from proxy.errors import ConfigError
from proxy.models import Listener, Pool, Schedule
from proxy.types import PoolKey

pytestmark = pytest.mark.django_db

PROFILE = """
description = "two rooms"
[[server]]
name = "Room 1"
port = 3333
extranonce_size = 4
[[server]]
name = "Room 2"
port = 3334
[[target]]
name = "East"
url = "stratum+tcp://east.example:3333"
user_identity = "farm.all"
aggregation = 10
[[target]]
name = "West"
url = "stratum+ssl://west.example"
user_identity = "farm"
identity_pass_through = true
[[target]]
name = "Spare"
url = "spare.example:443"
user_identity = "other.x"
[[routing]]
name = "Both"
from = ["Room 1", "Room 2"]
[[routing.goal]]
hr_weight = 70
[[routing.goal.level]]
targets = ["East"]
[[routing.goal.level]]
targets = ["Spare"]
[[routing.goal]]
hr_weight = 30
[[routing.goal.level]]
targets = ["West", "East"]
"""

AGENT = {
    "agent_listen_ip": "0.0.0.0",
    "agent_listen_port": 3340,
    "pool_use_tls": False,
    "use_iocp": True,
    "pools": [["us.example", 1800, "kevin"], ["us.example", 443, "kevin"], ["eu.example", 3333, "spare"]],
}


def run(path: Path, *options: str) -> str:
    out = StringIO()
    call_command("importconfig", str(path), *options, stdout=out)
    return out.getvalue()


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.no_cover
def test_a_profile_of_farm_proxy_becomes_pools_listeners_and_the_default_schedule(tmp_path: Path) -> None:
    said = run(written(tmp_path, "active_profile.toml", PROFILE))
    loaded = load_snapshot({})
    east, west, spare = (loaded.pools[PoolKey(key)] for key in "ABC")
    assert [pool.name for pool in (east, west, spare)] == ["East", "West", "Spare"]
    assert (east.user_format, east.wallet, west.user_format) == ("{wallet}.all", "farm", "{wallet}.{worker}")
    assert west.endpoints == (Endpoint(host="west.example", port=3333, tls=Tls.VERIFY),)
    [schedule] = loaded.schedules
    assert schedule.is_default and dict(schedule.allocations) == {"A": 70.0, "B": 30.0}
    assert schedule.fallbacks == ("C",) and schedule.listener is None
    assert [(one.name, one.port) for one in loaded.miner_listeners[1:]] == [("Room 1", 3333), ("Room 2", 3334)]
    assert [(pool.connections, pool.most_miners) for pool in (east, west)] == [("shared", 10), ("shared", 50)]
    assert "aggregation" not in said and '"server.extranonce_size" has no counterpart' in said
    assert "own user names are not passed on" in said and "A level with several targets" in said


def test_a_second_run_changes_nothing_and_a_check_neither(tmp_path: Path) -> None:
    path = written(tmp_path, "profile.TOML", PROFILE)
    assert "This was a check" in run(path, "--check") and not Pool.objects.exists()
    run(path)
    lines = [line for line in run(path).splitlines() if ": " in line and "counterpart" not in line]
    assert [line for line in lines if line.endswith((": added", ")"))] == []


def test_a_pool_of_the_same_name_for_another_account_stays_as_it_is(tmp_path: Path) -> None:
    path = written(tmp_path, "active_profile.toml", PROFILE)
    run(path)
    other = written(tmp_path, "other.toml", PROFILE.replace("farm.all", "somebody.all"))
    run(other)
    run(other)
    named = Pool.objects.filter(name="East").order_by("key")
    assert [pool.wallet.address for pool in named if pool.wallet] == ["farm", "somebody"]


def test_what_a_running_installation_would_lose_is_told_with_both_values(tmp_path: Path) -> None:
    run(written(tmp_path, "agent_conf.json", json.dumps(AGENT)))
    said = run(written(tmp_path, "active_profile.toml", PROFILE), "--check")
    assert 'Schedule "btcagent", pool A: changed (weight: 100.0 -> 0.0)' in said


def test_a_target_of_stratum_v2_is_left_out_and_said(tmp_path: Path) -> None:
    second = PROFILE.replace("stratum+tcp://east.example:3333", "stratum2+tcp://east.example/u95GEReVMjK6k5Yqi")
    said = run(written(tmp_path, "active_profile.toml", second))
    loaded = load_snapshot({})
    assert [pool.name for pool in loaded.pools.values()] == ["West", "Spare"]
    assert dict(loaded.schedules[0].allocations) == {"B": 70.0, "A": 30.0}
    assert 'Target "East" is for Stratum V2 and was left out' in said


@pytest.mark.no_cover
def test_several_routings_become_routes(tmp_path: Path) -> None:
    cut = PROFILE.replace('from = ["Room 1", "Room 2"]', 'from = ["Room 1"]')
    more = '[[routing]]\nname = "Two"\nfrom = ["Room 2"]\n[[routing.goal]]\n[[routing.goal.level]]\ntargets = ["Spare"]'
    run(written(tmp_path, "active_profile.toml", cut + more))
    found = {schedule.name: schedule for schedule in Schedule.objects.all()}
    assert found["Both: Room 1"].listener == Listener.objects.get(name="Room 1")
    assert [str(entry) for entry in found["Two: Room 2"].allocations.all()] == ["C (Spare) 100"]
    assert not any(schedule.is_default for schedule in found.values())


@pytest.mark.no_cover
def test_a_configuration_of_btcagent_becomes_a_pool_with_its_addresses(tmp_path: Path) -> None:
    said = run(written(tmp_path, "agent_conf.json", json.dumps(AGENT)))
    loaded = load_snapshot({})
    assert [str(place) for place in loaded.pools[PoolKey("A")].endpoints] == ["us.example:1800", "us.example:443"]
    assert loaded.schedules[0].allocations == (("A", 100.0),) and loaded.schedules[0].fallbacks == ("B",)
    assert loaded.miner_listeners[1].port == 3340 and '"use_iocp" has no counterpart' in said


def test_accounts_with_weights_share_the_addresses() -> None:
    pools = [{"address": "btc.example", "port": 443}]
    found = parse_agent(
        {"account": [{"name": "a", "weight": 3}, {"name": "b"}], "pools": pools, "fixed_worker_name": "w"}
    )
    assert found.routes[0].weights == {"a": 3.0, "b": 1.0}
    assert {pool.user_format for pool in found.pools} == {"{wallet}.w"}


@pytest.mark.no_cover
def test_the_port_of_the_settings_is_taken_over(tmp_path: Path) -> None:
    run(written(tmp_path, "agent_conf.json", json.dumps({**AGENT, "agent_listen_port": 3351})))
    [only] = load_snapshot({}).miner_listeners
    assert (only.name, only.port) == ("btcagent", 3351)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"pools": []}, "no pool"),
        ({"pools": "x"}, "must be a list"),
        ({"pools": [["h"]]}, "host, port and account"),
        ({"pools": [["h", 70000, "a"]]}, "no port"),
        ({"pools": [["h", True, "a"]]}, "no number"),
        ({"pools": [["h\n", 1, "a\nb"]]}, "no text"),
        ({"pools": [[7, 1, "a"]]}, "no text"),
        ({"pools": [["h", 1, ""]]}, "names no account"),
        ({"pools": [["h", 1]] * 101}, "at most 100"),
        ({"account": [{"name": "a", "weight": -1}]}, "0 or more"),
        ({"account": [{"name": "a", "weight": "1"}]}, "must be a number"),
        ({"account": [{"name": "kevin", "weight": 0}]}, "weight above 0"),
        ({"account": [7]}, "list of tables"),
        ({"agent_type": "eth"}, "only SHA-256"),
        ({"multi_user_mode": True}, "account in its own user name"),
        ({"agent_listen_port": "x"}, "no number"),
        ({"agent_listen_ip": 7}, "no text"),
        ({"fixed_worker_name": "a b"}, "no name of a worker"),
    ],
)
def test_an_agents_file_that_cannot_be_used_is_a_sentence(change: dict[str, object], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        parse_agent({**AGENT, **change})


def profile(**changes: object) -> dict[str, object]:
    found: dict[str, object] = {
        "server": [{"name": "S", "port": 3333}],
        "target": [{"name": "T", "url": "stratum+tcp://h:1", "user_identity": "u.w"}],
        "routing": [{"from": ["S"], "goal": [{"level": [{"targets": ["T"]}]}]}],
    }
    return {**found, **changes}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"target": []}, "which does not exist"),
        ({"target": [], "routing": []}, "no target"),
        ({"server": [{"name": "S", "port": 1}] * 2}, "same name"),
        ({"server": [{"port": 1}]}, "a server's name is missing"),
        ({"server": []}, "no such server"),
        ({"target": [{"name": "T", "url": "http://h", "user_identity": "u"}]}, "Stratum V1"),
        ({"target": [{"name": "T", "url": "stratum+tcp://[h", "user_identity": "u"}]}, "no address"),
        ({"target": [{"name": "T", "url": "stratum+tcp://h:99999", "user_identity": "u"}]}, "no address"),
        ({"target": [{"name": "T", "url": "h:1", "user_identity": ".w"}]}, "no user name"),
        ({"target": [{"name": "T", "url": "h:1", "user_identity": "u", "aggregation": "x"}]}, "must be a number"),
        ({"target": [{"name": "T", "url": "stratum2+tcp://h", "user_identity": "u"}]}, "that can be used"),
        ({"target": [{"name": "T", "url": "h:1", "user_identity": "u"}] * 2}, "same name"),
        ({"target": [{"name": "T", "url": "h:1", "user_identity": "u.{x}"}]}, "no name of a worker"),
        ({"routing": [{"from": ["S"], "goal": []}]}, "no goal"),
        ({"routing": [{"from": ["S"], "goal": [{"hr_weight": float("inf"), "level": []}]}]}, "0 or more"),
    ],
)
def test_a_profile_that_cannot_be_used_is_a_sentence(changes: dict[str, object], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        parse_farm_proxy(profile(**changes))


@pytest.mark.parametrize(
    ("text", "why"), [("= 1", "is no TOML"), ("[" * 5000, "is no TOML"), ("#" * 2_000_000, "larger")]
)
def test_no_toml_is_a_sentence(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(CommandError, match=why):
        run(written(tmp_path, "x.toml", text))
    with pytest.raises(CommandError, match="cannot be read"):
        run(tmp_path / "gone.toml")


def test_rules_of_the_rows_are_sentences_and_nothing_was_changed(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="that of the pages"):
        run(written(tmp_path, "agent_conf.json", json.dumps({**AGENT, "agent_listen_port": 8855})))
    assert not Pool.objects.exists()
