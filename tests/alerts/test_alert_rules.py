"""Each rule of the alerts: what raises it, what ends it, what does not."""

import pytest

from proxy.alerts.rules import AlertConfig, AlertKind, AlertLevel
from proxy.devices.facts import Api, Facts
from proxy.devices.views import DeviceRow, DevicesView, DeviceView
from proxy.observe.events import (
    BestShare,
    BlockFound,
    ChainSplit,
    DatabaseTrouble,
    NetworkDifficultyDoubted,
    PoolBehind,
    PoolDown,
    PoolUp,
)
from proxy.types import AdminStatus, Chain, PoolStatus
from tests.alerts.alert_cast import RunningEngine, rate, rule


def test_pool_that_is_down_longer_than_the_delay_is_reported_and_its_return():
    running = RunningEngine(AlertKind.POOL_DOWN)
    running.run(20)
    running.set("A", status=PoolStatus.DOWN, reason="connection refused")
    assert running.run(50) == []
    [down] = running.run(60)
    assert down.title == "DPMP: Pool A (pool A) is down" and down.level is AlertLevel.BAD
    assert "connection refused" in down.body
    running.set("A", status=PoolStatus.UP)
    [back] = running.run(60)
    assert back.title == "DPMP: Pool A (pool A) is back" and back.level is AlertLevel.GOOD
    assert "after 110 seconds" in back.body


def test_what_a_pool_says_mentions_nobody_in_a_chat_and_hides_nothing():
    running = RunningEngine(AlertKind.POOL_DOWN)
    running.set("A", status=PoolStatus.DOWN, reason="authorize refused: @everyone \u202e\nSubject: x")
    [down] = running.run(120)
    assert "authorize refused: (at)everyone \\u202e Subject: x" in down.body


def test_pool_event_counts_at_once_and_an_older_snapshot_does_not_undo_it():
    running = RunningEngine(rules=(rule("pool_down", delay_s=0),), group_s=0)
    running.evaluate()
    running.events.emit(PoolDown(pool="A", reason="timed out"))
    running.evaluate()
    assert [message.title for message in running.messages] == ["DPMP: Pool A (pool A) is down"]
    running.set("A", status=PoolStatus.DOWN)
    running.run(60)
    running.events.emit(PoolUp(pool="A", down_s=60))
    running.evaluate()
    assert [message.title for message in running.messages[1:]] == ["DPMP: Pool A (pool A) is back"]


@pytest.mark.parametrize("admin", [AdminStatus.DRAIN, AdminStatus.DISABLED])
def test_pool_that_is_draining_or_disabled_is_not_reported(admin):
    running = RunningEngine(AlertKind.POOL_DOWN)
    running.set("A", status=PoolStatus.DOWN, admin=admin)
    assert running.run(600) == []


def test_worker_that_leaves_is_reported_and_its_return():
    running = RunningEngine(AlertKind.WORKER_OFFLINE)
    running.put("rig", last_seen_at=running.clock.wall())
    running.run(60)
    running.put("rig", connections=0, last_seen_at=running.clock.wall())
    assert running.run(290) == []
    [message] = running.run(60)
    assert message.title == "DPMP: Worker rig is offline" and "Last seen 5 minutes ago" in message.body
    running.put("rig", connections=1)
    assert running.titles(60) == ["DPMP: Worker rig is back"]


def test_worker_that_left_before_the_day_of_the_start_is_not_told():
    running = RunningEngine(AlertKind.WORKER_OFFLINE)
    running.put("old", connections=0, last_seen_at=running.clock.wall() - 90000)
    running.put("recent", connections=0, last_seen_at=running.clock.wall() - 3600)
    assert running.titles(600) == ["DPMP: Worker recent is offline"]


def test_rule_can_leave_workers_out_by_pattern():
    running = RunningEngine(rules=(rule("worker_offline", workers="rig*, farm?"),))
    for name in ("rig1", "farm2", "rented"):
        running.put(name, last_seen_at=running.clock.wall(), connections=0)
    [message] = running.run(400)
    assert "Worker rig1" in message.body and "Worker farm2" in message.body and "rented" not in message.body


def test_nobody_sending_shares_is_reported_once_until_somebody_does():
    running = RunningEngine(AlertKind.NO_SHARES)
    running.put("rig", last_share_at=running.clock.wall())
    assert running.run(890) == []
    assert running.titles(600) == ["DPMP: No shares come in"]
    running.put("rig", last_share_at=running.clock.wall())
    assert running.titles(60) == ["DPMP: Shares come in again"]


def test_no_shares_without_a_pool_that_is_up_is_the_pools_alert():
    running = RunningEngine(AlertKind.NO_SHARES)
    running.put("rig", last_share_at=running.clock.wall())
    for key in running.pools:
        running.set(key, status=PoolStatus.DOWN)
    assert running.run(3600) == []


def test_all_pools_failing_does_not_end_the_alert_about_shares():
    running = RunningEngine(AlertKind.NO_SHARES)
    running.put("rig", last_share_at=running.clock.wall())
    assert len(running.run(1000)) == 1
    for key in running.pools:
        running.set(key, status=PoolStatus.DOWN)
    assert running.run(600) == []


def test_fresh_installation_without_any_share_is_left_alone():
    running = RunningEngine(*AlertKind)
    running.put("rig", connected_at=running.clock.wall(), last_seen_at=running.clock.wall())
    assert [message.title for message in running.run(900) if "No shares" in message.title] == []


def test_connected_worker_without_shares_is_reported():
    running = RunningEngine(AlertKind.WORKER_SILENT)
    running.put("rig", connected_at=running.clock.wall(), last_share_at=running.clock.wall())
    assert running.run(1790) == []
    assert running.titles(60) == ["DPMP: Worker rig sends no shares"]
    running.put("rig", last_share_at=running.clock.wall())
    assert running.titles(60) == ["DPMP: Worker rig sends shares again"]


@pytest.mark.no_cover
def test_slow_worker_at_a_high_difficulty_is_given_the_time_it_needs():
    running = RunningEngine(AlertKind.WORKER_SILENT)
    hour_per_share = 2**32 * 1000 / 3600
    running.put(
        "nerd",
        connected_at=running.clock.wall(),
        last_share_at=running.clock.wall(),
        difficulty=1000.0,
        rate_24h=rate(hour_per_share),
    )
    assert running.run(9 * 3600) == []
    assert len(running.run(2 * 3600)) == 1


def test_worker_that_has_no_work_is_not_called_silent():
    running = RunningEngine(AlertKind.WORKER_SILENT)
    running.put("rig", connected_at=running.clock.wall(), waiting="no pool is up")
    assert running.run(7200) == []


def test_hash_rate_that_falls_beyond_noise_is_reported_for_worker_and_fleet():
    running = RunningEngine(AlertKind.HASHRATE_DROP)
    long_ago = running.clock.wall() - 86400
    running.fleet = {"started_at": long_ago, "rate_1h": rate(1.1e12, 0.02), "rate_24h": rate(2e12, 0.02)}
    running.put("rig", connected_at=long_ago, rate_1h=rate(0.5e12, 0.1), rate_24h=rate(1e12, 0.05))
    [message] = running.run(700)
    assert "Worker rig is slower than usual. 500 GH/s in the last hour, 1 TH/s in the last day (-50%)." in message.body
    assert "The fleet is slower than usual. 1.1 TH/s" in message.body
    running.fleet |= {"rate_1h": rate(1.9e12)}
    running.put("rig", rate_1h=rate(0.9e12, 0.1))
    assert "as usual again" in running.run(60)[0].body


def test_hash_rate_within_noise_is_not_told():
    running = RunningEngine(AlertKind.HASHRATE_DROP)
    running.put("rig", connected_at=running.clock.wall() - 86400, rate_1h=rate(0.5e12, 0.6), rate_24h=rate(1e12, 0.1))
    assert running.run(3600) == []


def test_worker_that_connected_just_now_is_not_called_slow():
    running = RunningEngine(AlertKind.HASHRATE_DROP)
    running.put("rig", connected_at=running.clock.wall(), rate_1h=rate(1e11), rate_24h=rate(1e12))
    assert running.run(1800) == []


def test_many_refused_shares_are_told_and_that_they_are_few_again():
    running = RunningEngine(AlertKind.REJECT_RATE)
    running.set("A", accepted=5000, rejected=400)
    running.run(60)
    running.set("A", accepted=5200, rejected=430)
    [message] = running.run(120)
    assert message.title == "DPMP: Pool A (pool A): too many shares are refused"
    assert "30 of the last 230 shares (13.0%) were refused; the limit is 5 %." in message.body
    running.set("A", accepted=6200, rejected=430)
    assert running.titles(60) == ["DPMP: Pool A (pool A): refused shares are few again"]


@pytest.mark.parametrize("whose", ["pool", "worker"])
def test_refused_shares_are_a_part_of_those_that_went_no_further_too(whose):
    """One of 100 shares of a shared connection goes up; a thousandth is stale, of those that would not have, too."""
    running = RunningEngine(AlertKind.REJECT_RATE)

    def count(**numbers):
        if whose == "pool":
            running.set("A", **numbers)
        else:
            running.put("rig", **numbers)

    count(accepted=0, work_only=0, rejected=0)
    running.run(60)
    count(accepted=9_000, work_only=890_100, rejected=900)
    assert running.run(600) == []
    count(accepted=9_000, work_only=890_100, rejected=900 + 60_000)
    [message] = running.run(120)
    assert "60900 of the last 960000 shares (6.3%) were refused; the limit is 5 %." in message.body


def test_a_few_refused_shares_by_chance_are_not_told():
    running = RunningEngine(AlertKind.REJECT_RATE)
    running.put("rig", accepted=0, rejected=0)
    running.run(60)
    running.put("rig", accepted=60, rejected=5)
    assert running.run(3600) == []


def test_refused_shares_older_than_an_hour_do_not_count():
    running = RunningEngine(AlertKind.REJECT_RATE)
    running.run(10)
    running.set("A", accepted=100, rejected=100)
    assert len(running.run(120)) == 1
    assert running.titles(4200) == ["DPMP: Pool A (pool A): refused shares are few again"]


def test_counters_that_begin_anew_are_no_refusals():
    running = RunningEngine(AlertKind.REJECT_RATE)
    running.set("A", accepted=1000, rejected=0)
    running.run(60)
    running.set("A", accepted=10, rejected=9)
    assert running.run(600) == []


def test_payout_that_is_wrong_is_reported():
    running = RunningEngine(AlertKind.PAYOUT)
    running.set("A", payout_ok=True, payout_percent=98.0)
    running.run(30)
    running.set("A", payout_ok=False, payout_percent=12.5)
    [message] = running.run(60)
    assert message.title == "DPMP: Pool A (pool A): the payout check fails"
    assert "pays 12.5 % to the configured wallet" in message.body
    running.set("A", payout_ok=True, payout_percent=98.0)
    assert running.titles(60) == ["DPMP: Pool A (pool A): the payout is right again"]


def test_pool_behind_its_chain_is_reported_and_that_it_caught_up():
    running = RunningEngine(AlertKind.CHAIN)
    running.evaluate()
    running.events.emit(PoolBehind(pool="B", chain=Chain.BTC, detail="It is on another block than A.", cleared=False))
    [message] = running.run(180)
    assert message.title == "DPMP: Pool B (pool B) disagrees with its chain" and "another block than A" in message.body
    running.events.emit(PoolBehind(pool="B", chain=Chain.BTC, detail="", cleared=True))
    assert running.titles(60) == ["DPMP: Pool B (pool B) agrees with its chain again"]


def test_a_pool_that_names_an_impossible_network_difficulty_is_reported_once():
    running = RunningEngine(AlertKind.CHAIN)
    running.evaluate()
    lie = {"pool": "B", "chain": Chain.BTC, "claimed": 4.7e-10, "known": 1.1e14}
    running.events.emit(NetworkDifficultyDoubted(**lie, cleared=False))
    running.events.emit(PoolBehind(pool="B", chain=Chain.BTC, detail="It is late.", cleared=False))
    running.events.emit(PoolBehind(pool="B", chain=Chain.BTC, detail="", cleared=True))
    [message] = running.run(180)
    assert "BTC has at least 110 T" in message.body
    running.events.emit(NetworkDifficultyDoubted(**lie, cleared=True))
    assert running.titles(60) == ["DPMP: Pool B (pool B) agrees with its chain again"]


def test_a_chain_split_is_reported_as_what_it_is_and_its_end():
    running = RunningEngine(AlertKind.CHAIN)
    running.evaluate()
    running.events.emit(ChainSplit(chain=Chain.BTC, height=961_640, sides=("A", "B+C"), cleared=False))
    [message] = running.run(180)
    assert message.title == "DPMP: Chain BTC has split"
    assert "height 961640" in message.body and "A and B, C" in message.body and "not moved" in message.body
    running.events.emit(ChainSplit(chain=Chain.BTC, height=0, sides=(), cleared=True))
    assert running.titles(60) == ["DPMP: Chain BTC is one again"]


def best(difficulty, chain=Chain.BTC, name="rig"):
    return BestShare(worker=name, pool="A", chain=chain, true_difficulty=difficulty, previous=0.0)


def test_only_the_best_share_of_a_whole_chain_is_reported():
    running = RunningEngine(AlertKind.BEST_SHARE)
    running.set("A", best=1e6)
    running.events.emit(best(5e5))
    running.evaluate()
    running.events.emit(best(9e5))
    assert running.run(60) == []
    running.events.emit(best(2.5e9))
    [message] = running.run(60)
    assert message.title == "DPMP: New best share: 2.5 G" and message.level is AlertLevel.INFO


def test_best_share_below_the_threshold_is_not_told():
    running = RunningEngine(rules=(rule("best_share", threshold=1e9),))
    running.evaluate()
    running.events.emit(best(1e8))
    assert running.run(60) == []


def found(accepted=True):
    return BlockFound(worker="rig", pool="A", chain=Chain.BCH, header_hash=b"\x00" * 31 + b"\x07", accepted=accepted)


def test_block_is_reported_at_once_even_without_a_snapshot():
    running = RunningEngine(AlertKind.BLOCK_FOUND)
    running.events.emit(found())
    [message] = running.messages
    assert message.title == "DPMP: BCH block found" and message.level is AlertLevel.GOOD
    assert "Worker rig, pool A, hash " + "00" * 31 + "07" in message.body


def test_block_that_a_pool_did_not_take_is_reported_as_bad():
    running = RunningEngine(AlertKind.BLOCK_FOUND)
    running.events.emit(found(accepted=False))
    assert running.messages[0].level is AlertLevel.BAD


def test_database_trouble_is_reported_and_its_end():
    running = RunningEngine(AlertKind.DATABASE)
    running.evaluate()
    running.events.emit(DatabaseTrouble(problem="disk is full.", recovered=False))
    [message] = running.run(120)
    assert message.title == "DPMP: The database cannot be used" and "disk is full." in message.body
    running.events.emit(DatabaseTrouble(problem="", recovered=True))
    assert running.titles(60) == ["DPMP: The database can be used again"]


def test_worker_name_cannot_shout_at_everybody_in_a_chat():
    running = RunningEngine(AlertKind.WORKER_OFFLINE)
    running.put("@everyone\n" + "x" * 200, connections=0, last_seen_at=running.clock.wall())
    [message] = running.run(400)
    assert "@" not in message.title + message.body and "\n" not in message.title and len(message.title) < 120


def test_deleted_pool_is_forgotten_in_silence():
    running = RunningEngine(AlertKind.POOL_DOWN)
    running.set("B", status=PoolStatus.DOWN)
    assert len(running.run(120)) == 1
    del running.pools["B"]
    assert running.run(600) == []


def test_rule_that_is_switched_off_tells_nothing():
    running = RunningEngine()
    running.set("A", status=PoolStatus.DOWN, payout_ok=False)
    running.put("rig", connections=0, last_seen_at=running.clock.wall())
    for event in (PoolDown(pool="A", reason=""), DatabaseTrouble(problem="x", recovered=False), found(), best(1e12)):
        running.events.emit(event)
    assert running.run(3600) == []


def test_a_slow_worker_that_goes_offline_is_not_called_as_usual_again():
    running = RunningEngine(AlertKind.HASHRATE_DROP)
    long_ago = running.clock.wall() - 86400
    running.put("rig", connected_at=long_ago, rate_1h=rate(0.5e12, 0.1), rate_24h=rate(1e12, 0.05))
    running.run(700)
    running.put("rig", connections=0)
    assert running.run(700) == []


def test_a_time_zone_that_this_machine_does_not_know_is_utc():
    assert AlertConfig(time_zone="Mars/Olympus").zone().key == "UTC"


def miner(facts, worker="rig"):
    """The fleet with one miner that says ``facts``; None: it does not answer."""
    row = DeviceRow(id=1, address="10.0.0.5", port=80, api=Api.AXEOS)
    said = None if facts is None else Facts(api=Api.AXEOS, **facts)
    return {"extra": {"devices": DevicesView(devices=(DeviceView(row=row, worker=worker, facts=said),))}}


@pytest.mark.parametrize(
    "kind, bad, good, begins, ends",
    [
        ("device_hot", {"temperature_c": 101.0}, {"temperature_c": 70.0}, "is too hot", "is no longer too hot"),
        ("device_hot", {"errors": ("overheat mode",)}, {}, "is too hot", "is no longer too hot"),
        (
            "fan_stopped",
            {"fans_rpm": (0, 4200), "hashrate": 1e12},
            {"fans_rpm": (4100, 4200), "hashrate": 1e12},
            ": a fan stands still",
            ": all fans turn again",
        ),
        (
            "power_no_hash",
            {"power_w": 900.0, "hashrate": 0.0},
            {"power_w": 1400.0, "hashrate": 1e12},
            " takes power and hashes nothing",
            " hashes again",
        ),
    ],
)
def test_a_miner_that_says_that_it_is_not_well_is_reported_and_when_it_is_well_again(kind, bad, good, begins, ends):
    running = RunningEngine(AlertKind(kind))
    running.put("rig")
    running.fleet = miner(bad)
    assert [begins in title and "Worker rig" in title for title in running.titles(900)] == [True]
    running.fleet = miner(None)
    assert running.titles(900) == [], "nobody knows"
    running.fleet = miner(good)
    assert [ends in title for title in running.titles(900)] == [True]


@pytest.mark.parametrize(
    "facts",
    [
        {"temperature_c": 99.0, "power_w": 3.0, "hashrate": 0.0, "fans_rpm": (0,)},
        {"power_w": 900.0, "fans_rpm": ()},
        {"fans_rpm": (0,), "fan_percent": 0.0, "hashrate": 1e12},
        None,
    ],
)
def test_a_miner_of_which_nothing_is_wrong_or_known_is_left_alone(facts):
    running = RunningEngine(AlertKind.DEVICE_HOT, AlertKind.FAN_STOPPED, AlertKind.POWER_NO_HASH)
    running.fleet = miner(facts)
    assert running.run(1800) == []


def test_a_miner_without_a_worker_is_named_by_its_address():
    running = RunningEngine(AlertKind.DEVICE_HOT)
    running.fleet = miner({"temperature_c": 110.0}, worker=None)
    [hot] = running.run(300)
    assert "Miner 10.0.0.5:80 is too hot" in hot.title and "110 °C; the limit is 100 °C." in hot.body


def test_a_rule_for_other_workers_leaves_a_miner_alone():
    running = RunningEngine(rules=(rule("device_hot", workers="attic*"),))
    running.fleet = miner({"temperature_c": 110.0})
    assert running.run(300) == []
