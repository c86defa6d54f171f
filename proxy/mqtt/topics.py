"""Names of topics and devices on the broker."""

import hashlib
import re
from dataclasses import dataclass

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_-]+")
_MAX_SLUG = 64


def slug(name: str) -> str:
    """``name`` as Home Assistant takes object ids (letters, digits, ``_`` and ``-``), different for different names."""
    plain = _NOT_PLAIN.sub("_", name)[:_MAX_SLUG]
    if plain == name and plain:
        return plain
    return f"{plain}_{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


@dataclass(frozen=True, slots=True)
class Topics:
    """``base``: first level(s) of the states and commands. ``prefix``: of Home Assistant's discovery."""

    base: str
    prefix: str

    @property
    def node(self) -> str:
        """What all our devices begin with."""
        return slug(self.base)

    @property
    def status(self) -> str:
        """``online`` or ``offline``, retained; the broker says the second where the connection breaks (last will)."""
        return f"{self.base}/status"

    @property
    def synced(self) -> str:
        """A message to ourselves, after which all retained ones of earlier runs have come."""
        return f"{self.base}/synced"

    @property
    def proxy_state(self) -> str:
        """The whole proxy."""
        return f"{self.base}/state"

    def pool_state(self, key: str) -> str:
        """One pool."""
        return f"{self.base}/pool/{key}/state"

    def worker_state(self, name: str) -> str:
        """One worker."""
        return f"{self.base}/worker/{slug(name)}/state"

    @property
    def auto_balance(self) -> str:
        """Command: ``ON`` or ``OFF``."""
        return f"{self.base}/auto_balance/set"

    def pool_percent(self, key: str) -> str:
        """Command: percent of the work."""
        return f"{self.base}/pool/{key}/percent/set"

    def worker_pin(self, name: str) -> str:
        """Command: a pool's key, or ``NOT_PINNED``."""
        return f"{self.base}/worker/{slug(name)}/pin/set"

    def discovery(self, device: str) -> str:
        """Where a device is described; ``device`` is an object id."""
        return f"{self.prefix}/device/{self.node}/{device}/config"

    @property
    def commands(self) -> tuple[str, ...]:
        """Filters of all commands."""
        return (self.auto_balance, f"{self.base}/pool/+/percent/set", f"{self.base}/worker/+/pin/set")

    @property
    def left_behind(self) -> tuple[str, ...]:
        """Filters of what earlier runs may have left on the broker."""
        return (self.discovery("+"), f"{self.base}/pool/+/state", f"{self.base}/worker/+/state")
