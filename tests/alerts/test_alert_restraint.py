"""How often and when alerts are told: flapping, grouping, rate, quiet hours, targets, changes of rules."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from proxy.alerts import AlertKind, QuietHours
from proxy.observe.events import BlockFound
from proxy.types import Chain, PoolStatus
from tests.alerts.alert_cast import CHAT, MAIL, Watch, rule

BERLIN = ZoneInfo("Europe/Berlin")


def flap(watch, times, down_s, up_s):
    """The messages while pool A fails and returns again and again."""
    messages = []
    for _ in range(times):
        watch.set("A", status=PoolStatus.DOWN, reason="connection lost")
        messages += watch.run(down_s)
        watch.set("A", status=PoolStatus.UP)
        messages += watch.run(up_s)
    return messages


def test_flapping_pool_is_told_as_such_and_then_left_alone_until_it_is_stable():
    watch = Watch(AlertKind.POOL_DOWN)
    messages = flap(watch, 100, 90, 90)
    assert len(messages) <= 9
    assert "again and again" in messages[-1].title and "5 times lately" in messages[-1].body
    assert watch.titles(1200) == ["DPMP: Pool A (pool A) is back"]
    assert watch.run(7200) == []


def test_pool_that_flaps_faster_than_the_delay_is_told_all_the_same():
    watch = Watch(AlertKind.POOL_DOWN)
    messages = flap(watch, 50, 20, 20)
    assert ["again and again" in message.title for message in messages] == [True]


def test_pool_that_flapped_and_stays_down_is_told_as_down():
    watch = Watch(AlertKind.POOL_DOWN)
    flap(watch, 10, 20, 20)
    watch.set("A", status=PoolStatus.DOWN)
    assert watch.titles(1200) == ["DPMP: Pool A (pool A) is down"]
    watch.set("A", status=PoolStatus.UP)
    assert watch.titles(60) == ["DPMP: Pool A (pool A) is back"]


def test_failures_within_a_short_time_are_one_message():
    watch = Watch(AlertKind.WORKER_OFFLINE)
    for number in range(30):
        watch.put(f"rig{number}", connections=0, last_seen_at=watch.clock.wall())
    [message] = watch.run(600)
    assert message.title == "DPMP: Worker rig0 is offline, and 29 more"
    assert len(message.body.splitlines()) == 30


def test_no_more_than_the_allowed_messages_an_hour_and_the_rest_as_one():
    watch = Watch(rules=(rule("worker_offline", delay_s=0),), max_per_hour=3, group_s=0)
    for number in range(10):
        watch.put(f"rig{number}", connections=0, last_seen_at=watch.clock.wall())
        watch.run(60)
    assert len(watch.messages) == 3
    [held] = watch.run(3600)
    assert len(held.body.splitlines()) == 7


def test_found_block_passes_the_limit_of_an_hour():
    watch = Watch(AlertKind.WORKER_OFFLINE, AlertKind.BLOCK_FOUND, max_per_hour=0)
    watch.put("rig", connections=0, last_seen_at=watch.clock.wall())
    assert watch.run(600) == []
    watch.events.emit(BlockFound(worker="rig", pool="A", chain=Chain.BTC, header_hash=b"\0" * 32, accepted=True))
    assert len(watch.messages) == 1


def test_of_too_many_held_messages_the_oldest_are_counted_only():
    watch = Watch(rules=(rule("worker_offline", delay_s=0),), max_per_hour=0)
    for number in range(130):
        watch.put(f"rig{number}", connections=0, last_seen_at=watch.clock.wall())
    watch.run(60)
    watch.engine.apply(Watch(rules=watch.config.rules, max_per_hour=1).config)
    [message] = watch.run(60)
    assert len(message.body.splitlines()) == 101 and "30 older messages were left out." in message.body


def test_each_rule_tells_its_own_targets_and_nobody_else():
    watch = Watch(rules=(rule("pool_down", targets=(CHAT,)), rule("payout")), targets=(MAIL, CHAT))
    watch.set("A", status=PoolStatus.DOWN)
    assert [message.target for message in watch.run(120)] == [CHAT]
    watch.set("B", payout_ok=False)
    assert sorted(message.target for message in watch.run(60)) == [MAIL, CHAT]


def test_end_is_not_told_where_the_rule_says_so():
    watch = Watch(rules=(rule("pool_down", recovery=False),))
    watch.set("A", status=PoolStatus.DOWN)
    assert len(watch.run(120)) == 1
    watch.set("A", status=PoolStatus.UP)
    assert watch.run(120) == []


def test_quiet_hours_hold_messages_back_and_tell_them_afterwards():
    # the virtual clock starts at 15:06:40 UTC, 17:06:40 in Berlin
    quiet = QuietHours(start=time(17, 0), end=time(18, 0))
    watch = Watch(rules=(rule("pool_down", quiet=quiet),), time_zone="Europe/Berlin")
    watch.set("A", status=PoolStatus.DOWN)
    assert watch.run(3000) == []
    watch.set("A", status=PoolStatus.UP)
    [message] = watch.run(600)
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
    watch = Watch(AlertKind.POOL_DOWN)
    watch.set("A", status=PoolStatus.DOWN)
    assert len(watch.run(120)) == 1
    watch.engine.apply(Watch(AlertKind.POOL_DOWN, AlertKind.PAYOUT).config)
    assert watch.run(600) == []


def test_summaries_are_due_at_their_time_of_day_and_on_mondays():
    watch = Watch(AlertKind.DAILY, AlertKind.WEEKLY, time_zone="Europe/Berlin", summary_at=time(8, 0))
    for _ in range(9 * 24 * 2):
        watch.clock.advance(1800)
        watch.engine.tick()
    days = [message for message in watch.messages if message.kinds == (AlertKind.DAILY,)]
    weeks = [message for message in watch.messages if message.kinds == (AlertKind.WEEKLY,)]
    assert len(days) == 9 and len(weeks) == 2
    begin, end = (datetime.fromtimestamp(at, BERLIN) for at in weeks[0].period)
    assert end == datetime(2025, 6, 16, 8, tzinfo=BERLIN) and end - begin == timedelta(days=7)


def test_summary_of_the_day_the_clocks_change_has_25_hours():
    watch = Watch(AlertKind.DAILY, time_zone="Europe/Berlin")
    watch.clock.set_wall(datetime(2025, 10, 25, 9, tzinfo=BERLIN).timestamp())
    watch.engine.apply(Watch(AlertKind.DAILY, time_zone="Europe/Berlin", summary_at=time(7, 0)).config)
    watch.clock.set_wall(datetime(2025, 10, 26, 7, 0, 5, tzinfo=BERLIN).timestamp())
    watch.engine.tick()
    begin, end = watch.messages[0].period
    assert end - begin == 25 * 3600


def test_clock_that_jumps_over_months_gives_one_summary():
    watch = Watch(AlertKind.DAILY)
    watch.clock.set_wall(watch.clock.wall() + 100 * 86400)
    watch.engine.tick()
    watch.engine.tick()
    assert len(watch.messages) == 1
