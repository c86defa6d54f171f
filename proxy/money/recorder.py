"""Writes down, day by day, what the shares of each pool earned on average and what the power cost. Blocking.

The work of a day is the sum over its stored shares, so that nothing is counted twice. What came in since the last time
counts at the difficulty and the reward of now; a day's price is the last one known on it.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from django.db import transaction
from django.db.models import Sum

from proxy.models.history import ShareBucket, Step
from proxy.models.money import IncomeDay, MoneySettings, PowerDay
from proxy.models.pools import Pool
from proxy.money.facts import chain_facts, prices_now
from proxy.money.income import PoolTerms, blocks_of, coins_of, energy_kwh
from proxy.money.power import watts_of_workers
from proxy.ports import Clock
from proxy.types import Chain

EVERY_S = 600.0
MOST_DAYS = 1_100
"""Three years; older days are deleted."""
LONGEST_GAP_S = 2 * EVERY_S
"""Over a longer pause the proxy did not run: its miners' energy is not known."""


class MoneyRecorder:
    """Records every ten minutes while money is switched on; a job for ``HistoryWriter``."""

    def __init__(
        self, clock: Clock, balance: Callable[[], object], measured_watts: Callable[[], float | None] = lambda: None
    ) -> None:
        """``balance`` returns auto-balance's newest view, which has the sources' prices; ``measured_watts`` what all
        miners together take, where all of them say it."""
        self._clock = clock
        self._balance = balance
        self._measured_watts = measured_watts
        self._due = clock.now() + EVERY_S

    def __call__(self) -> None:
        """Record if it is time.

        Raises:
            django.db.Error: tried again at the next call.
        """
        if self._clock.now() < self._due:
            return
        settings = MoneySettings.load()
        if settings.enabled:
            record(settings, self._balance(), self._clock.wall(), self._measured_watts())
        self._due = self._clock.now() + EVERY_S


def record(settings: MoneySettings, balance: object, now: float, measured_watts: float | None = None) -> None:
    """Bring the days of ``now`` (unix seconds) and of ten minutes before up to date."""
    with transaction.atomic():
        today = datetime.fromtimestamp(now, UTC).date()
        before = datetime.fromtimestamp(now - EVERY_S, UTC).date()
        for day in sorted({before, today}):
            _record_income(settings, balance, day, now)
        _record_power(settings, today, now, measured_watts)
        oldest = today - timedelta(days=MOST_DAYS)
        IncomeDay.objects.filter(day__lt=oldest).delete()
        PowerDay.objects.filter(day__lt=oldest).delete()


def _record_income(settings: MoneySettings, balance: object, day: date, now: float) -> None:
    begin = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    shares = ShareBucket.objects.filter(start__gte=begin, start__lt=begin + Step.DAY).order_by()
    work = dict(shares.values_list("pool").annotate(Sum("credited")))
    chains, prices = chain_facts(now), prices_now(settings, balance, now)
    rows = {row.pool: row for row in IncomeDay.objects.select_for_update().filter(day=day)}
    for pool in Pool.objects.all():
        chain = Chain(pool.chain)
        facts, credited = chains.get(chain), work.get(pool.key) or 0.0
        row = rows.get(pool.key) or IncomeDay(
            day=day, pool=pool.key, chain=chain.value, work=0.0, expected_blocks=0.0, expected_coins=0.0
        )
        if facts is None or credited <= row.work:
            continue
        terms = PoolTerms(
            chain=chain,
            solo=pool.solo,
            fee_percent=pool.fee_percent,
            network_difficulty=facts.network_difficulty,
            reward_coins=facts.reward_coins,
        )
        blocks = blocks_of(credited - row.work, facts.network_difficulty)
        row.work = credited
        row.expected_blocks += blocks
        row.expected_coins += coins_of(blocks, terms)
        row.network_difficulty = facts.network_difficulty
        price = prices[chain].amount
        if price is not None:
            row.price, row.currency = price, settings.currency
        row.save()


def _record_power(settings: MoneySettings, day: date, now: float, measured_watts: float | None) -> None:
    """The energy since the last record; the time before the first one of all is not known."""
    power = watts_of_workers(settings.watts, measured_watts)
    last = PowerDay.objects.select_for_update().first()
    if power is None:
        return
    row = last if last is not None and last.day == day else PowerDay(day=day, energy_kwh=0.0, recorded_at=now)
    seconds = now - last.recorded_at if last is not None else 0.0
    energy = energy_kwh(power.watts, seconds) if 0.0 < seconds <= LONGEST_GAP_S else 0.0
    row.energy_kwh += energy
    if settings.electricity_price is not None:
        same = row.currency in ("", settings.currency)
        row.cost = ((row.cost or 0.0) if same else 0.0) + energy * settings.electricity_price
        row.currency = settings.currency
    row.recorded_at = now
    row.save()
