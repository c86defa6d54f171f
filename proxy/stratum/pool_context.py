"""What all connections to one pool share and learn together."""

from dataclasses import dataclass, field

from proxy.stratum.patience import Patience
from proxy.stratum.pool_job import NotifyCache
from proxy.stratum.version_rolling import PoolReading
from proxy.types import LineCount


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolContext:
    """One pool's; its connections change what the parts say, the parts stay the same."""

    patience: Patience = field(default_factory=Patience)
    notify_cache: NotifyCache = field(default_factory=NotifyCache)
    reading: PoolReading = field(default_factory=PoolReading)
    lines: LineCount = field(default_factory=LineCount)
