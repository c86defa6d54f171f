"""The configuration of a proxy under test, and ``python -m tests.e2e.rows``: another process that writes it.

``SetUp`` is what a test wants. ``RowWriter`` keeps such a process for a whole test run, because Django's start is
dear: for each line on its standard input it brings the rows of the database named there to the wanted state (what is
there is changed, what is missing added, pools not named removed) and answers with the time of the commit.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

BTC_WALLET = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
BCH_WALLET = "bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a"
WALLETS = {"BTC": BTC_WALLET, "BCH": BCH_WALLET}


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolRow:
    """One pool; ``ports`` on ``host`` in order of preference."""

    key: str
    chain: str
    ports: Sequence[int]
    host: str = "127.0.0.1"
    fields: Mapping[str, object] = field(default_factory=dict)
    """Other columns of ``Pool``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUp:
    """All rows that matter. ``settings`` are columns of ``ProxySettings``; times in seconds."""

    pools: Sequence[PoolRow] = ()
    weights: Mapping[str, float] = field(default_factory=dict)
    min_switch_s: float = 5.0
    slice_s: float = 2.5
    policy: str = "slicing"
    settings: Mapping[str, object] = field(default_factory=dict)
    listeners: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Name -> columns of ``Listener``."""
    routes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Name of a listener -> weights of a schedule of its own."""


class RowWriter:
    """The other process; calls block."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.rows"],
            env=dict(environment),
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def write(self, database: Path, set_up: SetUp) -> float:
        """Write the rows; return when they were committed, Unix seconds.

        Raises:
            EOFError: the process failed; its traceback is on standard error.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"database": str(database), **asdict(set_up)}).encode() + b"\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise EOFError("the rows could not be written")
        return float(answer)

    def close(self) -> None:
        """End the process."""
        self._process.communicate(timeout=60)


def write(wanted: Mapping[str, Any]) -> None:
    """Bring the database to the wanted state in one transaction."""
    from django.db import transaction

    from proxy.models import Pool, ProxySettings, Schedule

    with transaction.atomic():
        pools = {row["key"]: _write_pool(row) for row in wanted["pools"]}
        if pools:
            _write_schedule(wanted, pools)
        else:
            Schedule.objects.all().delete()
        for gone in Pool.objects.exclude(key__in=pools):
            gone.delete()
        settings = ProxySettings.load()
        for name, value in wanted["settings"].items():
            setattr(settings, name, value)
        if wanted["settings"]:
            settings.save()
        _write_listeners(wanted, pools)


def _write_pool(row: Mapping[str, Any]) -> Any:
    from proxy.models import Pool, PoolEndpoint, Wallet

    chain = row["chain"]
    wallet, _ = Wallet.objects.get_or_create(label=f"{chain} wallet", chain=chain, address=WALLETS[chain])
    pool = Pool.objects.filter(key=row["key"]).first() or Pool(key=row["key"])
    before = None if pool.pk is None else {name: getattr(pool, name) for name in row["fields"]}
    for name, value in {"chain": chain, "wallet": wallet, "password": "x", **row["fields"]}.items():
        setattr(pool, name, value)
    if before is None or before != dict(row["fields"]):
        pool.save()
    endpoints = [(row["host"], port) for port in row["ports"]]
    if [(each.host, each.port) for each in pool.endpoints.all()] != endpoints:
        for old in pool.endpoints.all():
            old.delete()
        for position, (host, port) in enumerate(endpoints):
            PoolEndpoint.objects.create(pool=pool, host=host, port=port, position=position)
    return pool


def _write_schedule(wanted: Mapping[str, Any], pools: Mapping[str, Any]) -> None:
    from proxy.models import Allocation, Schedule

    schedule = Schedule.objects.filter(is_default=True).first() or Schedule(name="Main", is_default=True)
    schedule.min_switch_s, schedule.slice_s = wanted["min_switch_s"], wanted["slice_s"]
    schedule.policy = wanted["policy"]
    schedule.save()
    for gone in schedule.allocations.exclude(pool__key__in=wanted["weights"]):
        gone.delete()
    for position, (key, weight) in enumerate(wanted["weights"].items()):
        allocation = schedule.allocations.filter(pool__key=key).first() or Allocation(
            schedule=schedule, pool=pools[key], position=position
        )
        allocation.weight = weight
        allocation.save()


def _write_listeners(wanted: Mapping[str, Any], pools: Mapping[str, Any]) -> None:
    from proxy.models import Allocation, Listener, Schedule

    for name, columns in wanted["listeners"].items():
        listener = Listener.objects.filter(name=name).first() or Listener(name=name)
        for column, value in columns.items():
            setattr(listener, column, value)
        listener.save()
    for name, weights in wanted["routes"].items():
        schedule = Schedule.objects.filter(name=name).first() or Schedule(name=name)
        schedule.listener = Listener.objects.get(name=name)
        schedule.save()
        for key, weight in weights.items():
            entry = schedule.allocations.filter(pool=pools[key]).first() or Allocation(
                schedule=schedule, pool=pools[key]
            )
            entry.weight = weight
            entry.save()


def main() -> int:
    """Serve ``RowWriter`` until standard input ends."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "dpmp_site.settings"
    import django
    from django.db import connection

    django.setup()
    for line in sys.stdin:
        wanted = json.loads(line)
        connection.settings_dict["NAME"] = wanted["database"]
        write(wanted)
        committed = time.time()
        connection.close()
        sys.stdout.write(f"{committed}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
