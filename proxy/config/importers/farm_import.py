"""Imports the configuration of another farm proxy; a second run changes nothing. Nothing is deleted."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from proxy.config.importers.farm_formats import (
    FarmConfig,
    FarmListener,
    FarmPool,
    FarmRoute,
    parse_agent,
    parse_farm_proxy,
    read_toml,
)
from proxy.config.importers.saved_rows import SavedRows, all_or_nothing
from proxy.config.importers.v2_format import read_json
from proxy.config.snapshot import Connections
from proxy.models import Allocation, Fallback, Listener, Pool, PoolEndpoint, ProxySettings, Schedule, Wallet
from proxy.models.labels import WalletKind
from proxy.models.pools import MOST_MINERS, MOST_SHARED
from proxy.types import Chain

_KEYS = [chr(letter) for letter in range(ord("A"), ord("Z") + 1)] + [f"P{number}" for number in range(1, 1_000)]


def import_farm_proxy(path: Path, *, check: bool = False) -> list[str]:
    """Import a profile of Braiins Farm Proxy. Returns a line for each row and each thing left out.

    Raises:
        ConfigError: with sentences; nothing was changed.
    """
    return _imported(parse_farm_proxy(read_toml(path)), check=check)


def import_agent(path: Path, *, check: bool = False) -> list[str]:
    """Import an ``agent_conf.json``. Returns a line for each row and each thing left out.

    Raises:
        ConfigError: with sentences; nothing was changed.
    """
    return _imported(parse_agent(read_json(path)), check=check)


def _imported(config: FarmConfig, *, check: bool) -> list[str]:
    with all_or_nothing(check=check):
        return _Import().run(config)


class _Import(SavedRows):
    """One import."""

    def run(self, config: FarmConfig) -> list[str]:
        """Pools and listeners first, then the schedules that refer to them."""
        pools = {entry.name: self._pool(entry) for entry in config.pools}
        listeners = {entry.name: self._listener(entry) for entry in config.listeners}
        for route in config.routes:
            for name in route.listeners or ("",):
                self._schedule(route, pools, listeners.get(name))
        return [*self._lines, *config.notes]

    def _pool(self, entry: FarmPool) -> Pool:
        """The same pool is the one with the account and an address of ``entry``; another of its name stays as it is."""
        who, wallet = f"Pool {entry.name}", self._wallet(entry)
        row = self._known(entry, wallet) or self._new(entry)
        values: dict[str, Any] = {"wallet": wallet, "user_format": entry.user_format}
        if row._state.adding:  # both programs put many miners on a connection, and open as many as it takes
            values |= {"chain": Chain.BTC.value, "connections": Connections.SHARED.value}
            values["most_connections"] = MOST_SHARED
            if entry.most_miners:
                values["most_miners"] = min(entry.most_miners, MOST_MINERS)
        pool = self._put(who, row, values)
        for position, place in enumerate(entry.endpoints):
            found = pool.endpoints.filter(host=place.host, port=place.port).first()
            made = found or PoolEndpoint(pool=pool, host=place.host, port=place.port)
            self._put(f"{who}, {place}", made, {"tls": place.tls.value, "position": position})
        return pool

    @staticmethod
    def _known(entry: FarmPool, wallet: Wallet) -> Pool | None:
        with_account = Pool.objects.filter(wallet=wallet)
        for place in entry.endpoints:
            found = with_account.filter(endpoints__host=place.host, endpoints__port=place.port).first()
            if found is not None:
                return found
        return with_account.filter(name=entry.name[:80]).first()

    @staticmethod
    def _new(entry: FarmPool) -> Pool:
        taken = set(Pool.objects.values_list("key", flat=True))
        return Pool(key=next(key for key in _KEYS if key not in taken), name=entry.name[:80])

    def _wallet(self, entry: FarmPool) -> Wallet:
        who, kind = f"Account of pool {entry.name}", WalletKind.ACCOUNT
        found = Wallet.objects.filter(chain=Chain.BTC.value, kind=kind, address=entry.account).first()
        if found is not None:
            return self._put(who, found, {})
        taken = set(Wallet.objects.values_list("label", flat=True))
        labels = (entry.account[:70], *(f"{entry.account[:70]} ({number})" for number in range(2, len(taken) + 3)))
        label = next(label for label in labels if label not in taken)
        return self._put(who, Wallet(chain=Chain.BTC.value, kind=kind, address=entry.account, label=label), {})

    def _listener(self, entry: FarmListener) -> Listener:
        found = (
            Listener.objects.filter(port=entry.port).first() or Listener.objects.filter(name=entry.name[:80]).first()
        )
        row = found or Listener(name=entry.name[:80])
        settings = ProxySettings.load()
        is_fixed = entry.port in (settings.stratum_port, settings.tls_port)
        host = settings.stratum_host if is_fixed or not entry.host else entry.host
        return self._put(f"Listener {entry.name}", row, {"port": entry.port, "host": host})

    def _schedule(self, route: FarmRoute, pools: Mapping[str, Pool], listener: Listener | None) -> None:
        name = route.name[:80] if listener is None else f"{route.name[:39]}: {listener.name[:39]}"
        found = Schedule.objects.filter(name=name).first()
        if found is None and listener is None:
            found = Schedule.objects.filter(is_default=True).first()
        who = f'Schedule "{found or name}"'
        schedule = self._put(
            who,
            found or Schedule(name=name),
            {"listener": listener} if listener is not None else {"is_default": True, "listener": None},
        )
        wanted = {pools[key].pk: weight for key, weight in route.weights.items()}
        for entry in schedule.allocations.all():
            if entry.pool_id not in wanted:
                self._put(f"{who}, pool {entry.pool.key}", entry, {"weight": 0.0})
        for position, (key, weight) in enumerate(route.weights.items()):
            pool = pools[key]
            allocation = schedule.allocations.filter(pool=pool).first() or Allocation(schedule=schedule, pool=pool)
            self._put(f"{who}, pool {pool.key}", allocation, {"weight": weight, "position": position})
        for position, key in enumerate(route.fallbacks):
            pool = pools[key]
            fallback = schedule.fallbacks.filter(pool=pool).first() or Fallback(schedule=schedule, pool=pool)
            self._put(f"{who}, fallback pool {pool.key}", fallback, {"position": position})
