"""What to expect of each pool a day, what the power costs, and how it was: for the page, its file and the API."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.utils.translation import gettext_lazy as _

from dashboard.charts import Line, Series
from dashboard.svg import PALETTE
from proxy.chains.luck import DAY_S
from proxy.devices.views import power_of_all
from proxy.models import IncomeDay, MoneySettings, Pool, PowerDay
from proxy.money.facts import ChainFacts, chain_facts, prices_now
from proxy.money.income import HashRate, Income, PoolTerms, energy_kwh, income, reward_coins
from proxy.money.power import Power, watts_of_workers
from proxy.money.prices import Price, PriceState
from proxy.observe.live.views import LiveSnapshot, PoolView
from proxy.types import Chain

COST = _("Cost of power")
NO_PRICE = Price(state=PriceState.UNKNOWN)
CHART_DAYS = {"7d": 7, "30d": 30, "1y": 365}
TABLE_DAYS = 30
CSV_COLUMNS = (
    "day_utc",
    "pool",
    "chain",
    "work_difficulty",
    "expected_blocks",
    "expected_coins",
    "network_difficulty",
    "price_of_a_coin",
    "expected_amount",
    "energy_kwh",
    "cost",
    "currency",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolOutlook:
    """What to expect of one pool; coins and money are None while something that it takes is not known."""

    pool: PoolView
    hashes_per_s: float
    """Of the fleet in the last 24 hours, this pool's part of it as it is aimed at now."""
    solo: bool
    fee_percent: float
    network_difficulty: float | None
    reward_coins: float | None
    fees_known: bool
    """Whether the reward has the blocks' fees in it."""
    income: Income | None
    price: Price

    def _worth(self, coins: float) -> float | None:
        return None if self.price.amount is None else coins * self.price.amount

    @property
    def amount_per_day(self) -> float | None:
        """In the operator's currency."""
        return None if self.income is None else self._worth(self.income.coins_per_day)

    @property
    def low_amount_per_day(self) -> float | None:
        """The lower bound of the day's interval."""
        return None if self.income is None else self._worth(self.income.low_coins_per_day)

    @property
    def high_amount_per_day(self) -> float | None:
        """The upper bound of the day's interval."""
        return None if self.income is None else self._worth(self.income.high_coins_per_day)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """All pools together; sums are None while a part of them is not known."""

    at: float
    currency: str
    pools: tuple[PoolOutlook, ...]
    prices: Mapping[Chain, Price]
    power: Power | None
    cost_per_day: float | None

    @property
    def amount_per_day(self) -> float | None:
        """The expected income of all pools that get work."""
        amounts = [one.amount_per_day for one in self.pools if one.hashes_per_s > 0]
        known = [amount for amount in amounts if amount is not None]
        return sum(known) if amounts and len(known) == len(amounts) else None

    @property
    def balance_per_day(self) -> float | None:
        """Income less cost."""
        amount, cost = self.amount_per_day, self.cost_per_day
        return None if amount is None or cost is None else amount - cost

    @property
    def energy_kwh_per_day(self) -> float | None:
        """Of all miners."""
        return None if self.power is None else energy_kwh(self.power.watts, DAY_S)


def outlook(snap: LiveSnapshot, settings: MoneySettings) -> Outlook:
    """What to expect as of ``snap``."""
    chains, rows = chain_facts(snap.at), {row.key: row for row in Pool.objects.all()}
    prices = prices_now(settings, snap.extra.get("balance"), snap.at)
    power = watts_of_workers(settings.watts, power_of_all(snap))
    cost = None
    if power is not None and settings.electricity_price is not None:
        cost = energy_kwh(power.watts, DAY_S) * settings.electricity_price
    return Outlook(
        at=snap.at,
        currency=settings.currency,
        pools=tuple(
            _of_pool(snap, pool, rows.get(pool.key), chains.get(pool.chain), prices.get(pool.chain, NO_PRICE))
            for pool in snap.pools
        ),
        prices={chain: price for chain, price in prices.items() if any(pool.chain is chain for pool in snap.pools)},
        power=power,
        cost_per_day=cost,
    )


def _of_pool(
    snap: LiveSnapshot, pool: PoolView, row: Pool | None, facts: ChainFacts | None, price: Price
) -> PoolOutlook:
    difficulty = pool.network_difficulty or (facts.network_difficulty if facts else None)
    reward = facts.reward_coins if facts else None
    if reward is None and pool.height is not None:
        reward = reward_coins(pool.chain, pool.height + 1, 0.0)
    fee, solo = (row.fee_percent, row.solo) if row is not None else (0.0, False)
    day = snap.rate_24h
    found = None
    if difficulty and reward is not None and day.known:
        terms = PoolTerms(
            chain=pool.chain, solo=solo, fee_percent=fee, network_difficulty=difficulty, reward_coins=reward
        )
        rate = HashRate(mean=day.value * pool.target, low=day.low * pool.target, high=day.high * pool.target)
        found = income(rate, terms, snap.hashes_per_difficulty)
    return PoolOutlook(
        pool=pool,
        hashes_per_s=day.value * pool.target if day.known else 0.0,
        solo=solo,
        fee_percent=fee,
        network_difficulty=difficulty,
        reward_coins=reward,
        fees_known=facts is not None and facts.fee_coins is not None,
        income=found,
        price=price,
    )


# --- How it was ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """A day with its pools, and its power."""

    day: date
    pools: tuple[IncomeDay, ...]
    power: PowerDay | None
    currency: str

    @property
    def amount(self) -> float | None:
        """Expected of all pools; None where one had no price or another currency."""
        amounts = [row.expected_amount if row.currency == self.currency else None for row in self.pools]
        known = [amount for amount in amounts if amount is not None]
        return sum(known) if amounts and len(known) == len(amounts) else None

    @property
    def cost(self) -> float | None:
        """Of the energy."""
        power = self.power
        return power.cost if power is not None and power.currency == self.currency else None

    @property
    def balance(self) -> float | None:
        """Income less cost."""
        amount, cost = self.amount, self.cost
        return None if amount is None or cost is None else amount - cost


def days(currency: str, most: int) -> list[Day]:
    """The newest days, newest first, at most ``most``."""
    found = set(IncomeDay.objects.order_by("-day").values_list("day", flat=True).distinct()[:most])
    found |= set(PowerDay.objects.order_by("-day").values_list("day", flat=True)[:most])
    newest = sorted(found, reverse=True)[:most]
    if not newest:
        return []
    by_day: dict[date, list[IncomeDay]] = defaultdict(list)
    for row in IncomeDay.objects.filter(day__gte=newest[-1]).order_by("day", "pool"):
        by_day[row.day].append(row)
    power = {row.day: row for row in PowerDay.objects.filter(day__gte=newest[-1])}
    return [Day(day=day, pools=tuple(by_day[day]), power=power.get(day), currency=currency) for day in newest]


def table(found: Sequence[Day]) -> Iterator[Sequence[object]]:
    """The days as rows of a file; the energy stands in a row without a pool."""
    yield CSV_COLUMNS
    for day in found:
        for row in day.pools:
            yield (
                day.day.isoformat(),
                row.pool,
                row.chain,
                row.work,
                row.expected_blocks,
                row.expected_coins,
                row.network_difficulty,
                _or_empty(row.price),
                _or_empty(row.expected_amount),
                "",
                "",
                row.currency,
            )
        if day.power is not None:
            power = day.power
            blank = [""] * 8
            yield (day.day.isoformat(), *blank, power.energy_kwh, _or_empty(power.cost), power.currency)


def _or_empty(number: float | None) -> float | str:
    return "" if number is None else number


def chart(snap: LiveSnapshot, span: str, currency: str) -> Series:
    """Expected income by pool and day in the currency, and the cost, dashed; a gap where no price was known."""
    length = CHART_DAYS.get(span, CHART_DAYS["30d"])
    today = datetime.fromtimestamp(snap.at, UTC).date()
    dates = [today - timedelta(days=back) for back in range(length - 1, -1, -1)]
    known = {day.day: day for day in days(currency, length)}
    keys = sorted({row.pool for day in known.values() for row in day.pools})
    lines = []
    for key in keys:
        view = snap.pool(key)
        values = [_amount_of(known.get(day), key) for day in dates]
        if any(value is not None for value in values):
            label = f"{key} {view.name}".strip() if view else key
            lines.append(Line(label, view.colour % PALETTE if view else PALETTE - 1, values))
    costs = [known[day].cost if day in known else None for day in dates]
    if any(cost is not None for cost in costs):
        lines.append(Line(str(COST), PALETTE - 2, costs, dashed=True))
    times = [int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) for day in dates]
    return Series(times, lines)


def _amount_of(day: Day | None, key: str) -> float | None:
    row = next((row for row in day.pools if row.pool == key), None) if day is not None else None
    return row.expected_amount if row is not None and day is not None and row.currency == day.currency else None
