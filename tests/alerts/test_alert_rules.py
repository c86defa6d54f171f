"""Each rule of the alerts: what raises it, what ends it, what does not."""

import pytest

from proxy.alerts import AlertKind, AlertLevel
from proxy.observe.events import BestShare, BlockFound, ChainSplit, DatabaseTrouble, PoolBehind, PoolDown, PoolUp
from proxy.types import AdminStatus, Chain, PoolStatus
from tests.alerts.alert_cast import Watch, rate, rule


def test_pool_that_is_down_longer_than_the_delay_is_told_and_its_return():
    watch = Watch(AlertKind.POOL_DOWN)
    watch.run(20)
    watch.set("A", status=PoolStatus.DOWN, reason="connection refused")
    assert watch.run(50) == []
    [down] = watch.run(60)
    assert down.title == "DPMP: Pool A (pool A) is down" and down.level is AlertLevel.BAD
    assert "connection refused" in down.body
    watch.set("A", status=PoolStatus.UP)
    [back] = watch.run(60)
    assert back.title == "DPMP: Pool A (pool A) is back" and back.level is AlertLevel.GOOD
    assert "after 110 seconds" in back.body


def test_pool_event_counts_at_once_and_an_older_look_does_not_undo_it():
    watch = Watch(rules=(rule("pool_down", delay_s=0),), group_s=0)
    watch.look()
    watch.events.emit(PoolDown(pool="A", reason="timed out"))
    watch.look()
    assert [message.title for message in watch.messages] == ["DPMP: Pool A (pool A) is down"]
    watch.set("A", status=PoolStatus.DOWN)
    watch.run(60)
    watch.events.emit(PoolUp(pool="A", down_s=60))
    watch.look()
    assert [message.title for message in watch.messages[1:]] == ["DPMP: Pool A (pool A) is back"]


@pytest.mark.parametrize("admin", [AdminStatus.DRAIN, AdminStatus.DISABLED])
def test_pool_that_was_taken_out_is_not_told(admin):
    watch = Watch(AlertKind.POOL_DOWN)
    watch.set("A", status=PoolStatus.DOWN, admin=admin)
    assert watch.run(600) == []


def test_worker_that_leaves_is_told_and_its_return():
    watch = Watch(AlertKind.WORKER_OFFLINE)
    watch.put("rig", last_seen_at=watch.clock.wall())
    watch.run(60)
    watch.put("rig", connections=0, last_seen_at=watch.clock.wall())
    assert watch.run(290) == []
    [message] = watch.run(60)
    assert message.title == "DPMP: Worker rig is offline" and "Last seen 5 minutes ago" in message.body
    watch.put("rig", connections=1)
    assert watch.titles(60) == ["DPMP: Worker rig is back"]


def test_worker_that_left_before_the_day_of_the_start_is_not_told():
    watch = Watch(AlertKind.WORKER_OFFLINE)
    watch.put("old", connections=0, last_seen_at=watch.clock.wall() - 90000)
    watch.put("recent", connections=0, last_seen_at=watch.clock.wall() - 3600)
    assert watch.titles(600) == ["DPMP: Worker recent is offline"]


def test_rule_can_leave_workers_out_by_pattern():
    watch = Watch(rules=(rule("worker_offline", workers="rig*, farm?"),))
    for name in ("rig1", "farm2", "rented"):
        watch.put(name, last_seen_at=watch.clock.wall(), connections=0)
    [message] = watch.run(400)
    assert "Worker rig1" in message.body and "Worker farm2" in message.body and "rented" not in message.body


def test_nobody_sending_shares_is_told_once_until_somebody_does():
    watch = Watch(AlertKind.NO_SHARES)
    watch.put("rig", last_share_at=watch.clock.wall())
    assert watch.run(890) == []
    assert watch.titles(600) == ["DPMP: No shares come in"]
    watch.put("rig", last_share_at=watch.clock.wall())
    assert watch.titles(60) == ["DPMP: Shares come in again"]


def test_no_shares_without_a_pool_that_is_up_is_the_pools_alert():
    watch = Watch(AlertKind.NO_SHARES)
    watch.put("rig", last_share_at=watch.clock.wall())
    for key in watch.pools:
        watch.set(key, status=PoolStatus.DOWN)
    assert watch.run(3600) == []


def test_all_pools_failing_does_not_end_the_alert_about_shares():
    watch = Watch(AlertKind.NO_SHARES)
    watch.put("rig", last_share_at=watch.clock.wall())
    assert len(watch.run(1000)) == 1
    for key in watch.pools:
        watch.set(key, status=PoolStatus.DOWN)
    assert watch.run(600) == []


def test_fresh_installation_without_any_share_is_left_alone():
    watch = Watch(*AlertKind)
    watch.put("rig", connected_at=watch.clock.wall(), last_seen_at=watch.clock.wall())
    assert [message.title for message in watch.run(900) if "No shares" in message.title] == []


def test_connected_worker_without_shares_is_told():
    watch = Watch(AlertKind.WORKER_SILENT)
    watch.put("rig", connected_at=watch.clock.wall(), last_share_at=watch.clock.wall())
    assert watch.run(1790) == []
    assert watch.titles(60) == ["DPMP: Worker rig sends no shares"]
    watch.put("rig", last_share_at=watch.clock.wall())
    assert watch.titles(60) == ["DPMP: Worker rig sends shares again"]


def test_slow_worker_at_a_high_difficulty_is_given_the_time_it_needs():
    watch = Watch(AlertKind.WORKER_SILENT)
    hour_per_share = 2**32 * 1000 / 3600
    watch.put(
        "nerd",
        connected_at=watch.clock.wall(),
        last_share_at=watch.clock.wall(),
        difficulty=1000.0,
        rate_24h=rate(hour_per_share),
    )
    assert watch.run(9 * 3600) == []
    assert len(watch.run(2 * 3600)) == 1


def test_worker_that_has_no_work_is_not_called_silent():
    watch = Watch(AlertKind.WORKER_SILENT)
    watch.put("rig", connected_at=watch.clock.wall(), waiting="no pool is up")
    assert watch.run(7200) == []


def test_hash_rate_that_falls_beyond_noise_is_told_for_worker_and_fleet():
    watch = Watch(AlertKind.HASHRATE_DROP)
    long_ago = watch.clock.wall() - 86400
    watch.fleet = {"started_at": long_ago, "rate_1h": rate(1.1e12, 0.02), "rate_24h": rate(2e12, 0.02)}
    watch.put("rig", connected_at=long_ago, rate_1h=rate(0.5e12, 0.1), rate_24h=rate(1e12, 0.05))
    [message] = watch.run(700)
    assert "Worker rig is slower than usual. 500 GH/s in the last hour, 1 TH/s in the last day (-50%)." in message.body
    assert "The fleet is slower than usual. 1.1 TH/s" in message.body
    watch.fleet |= {"rate_1h": rate(1.9e12)}
    watch.put("rig", rate_1h=rate(0.9e12, 0.1))
    assert "as usual again" in watch.run(60)[0].body


def test_hash_rate_within_noise_is_not_told():
    watch = Watch(AlertKind.HASHRATE_DROP)
    watch.put("rig", connected_at=watch.clock.wall() - 86400, rate_1h=rate(0.5e12, 0.6), rate_24h=rate(1e12, 0.1))
    assert watch.run(3600) == []


def test_worker_that_connected_just_now_is_not_called_slow():
    watch = Watch(AlertKind.HASHRATE_DROP)
    watch.put("rig", connected_at=watch.clock.wall(), rate_1h=rate(1e11), rate_24h=rate(1e12))
    assert watch.run(1800) == []


def test_many_refused_shares_are_told_and_that_they_are_few_again():
    watch = Watch(AlertKind.REJECT_RATE)
    watch.set("A", accepted=5000, rejected=400)
    watch.run(60)
    watch.set("A", accepted=5200, rejected=430)
    [message] = watch.run(120)
    assert message.title == "DPMP: Pool A (pool A): too many shares are refused"
    assert "30 of the last 230 shares (13.0%) were refused; the limit is 5 %." in message.body
    watch.set("A", accepted=6200, rejected=430)
    assert watch.titles(60) == ["DPMP: Pool A (pool A): refused shares are few again"]


def test_a_few_refused_shares_by_chance_are_not_told():
    watch = Watch(AlertKind.REJECT_RATE)
    watch.put("rig", accepted=0, rejected=0)
    watch.run(60)
    watch.put("rig", accepted=60, rejected=5)
    assert watch.run(3600) == []


def test_refused_shares_older_than_an_hour_do_not_count():
    watch = Watch(AlertKind.REJECT_RATE)
    watch.run(10)
    watch.set("A", accepted=100, rejected=100)
    assert len(watch.run(120)) == 1
    assert watch.titles(4200) == ["DPMP: Pool A (pool A): refused shares are few again"]


def test_counters_that_begin_anew_are_no_refusals():
    watch = Watch(AlertKind.REJECT_RATE)
    watch.set("A", accepted=1000, rejected=0)
    watch.run(60)
    watch.set("A", accepted=10, rejected=9)
    assert watch.run(600) == []


def test_payout_that_is_wrong_is_told():
    watch = Watch(AlertKind.PAYOUT)
    watch.set("A", payout_ok=True, payout_percent=98.0)
    watch.run(30)
    watch.set("A", payout_ok=False, payout_percent=12.5)
    [message] = watch.run(60)
    assert message.title == "DPMP: Pool A (pool A): the payout check fails"
    assert "pays 12.5 % to the configured wallet" in message.body
    watch.set("A", payout_ok=True, payout_percent=98.0)
    assert watch.titles(60) == ["DPMP: Pool A (pool A): the payout is right again"]


def test_pool_behind_its_chain_is_told_and_that_it_caught_up():
    watch = Watch(AlertKind.CHAIN)
    watch.look()
    watch.events.emit(PoolBehind(pool="B", chain=Chain.BTC, detail="It is on another block than A.", cleared=False))
    [message] = watch.run(180)
    assert message.title == "DPMP: Pool B (pool B) is behind its chain" and "another block than A" in message.body
    watch.events.emit(PoolBehind(pool="B", chain=Chain.BTC, detail="", cleared=True))
    assert watch.titles(60) == ["DPMP: Pool B (pool B) is with its chain again"]


def test_a_chain_split_is_told_as_what_it_is_and_its_end():
    watch = Watch(AlertKind.CHAIN)
    watch.look()
    watch.events.emit(ChainSplit(chain=Chain.BTC, height=961_640, sides=("A", "B+C"), cleared=False))
    [message] = watch.run(180)
    assert message.title == "DPMP: Chain BTC has split"
    assert "height 961640" in message.body and "A and B, C" in message.body and "not moved" in message.body
    watch.events.emit(ChainSplit(chain=Chain.BTC, height=0, sides=(), cleared=True))
    assert watch.titles(60) == ["DPMP: Chain BTC is one again"]


def best(difficulty, chain=Chain.BTC, name="rig"):
    return BestShare(worker=name, pool="A", chain=chain, true_difficulty=difficulty, previous=0.0)


def test_only_the_best_share_of_a_whole_chain_is_told():
    watch = Watch(AlertKind.BEST_SHARE)
    watch.set("A", best=1e6)
    watch.events.emit(best(5e5))
    watch.look()
    watch.events.emit(best(9e5))
    assert watch.run(60) == []
    watch.events.emit(best(2.5e9))
    [message] = watch.run(60)
    assert message.title == "DPMP: New best share: 2.5 G" and message.level is AlertLevel.INFO


def test_best_share_below_the_threshold_is_not_told():
    watch = Watch(rules=(rule("best_share", threshold=1e9),))
    watch.look()
    watch.events.emit(best(1e8))
    assert watch.run(60) == []


def found(accepted=True):
    return BlockFound(worker="rig", pool="A", chain=Chain.BCH, header_hash=b"\x00" * 31 + b"\x07", accepted=accepted)


def test_block_is_told_at_once_even_without_a_look():
    watch = Watch(AlertKind.BLOCK_FOUND)
    watch.events.emit(found())
    [message] = watch.messages
    assert message.title == "DPMP: BCH block found" and message.level is AlertLevel.GOOD
    assert "Worker rig, pool A, hash " + "00" * 31 + "07" in message.body


def test_block_that_a_pool_did_not_take_is_told_as_bad():
    watch = Watch(AlertKind.BLOCK_FOUND)
    watch.events.emit(found(accepted=False))
    assert watch.messages[0].level is AlertLevel.BAD


def test_database_trouble_is_told_and_its_end():
    watch = Watch(AlertKind.DATABASE)
    watch.look()
    watch.events.emit(DatabaseTrouble(problem="disk is full.", recovered=False))
    [message] = watch.run(120)
    assert message.title == "DPMP: The database cannot be used" and "disk is full." in message.body
    watch.events.emit(DatabaseTrouble(problem="", recovered=True))
    assert watch.titles(60) == ["DPMP: The database can be used again"]


def test_worker_name_can_not_shout_at_everybody_in_a_chat():
    watch = Watch(AlertKind.WORKER_OFFLINE)
    watch.put("@everyone\n" + "x" * 200, connections=0, last_seen_at=watch.clock.wall())
    [message] = watch.run(400)
    assert "@" not in message.title + message.body and "\n" not in message.title and len(message.title) < 120


def test_deleted_pool_is_forgotten_in_silence():
    watch = Watch(AlertKind.POOL_DOWN)
    watch.set("B", status=PoolStatus.DOWN)
    assert len(watch.run(120)) == 1
    del watch.pools["B"]
    assert watch.run(600) == []


def test_rule_that_is_switched_off_tells_nothing():
    watch = Watch()
    watch.set("A", status=PoolStatus.DOWN, payout_ok=False)
    watch.put("rig", connections=0, last_seen_at=watch.clock.wall())
    for event in (PoolDown(pool="A", reason=""), DatabaseTrouble(problem="x", recovered=False), found(), best(1e12)):
        watch.events.emit(event)
    assert watch.run(3600) == []
