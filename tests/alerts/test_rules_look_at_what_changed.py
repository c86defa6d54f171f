"""The rules look at workers that changed, and at the others no later than when time has made something wrong."""

from dataclasses import replace

import pytest

from proxy.alerts import evaluators
from proxy.alerts.evaluators import Evaluators, HourlyCounts
from proxy.alerts.rules import DEFAULT_RULES, AlertConfig, AlertKind
from proxy.alerts.texts import worker_subject
from proxy.in_parts import at_once
from proxy.observe.live.views import LiveSnapshot
from proxy.types import PoolStatus
from tests.alerts.alert_cast import EVERY_S, outline, pool, rate, rule, worker
from tests.support.clock import VirtualClock

CONFIG = AlertConfig(rules=DEFAULT_RULES)


def config_of(kind):
    return AlertConfig(rules=(rule(kind),))


class Scene:
    """Rules that look at what changed beside rules that look at all, every 10 s."""

    def __init__(self, *outlines, config=CONFIG):
        self.clock = VirtualClock()
        self.start = self.clock.wall()
        self.outlines = outlines
        self.config = config
        self.pools = (pool("A"),)
        self.hashes_per_difficulty = 2.0**32
        self.by_change, self.all_anew = Evaluators(), Evaluators()
        self.wrong = {}

    def look(self):
        live = LiveSnapshot(
            revision=1,
            at=self.clock.wall(),
            started_at=self.start,
            pools=self.pools,
            outlines=self.outlines,
            hashes_per_difficulty=self.hashes_per_difficulty,
        )
        self.all_anew._holds_for = None
        found, expected = [
            at_once(rules.evaluate(live, self.clock.now(), self.config, lambda key: key in self.wrong))
            for rules in (self.by_change, self.all_anew)
        ]
        assert found.wrong == expected.wrong
        self.wrong = found.wrong
        return found

    def kinds(self):
        return {kind for kind, subject in self.look().wrong if subject == worker_subject("rig")}

    def first(self, kind, *, within_s):
        """After how many seconds it is wrong first."""
        for passed in range(0, within_s + 1, int(EVERY_S)):
            if kind in self.kinds():
                return passed
            self.clock.advance(EVERY_S)
        raise AssertionError("nothing was found")


def rig(**changes):
    wall = VirtualClock().wall()
    return outline(worker(**{"connected_at": wall, "last_share_at": wall, **changes}))


@pytest.fixture(autouse=True)
def _seldom(monkeypatch):
    """Nobody is looked at for no reason, which would hide that the reason is not seen."""
    monkeypatch.setattr(evaluators, "LOOK_AGAIN_S", 1e9)


def test_a_silence_is_noticed_when_it_is_long_enough_by_the_rule_or_by_what_is_usual():
    silent = config_of(AlertKind.WORKER_SILENT)
    assert Scene(rig(), config=silent).first(AlertKind.WORKER_SILENT, within_s=3600) == 1800
    slow = rig(difficulty=1.0, rate_24h=rate(2.0**32 / 250))  # a share in 250 s
    assert Scene(slow, config=silent).first(AlertKind.WORKER_SILENT, within_s=3600) == 2500


def test_a_rate_is_compared_from_the_first_hour_on():
    slow = rig(rate_1h=rate(10.0), rate_24h=rate(100.0))
    scene = Scene(slow, config=config_of(AlertKind.HASHRATE_DROP))
    assert scene.first(AlertKind.HASHRATE_DROP, within_s=7200) == 3600


def test_shares_that_are_more_than_an_hour_old_count_no_longer():
    scene = Scene(rig(), config=config_of(AlertKind.REJECT_RATE))
    scene.look()
    scene.clock.advance(600)
    scene.outlines = (rig(accepted=1000),)
    scene.look()
    scene.clock.advance(2400)
    scene.outlines = (rig(accepted=1000, rejected=30),)
    assert not scene.kinds()
    assert scene.first(AlertKind.REJECT_RATE, within_s=3600) > 600
    for _ in range(720):
        scene.clock.advance(EVERY_S)
        scene.look()
    assert not scene.wrong


def test_all_are_looked_at_where_rules_pools_or_what_a_difficulty_stands_for_have_changed():
    scene = Scene(rig(difficulty=1.0, rate_24h=rate(2.0**32 / 250)))
    scene.look()
    scene.clock.advance(600)
    assert not scene.kinds()
    scene.config = AlertConfig(rules=(rule("worker_silent", threshold=5.0),))
    assert not scene.kinds()
    scene.hashes_per_difficulty = 2.0**20
    assert scene.kinds() == {AlertKind.WORKER_SILENT}
    scene.outlines = (rig(),)
    scene.pools = (replace(pool("A"), status=PoolStatus.DOWN),)
    scene.wrong = {}
    assert not scene.kinds()
    scene.pools = (pool("A"),)
    assert scene.kinds() == {AlertKind.WORKER_SILENT}


def test_who_is_forgotten_exists_no_longer_and_who_is_fine_does():
    scene = Scene(rig(), outline(worker("desk", connected_at=0.0)))
    scene.look()
    assert [scene.look().exists(worker_subject(name)) for name in ("rig", "desk", "other")] == [True, True, False]
    scene.outlines = scene.outlines[:1]
    found = scene.look()
    assert [found.exists(worker_subject(name)) for name in ("rig", "desk")] == [True, False]
    assert found.exists("Pool A") and not found.exists("Pool B")


def test_who_is_fine_and_the_same_is_not_looked_at_and_who_is_not_fine_is(monkeypatch):
    looked = []
    checks = dict(evaluators.WORKER_CHECKS)

    def offline(worker, seen, rule, moment):
        looked.append(worker.name)
        return evaluators.offline_worker(worker, seen, rule, moment)

    monkeypatch.setattr(evaluators, "WORKER_CHECKS", {**checks, AlertKind.WORKER_OFFLINE: offline})
    rules, now = Evaluators(), 0.0
    away = outline(worker("desk", connections=0, last_seen_at=990.0))
    live = LiveSnapshot(revision=1, at=1000.0, started_at=0.0, pools=(pool("A"),), outlines=(rig(), away))
    for _ in range(3):
        now += EVERY_S
        at_once(rules.evaluate(live, now, CONFIG, lambda key: False))
    assert looked == ["rig", "desk", "desk", "desk"]


def test_many_workers_are_looked_at_in_parts():
    rules = Evaluators()
    many = tuple([outline(worker(f"rig{number}")) for number in range(3 * evaluators.WORKERS_A_PART)])
    live = LiveSnapshot(revision=1, at=0.0, started_at=0.0, outlines=many)
    assert sum(1 for _ in rules.evaluate(live, 0.0, CONFIG, lambda key: False)) == 3


def test_counts_that_never_came_want_no_other_sample():
    assert HourlyCounts("Worker rig").next_at == float("inf")
