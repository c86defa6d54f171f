"""The configuration as the engine sees it: one immutable snapshot.

``proxy.config.loader`` makes it from the database's rows, ``validate`` checks it and ``diff`` compares two. All
durations are seconds, all difficulties plain numbers, all weights are relative (they need not sum to 100).
"""

# ruff: noqa: F401 (a face: each name is for whoever imports it from here)

from collections.abc import Mapping
from dataclasses import dataclass, field

from proxy.alerts.rules import AlertSetup
from proxy.config.snapshot.miner_config import (
    NO_LISTENER,
    NO_VARDIFF_RULE,
    FirmwareRule,
    Limits,
    ListenerConfig,
    MinerAccess,
    MinerDirectives,
    Network,
    VardiffRule,
)
from proxy.config.snapshot.pool_config import (
    DIFFICULTY_PLACEHOLDER,
    POOL_KEY,
    USUAL_SHARED,
    Connections,
    Endpoint,
    GroupBy,
    HealthConfig,
    PayoutAction,
    PoolConfig,
    Tls,
)
from proxy.config.snapshot.process_config import DevicesConfig, Listeners, LogConfig, MqttConfig
from proxy.config.snapshot.schedule_config import (
    ALL_WORKERS,
    DEFAULT_MIN_SWITCH_S,
    DEFAULT_SLICE_S,
    MIN_SWITCH_S_FLOOR,
    BalanceConfig,
    BalanceSourceConfig,
    BalanceStrategy,
    Mode,
    OverrideConfig,
    OverrideKind,
    Policy,
    ScheduleConfig,
    Window,
)
from proxy.types import MAIN_LISTENER, ListenerId, PoolKey, WorkerName


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigSnapshot:
    """The whole configuration, consistent at one revision."""

    revision: int = 0
    pools: Mapping[PoolKey, PoolConfig] = field(default_factory=dict)
    schedules: tuple[ScheduleConfig, ...] = ()
    override: OverrideConfig | None = None
    pins: Mapping[WorkerName, PoolKey] = field(default_factory=dict)
    balance: BalanceConfig = field(default_factory=BalanceConfig)
    limits: Limits = field(default_factory=Limits)
    access: MinerAccess = field(default_factory=MinerAccess)
    health: HealthConfig = field(default_factory=HealthConfig)
    listeners: Listeners = field(default_factory=Listeners)
    miner_listeners: tuple[ListenerConfig, ...] = (
        ListenerConfig(id=MAIN_LISTENER, name="miners", host="0.0.0.0", port=3351),
    )
    """Each port for miners, those of the proxy settings first."""
    log: LogConfig = field(default_factory=LogConfig)
    alerts: AlertSetup = field(default_factory=AlertSetup)
    trace_workers: Mapping[WorkerName, float] = field(default_factory=dict)
    """Workers whose raw traffic is logged, until when (unix seconds)."""
    firmware: tuple[FirmwareRule, ...] = ()
    """Profiles chosen by hand, tried in this order before the known agents."""
    vardiff: Mapping[tuple[ListenerId | None, str], VardiffRule] = field(default_factory=dict)
    """By the listener and the profile that they are for."""
    mqtt: MqttConfig | None = None
    """None: off."""
    devices: DevicesConfig | None = None
    """The miners' own facts; None: off."""
    update_feed: str = ""
    """Who is asked for newer versions; empty: nobody."""
    worker_series: int = 0
    """How many workers get metrics of their own, the strongest first; 0: none."""

    def listener(self, ident: ListenerId) -> ListenerConfig:
        """The listener with this id, ``NO_LISTENER`` without one."""
        for one in self.miner_listeners:
            if one.id == ident:
                return one
        return NO_LISTENER

    def access_of(self, ident: ListenerId) -> MinerAccess:
        """Who may mine through a listener: as it says itself, else as the proxy settings say."""
        own = self.listener(ident).access
        if not own.networks and not own.password:
            return self.access
        return MinerAccess(networks=own.networks or self.access.networks, password=own.password or self.access.password)

    def firmware_profile_of(self, agent: str) -> str | None:
        """Name of the firmware profile that the operator chose for ``agent``; None where no rule matches."""
        return next((rule.profile for rule in self.firmware if rule.matches(agent)), None)

    def vardiff_rule(self, listener: ListenerId, profile: str) -> VardiffRule:
        """The rule for a miner of ``listener`` with the firmware ``profile``; ``NO_VARDIFF_RULE`` without one."""
        rules = self.vardiff
        if not rules:
            return NO_VARDIFF_RULE
        return (
            rules.get((listener, profile)) or rules.get((listener, "")) or rules.get((None, profile), NO_VARDIFF_RULE)
        )
