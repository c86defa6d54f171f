"""The connection test: does a handshake with each address of a pool and reports the result of each step.

It opens its own connections and submits nothing. Whatever a pool does becomes a line of the report; only an invalid
target raises an error.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from asgiref.sync import sync_to_async
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from proxy import VERSION
from proxy.chains.addresses import AddressError, validate_address
from proxy.config.loader import load_snapshot
from proxy.config.snapshot import POOL_KEY, Endpoint, PoolConfig, Tls
from proxy.engine.pool import PROBE_WORKER
from proxy.errors import ConfigError
from proxy.models import PoolEndpoint
from proxy.ops.check_pool_probe import probe
from proxy.ops.check_pool_report import Line, lines_of
from proxy.ops.check_pool_tls import inspect_tls
from proxy.stratum.upstream_handshake import Credentials
from proxy.types import HASHES_PER_DIFFICULTY, Chain, PoolKey

DEFAULT_TIMEOUT_S = 15.0
MAX_ENDPOINTS = 8
_NO_KEY = PoolKey("?")
_USER = re.compile(r"[^\s\x00-\x1f\x7f]{1,200}")
_KNOWN_CHAINS = (Chain.BTC, Chain.BCH, Chain.DGB)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """Result of a connection test."""

    lines: Sequence[Line]
    """(Label, text, ok); ok is None for information."""

    @property
    def ok(self) -> bool:
        """Whether no step failed at any address."""
        return not self.problem

    @property
    def problem(self) -> str:
        """The first failed step; empty if there is none."""
        return next((f"{label}: {text}" for label, text, ok in self.lines if ok is False), "")


async def check(
    target: PoolConfig | Endpoint | str,
    *,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    hashes_per_difficulty: float = HASHES_PER_DIFFICULTY,
    user: str = "",
    password: str = "x",
    chain: Chain = Chain.OTHER,
    show_wallets: bool = True,
) -> CheckReport:
    """Test ``target``: a pool, the key of a configured pool, or an address.

    All addresses of a pool are tried at once, for at most ``timeout_s`` seconds, and reported in order. ``user``,
    ``password`` and ``chain`` are for an address; without a user the test uses one of its own, whose refusal is no
    failure. ``show_wallets`` False writes ``[wallet]`` for the wallet.

    Raises:
        ConfigError: no such pool, or no usable address or user name.
    """
    pool, test_user = await _pool(target, user, password, chain), False
    if not pool.endpoints:
        raise ConfigError(_("Pool %s has no address to connect to.") % pool.key)
    if not pool.wallet:
        pool, test_user = replace(pool, wallet=PROBE_WORKER, user_format="{wallet}"), True
    credentials = Credentials(agent=f"dpmp/{VERSION}", user=user_of(pool), password=pool.password_for(None) or "x")
    groups = await asyncio.gather(
        *(
            _check_endpoint(pool, endpoint, credentials, test_user, timeout_s, hashes_per_difficulty)
            for endpoint in pool.endpoints[:MAX_ENDPOINTS]
        )
    )
    lines = [line for group in groups for line in group]
    return CheckReport(lines=tuple(lines if show_wallets else _without(pool, lines)))


async def check_all(pools: Sequence[PoolConfig]) -> list[CheckReport]:
    """Test several pools at once; reports in their order."""
    return await asyncio.gather(*(check(pool) for pool in pools))


def user_of(pool: PoolConfig) -> str:
    """The user name of the test: the worker of the proxy's probes."""
    return pool.user_for(PROBE_WORKER)


def endpoint_of(text: str, tls: Tls = Tls.OFF) -> Endpoint:
    """Parse an address: ``host:port``, with or without a scheme (``stratum+ssl://`` means TLS).

    Raises:
        ConfigError: with a sentence that says what is wrong with it.
    """
    row = PoolEndpoint(host=text[:300], port=0, tls=Tls(tls))
    try:
        row.check_rules()
    except ValidationError as error:
        raise ConfigError(*(str(message) for message in error.messages)) from error
    if not row.host:
        raise ConfigError(_("Give a host name or an IP address."))
    return Endpoint(host=row.host, port=row.port, tls=Tls(row.tls))


async def _pool(target: PoolConfig | Endpoint | str, user: str, password: str, chain: Chain) -> PoolConfig:
    if isinstance(target, PoolConfig):
        return target
    if isinstance(target, str) and ":" not in target:
        return await _configured(target)
    if user and not _USER.fullmatch(user):
        raise ConfigError(_("A user name has no spaces or control characters and 200 characters at most."))
    return _typed(endpoint_of(target) if isinstance(target, str) else target, user, password, chain)


async def _configured(key: str) -> PoolConfig:
    snapshot = await sync_to_async(load_snapshot)()
    pool = snapshot.pools.get(PoolKey(key)) if POOL_KEY.fullmatch(key) else None
    if pool is None:
        raise ConfigError(
            _('There is no pool "%(key)s". Give the key of a pool (%(keys)s), or host:port.')
            % {"key": key[:40], "keys": ", ".join(snapshot.pools) or _("none is configured")}
        )
    return pool


def _typed(endpoint: Endpoint, user: str, password: str, chain: Chain) -> PoolConfig:
    if chain is Chain.OTHER:
        chain = next((known for known in _KNOWN_CHAINS if _is_address(known, user.partition(".")[0])), chain)
    return PoolConfig(
        key=_NO_KEY, wallet=user, password=password, endpoints=(endpoint,), user_format="{wallet}", chain=chain
    )


def _is_address(chain: Chain, text: str) -> bool:
    try:
        validate_address(chain, text)
    except AddressError:
        return False
    return True


async def _check_endpoint(
    pool: PoolConfig,
    endpoint: Endpoint,
    credentials: Credentials,
    test_user: bool,
    timeout_s: float,
    hashes_per_difficulty: float,
) -> list[Line]:
    tls = None
    if endpoint.tls is Tls.OFF:
        seen = await probe(endpoint, credentials, timeout_s=timeout_s)
    else:
        seen, tls = await asyncio.gather(
            probe(endpoint, credentials, timeout_s=timeout_s), inspect_tls(endpoint, timeout_s=timeout_s)
        )
    return lines_of(
        pool,
        seen,
        tls,
        user=credentials.user,
        test_user=test_user,
        timeout_s=timeout_s,
        hashes_per_difficulty=hashes_per_difficulty,
    )


def _without(pool: PoolConfig, lines: Sequence[Line]) -> list[Line]:
    """The lines without the wallet, in any of its spellings."""
    names = {pool.wallet, pool.wallet.partition(".")[0]}
    if _is_address(pool.chain, pool.wallet):
        names.add(validate_address(pool.chain, pool.wallet).text)
    names |= {name.removeprefix("bitcoincash:") for name in names}
    hidden = re.compile("|".join(re.escape(name) for name in sorted(names, key=len, reverse=True) if name), re.I)
    return [(label, hidden.sub("[wallet]", text), ok) for label, text, ok in lines]
