"""Topics, states and descriptions: what a broker and Home Assistant get to read."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from proxy.mqtt.discovery import discoveries
from proxy.mqtt.outgoing import MOST_AT_ONCE, MOST_LEFT_BEHIND, Outgoing, Retained
from proxy.mqtt.states import NOT_PINNED, OFF, ON, auto_balance_is_on, chosen, percents, states
from proxy.mqtt.topics import Topics, slug
from proxy.observe.live.views import Alarm, LiveSnapshot, RateView, WorkerView
from proxy.types import PoolStatus, WorkerName
from tests.dashboard import fixtures

TOPICS = Topics("dpmp", "homeassistant")
LIVE = fixtures.rich()
HOSTILE = ["", "a/b/#", "+", "x" * 500, 'q"}{{ 1 }}', "жук", "a b", "a_b", "\ud800", "..", "$SYS"]


def described(live: LiveSnapshot = LIVE, *, commands: bool = True) -> dict[str, Any]:
    """Topic -> the description."""
    found = discoveries(live, TOPICS, live.workers, commands=commands)
    return {topic: json.loads(payload) for topic, payload in found.items()}


def components(live: LiveSnapshot = LIVE, *, commands: bool = True) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    devices = described(live, commands=commands).values()
    return [(device, part) for device in devices for part in device["components"].values()]


@pytest.mark.parametrize("name", HOSTILE)
def test_every_name_makes_a_topic_level_that_home_assistant_takes(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,80}", slug(name))


def test_different_names_never_share_a_topic() -> None:
    assert len({slug(name) for name in HOSTILE}) == len(HOSTILE)


def test_there_is_a_device_for_the_proxy_each_pool_and_each_worker() -> None:
    topics = set(described())
    assert TOPICS.discovery("proxy") in topics and TOPICS.discovery("pool_A") in topics
    assert len(topics) == 1 + len(LIVE.pools) + len(LIVE.workers)
    assert all(topic.startswith("homeassistant/device/dpmp/") and topic.endswith("/config") for topic in topics)


def test_a_description_has_what_home_assistant_requires() -> None:
    for device in described().values():
        assert device["device"]["identifiers"] and device["device"]["name"] and device["origin"]["name"]
        assert device["availability_topic"] == TOPICS.status
        assert all(part["platform"] and part["unique_id"] for part in device["components"].values())
    unique = [part["unique_id"] for _device, part in components()]
    assert len(unique) == len(set(unique))


def test_every_component_reads_a_field_that_its_state_has() -> None:
    held = {topic: json.loads(one.payload) for topic, one in states(LIVE, TOPICS, LIVE.workers).items()}
    for device, part in components():
        field = re.fullmatch(r"{{ value_json\.(\w+) }}", part["value_template"])
        assert field and field[1] in held[device["state_topic"]], part


def test_classes_and_units_fit_together() -> None:
    for _device, part in components():
        if part["platform"] == "sensor" and "unit_of_measurement" in part:
            assert part["state_class"] in ("measurement", "total_increasing")
        if part.get("device_class") == "duration":
            assert part["unit_of_measurement"] in ("ms", "s", "min", "h", "d")
        if part.get("device_class") == "enum":
            assert part["options"] and "state_class" not in part and "unit_of_measurement" not in part


def test_what_can_be_set_has_a_command_topic_and_waits_for_the_state() -> None:
    settable = {part["platform"]: part for _device, part in components() if "command_topic" in part}
    assert set(settable) == {"number", "select", "switch"}
    assert all(part["optimistic"] is False for part in settable.values())
    assert settable["select"]["options"] == [NOT_PINNED, "A", "B"]
    assert (settable["number"]["min"], settable["number"]["max"]) == (0, 100)


def test_without_commands_nothing_can_be_set_and_all_can_be_read() -> None:
    assert not [part for _device, part in components(commands=False) if "command_topic" in part]
    assert len(components(commands=False)) == len(components())


def test_states_say_what_the_pages_say() -> None:
    held = {topic: json.loads(one.payload) for topic, one in states(LIVE, TOPICS, LIVE.workers).items()}
    proxy, pool, worker = held[TOPICS.proxy_state], held[TOPICS.pool_state("A")], held[TOPICS.worker_state("AvalonQ")]
    assert proxy["hashrate_5m"] == pytest.approx(LIVE.rate_5m.value / 1e12, rel=0.01)
    assert (pool["connected"], pool["percent"], pool["latency_ms"]) == (ON, 70.0, 41)
    assert (worker["connected"], worker["pool"], worker["pin"]) == (ON, "A", NOT_PINNED)
    away = next(worker for worker in LIVE.workers if not worker.connections)
    gone = held[TOPICS.worker_state(away.name)]
    assert (gone["connected"], gone["problem"], gone["health"], gone["pool"]) == (OFF, ON, "bad", "none")
    assert percents(LIVE) == {"A": 70.0, "B": 30.0}


def test_what_is_not_known_is_null_and_what_is_no_number_is_none() -> None:
    first = replace(LIVE.workers[0], rate_5m=RateView(), best=float("inf"))
    held = json.loads(states(LIVE, TOPICS, [first])[TOPICS.worker_state(first.name)].payload)
    assert held["hashrate_5m"] is None and held["best_share"] == 0.0


def test_what_miners_say_of_themselves_is_published_where_they_are_asked() -> None:
    held = {topic: json.loads(one.payload) for topic, one in states(LIVE, TOPICS, LIVE.workers).items()}
    quarry, other = (held[TOPICS.worker_state(WorkerName(name))] for name in ("AvalonQ", "Nano3S"))
    assert (quarry["power"], quarry["temperature"], quarry["joules_per_th"]) == (1540.0, 78, 18.9)
    assert (other["power"], other["temperature"], other["joules_per_th"]) == (None, None, None)
    parts = {topic: one["components"] for topic, one in described().items()}
    assert parts[TOPICS.discovery("worker_AvalonQ")]["power"]["device_class"] == "power"
    assert "power" not in parts[TOPICS.discovery("worker_Nano3S")]


def test_auto_balance_is_on_only_while_it_is_in_control() -> None:
    assert auto_balance_is_on(replace(LIVE, extra={})) is False
    balance = LIVE.extra["balance"]
    assert auto_balance_is_on(replace(LIVE, extra={"balance": replace(balance, in_control=True)})) is True  # type: ignore[type-var]


def test_published_workers_stay_then_the_strongest_come() -> None:
    def worker(name: str, rate: float, connections: int = 1) -> WorkerView:
        view = RateView(value=rate, known=True)
        return WorkerView(name=WorkerName(name), connections=connections, rate_24h=view)

    live = LiveSnapshot(
        revision=1, at=0.0, started_at=0.0, workers=(worker("a", 1), worker("b", 9), worker("c", 5), worker("d", 99, 0))
    )
    names = [each.name for each in chosen(live, [WorkerName("a"), WorkerName("gone")], 3)]
    assert names == ["a", "b", "c"]
    assert chosen(live, [WorkerName("a")], 0) == []
    assert len(chosen(live, [], 100)) == 4


ONE, TWO = Retained(b"1"), Retained(b"2")


def test_a_topic_is_sent_when_it_changed_and_at_most_once_in_the_interval() -> None:
    outgoing = Outgoing(interval_s=5.0)
    assert outgoing.due({"t": ONE}, 0.0) == [("t", ONE)]
    outgoing.sent("t", ONE, 0.0)
    assert outgoing.due({"t": ONE}, 100.0) == []
    assert outgoing.due({"t": TWO}, 4.9) == []
    assert outgoing.due({"t": TWO}, 5.0) == [("t", TWO)]


@pytest.mark.parametrize(
    ("interval_s", "figures_s"), [(1.0, 6.0), (5.0, 30.0), (20.0, 30.0), (60.0, 60.0)], ids=lambda value: f"{value:g} s"
)
def test_figures_that_never_stand_still_are_sent_less_often(interval_s: float, figures_s: float) -> None:
    outgoing = Outgoing(interval_s=interval_s)
    outgoing.sent("t", Retained(b"up, 1", "up"), 0.0)
    moved, fell = {"t": Retained(b"up, 2", "up")}, {"t": Retained(b"down, 2", "down")}
    assert outgoing.due(moved, figures_s - 0.1) == []
    assert outgoing.due(moved, figures_s) == list(moved.items())
    assert outgoing.due(fell, interval_s - 0.1) == []
    assert outgoing.due(fell, interval_s) == list(fell.items())


def test_hash_rates_and_shares_are_figures_and_what_people_act_on_is_not() -> None:
    def moved(live: LiveSnapshot) -> set[str]:
        before, after = (states(one, TOPICS, one.workers) for one in (LIVE, live))
        return {topic for topic in before if before[topic].state != after[topic].state}

    (first, *others), (pool, *pools) = LIVE.workers, LIVE.pools
    rate = replace(LIVE, rate_5m=RateView(1e12, 1e12, 1e12, True))
    assert states(rate, TOPICS, [])[TOPICS.proxy_state].payload != states(LIVE, TOPICS, [])[TOPICS.proxy_state].payload
    assert moved(rate) == set()
    faster = replace(first, rate_5m=RateView(1e12, 1e12, 1e12, True), best=first.best * 2)
    assert moved(replace(LIVE, workers=(faster, *others))) == set()
    assert moved(replace(LIVE, workers=(replace(first, pinned=pool.key), *others))) == {TOPICS.worker_state(first.name)}
    assert moved(replace(LIVE, pools=(replace(pool, latency_ms=9.0, miners=5), *pools))) == set()
    assert moved(replace(LIVE, pools=(replace(pool, status=PoolStatus.DOWN, reason="x"), *pools))) == {
        TOPICS.pool_state(pool.key)
    }
    assert moved(replace(LIVE, alarms=(Alarm(level="bad", text="x"),))) == {TOPICS.proxy_state}


def test_what_is_not_wanted_any_more_is_removed_from_the_broker() -> None:
    outgoing = Outgoing(interval_s=5.0)
    outgoing.sent("t", ONE, 0.0)
    outgoing.found("of/an/earlier/run")
    outgoing.found("t")
    assert outgoing.due({}, 1.0) == [("t", None), ("of/an/earlier/run", None)]
    outgoing.sent("t", None, 1.0)
    assert outgoing.due({"of/an/earlier/run": ONE}, 1.0) == [("of/an/earlier/run", ONE)]


def test_a_round_and_what_is_remembered_are_bounded() -> None:
    outgoing = Outgoing(interval_s=5.0)
    assert len(outgoing.due({f"t{n}": ONE for n in range(1000)}, 0.0)) == MOST_AT_ONCE
    for number in range(MOST_LEFT_BEHIND + 10):
        outgoing.found(f"t{number}")
    removed = 0
    while gone := outgoing.due({}, 1.0):
        removed += len(gone)
        for topic, message in gone:
            outgoing.sent(topic, message, 1.0)
    assert removed == MOST_LEFT_BEHIND
