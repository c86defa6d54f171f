"""What comes from the broker, parsed; everything in it is hostile until then."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isfinite

from proxy.errors import DPMPError
from proxy.mqtt.states import NOT_PINNED, OFF, ON
from proxy.mqtt.topics import Topics
from proxy.types import PoolKey, WorkerName

MAX_PAYLOAD = 64
MOST_COMMANDS, COMMANDS_SPAN_S = 20, 10.0
"""More within the span are ignored: an automation that runs in a circle writes no thousand lines a second."""
_NUMBER = re.compile(r"[0-9]{1,3}(\.[0-9]{1,6})?")


class CommandError(DPMPError):
    """A command that cannot be obeyed; the message says why."""


@dataclass(frozen=True, slots=True)
class SetPercent:
    """Give a pool this part of the work; the others share the rest in their proportions."""

    pool: PoolKey
    percent: float


@dataclass(frozen=True, slots=True)
class SwitchAutoBalance:
    """Auto-balance on, or back to the schedules."""

    on: bool


@dataclass(frozen=True, slots=True)
class Pin:
    """Pin a worker to a pool; None: remove its pin."""

    worker: WorkerName
    pool: PoolKey | None


Command = SetPercent | SwitchAutoBalance | Pin


def parse(
    topic: str, payload: bytes, topics: Topics, pools: Iterable[PoolKey], workers: Iterable[WorkerName]
) -> Command:
    """The command in a message; only of pools and workers that are published.

    Raises:
        CommandError: it is none.
    """
    if len(payload) > MAX_PAYLOAD:
        raise CommandError(f"longer than {MAX_PAYLOAD} bytes")
    try:
        text = payload.decode("ascii").strip()
    except UnicodeDecodeError as error:
        raise CommandError("not ASCII") from error
    if topic == topics.auto_balance:
        if text not in (ON, OFF):
            raise CommandError(f"neither {ON} nor {OFF}")
        return SwitchAutoBalance(text == ON)
    known = {key: key for key in pools}
    for key in known:
        if topic == topics.pool_percent(key):
            return SetPercent(key, _percent(text))
    for worker in workers:
        if topic == topics.worker_pin(worker):
            if text == NOT_PINNED:
                return Pin(worker, None)
            if text not in known:
                raise CommandError("there is no such pool")
            return Pin(worker, known[PoolKey(text)])
    raise CommandError("there is no such pool or worker")


def with_percent(percents: Mapping[str, float], pool: str, percent: float) -> dict[str, float]:
    """``percents`` with ``percent`` for ``pool``; the others keep their proportions, or share evenly from nothing.

    Raises:
        CommandError: nobody would get work.
    """
    others = {key: value for key, value in percents.items() if key != pool}
    rest, total = 100.0 - percent, sum(others.values())
    if not others and not percent:
        raise CommandError("at least one pool must get work")
    changed = {
        key: round(rest * (value / total if total > 0.0 else 1.0 / len(others)), 3) for key, value in others.items()
    }
    return changed | {pool: percent}


def _percent(text: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise CommandError("no number")
    number = float(text)
    if not isfinite(number) or number > 100.0:
        raise CommandError("not between 0 and 100")
    return number


class CommandLimit:
    """Lets so many commands pass within a span."""

    def __init__(self) -> None:
        self._times: list[float] = []

    def lets(self, now: float) -> bool:
        """Whether one more may pass at ``now`` (monotonic seconds)."""
        self._times = [at for at in self._times if now - at < COMMANDS_SPAN_S]
        if len(self._times) >= MOST_COMMANDS:
            return False
        self._times.append(now)
        return True
