"""Operations of money: what to expect, and how it was. Both say where money is switched off."""

from django.http import HttpRequest
from ninja import Router

from dashboard import live
from dashboard import money as figures
from dashboard.api.errors import Refused
from dashboard.api.filled import filled
from dashboard.api.paging import DEFAULT, Cursor, Limit, page
from dashboard.api.schemas import money as schemas
from dashboard.api.security import MAY_SEE
from proxy.models import IncomeDay, MoneySettings

router = Router(auth=MAY_SEE, tags=["money"])


@router.get("/money", response=schemas.Money)
def money(request: HttpRequest) -> schemas.Money:
    """What to expect of a day on average, by pool; null where something that it takes is not known. No promise."""
    found = figures.outlook(live.snapshot(), _settings())
    return filled(
        schemas.Money,
        found,
        taken_unix_s=found.at,
        power_w=None if found.power is None else found.power.watts,
        power_is_measured=found.power is not None and found.power.measured,
        prices=[
            filled(schemas.CoinPrice, price, chain=chain.value, at_unix_s=price.at)
            for chain, price in found.prices.items()
        ],
        pools=[_pool(one) for one in found.pools],
    )


def _pool(one: figures.PoolOutlook) -> schemas.PoolMoney:
    income = one.income
    return filled(
        schemas.PoolMoney,
        one,
        pool=one.pool.key,
        chain=one.pool.chain.value,
        reward_has_fees=one.fees_known,
        coins_per_day=None if income is None else income.coins_per_day,
        low_coins_per_day=None if income is None else income.low_coins_per_day,
        high_coins_per_day=None if income is None else income.high_coins_per_day,
        blocks_per_day=None if income is None else income.blocks_per_day,
        block_a_day_probability=None if income is None else income.block_a_day,
        block_a_month_probability=None if income is None else income.block_a_month,
        block_a_year_probability=None if income is None else income.block_a_year,
        time_per_block_s=None if income is None else income.seconds_per_block,
    )


@router.get("/money/days", response=schemas.MoneyDays)
def money_days(request: HttpRequest, cursor: Cursor = "", limit: Limit = DEFAULT) -> schemas.MoneyDays:
    """What the shares of each day earned on average, by pool, newest first."""
    _settings()
    rows, following = page(IncomeDay.objects.all(), "id", cursor, limit)
    return schemas.MoneyDays(
        items=[
            filled(
                schemas.MoneyDay,
                row,
                day_utc=row.day.isoformat(),
                work_difficulty=row.work,
                price_amount=row.price,
            )
            for row in rows
        ],
        next_cursor=following,
    )


def _settings() -> MoneySettings:
    settings = MoneySettings.load()
    if not settings.enabled:
        raise Refused(404, "Money is switched off.")
    return settings
