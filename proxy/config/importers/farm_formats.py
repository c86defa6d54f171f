"""Parses the configurations of two other farm proxies, and says of each key that is not taken over that it is not.

Sources: braiins/farm-proxy, ``config/templates`` and ``config/sample.toml`` (server, target, routing with goals and
levels); btccom/btcagent, README and the details of its configuration file (``pools`` as lists of host, port and
account); Poolin's SmartAgent, which has ``account`` with weights and pools as objects.
"""

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from proxy.config.importers.document import read_document
from proxy.config.snapshot import Endpoint, Tls
from proxy.errors import ConfigError

MOST_ENTRIES = 100
"""Servers, targets, pools, goals or levels: more is no configuration that anybody wrote."""
DEFAULT_PORT = 3333
_SCHEMES = {"stratum+tcp": Tls.OFF, "stratum+ssl": Tls.VERIFY, "stratum+tls": Tls.VERIFY, "stratum+tcps": Tls.VERIFY}
DEFAULT_AGGREGATION = 50
"""Miners on a connection, where a target says nothing."""
_TARGET = frozenset({"name", "url", "user_identity", "identity_pass_through", "aggregation"})
_SERVER = frozenset({"name", "port"})
_AGENT = frozenset(
    {
        "account",
        "agent_listen_ip",
        "agent_listen_port",
        "agent_type",
        "fixed_worker_name",
        "multi_user_mode",
        "pool_use_tls",
        "pools",
    }
)
_TEXT = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,128}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FarmPool:
    """A pool with the account that is credited there."""

    name: str
    endpoints: tuple[Endpoint, ...]
    account: str
    user_format: str = "{wallet}.{worker}"
    most_miners: int | None = None
    """On one connection; None: the file does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FarmListener:
    """A port for miners."""

    name: str
    port: int
    host: str = ""
    """Empty: as in the proxy settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FarmRoute:
    """Where miners of some listeners mine."""

    name: str
    listeners: tuple[str, ...]
    """Empty: all."""
    weights: Mapping[str, float]
    """Pool's name -> weight."""
    fallbacks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FarmConfig:
    """What of such a file can be taken over."""

    pools: tuple[FarmPool, ...]
    listeners: tuple[FarmListener, ...]
    routes: tuple[FarmRoute, ...]
    notes: tuple[str, ...] = ()
    """What is not taken over, a sentence each."""


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises:
        ConfigError: with a sentence that names the file.
    """
    found: dict[str, Any] = read_document(path, lambda raw: tomllib.loads(raw.decode()), "TOML")
    return found


def is_agent(found: Mapping[str, Any]) -> bool:
    """Whether a JSON document is a configuration of btcagent or SmartAgent."""
    return "agent_listen_port" in found or "agent_listen_ip" in found or isinstance(found.get("pools"), list)


def parse_farm_proxy(found: Mapping[str, Any]) -> FarmConfig:
    """Parse a profile of Braiins Farm Proxy.

    Raises:
        ConfigError: with a sentence for what cannot be used.
    """
    notes = [
        f'"{_short(key)}" has no counterpart here and was left out.'
        for key in found
        if key not in ("server", "target", "routing", "description")
    ]
    servers = _tables(found.get("server"), "server")
    targets = _tables(found.get("target"), "target")
    listeners = tuple(
        FarmListener(name=_text(row.get("name"), "a server's name"), port=_port(row.get("port"), "a server"))
        for row in servers
    )
    made = {_text(row.get("name"), "a target's name"): _target(row, notes) for row in targets}
    pools = tuple(pool for pool in made.values() if pool is not None)
    for what, rows, known in (("server", servers, _SERVER), ("target", targets, _TARGET)):
        left = sorted({str(key) for row in rows for key in row} - known)
        notes += [f'"{what}.{_short(key)}" has no counterpart here and was left out.' for key in left]
    if len(made) < len(targets) or len({one.name for one in listeners}) < len(listeners):
        raise ConfigError("Two servers or two targets have the same name.")
    routes = tuple(_routing(row, made, notes) for row in _tables(found.get("routing"), "routing"))
    known_servers = {one.name for one in listeners}
    for route in routes:
        for name in route.listeners:
            if name not in known_servers:
                raise ConfigError(f'A routing is from "{_short(name)}", but there is no such server.')
    if len(routes) == 1 and {*routes[0].listeners} == known_servers:
        routes = (replace(routes[0], listeners=()),)
    if not pools:
        raise ConfigError("There is no target in the file: nothing can be mined on.")
    return FarmConfig(pools=pools, listeners=listeners, routes=routes, notes=tuple(dict.fromkeys(notes)))


def _target(row: Mapping[str, Any], notes: list[str]) -> FarmPool | None:
    """None: it speaks another protocol."""
    name = _text(row.get("name"), "a target's name")
    url = _text(row.get("url"), f'url of "{_short(name)}"')
    if url.lower().startswith("stratum2+"):
        notes.append(
            f'Target "{_short(name)}" is for Stratum V2 and was left out: add its address for Stratum V1 by hand.'
        )
        return None
    account, _dot, worker = _text(row.get("user_identity"), f'user_identity of "{_short(name)}"').partition(".")
    if not account:
        raise ConfigError(f'user_identity of "{_short(name)}" has no user name.')
    if row.get("identity_pass_through") is True:
        notes.append(
            f'Target "{_short(name)}": the miners\' own user names are not passed on here; the pool sees '
            f'"{_short(account)}" with each worker\'s name.'
        )
        user_format = "{wallet}.{worker}"
    else:
        user_format = f"{{wallet}}.{_worker(worker)}" if worker else "{wallet}"
    return FarmPool(
        name=name,
        endpoints=(_url(url),),
        account=account,
        user_format=user_format,
        most_miners=int(_number(row.get("aggregation", DEFAULT_AGGREGATION), "aggregation")) or None,
    )


def _routing(row: Mapping[str, Any], pools: Mapping[str, FarmPool | None], notes: list[str]) -> FarmRoute:
    left = sorted({str(key) for key in row} - {"name", "from", "goal"})
    notes += [f'"routing.{_short(key)}" has no counterpart here and was left out.' for key in left]
    listeners = _names(row.get("from"), "routing.from")
    weights: dict[str, float] = {}
    fallbacks: list[str] = []
    for goal in _tables(row.get("goal"), "routing.goal"):
        weight = _number(goal.get("hr_weight", 100), "hr_weight")
        levels = [_names(level.get("targets"), "targets") for level in _tables(goal.get("level"), "routing.goal.level")]
        chosen = [name for level in levels for name in level]
        unknown = [name for name in chosen if name not in pools]
        if unknown:
            raise ConfigError(f'A goal names the target "{_short(unknown[0])}", which does not exist.')
        chosen = [name for name in chosen if pools[name] is not None]
        if chosen:
            weights[chosen[0]] = weights.get(chosen[0], 0.0) + weight
            fallbacks += chosen[1:]
        if len({*levels[0]} if levels else ()) > 1:
            notes.append("A level with several targets: the first is used, the others when all others are down.")
    if len(weights) > 1 and fallbacks:
        notes.append("Levels: a fallback pool is used here while all pools with a weight are down, not for each goal.")
    if not any(weights.values()):
        raise ConfigError("A routing has no goal with a target that can be used and a weight above 0.")
    name = _text(row.get("name"), "a routing's name") if "name" in row else "Farm Proxy"
    spare = tuple(dict.fromkeys(one for one in fallbacks if one not in weights))
    return FarmRoute(name=name, listeners=listeners, weights=weights, fallbacks=spare)


def parse_agent(found: Mapping[str, Any]) -> FarmConfig:
    """Parse an ``agent_conf.json``.

    Raises:
        ConfigError: with a sentence for what cannot be used.
    """
    if str(found.get("agent_type", "btc")).lower() not in ("btc", ""):
        raise ConfigError(f'agent_type "{_short(found.get("agent_type"))}": only SHA-256 is mined here.')
    if found.get("multi_user_mode") is True:
        raise ConfigError(
            "multi_user_mode is on: each miner is credited to the account in its own user name. Here a pool has one "
            "account. If all are to be credited to those in the file, set it to false in a copy of the file."
        )
    notes = [f'"{_short(key)}" has no counterpart here and was left out.' for key in found if key not in _AGENT]
    tls = Tls.VERIFY if found.get("pool_use_tls") is True else Tls.OFF
    fixed = found.get("fixed_worker_name") or ""
    user_format = f"{{wallet}}.{_worker(_text(fixed, 'fixed_worker_name'))}" if fixed else "{wallet}.{worker}"
    weights = _accounts(found.get("account"))
    entries = [_agent_pool(entry, tls) for entry in _list(found.get("pools"), "pools")]
    if not entries:
        raise ConfigError("There is no pool in the file: nothing can be mined on.")
    by_account: dict[str, list[Endpoint]] = {}
    for endpoint, account in entries:
        for name in [account] if account else list(weights):
            if endpoint not in by_account.setdefault(name, []):
                by_account[name].append(endpoint)
    if not by_account:
        raise ConfigError(
            "The file names no account: each miner has its own (multi_user_mode). Here a pool has one account: add the "
            "pools by hand."
        )
    pools = tuple(
        FarmPool(name=account, endpoints=tuple(places), account=account, user_format=user_format)
        for account, places in by_account.items()
    )
    first = pools[0].name
    wanted = {name: weights[name] for name in by_account if name in weights} or {first: 100.0}
    if not any(wanted.values()):
        raise ConfigError("No account has a weight above 0.")
    spare = tuple(pool.name for pool in pools if pool.name not in wanted)
    host = _text(found.get("agent_listen_ip", "0.0.0.0"), "agent_listen_ip")
    port = _port(found.get("agent_listen_port", DEFAULT_PORT), "agent_listen_port")
    return FarmConfig(
        pools=pools,
        listeners=(FarmListener(name="btcagent", port=port, host=host),),
        routes=(FarmRoute(name="btcagent", listeners=(), weights=wanted, fallbacks=spare),),
        notes=tuple(notes),
    )


def _accounts(found: Any) -> dict[str, float]:
    return {
        _text(row.get("name"), "an account's name"): _number(row.get("weight", 1), "an account's weight")
        for row in _tables(found, "account")
    }


def _agent_pool(entry: Any, tls: Tls) -> tuple[Endpoint, str]:
    if isinstance(entry, dict):
        host, port, account = entry.get("address"), entry.get("port"), entry.get("account", "")
    elif isinstance(entry, list) and 2 <= len(entry) <= 3:
        host, port, account = (*entry, "")[:3]
    else:
        raise ConfigError("A pool is a list of host, port and account.")
    place = Endpoint(host=_text(host, "a pool's host"), port=_port(port, "a pool"), tls=tls)
    return place, _text(account, "an account's name") if account else ""


def _url(url: str) -> Endpoint:
    try:
        parts = urlsplit(url if "://" in url else f"stratum+tcp://{url}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError(f'"{_short(url)}" is no address of a pool: {error}.') from error
    if parts.scheme.lower() not in _SCHEMES or not host:
        raise ConfigError(f'"{_short(url)}" is no address of a pool that speaks Stratum V1.')
    return Endpoint(
        host=host, port=_port(DEFAULT_PORT if port is None else port, "a url"), tls=_SCHEMES[parts.scheme.lower()]
    )


def _worker(name: str) -> str:
    if re.search(r"[\s{}]", name):
        raise ConfigError(f'"{_short(name)}" is no name of a worker.')
    return name


def _list(found: Any, what: str) -> list[Any]:
    if found is None:
        return []
    if not isinstance(found, list) or len(found) > MOST_ENTRIES:
        raise ConfigError(f'"{what}" must be a list of at most {MOST_ENTRIES}.')
    return found


def _tables(found: Any, what: str) -> list[dict[str, Any]]:
    rows = _list(found, what)
    if not all(isinstance(row, dict) for row in rows):
        raise ConfigError(f'"{what}" must be a list of tables.')
    return rows


def _names(found: Any, what: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_text(name, f"a name in {what}") for name in _list(found, what)))


def _text(found: Any, what: str) -> str:
    if not isinstance(found, str) or not _TEXT.fullmatch(found.strip()):
        raise ConfigError(f"{what} is missing, or no text that can be used.")
    return found.strip()


def _port(found: Any, what: str) -> int:
    if isinstance(found, bool) or not isinstance(found, int | str) or not re.fullmatch(r"[0-9]{1,5}", str(found)):
        raise ConfigError(f"The port of {what} is missing, or no number.")
    if not 0 < int(found) < 65_536:
        raise ConfigError(f"{found} is no port (1 to 65535).")
    return int(found)


def _number(found: Any, what: str) -> float:
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise ConfigError(f"{what} must be a number.")
    if not (math.isfinite(found) and 0 <= found < 1e9) if isinstance(found, float) else not 0 <= found < 10**9:
        raise ConfigError(f"{what} must be 0 or more.")
    return float(found)


def _short(found: Any) -> str:
    return str(found)[:60]
