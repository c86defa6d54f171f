"""Rows that tests start from."""

from typing import Any

from proxy.models import Allocation, Pool, PoolEndpoint, Schedule, Wallet

BTC_ADDRESS = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
BCH_ADDRESS = "bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a"


def make_wallet(label: str = "main", **fields: Any) -> Wallet:
    return Wallet.objects.create(label=label, **({"chain": "BTC", "address": BTC_ADDRESS} | fields))


def make_pool(key: str = "A", wallet: Wallet | None = None, **fields: Any) -> Pool:
    wallet = wallet or Wallet.objects.filter(label="main").first() or make_wallet()
    pool = Pool.objects.create(key=key, wallet=wallet, **fields)
    PoolEndpoint.objects.create(pool=pool, host=f"{key.lower()}.example", port=3333)
    return pool


def make_schedule(weights: dict[Pool, float], name: str = "always", **fields: Any) -> Schedule:
    schedule = Schedule.objects.create(name=name, **fields)
    for position, (pool, weight) in enumerate(weights.items()):
        Allocation.objects.create(schedule=schedule, pool=pool, weight=weight, position=position)
    return schedule
