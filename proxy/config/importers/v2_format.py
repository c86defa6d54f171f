"""Parses the files of DPMP v2 and names each key that is not understood."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proxy.chains.addresses import AddressError, validate_address
from proxy.config.importers.document import read_document
from proxy.config.snapshot import POOL_KEY, Mode
from proxy.errors import ConfigError
from proxy.types import Chain

V2_MIN_SWITCH_S, V2_SLICE_S, V2_WEIGHT, V2_POLL_S = 50.0, 30.0, 50.0, 600.0
V2_METRICS_HOST = "0.0.0.0"
"""v2's default."""

_PLACEHOLDER = re.compile(r"POOL_[A-Z]_(HOST|WALLET)")
_ADDRESS_CHARS = re.compile(r"[A-Za-z0-9:]{25,}")
_MISSING = object()
_SECTIONS = {"listen", "metrics", "logging", "pools", "downstream_diff", "scheduler"}
_NOT_NEEDED = {
    "assigner_interval_seconds": (
        "v2 looked every so many seconds who should work where; here that is decided in the moment in which it is due."
    ),
    "convergence_tolerance": (
        "v2 let the split be off its target by this much before it acted; here what is owed is always worked off."
    ),
}
"""Keys of the scheduler of v2 3.0.3 (``dpmp_fleet.py``, global assigner) without a counterpart, and why."""
_OLD = {
    "listen_host": ("listen", "host"),
    "listen_port": ("listen", "port"),
    "metrics_enabled": ("metrics", "enabled"),
    "metrics_host": ("metrics", "host"),
    "metrics_port": ("metrics", "port"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class V2Pool:
    """One pool of the file."""

    key: str
    name: str
    host: str
    port: int
    chain: Chain
    wallet: str
    is_address: bool
    weight: float
    min_difficulty: float | None
    max_difficulty: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class V2Config:
    """The content of a ``config_v2.json``."""

    pools: tuple[V2Pool, ...]
    mode: Mode
    min_switch_s: float
    slice_s: float
    balance: Mapping[str, float] = field(default_factory=dict)
    """Column of the auto-balance settings -> value, only what the file names."""
    oracle: tuple[str, float] | None = None
    """Address and seconds between polls, if auto-balance is on and asks it."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Column of the proxy settings -> value, only what the file names."""
    notes: tuple[str, ...] = ()
    """What is not taken over, a sentence each."""


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in ``path``.

    Raises:
        ConfigError: with a sentence that names the file.
    """
    found = read_document(path, _json, "JSON")
    if not isinstance(found, dict):
        raise ConfigError(f"{path} holds no JSON object.")
    return found


def _json(raw: bytes) -> Any:
    found = json.loads(raw)
    json.dumps(found, ensure_ascii=False).encode()  # half a surrogate pair is a text that nothing can keep
    return found


def parse_config(found: Mapping[str, Any]) -> V2Config:
    """Parse the content of a ``config_v2.json`` or of its older forms.

    Raises:
        ConfigError: with a sentence for everything that cannot be used.
    """
    return _Reader(found).read()


def parse_override(found: Mapping[str, Any]) -> dict[str, float]:
    """Pool key -> weight of a ``weights_override.json``. Raises ``ConfigError``."""
    weights = {}
    for name, value in found.items():
        key = name.removeprefix("pool").removesuffix("_weight")
        if name != f"pool{key}_weight" or not POOL_KEY.fullmatch(key):
            continue
        number = _number(value)
        if number is None or number < 0:
            raise ConfigError(f"weights_override.json: {name} is no number of 0 or more.")
        weights[key] = number
    if not any(weights.values()):
        raise ConfigError("weights_override.json: at least one pool needs a weight above 0.")
    return weights


def parse_best_shares(found: Mapping[str, Any]) -> dict[str, float]:
    """Worker -> assigned difficulty of a ``best_shares.json``; what is no positive number is left out."""
    numbers = {worker: _number(value) for worker, value in found.items()}
    return {worker: number for worker, number in numbers.items() if number is not None and number > 0}


def _number(value: object) -> float | None:
    """A finite number, also written as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


class _Reader:
    """Parses one file; problems are collected, so that all of them are reported at once."""

    def __init__(self, found: Mapping[str, Any]) -> None:
        self._problems: list[str] = []
        self._notes: list[str] = []
        self._sections = {name: dict(self._section(found, name)) for name in sorted(_SECTIONS)}
        for old, (section, name) in _OLD.items():
            if old in found:
                self._sections[section].setdefault(name, found[old])
        self._unknown("", set(found) - _SECTIONS - set(_OLD))

    def read(self) -> V2Config:
        """Pop each known key from its section; the keys that remain are unknown."""
        pools = self._pools()
        mode, min_switch_s, slice_s = self._scheduler()
        balance, oracle = self._balance(mode)
        settings = self._settings()
        for section, left in self._sections.items():
            self._unknown(f"{section}.", set(left))
        if self._problems:
            raise ConfigError(*self._problems)
        return V2Config(
            pools=tuple(pools),
            mode=mode,
            min_switch_s=min_switch_s,
            slice_s=slice_s,
            balance=balance,
            oracle=oracle,
            settings=settings,
            notes=tuple(self._notes),
        )

    def _section(self, found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
        section = found.get(name, {})
        if isinstance(section, dict):
            return section
        self._problems.append(f'"{name}" must be an object.')
        return {}

    def _unknown(self, where: str, names: set[str]) -> None:
        self._notes += [f'"{where}{name}" is not known and was left out.' for name in sorted(names)]

    def _take_number(self, section: str, name: str, default: float | None) -> float | None:
        value = self._sections[section].pop(name, _MISSING)
        if value is _MISSING or value is None:
            return default
        number = _number(value)
        if number is None:
            self._problems.append(f'"{section}.{name}" is no number.')
            return default
        return number

    def _pools(self) -> list[V2Pool]:
        pools = self._sections.pop("pools")
        floor = self._take_number("downstream_diff", "default_min", None)
        if not pools:
            self._problems.append('There are no "pools" in this file.')
        read = []
        for key, entry in sorted(pools.items()):
            if not POOL_KEY.fullmatch(key) or not isinstance(entry, dict):
                self._problems.append(f'"pools.{key}" is no pool.')
                continue
            read.append(self._pool(key, dict(entry), floor))
        return read

    def _pool(self, key: str, entry: dict[str, Any], floor: float | None) -> V2Pool:
        who = f"pools.{key}"
        host, wallet = self._text(who, entry, "host"), self._text(who, entry, "wallet")
        port = _number(entry.pop("port", None))
        if port is None or port != int(port) or not 0 < port < 65536:
            self._problems.append(f'"{who}.port" is no port (1 to 65535).')
            port = 0
        chain, is_address = self._wallet(who, wallet, self._chain(who, entry.pop("chain", None)))
        pool = V2Pool(
            key=key,
            name=str(entry.pop("name", ""))[:80],
            host=host,
            port=int(port),
            chain=chain,
            wallet=wallet,
            is_address=is_address,
            weight=self._take_number("scheduler", f"pool{key}_weight", V2_WEIGHT) or 0.0,
            min_difficulty=self._take_number("downstream_diff", f"pool{key}_min", floor) or None,
            max_difficulty=self._take_number("downstream_diff", f"pool{key}_max", None) or None,
        )
        self._unknown(f"{who}.", set(entry))
        return pool

    def _text(self, who: str, entry: dict[str, Any], name: str) -> str:
        text = entry.pop(name, "")
        if not isinstance(text, str) or not text.strip():
            self._problems.append(f'"{who}.{name}" is missing.')
            return ""
        if _PLACEHOLDER.fullmatch(text.strip()):
            self._problems.append(f'"{who}.{name}" is still the placeholder of the example: {text.strip()}.')
        return text.strip()

    def _chain(self, who: str, name: object) -> Chain | None:
        if name is None or name == "":
            return None
        text = str(name).upper()
        if text in Chain.__members__:
            return Chain[text]
        self._notes.append(f'"{who}.chain": {text[:20]} is not known here and becomes "other".')
        return Chain.OTHER

    def _wallet(self, who: str, wallet: str, chain: Chain | None) -> tuple[Chain, bool]:
        """Chain of the wallet, and whether it is an address. Without ``chain``: the first chain that it is valid on."""
        candidates = [chain] if chain else [Chain.BTC, Chain.BCH, Chain.DGB]
        if not wallet or chain is Chain.OTHER:
            return chain or Chain.OTHER, False
        problem = ""
        for candidate in candidates:
            try:
                validate_address(candidate, wallet)
            except AddressError as error:
                problem = problem or str(error)
            else:
                return candidate, True
        if _ADDRESS_CHARS.fullmatch(wallet):
            self._problems.append(f'"{who}.wallet": {problem}')
        return chain or Chain.OTHER, False

    def _scheduler(self) -> tuple[Mode, float, float]:
        scheduler = self._sections["scheduler"]
        mode = scheduler.pop("mode", "ratio")
        if mode != "ratio":
            self._problems.append(f'"scheduler.mode": {mode!r} is not known; v2 has "ratio" only.')
        min_switch_s = self._take_number("scheduler", "min_switch_seconds", V2_MIN_SWITCH_S) or 0.0
        slice_s = self._take_number("scheduler", "slice_seconds", V2_SLICE_S) or 0.0
        for name, why in _NOT_NEEDED.items():
            if scheduler.pop(name, _MISSING) is not _MISSING:
                self._notes.append(f'"scheduler.{name}" was left out: {why}')
        balanced = scheduler.pop("auto_balance", False) is True
        return Mode.AUTO_BALANCE if balanced else Mode.RATIO, min_switch_s, slice_s

    def _balance(self, mode: Mode) -> tuple[dict[str, float], tuple[str, float] | None]:
        deviation = self._take_number("scheduler", "auto_balance_max_deviation", None)
        url = self._sections["scheduler"].pop("oracle_url", "")
        poll_s = self._take_number("scheduler", "oracle_poll_seconds", V2_POLL_S) or V2_POLL_S
        balance = {} if deviation is None else {"max_deviation": deviation}
        if not url or not isinstance(url, str):
            return balance, None
        if mode is not Mode.AUTO_BALANCE:
            self._notes.append('"scheduler.oracle_url" was left out: auto-balance is off, and nobody is asked for it.')
            return balance, None
        return balance, (url, max(poll_s, V2_POLL_S))

    def _settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {}
        for section, prefix in (("listen", "stratum"), ("metrics", "metrics")):
            port = self._take_number(section, "port", None)
            if port is not None and port != int(port):
                self._problems.append(f'"{section}.port" is no port (1 to 65535).')
            elif port is not None:
                settings[f"{prefix}_port"] = int(port)
            host = self._sections[section].pop("host", None)
            if host is not None:
                settings[f"{prefix}_host"] = str(host)
        settings.setdefault("metrics_host", V2_METRICS_HOST)
        enabled = self._sections["metrics"].pop("enabled", None)
        if enabled is not None:
            settings["metrics_enabled"] = bool(enabled)
        return settings | self._logging()

    def _logging(self) -> dict[str, Any]:
        section, settings = self._sections["logging"], {}
        if section.pop("json", True) is False:
            self._notes.append('"logging.json" was left out: log lines are always JSON.')
        if "level" in section:
            settings["log_level"] = str(section.pop("level")).upper()
        for name in ("allow", "deny"):
            names = section.pop(name, None)
            if isinstance(names, list):
                settings[f"log_{name}"] = ", ".join(map(str, names))
            elif names is not None:
                self._problems.append(f'"logging.{name}" must be a list.')
        return settings
