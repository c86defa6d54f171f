"""What the API says of money."""

from ninja import Schema

from dashboard.api.values import Number, PoolKeyText


class CoinPrice(Schema):
    """The price of a chain's coin, as far as one counts."""

    chain: str
    state: str
    """``known``, ``old``, ``other-currency`` (known in another one only) or ``unknown``."""
    amount: Number | None
    """Of one coin, in the currency of the settings; null unless known."""
    source: str
    """A source of auto-balance, or ``by hand``."""
    at_unix_s: Number | None


class PoolMoney(Schema):
    """What to expect of a pool on average; null where something that it takes is not known."""

    pool: PoolKeyText
    chain: str
    solo: bool
    """Pays for own blocks alone; else it pays for shares."""
    fee_percent: Number
    hashes_per_s: Number
    """The pool's part of the fleet's rate of the last 24 hours."""
    network_difficulty: Number | None
    reward_coins: Number | None
    reward_has_fees: bool
    coins_per_day: Number | None
    low_coins_per_day: Number | None
    high_coins_per_day: Number | None
    """95 of 100 days lie between these."""
    amount_per_day: Number | None
    low_amount_per_day: Number | None
    high_amount_per_day: Number | None
    blocks_per_day: Number | None
    block_a_day_probability: Number | None
    block_a_month_probability: Number | None
    """In 30 days."""
    block_a_year_probability: Number | None
    time_per_block_s: Number | None


class Money(Schema):
    """What to expect of a day, in the currency of the settings. No promise: luck decides what comes."""

    taken_unix_s: Number
    currency: str
    amount_per_day: Number | None
    """Of all pools that get work; null while one of them is not known."""
    cost_per_day: Number | None
    balance_per_day: Number | None
    power_w: Number | None
    power_is_measured: bool
    """By the miners; else it is the number in the settings."""
    prices: list[CoinPrice]
    pools: list[PoolMoney]


class MoneyDay(Schema):
    """What the shares of a day on one pool earned on average."""

    id: int
    day_utc: str
    pool: str
    chain: str
    work_difficulty: Number
    expected_blocks: Number
    expected_coins: Number
    """After the pool's fee."""
    network_difficulty: Number
    price_amount: Number | None
    expected_amount: Number | None
    currency: str


class MoneyDays(Schema):
    """A page of days, newest first."""

    items: list[MoneyDay]
    next_cursor: str | None
