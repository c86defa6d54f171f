"""Imports the configuration of a DPMP v2 into the database; a second run changes nothing."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError

from proxy.config.importers.saved_rows import SavedRows, all_or_nothing, sentences
from proxy.config.importers.v2_format import (
    V2Config,
    V2Pool,
    parse_best_shares,
    parse_config,
    parse_override,
    read_json,
)
from proxy.config.snapshot import Mode, OverrideKind
from proxy.engine.worker_names import worker_of
from proxy.errors import ConfigError
from proxy.models import (
    Allocation,
    BalanceSettings,
    BalanceSource,
    Pool,
    PoolEndpoint,
    ProxySettings,
    Schedule,
    V2BestShare,
    Wallet,
    WeightOverride,
)
from proxy.models.labels import SourceKind, WalletKind
from proxy.models.settings import event_names
from proxy.observe import events
from proxy.types import WorkerName

SCHEDULE_NAME = "Main"
IMPORTED_BY = "importconfig"


def import_v2(path: Path, *, check: bool = False) -> list[str]:
    """Import ``path`` and the files beside it in one transaction. Returns a line for each row and each thing left out.

    The files beside it are the override and the best shares. With ``check`` the import is rolled back at its end.

    Raises:
        ConfigError: with sentences; nothing was changed.
    """
    config = parse_config(read_json(path))
    with all_or_nothing(check=check):
        return _Import().run(config, path.parent)


class _Import(SavedRows):
    """One import."""

    def run(self, config: V2Config, folder: Path) -> list[str]:
        """Wallets and pools first, then what refers to them."""
        pools = {entry.key: self._pool(entry) for entry in config.pools}
        self._schedule(config, pools)
        self._settings(config.settings)
        self._balance(config)
        self._override(folder / "weights_override.json", config)
        self._best_shares(folder / "best_shares.json")
        return [*self._lines, *config.notes]

    def _pool(self, entry: V2Pool) -> Pool:
        wallet = self._wallet(entry)
        row = Pool.objects.filter(key=entry.key).first() or Pool(key=entry.key)
        pool = self._put(
            f"Pool {entry.key}",
            row,
            {
                "name": entry.name,
                "chain": entry.chain.value,
                "wallet": wallet,
                "min_difficulty": entry.min_difficulty,
                "max_difficulty": entry.max_difficulty,
            },
        )
        self._endpoint(entry, pool)
        return pool

    def _wallet(self, entry: V2Pool) -> Wallet:
        """The wallet with this address; wallets are never changed, since other pools may use them."""
        kind = WalletKind.ADDRESS if entry.is_address else WalletKind.ACCOUNT
        wanted = Wallet(chain=entry.chain.value, kind=kind, address=entry.wallet)
        try:
            wanted.check_rules()
        except ValidationError as error:
            raise ConfigError(*sentences(f"Wallet of pool {entry.key}", wanted, error)) from error
        found = Wallet.objects.filter(chain=wanted.chain, kind=kind, address=wanted.address).first()
        who = f"Wallet of pool {entry.key}"
        return self._put(who, found, {}) if found else self._put(who, wanted, {"label": _free_label(entry)})

    def _endpoint(self, entry: V2Pool, pool: Pool) -> None:
        who = f"Address of pool {entry.key}"
        wanted = PoolEndpoint(pool=pool, host=entry.host, port=entry.port)
        try:
            wanted.check_rules()
        except ValidationError as error:
            raise ConfigError(*sentences(who, wanted, error)) from error
        found = pool.endpoints.filter(host=wanted.host, port=wanted.port).first()
        if found is None:
            for old in pool.endpoints.all():
                old.delete()
        self._put(who, found or wanted, {})

    def _schedule(self, config: V2Config, pools: Mapping[str, Pool]) -> None:
        """Set the default schedule as the file has it."""
        row = Schedule.objects.filter(is_default=True).first() or Schedule.objects.filter(name=SCHEDULE_NAME).first()
        schedule = self._put(
            f'Schedule "{row or SCHEDULE_NAME}"',
            row or Schedule(name=SCHEDULE_NAME),
            {
                "is_default": True,
                "mode": config.mode.value,
                "min_switch_s": config.min_switch_s,
                "slice_s": config.slice_s,
            },
        )
        for position, entry in enumerate(config.pools):
            pool = pools[entry.key]
            found = schedule.allocations.filter(pool=pool).first()
            allocation = found or Allocation(schedule=schedule, pool=pool, position=position)
            self._put(f"Weight of pool {entry.key}", allocation, {"weight": entry.weight})

    def _settings(self, values: Mapping[str, Any]) -> None:
        values = dict(values)
        for name in ("log_allow", "log_deny"):
            if name in values:
                values[name] = self._known_events(values[name])
        self._put("Proxy settings", ProxySettings.load(), values)

    def _known_events(self, text: str) -> str:
        names = event_names(text)
        gone = [name for name in names if name not in events.REGISTRY]
        if gone:
            self._lines.append(f"Events that no longer exist were left out of the log filter: {', '.join(gone)}")
        return ", ".join(name for name in names if name in events.REGISTRY)

    def _balance(self, config: V2Config) -> None:
        if config.balance:
            self._put("Auto-balance", BalanceSettings.load(), config.balance)
        if config.oracle:
            url, poll_s = config.oracle
            row = BalanceSource.objects.filter(kind=SourceKind.ORACLE.value).first() or BalanceSource(
                kind=SourceKind.ORACLE.value
            )
            self._put("Oracle of auto-balance", row, {"url": url, "poll_s": poll_s})

    def _override(self, path: Path, config: V2Config) -> None:
        if not path.exists():
            return
        if config.mode is Mode.AUTO_BALANCE:
            self._report("Override", "left out: with auto-balance on, v2 wrote it by itself")
            return
        weights = parse_override(read_json(path))
        current = WeightOverride.objects.filter(cleared_at=None).first()
        if current and current.kind == OverrideKind.WEIGHTS and current.active and current.weights == weights:
            self._report("Override", "unchanged")
            return
        try:
            WeightOverride.put(by=IMPORTED_BY, weights=weights)
        except ValidationError as error:
            raise ConfigError(*sentences("Override", WeightOverride(), error)) from error
        self._report("Override", "changed" if current else "added")

    def _best_shares(self, path: Path) -> None:
        """Keep v2's best shares in a table of their own: they are assigned difficulties, not achieved ones."""
        if not path.exists():
            return
        known = {row.worker: row for row in V2BestShare.objects.all()}
        changed = 0
        for worker, difficulty in _by_worker(parse_best_shares(read_json(path))).items():
            row = known.get(worker) or V2BestShare(worker=worker, assigned_difficulty=0.0)
            if difficulty > row.assigned_difficulty:
                row.assigned_difficulty = difficulty
                row.save()
                changed += 1
        self._report(
            "Best shares of v2",
            f"{changed} kept as history (assigned difficulties, not achieved ones)" if changed else "unchanged",
        )


def _by_worker(found: Mapping[str, float]) -> dict[WorkerName, float]:
    """Worker name, as the proxy has it -> its highest difficulty."""
    best: dict[WorkerName, float] = {}
    for name, difficulty in found.items():
        worker = worker_of(name)
        best[worker] = max(difficulty, best.get(worker, 0.0))
    return best


def _free_label(entry: V2Pool) -> str:
    """A label made of the pool's name and the wallet, different from all others."""
    short = entry.wallet if len(entry.wallet) <= 20 else f"{entry.wallet[:8]}…{entry.wallet[-6:]}"
    label = f"{(entry.name or f'Pool {entry.key}')[:50]}: {short}"
    taken = set(Wallet.objects.filter(label__startswith=label).values_list("label", flat=True))
    free = (label, *(f"{label} ({number})" for number in range(2, len(taken) + 3)))
    return next(name for name in free if name not in taken)
