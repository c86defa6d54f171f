"""The settings of the process: its ports, its log, a broker, the miners' own facts."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """Addresses that the process listens on; the only settings that need a restart."""

    stratum_host: str = "0.0.0.0"
    stratum_port: int = 3351
    tls_port: int = 0
    """For miners with TLS, on the address of ``stratum_host``; 0: none."""
    tls_certificate: str = ""
    """Path of a PEM file; it and the key are read again when they change, and may be changed without a restart."""
    tls_key: str = ""
    """Path of a PEM file; empty: the key is in the certificate's file."""
    web_host: str = "0.0.0.0"
    web_port: int = 8855
    metrics_host: str = "127.0.0.1"
    """Metrics need no login, so other machines can read them only where the operator allows it."""
    metrics_port: int = 9210
    metrics_enabled: bool = True
    metrics_allow: str = ""
    """Networks that may read the metrics, as ``networks_of`` reads them; empty: all that reach the port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """Which events are logged; the environment wins over it."""

    level: str = "INFO"
    allow: frozenset[str] = frozenset()
    """Event names written whatever their level."""
    deny: frozenset[str] = frozenset()
    """Event names never written."""
    file_bytes: int = 10_000_000
    """The log file is rotated before it grows beyond this."""
    file_count: int = 5
    """How many files are kept, the current one included."""
    redact_wallets: bool = False
    """Write ``[wallet]`` in place of addresses and account names. Passwords are never written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttConfig:
    """A broker that states are published to and commands come from."""

    host: str
    port: int = 1883
    tls: bool = False
    ca: str = ""
    """Path of a PEM file with the authority that signed the broker's certificate; empty: those of the system."""
    username: str = ""
    password: str = field(default="", repr=False)
    base_topic: str = "dpmp"
    discovery: bool = True
    """Whether Home Assistant is told what there is."""
    discovery_prefix: str = "homeassistant"
    commands: bool = True
    """Whether the split, auto-balance and pins can be set by messages."""
    max_workers: int = 100
    """How many workers are published."""
    interval_s: float = 5.0
    """Each topic is sent at most once in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicesConfig:
    """The miners' own facts."""

    networks: str = ""
    """Where miners may be looked for, as ``proxy.devices.networks`` reads it."""
    mdns: bool = True
    """Whether announcements of miners are heard."""
    interval_s: float = 30.0
    """Between two questions to the same miner."""
    price_per_kwh: float = 0.0
    """As the settings of money have it; 0: no cost is shown."""
    currency: str = ""
