"""How often and when alerts are told: flapping, grouping, rate, quiet hours, targets, changes of rules."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from proxy.alerts.rules import AlertKind, QuietHours
from proxy.observe.events import BlockFound, DatabaseTrouble
from proxy.types import Chain, PoolStatus
from tests.alerts.alert_cast import CHAT, MAIL, RunningEngine, rule

BERLIN = ZoneInfo("Europe/Berlin")


def flap(running, times, down_s, up_s):
    """The messages while pool A fails and returns again and again."""
    messages = []
    for _ in range(times):
        running.set("A", status=PoolStatus.DOWN, reason="connection lost")
        messages += running.run(down_s)
        running.set("A", status=PoolStatus.UP)
        messages += running.run(up_s)
    return messages


def test_flapping_pool_is_reported_as_such_and_then_left_alone_until_it_is_stable():
    running = RunningEngine(AlertKind.POOL_DOWN)
    messages = flap(running, 100, 90, 90)
    assert len(messages) <= 9
    assert "again and again" in messages[-1].title and "5 times lately" in messages[-1].body
    assert running.titles(1200) == ["DPMP: Pool A (pool A) is back"]
    assert running.run(7200) == []


def test_pool_that_flaps_faster_than_the_delay_is_reported_all_the_same():
    running = RunningEngine(AlertKind.POOL_DOWN)
    messages = flap(running, 50, 20, 20)
    assert ["again and again" in message.title for message in messages] == [True]


def test_pool_that_flapped_and_stays_down_is_reported_as_down():
    running = RunningEngine(AlertKind.POOL_DOWN)
    flap(running, 10, 20, 20)
    running.set("A", status=PoolStatus.DOWN)
    assert running.titles(1200) == ["DPMP: Pool A (pool A) is down"]
    running.set("A", status=PoolStatus.UP)
    assert running.titles(60) == ["DPMP: Pool A (pool A) is back"]


def test_failures_within_a_short_time_are_one_message():
    running = RunningEngine(AlertKind.WORKER_OFFLINE)
    for number in range(30):
        running.put(f"rig{number}", connections=0, last_seen_at=running.clock.wall())
    [message] = running.run(600)
    assert message.title == "DPMP: Worker rig0 is offline, and 29 more"
    assert len(message.body.splitlines()) == 30


def test_no_more_than_the_allowed_messages_an_hour_and_the_rest_as_one():
    running = RunningEngine(rules=(rule("worker_offline", delay_s=0),), max_per_hour=3, group_s=0)
    for number in range(10):
        running.put(f"rig{number}", connections=0, last_seen_at=running.clock.wall())
        running.run(60)
    assert len(running.messages) == 3
    [held] = running.run(3600)
    assert len(held.body.splitlines()) == 7


def test_found_block_passes_the_limit_of_an_hour():
    running = RunningEngine(AlertKind.WORKER_OFFLINE, AlertKind.BLOCK_FOUND, max_per_hour=0)
    running.put("rig", connections=0, last_seen_at=running.clock.wall())
    assert running.run(600) == []
    running.events.emit(BlockFound(worker="rig", pool="A", chain=Chain.BTC, header_hash=b"\0" * 32, accepted=True))
    assert len(running.messages) == 1


def test_of_too_many_held_messages_the_oldest_are_counted_only():
    running = RunningEngine(rules=(rule("worker_offline", delay_s=0),), max_per_hour=0)
    for number in range(130):
        running.put(f"rig{number}", connections=0, last_seen_at=running.clock.wall())
    running.run(60)
    running.apply(RunningEngine(rules=running.config.rules, max_per_hour=1).config)
    [message] = running.run(60)
    assert len(message.body.splitlines()) == 101 and "30 older messages were left out." in message.body


def test_each_rule_tells_its_own_targets_and_nobody_else():
    running = RunningEngine(rules=(rule("pool_down", targets=(CHAT,)), rule("payout")), targets=(MAIL, CHAT))
    running.set("A", status=PoolStatus.DOWN)
    assert [message.target for message in running.run(120)] == [CHAT]
    running.set("B", payout_ok=False)
    assert sorted(message.target for message in running.run(60)) == [MAIL, CHAT]


def test_end_is_not_told_where_the_rule_says_so():
    running = RunningEngine(rules=(rule("pool_down", recovery=False),))
    running.set("A", status=PoolStatus.DOWN)
    assert len(running.run(120)) == 1
    running.set("A", status=PoolStatus.UP)
    assert running.run(120) == []


def test_quiet_hours_hold_messages_back_and_tell_them_afterwards():
    # the virtual clock starts at 15:06:40 UTC, 17:06:40 in Berlin
    quiet = QuietHours(start=time(17, 0), end=time(18, 0))
    running = RunningEngine(rules=(rule("pool_down", quiet=quiet),), time_zone="Europe/Berlin")
    running.set("A", status=PoolStatus.DOWN)
    assert running.run(3000) == []
    running.set("A", status=PoolStatus.UP)
    [message] = running.run(600)
    assert "17:06 Pool A (pool A) is down" in message.body and "17:56 Pool A (pool A) is back" in message.body


@given(start=st.times(), end=st.times(), offset=st.integers(0, 3 * 86400))
def test_quiet_hours_end_outside_of_quiet_hours_and_within_a_day(start, end, offset):
    quiet = QuietHours(start=start.replace(tzinfo=None), end=end.replace(tzinfo=None))
    wall = datetime(2025, 6, 15, tzinfo=UTC).timestamp() + offset
    over = quiet.over_at(wall, BERLIN)
    assert wall <= over <= wall + 86400
    if over > wall:
        assert datetime.fromtimestamp(over, BERLIN).time().replace(microsecond=0) == end.replace(microsecond=0)


def test_change_of_rules_does_not_tell_again_what_was_told():
    running = RunningEngine(AlertKind.POOL_DOWN)
    running.set("A", status=PoolStatus.DOWN)
    assert len(running.run(120)) == 1
    running.apply(RunningEngine(AlertKind.POOL_DOWN, AlertKind.PAYOUT).config)
    assert running.run(600) == []


def test_summaries_are_due_at_their_time_of_day_and_on_mondays():
    running = RunningEngine(AlertKind.DAILY, AlertKind.WEEKLY, time_zone="Europe/Berlin", summary_at=time(8, 0))
    for _ in range(9 * 24 * 2):
        running.clock.advance(1800)
        running.engine.tick()
    days = [message for message in running.messages if message.kinds == (AlertKind.DAILY,)]
    weeks = [message for message in running.messages if message.kinds == (AlertKind.WEEKLY,)]
    assert len(days) == 9 and len(weeks) == 2
    begin, end = (datetime.fromtimestamp(at, BERLIN) for at in weeks[0].period)
    assert end == datetime(2025, 6, 16, 8, tzinfo=BERLIN) and end - begin == timedelta(days=7)


def test_summary_of_the_day_the_clocks_change_has_25_hours():
    running = RunningEngine(AlertKind.DAILY, time_zone="Europe/Berlin")
    running.clock.set_wall(datetime(2025, 10, 25, 9, tzinfo=BERLIN).timestamp())
    running.apply(RunningEngine(AlertKind.DAILY, time_zone="Europe/Berlin", summary_at=time(7, 0)).config)
    running.clock.set_wall(datetime(2025, 10, 26, 7, 0, 5, tzinfo=BERLIN).timestamp())
    running.engine.tick()
    begin, end = running.messages[0].period
    assert end - begin == 25 * 3600


def test_clock_that_jumps_over_months_gives_one_summary():
    running = RunningEngine(AlertKind.DAILY)
    running.clock.set_wall(running.clock.wall() + 100 * 86400)
    running.engine.tick()
    running.engine.tick()
    assert len(running.messages) == 1


def test_what_another_node_tells_is_dropped_and_what_only_this_one_knows_is_told():
    running = RunningEngine(AlertKind.POOL_DOWN, AlertKind.DATABASE, AlertKind.DAILY)
    running.evaluate()
    running.set("A", status=PoolStatus.DOWN)
    running.evaluate()
    running.events.emit(DatabaseTrouble(problem="disk is full.", recovered=False))
    for _ in range(60):
        running.clock.advance(2 * 3600.0)
        running.leave_to_another()
    assert [message.title for message in running.messages] == ["DPMP: The database cannot be used"]
    assert running.titles(20) == [], "summaries that fell due are the other's"
