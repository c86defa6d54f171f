"""The read model of the miners' own facts, and which worker each miner is."""

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from proxy.devices.facts import Api, Facts, cost_per_day, joules_per_th
from proxy.observe.live.views import LiveSnapshot, WorkerView
from proxy.types import WorkerName

STALE_ROUNDS = 4
"""What was said so many rounds ago is no longer shown as the present."""
LEAST_RATE_SPAN_S = 600.0
"""A worker's accepted work of less time says too little for joules."""
_DIFFICULTY_ONE = float(2**32)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRow:
    """A miner as it is configured."""

    id: int
    address: str
    port: int
    api: Api
    name: str = ""
    worker: str = ""
    """Chosen by hand; empty: found by its address."""
    moved: bool = False
    """Whether the pool that it had before is remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceView:
    """A miner as it was heard last."""

    row: DeviceRow
    worker: WorkerName | None = None
    facts: Facts | None = None
    """None: it was never heard, or too long ago."""
    heard_at: float | None = None
    problem: str = ""
    """Why the last question had no answer."""

    @property
    def label(self) -> str:
        """What people call it."""
        named = self.row.name or self.worker or (self.facts.hostname if self.facts else "")
        return named or f"{self.row.address}:{self.row.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """All miners of one worker (or of the whole list) together."""

    power_w: float | None = None
    temperature_c: float | None = None
    """Of the hottest."""
    hashrate: float | None = None
    joules_per_th: float | None = None
    joules_per_accepted_th: float | None = None
    cost_per_day: float | None = None


@dataclass(frozen=True, kw_only=True)
class DevicesView:
    """All miners, and what their power costs."""

    devices: tuple[DeviceView, ...] = ()
    price_per_kwh: float = 0.0
    currency: str = ""
    scanning: bool = False
    round_s: float = 0.0
    """How long the last round of questions took."""
    hashes_per_difficulty: float = field(default=_DIFFICULTY_ONE)

    @cached_property
    def by_worker(self) -> Mapping[str, tuple[DeviceView, ...]]:
        """Worker -> its miners."""
        found: dict[str, list[DeviceView]] = {}
        for device in self.devices:
            if device.worker is not None:
                found.setdefault(device.worker, []).append(device)
        return {name: tuple(devices) for name, devices in found.items()}

    def together(self, devices: Iterable[DeviceView], worker: WorkerView | None = None) -> Together:
        """``devices`` together; with their ``worker``, also what its accepted work takes."""
        heard = [device.facts for device in devices if device.facts is not None]
        powers = [facts.power_w for facts in heard if facts.power_w is not None]
        temperatures = [facts.temperature_c for facts in heard if facts.temperature_c is not None]
        rates = [facts.hashrate for facts in heard if facts.hashrate is not None]
        power, rate = (sum(powers) if powers else None), (sum(rates) if rates else None)
        return Together(
            power_w=power,
            temperature_c=max(temperatures, default=None),
            hashrate=rate,
            joules_per_th=joules_per_th(power, rate),
            joules_per_accepted_th=joules_per_th(power, self._accepted(worker)),
            cost_per_day=cost_per_day(power, self.price_per_kwh),
        )

    def _accepted(self, worker: WorkerView | None) -> float | None:
        """H/s of its accepted work of the last hour, in hashes of difficulty 1 as all the world counts them."""
        if worker is None or not worker.rate_1h.known or worker.rate_1h.span_s < LEAST_RATE_SPAN_S:
            return None
        return worker.rate_1h.value / self.hashes_per_difficulty * _DIFFICULTY_ONE


def devices_of(live: LiveSnapshot) -> DevicesView | None:
    """The miners' own facts; None where they are off."""
    found = live.extra.get("devices")
    return found if isinstance(found, DevicesView) else None


def power_of_all(live: LiveSnapshot | None) -> float | None:
    """Watts of all workers that are connected; None where not all of them have a miner that says its own."""
    found = devices_of(live) if live is not None else None
    if live is None or found is None:
        return None
    powers = [
        found.together(found.by_worker.get(worker.name, ())).power_w for worker in live.workers if worker.connections
    ]
    known = [power for power in powers if power is not None]
    return sum(known) if known and len(known) == len(powers) else None


def plain_address(text: str) -> str:
    """An address in one spelling; IPv4 within IPv6 as IPv4. What is none stays as it is."""
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return text
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)


def workers_by_address(live: LiveSnapshot | None) -> Mapping[str, frozenset[WorkerName]]:
    """Address -> the workers whose connections come from it."""
    found: dict[str, set[WorkerName]] = {}
    for worker in live.workers if live is not None else ():
        for peer in {worker.peer, *(session.peer for session in worker.sessions)} - {""}:
            found.setdefault(plain_address(peer), set()).add(worker.name)
    return {address: frozenset(names) for address, names in found.items()}


def worker_of(
    row: DeviceRow,
    facts: Facts | None,
    here: Mapping[str, frozenset[WorkerName]],
    worker_named: Callable[[str], WorkerName],
) -> WorkerName | None:
    """The worker that a miner is: the one chosen by hand; else the only one that connects from its address, or of
    several the one that the miner names as its user or as itself. So one that lies can only claim a worker of its own
    address.
    """
    if row.worker:
        return WorkerName(row.worker)
    names = here.get(plain_address(row.address), frozenset())
    if len(names) == 1:
        return next(iter(names))
    if facts is None:
        return None
    claimed = (worker_named(facts.user) if facts.user else None, WorkerName(facts.hostname))
    return next((name for name in claimed if name in names), None)
