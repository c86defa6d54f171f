"""Snapshots cost little of the loop's time, and never make the pages stand still."""

from proxy.node import SNAPSHOT_MAX_S, SNAPSHOT_MIN_S, snapshot_pause_s
from proxy.ops.health import FRESH_S


def test_pause_grows_with_what_a_snapshot_took():
    assert snapshot_pause_s(0.001) == SNAPSHOT_MIN_S
    assert snapshot_pause_s(0.02) == 2.0


def test_pause_after_a_snapshot_that_was_held_up_is_short_enough_to_stay_ready():
    assert snapshot_pause_s(8.6) == SNAPSHOT_MAX_S
    assert FRESH_S / 2 > SNAPSHOT_MAX_S
