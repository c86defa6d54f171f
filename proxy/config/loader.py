"""Reads the configuration's tables into one ``ConfigSnapshot``. Blocking."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TypeVar

from django.utils import timezone

from proxy.chains.addresses import AddressError, validate_address
from proxy.config.alerts_loader import load_alerts
from proxy.config.balance_loader import load_balance
from proxy.config.snapshot import (
    BalanceConfig,
    ConfigSnapshot,
    Connections,
    DevicesConfig,
    Endpoint,
    FirmwareRule,
    GroupBy,
    HealthConfig,
    Limits,
    ListenerConfig,
    Listeners,
    LogConfig,
    MinerAccess,
    MinerDirectives,
    Mode,
    MqttConfig,
    OverrideConfig,
    OverrideKind,
    PayoutAction,
    Policy,
    PoolConfig,
    ScheduleConfig,
    Tls,
    VardiffRule,
    Window,
)
from proxy.config.validate import validate
from proxy.errors import ConfigError
from proxy.models import (
    ConfigRevision,
    DeviceSettings,
    Listener,
    MoneySettings,
    MqttSettings,
    Pool,
    ProxySettings,
    Schedule,
    Wallet,
    WeightOverride,
    WorkerPin,
    WorkerTrace,
)
from proxy.models import FirmwareRule as FirmwareRow
from proxy.models import VardiffRule as VardiffRow
from proxy.models.labels import WalletKind
from proxy.models.settings import event_names, networks_of
from proxy.stratum.firmware import BY_NAME
from proxy.types import MAIN_LISTENER, TLS_LISTENER, AdminStatus, Chain, ListenerId, PoolKey, WorkerName

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_READS = 5
"""How often a read is tried again because the configuration changed meanwhile."""

Choice = TypeVar("Choice", bound=StrEnum)
Group = TypeVar("Group", Limits, HealthConfig, Listeners)


def current_revision() -> int:
    """How often the configuration has changed; 0 before the first change. One query."""
    return ConfigRevision.objects.filter(pk=1).values_list("number", flat=True).first() or 0


def load_snapshot(environ: Mapping[str, str] = os.environ, opened: Listeners | None = None) -> ConfigSnapshot:
    """Read all rows and validate them; ``opened``: the ports of the proxy settings that are open, where they are.

    Raises:
        ConfigError: with a sentence for each row that cannot be used.
        django.db.Error: the database cannot be read.
    """
    revision = current_revision()
    for _ in range(_READS):
        try:
            snapshot, refusal = _read(revision, environ, opened), None
        except ConfigError as error:
            snapshot, refusal = None, error
        before, revision = revision, current_revision()
        if before == revision:
            break
    if snapshot is None:
        raise refusal or ConfigError("The configuration cannot be read.")
    return validate(snapshot)


def mark_applied(revision: int) -> None:
    """Record, for all processes, that ``revision`` is in force."""
    ConfigRevision.change(applied_revision=revision, applied_at=timezone.now(), refused_revision=None, problems=[])


def mark_refused(revision: int, problems: Sequence[str]) -> None:
    """Record, for all processes, that ``revision`` cannot be used, and why."""
    ConfigRevision.change(refused_revision=revision, problems=list(problems))


@dataclass(frozen=True, slots=True)
class Rows:
    """The database as the ``ConfigStore`` of a process."""

    opened: Callable[[], Listeners | None]
    """The ports of the proxy settings as this process has opened them; None before it did."""

    current_revision = staticmethod(current_revision)
    mark_applied = staticmethod(mark_applied)
    mark_refused = staticmethod(mark_refused)

    def load_snapshot(self) -> ConfigSnapshot:
        """For the ports that are open."""
        return load_snapshot(opened=self.opened())


def _read(revision: int, environ: Mapping[str, str], opened: Listeners | None) -> ConfigSnapshot:
    problems: list[str] = []
    rows = list(Pool.objects.select_related("wallet", "fact").prefetch_related("endpoints"))
    keys = {row.pk: PoolKey(row.key) for row in rows}
    pools = {PoolKey(row.key): _pool(row, problems) for row in rows}
    settings = ProxySettings.load()
    ports = opened or _group(Listeners, settings)
    listeners = _miner_listeners(settings, ports, frozenset(pools), problems)
    idents = {listener.row: listener.id for listener in listeners if listener.row is not None}
    schedules = tuple(
        _schedule(row, keys, idents, problems)
        for row in Schedule.objects.filter(enabled=True)
        .order_by("id")
        .prefetch_related("allocations", "fallbacks", "windows")
    )
    override, pins, traces = _override(problems), _pins(keys), _traces()
    firmware, vardiff = _firmware(problems), _vardiff(idents, problems)
    balance, log = _balance(problems), _log(settings, environ, problems)
    access = _access(settings, problems)
    if problems:
        raise ConfigError(*problems)
    return ConfigSnapshot(
        revision=revision,
        pools=pools,
        schedules=schedules,
        override=override,
        pins=pins,
        trace_workers=traces,
        balance=balance,
        limits=_group(Limits, settings),
        access=access,
        health=_group(HealthConfig, settings),
        listeners=_group(Listeners, settings),
        miner_listeners=listeners,
        log=log,
        alerts=load_alerts(),
        firmware=firmware,
        vardiff=vardiff,
        mqtt=mqtt_config(MqttSettings.load()),
        devices=devices_config(DeviceSettings.load()),
        update_feed=settings.update_feed,
        worker_series=settings.worker_series,
    )


def mqtt_config(row: MqttSettings) -> MqttConfig | None:
    """What ``row`` says; None where MQTT is off."""
    if not row.enabled:
        return None
    return MqttConfig(**{each.name: getattr(row, each.name) for each in fields(MqttConfig)})


def devices_config(row: DeviceSettings) -> DevicesConfig | None:
    """What ``row`` says, with the price of power where money is shown; None where miners are not asked."""
    if not row.enabled:
        return None
    money = MoneySettings.load()
    price = money.electricity_price if money.enabled else None
    return DevicesConfig(
        networks=row.networks,
        mdns=row.mdns,
        interval_s=row.interval_s,
        price_per_kwh=price or 0.0,
        currency=money.currency if price else "",
    )


def _access(settings: ProxySettings, problems: list[str]) -> MinerAccess:
    try:
        return MinerAccess(networks=tuple(networks_of(settings.miner_allow)), password=settings.miner_password)
    except ValueError as error:
        problems.append(f"Where miners may connect from: {error}.")
        return MinerAccess()


def _miner_listeners(
    settings: ProxySettings, ports: Listeners, pools: frozenset[PoolKey], problems: list[str]
) -> tuple[ListenerConfig, ...]:
    """The ports of the proxy settings and those of the table. A row with a port of the settings stands for it.

    Ports of the settings change with a restart: until then, what a row says of the open one holds for its miners.
    """
    fixed = {ports.stratum_port: MAIN_LISTENER}
    if ports.tls_port:
        fixed[ports.tls_port] = TLS_LISTENER
    rows = {row.port: row for row in Listener.objects.all()}
    found = []
    for port, ident in fixed.items():
        row = rows.pop(port, None)
        if row is not None:
            found.append(_listener(row, ident, settings, pools, problems))
            continue
        found.append(
            ListenerConfig(
                id=ident,
                name="miners" if ident == MAIN_LISTENER else "miners with TLS",
                host=ports.stratum_host,
                port=port,
                tls=ident == TLS_LISTENER,
                certificate=settings.tls_certificate,
                key=settings.tls_key,
            )
        )
    found += [_listener(row, ListenerId(row.pk), settings, pools, problems) for row in rows.values()]
    return tuple(found)


def _listener(
    row: Listener, ident: ListenerId, settings: ProxySettings, pools: frozenset[PoolKey], problems: list[str]
) -> ListenerConfig:
    try:
        trusted, networks = tuple(networks_of(row.proxy_networks)), tuple(networks_of(row.allow))
    except ValueError as error:
        problems.append(f'Listener "{row.name}": {error}.')
        trusted, networks = (), ()
    own = bool(row.tls_certificate)
    return ListenerConfig(
        id=ident,
        name=row.name,
        host=row.host,
        port=row.port,
        enabled=row.enabled,
        row=row.pk,
        tls=row.tls,
        certificate=row.tls_certificate if own else settings.tls_certificate,
        key=row.tls_key if own else settings.tls_key,
        proxy_networks=trusted,
        default_difficulty=row.default_difficulty,
        least_difficulty=row.least_difficulty,
        access=MinerAccess(networks=networks, password=row.password),
        directives=MinerDirectives(
            difficulty=row.difficulty_directive,
            most_difficulty=row.most_difficulty,
            pin=row.pin_directive,
            split=row.split_directive,
            pools=tuple(PoolKey(key) for key in event_names(row.directive_pools) if key in pools),
            split_least=row.split_least,
        ),
    )


def _balance(problems: list[str]) -> BalanceConfig:
    try:
        return load_balance()
    except ConfigError as error:
        problems += error.problems
        return BalanceConfig()


def _pool(row: Pool, problems: list[str]) -> PoolConfig:
    who = f"Pool {row.key}"
    _check_wallet(who, row, row.wallet, problems)
    fact = getattr(row, "fact", None)
    endpoints = tuple(
        Endpoint(host=endpoint.host, port=endpoint.port, tls=_choice(Tls, endpoint.tls, who, problems))
        for endpoint in row.endpoints.all()
    )
    return PoolConfig(
        key=PoolKey(row.key),
        name=row.name,
        chain=_choice(Chain, row.chain, who, problems),
        wallet=row.wallet.address,
        password=row.password,
        endpoints=endpoints,
        user_format=row.user_format,
        connections=_choice(Connections, row.connections, who, problems),
        own_up_to=row.own_up_to,
        most_miners=row.most_miners,
        most_connections=row.most_connections,
        group_by=_choice(GroupBy, row.group_by, who, problems),
        shares_per_minute=row.shares_per_minute,
        min_difficulty=row.min_difficulty,
        max_difficulty=row.max_difficulty,
        status=_choice(AdminStatus, row.status, who, problems),
        solo=row.solo,
        payout_min_percent=row.payout_min_percent,
        payout_action=_choice(PayoutAction, row.payout_action, who, problems),
        extranonce2_size=fact.extranonce2_size if fact else None,
    )


def _check_wallet(who: str, pool: Pool, wallet: Wallet, problems: list[str]) -> None:
    """Check the wallet again: a row written past the models' rules must not send work to a wrong address."""
    if wallet.chain != pool.chain and Chain.OTHER not in (wallet.chain, pool.chain):
        problems.append(f"{who} mines {pool.chain}, but its wallet {wallet.label} is of {wallet.chain}.")
    if wallet.kind != WalletKind.ADDRESS or wallet.chain == Chain.OTHER:
        return
    try:
        validate_address(_choice(Chain, wallet.chain, who, problems), wallet.address)
    except AddressError as error:
        problems.append(f"{who}, wallet {wallet.label}: {error}")


def _choice(kind: type[Choice], value: str, who: str, problems: list[str]) -> Choice:
    try:
        return kind(value)
    except ValueError:
        problems.append(f'{who}: "{value}" is not one of {", ".join(kind)}.')
        return next(iter(kind))


def _schedule(
    row: Schedule, keys: Mapping[int, PoolKey], listeners: Mapping[int, ListenerId], problems: list[str]
) -> ScheduleConfig:
    who = f'Schedule "{row.name}"'
    return ScheduleConfig(
        id=row.pk,
        name=row.name,
        mode=_choice(Mode, row.mode, who, problems),
        allocations=tuple((keys[entry.pool_id], entry.weight) for entry in row.allocations.all()),
        fallbacks=tuple(keys[entry.pool_id] for entry in row.fallbacks.all()),
        min_switch_s=row.min_switch_s,
        slice_s=row.slice_s,
        policy=_choice(Policy, row.policy, who, problems),
        windows=tuple(Window(weekdays=window.days, start=window.start, end=window.end) for window in row.windows.all()),
        time_zone=row.time_zone,
        priority=row.priority,
        workers=row.workers,
        is_default=row.is_default,
        listener=listeners.get(row.listener_id, ListenerId(row.listener_id)) if row.listener_id is not None else None,
    )


def _override(problems: list[str]) -> OverrideConfig | None:
    row = WeightOverride.objects.filter(cleared_at__isnull=True).first()
    if row is None or not row.active:
        return None
    try:
        weights = {PoolKey(str(key)): float(weight) for key, weight in dict(row.weights).items()}
    except (TypeError, ValueError):
        problems.append("The override: its weights are no numbers; clear it and set it again.")
        weights = {}
    return OverrideConfig(
        kind=_choice(OverrideKind, row.kind, "The override", problems),
        weights=weights,
        set_by=row.set_by,
        set_at=row.set_at.timestamp(),
        until=row.until.timestamp() if row.until else None,
    )


def _firmware(problems: list[str]) -> tuple[FirmwareRule, ...]:
    rows = list(FirmwareRow.objects.filter(enabled=True).order_by("position", "id"))
    problems += [
        f'Firmware rule "{row.agent}": there is no profile "{row.profile}".'
        for row in rows
        if row.profile not in BY_NAME
    ]
    return tuple(FirmwareRule(agent=row.agent, profile=row.profile) for row in rows)


def _vardiff(
    listeners: Mapping[int, ListenerId], problems: list[str]
) -> dict[tuple[ListenerId | None, str], VardiffRule]:
    rules = {}
    for row in VardiffRow.objects.filter(enabled=True):
        if row.profile and row.profile not in BY_NAME:
            problems.append(f'Vardiff rule "{row.name}": there is no profile "{row.profile}".')
        listener = listeners[row.listener_id] if row.listener_id is not None else None
        rules[listener, row.profile] = VardiffRule(
            listener=listener,
            profile=row.profile,
            shares_per_minute=row.shares_per_minute,
            least_difficulty=row.least_difficulty,
            most_difficulty=row.most_difficulty,
        )
    return rules


def _pins(keys: Mapping[int, PoolKey]) -> dict[WorkerName, PoolKey]:
    return {
        WorkerName(worker): keys[pool]
        for worker, pool in WorkerPin.objects.values_list("worker", "pool_id")
        if pool in keys
    }


def _traces() -> dict[WorkerName, float]:
    rows = WorkerTrace.objects.filter(until__gt=timezone.now()).values_list("worker", "until")
    return {WorkerName(worker): until.timestamp() for worker, until in rows}


def _group(kind: type[Group], settings: ProxySettings) -> Group:
    """Fill a dataclass whose fields are named as the columns of the settings."""
    return kind(**{name: getattr(settings, name) for name in kind.__dataclass_fields__})


def _log(settings: ProxySettings, environ: Mapping[str, str], problems: list[str]) -> LogConfig:
    level = (environ.get("DPMP_LOG_LEVEL") or settings.log_level).strip().upper()
    if level not in LOG_LEVELS:
        problems.append(
            f'"{level}" is no log level: use one of {", ".join(LOG_LEVELS)} (DPMP_LOG_LEVEL wins over the settings).'
        )
    return LogConfig(
        level=level,
        allow=_names(environ.get("DPMP_LOG_ALLOW") or settings.log_allow),
        deny=_names(environ.get("DPMP_LOG_DENY") or settings.log_deny),
        file_bytes=settings.file_bytes,
        file_count=settings.file_count,
        redact_wallets=settings.redact_wallets,
    )


def _names(text: str) -> frozenset[str]:
    names: Iterable[str] = event_names(text)
    return frozenset(names)
