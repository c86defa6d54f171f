"""The proxy's own difficulty finds what suits a miner within two minutes, and keeps it for days. Virtual time."""

import random
from dataclasses import replace

import pytest

from proxy.config.snapshot import ConfigSnapshot, Endpoint, PoolConfig, VardiffRule
from proxy.engine.assigned_difficulty import shared_difficulty_for
from proxy.engine.vardiff import FLOOD, SILENCE_STEP, Vardiff, is_far
from proxy.stratum.difficulty import LEAST_DIFFICULTY
from proxy.stratum.firmware import UNKNOWN, Profile, profile_of
from proxy.types import HASHES_PER_DIFFICULTY, MAIN_LISTENER, ListenerId, PoolKey

BITAXE, AVALON, S21 = profile_of("bitaxe/BM1370/v2.15"), profile_of("cgminer/4.11.1"), profile_of("Antminer S21/1")
POOL = PoolConfig(key=PoolKey("A"), wallet="w", endpoints=(Endpoint(host="h", port=1),))
AIM_S = 4.0


class Steady:
    """A miner of ``rate`` H/s: Poisson shares, jobs every 30 s, a look after silence as ``SharedLink`` does it."""

    def __init__(self, rate: float, start: float, *, profile: Profile = UNKNOWN, seed: int = 1) -> None:
        self.rate, self.profile, self.random = rate, profile, random.Random(seed)
        self.right = rate * AIM_S / HASHES_PER_DIFFICULTY
        self.now, self.next_job = 0.0, 30.0
        self.shares = 0
        self.vardiff = Vardiff(self.right * start, AIM_S, profile.settle_s)
        self.changes: list[tuple[float, float]] = []
        self.late: list[tuple[float, float]] = []
        self.given = self.works_at = self._bounded()
        self.vardiff.given(self.given, self.now)
        self.look = self.now + self.vardiff.look_s

    def _bounded(self) -> float:
        return shared_difficulty_for(
            self.vardiff.suitable,
            1e15,
            POOL,
            self.profile,
            hashes_per_difficulty=HASHES_PER_DIFFICULTY,
            network_difficulty=1e14,
            miner_minimum=0.0,
        )

    def _give(self) -> None:
        difficulty = self._bounded()
        if difficulty != self.given:
            self.changes.append((self.now, difficulty / self.right))
            self.late.append((self.now + self.profile.settle_s, difficulty))
        self.given = difficulty
        self.vardiff.given(difficulty, self.now)

    def _look(self) -> None:
        self.vardiff.review(self.now)
        if is_far(self._bounded(), self.given):
            self._give()

    def until(self, end: float) -> None:
        while self.now < end:
            share = self.now + self.random.expovariate(self.rate / HASHES_PER_DIFFICULTY / self.works_at)
            event = min(share, self.next_job, self.look, self.late[0][0] if self.late else end, end)
            self.now = event
            if self.late and event >= self.late[0][0]:
                self.works_at = self.late.pop(0)[1]
            elif event == share:
                self.shares += 1
                reached = self.works_at / (1.0 - self.random.random())
                if reached >= self.given and self.vardiff.share(self.given, self.now):
                    self._look()
            elif event == self.next_job:
                self.next_job += 30.0
                self.vardiff.review(self.now)
                self._give()
            if event == self.look:
                if self.vardiff.is_learning:
                    self._look()
                self.look = self.now + self.vardiff.look_s

    @property
    def off(self) -> float:
        """How many times what is right."""
        return self.given / self.right


@pytest.mark.no_cover
@pytest.mark.parametrize("start", [1e-3, 1e3])
@pytest.mark.parametrize(("profile", "rate"), [(BITAXE, 1.2e12), (S21, 200e12), (UNKNOWN, 90e12)])
def test_from_a_start_a_thousand_times_wrong_it_is_within_twice_the_aim_in_two_minutes(
    start: float, profile: Profile, rate: float
) -> None:
    """99 of 100: the last look may be at ten shares that were twice as many by chance; soon after all are."""
    wrong = 0
    for seed in range(100):
        miner = Steady(rate, start, profile=profile, seed=seed)
        miner.until(120.0)
        wrong += not 0.5 <= miner.off <= 2.0
        miner.until(600.0)
        assert 0.5 <= miner.off <= 2.0
    assert wrong <= 5


@pytest.mark.no_cover
@pytest.mark.parametrize("start", [1e-3, 1e3])
def test_a_firmware_that_is_slow_to_take_a_difficulty_over_is_not_driven_to_and_fro(start: float) -> None:
    within = 0
    for seed in range(50):
        miner = Steady(7e12, start, profile=AVALON, seed=seed)
        miner.until(120.0)
        within += 0.4 <= miner.off <= 2.5
        miner.until(300.0)
        assert 0.4 <= miner.off <= 2.5
        assert len(miner.changes) <= 8
    assert within >= 40


@pytest.mark.no_cover
@pytest.mark.parametrize("seed", range(3))
def test_at_a_steady_rate_nothing_swings_for_a_day(seed: int) -> None:
    miner = Steady(100e12, 0.01, seed=seed)
    miner.until(86_400.0)
    later = [change for change in miner.changes if change[0] > 600.0]
    assert len(later) <= 1
    assert 0.5 <= miner.off <= 2.0


def test_a_miner_that_becomes_ten_times_slower_or_faster_is_followed() -> None:
    miner = Steady(100e12, 1.0)
    miner.until(3_600.0)
    for factor in (0.1, 10.0, 10.0):
        miner.rate *= factor
        miner.right *= factor
        miner.until(miner.now + 900.0)
        assert 0.5 <= miner.off <= 2.0


@pytest.mark.parametrize("pause_s", [60.0, 240.0, 7_200.0])
@pytest.mark.parametrize(("profile", "rate"), [(BITAXE, 1.2e12), (AVALON, 7e12), (UNKNOWN, 50e3)])
def test_a_miner_that_pauses_is_taken_for_no_other_and_floods_nobody_when_it_is_back(
    profile: Profile, rate: float, pause_s: float
) -> None:
    miner = Steady(rate, 1.0, profile=profile)
    miner.until(3_600.0)
    miner.rate = 1e-30
    miner.until(3_600.0 + pause_s)
    assert miner.off >= 0.5 / SILENCE_STEP
    miner.rate, before = rate, miner.shares
    miner.until(miner.now + 60.0)
    assert miner.shares - before < 120 + 2 * SILENCE_STEP / AIM_S * profile.settle_s
    miner.until(miner.now + 120.0)
    assert 0.4 <= miner.off <= 2.5


def test_a_miner_that_becomes_a_thousand_times_slower_is_followed_by_the_few_shares_that_it_finds() -> None:
    miner = Steady(100e12, 1.0)
    miner.until(3_600.0)
    miner.rate /= 1_000
    miner.right /= 1_000
    miner.until(miner.now + 900.0)
    assert 0.5 <= miner.off <= 2.0


def test_silence_takes_a_miner_of_whom_nothing_is_known_to_the_slowest_device_of_its_kind_and_raises_nothing() -> None:
    for start, least in ((512.0, 1e-5), (1e-6, 1e-6)):
        vardiff = Vardiff(start, AIM_S, slowest=1e-5)
        for look in range(1, 100):
            vardiff.given(vardiff.suitable, look * 30.0)
            vardiff.review(look * 30.0)
        assert vardiff.suitable == least


def test_who_keeps_most_of_its_shares_back_is_given_a_difficulty_that_exists() -> None:
    vardiff = Vardiff(1.0, AIM_S)
    now = 0.0
    for _ in range(3_000):
        vardiff.given(vardiff.suitable, now)
        now += 2 * AIM_S
        vardiff.share(vardiff.suitable, now)
        now += 6 * AIM_S
        vardiff.review(now)
    assert vardiff.suitable == LEAST_DIFFICULTY
    vardiff.aim(AIM_S / 2, now)
    assert vardiff.suitable == LEAST_DIFFICULTY


def test_time_elsewhere_is_no_silence_and_shares_found_then_are_none_of_its() -> None:
    vardiff = Vardiff(100.0, AIM_S)
    vardiff.given(100.0, 0.0)
    vardiff.left(1.0)
    assert not vardiff.share(100.0, 500.0)
    vardiff.review(1_000.0)
    assert vardiff.suitable == 100.0
    vardiff.given(100.0, 1_000.0)
    vardiff.review(1_000.0 + 3 * AIM_S)
    assert vardiff.suitable < 100.0


def test_a_flood_is_seen_at_once_and_a_step_is_bounded() -> None:
    vardiff = Vardiff(1.0, AIM_S)
    vardiff.given(1.0, 0.0)
    seen = [vardiff.share(1.0, 0.001 * number) for number in range(FLOOD)]
    assert seen == [False] * (FLOOD - 1) + [True]
    vardiff.review(0.03)
    assert vardiff.suitable == 64.0


@pytest.mark.parametrize(
    ("suitable", "pool", "network", "config", "profile", "minimum", "expected"),
    [
        (50.0, 1000.0, 1e9, {}, UNKNOWN, 0.0, 50.0),
        (5000.0, 1000.0, 1e9, {}, UNKNOWN, 0.0, 1000.0),  # never above the pool's
        (5000.0, 1e4, 2000.0, {}, UNKNOWN, 0.0, 2000.0),  # never above the network's
        (50.0, 1000.0, 1e9, {"min_difficulty": 80.0}, UNKNOWN, 0.0, 80.0),
        (500.0, 1000.0, 1e9, {"max_difficulty": 80.0}, UNKNOWN, 0.0, 80.0),
        (50.0, 1e4, 1e9, {}, S21, 0.0, 1024.0),  # what the firmware needs
        (50.0, 512.0, 700.0, {}, S21, 0.0, 700.0),  # and never more than both
        (50.0, 1000.0, 1e9, {"max_difficulty": 80.0}, UNKNOWN, 90.0, 90.0),  # what the miner was promised
        (0.3, 1000.0, 1e9, {}, BITAXE, 0.0, 1.0),
        (7.9, 1000.0, 1e9, {}, BITAXE, 0.0, 7.0),
    ],
)
def test_bounds_of_a_difficulty(
    suitable: float,
    pool: float,
    network: float,
    config: dict[str, float],
    profile: Profile,
    minimum: float,
    expected: float,
) -> None:
    assert expected == shared_difficulty_for(
        suitable,
        pool,
        replace(POOL, **config),  # type: ignore[arg-type]
        profile,
        hashes_per_difficulty=HASHES_PER_DIFFICULTY,
        network_difficulty=network,
        miner_minimum=minimum,
    )


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (VardiffRule(least_difficulty=900.0), 900.0),
        (VardiffRule(most_difficulty=100.0), 100.0),
        (VardiffRule(least_difficulty=900.0, most_difficulty=950.0), 900.0),
        (VardiffRule(most_difficulty=2.0), 2.0),  # below the pool's least: the highest allowed is kept
    ],
)
def test_a_rule_bounds_a_difficulty_beside_the_pool(rule: VardiffRule, expected: float) -> None:
    found = shared_difficulty_for(
        500.0,
        1e6,
        replace(POOL, min_difficulty=50.0),
        UNKNOWN,
        rule=rule,
        hashes_per_difficulty=HASHES_PER_DIFFICULTY,
        network_difficulty=1e9,
        miner_minimum=0.0,
    )
    assert found == expected


def test_another_aim_acts_at_once_on_a_miner_that_is_known() -> None:
    miner = Steady(1e12, 1.0)
    miner.until(3600)
    before = miner.vardiff.suitable
    miner.vardiff.aim(AIM_S * 4, miner.now)
    assert miner.vardiff.suitable == before * 4
    miner.vardiff.aim(AIM_S * 4, miner.now)
    assert miner.vardiff.suitable == before * 4


def test_the_rule_for_listener_and_firmware_comes_first() -> None:
    rack = ListenerId(7)
    rules = [
        VardiffRule(listener=rack, profile="avalon", shares_per_minute=1.0),
        VardiffRule(listener=rack, shares_per_minute=2.0),
        VardiffRule(profile="avalon", shares_per_minute=3.0),
    ]
    config = ConfigSnapshot(vardiff={(rule.listener, rule.profile): rule for rule in rules})
    asked = [(rack, "avalon"), (rack, "antminer"), (MAIN_LISTENER, "avalon"), (MAIN_LISTENER, "antminer")]
    assert [config.vardiff_rule(*who).shares_per_minute for who in asked] == [1.0, 2.0, 3.0, None]
    assert ConfigSnapshot().vardiff_rule(rack, "avalon") == VardiffRule()


def test_a_share_in_the_moment_in_which_the_evidence_begins_anew_is_no_rate() -> None:
    miner = Vardiff(1000.0, 4.0)
    miner.is_learning = False
    miner.given(1000.0, 50.0)
    miner.share(1000.0, 50.0)
    miner.review(50.0)
    assert (miner.suitable, miner.is_learning) == (1000.0, False)
