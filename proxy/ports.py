"""The interfaces between the pure modules and the network and clock; tests fake them."""

from collections.abc import Callable
from typing import Protocol

from proxy.config.snapshot import Endpoint


class Timer(Protocol):
    """A scheduled call."""

    def cancel(self) -> None:
        """Cancel the call; does nothing when it has run."""


class TimeSource(Protocol):
    """The time, without timers."""

    def now(self) -> float:
        """Monotonic seconds."""

    def wall(self) -> float:
        """Unix seconds; may jump."""


class Clock(TimeSource, Protocol):
    """The time, with timers."""

    @property
    def deadlines(self) -> "Clock":
        """Another clock, for what a peer has to do in time: it counts only time in which it could be heard."""

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Run ``callback`` once at monotonic time ``when`` (at the next turn if that is past)."""


class Random(Protocol):
    """What is used of ``random.Random``."""

    def random(self) -> float:
        """A number from 0 to below 1."""


class Link(Protocol):
    """One open byte stream to a peer."""

    @property
    def peer(self) -> str:
        """``address:port`` of the other end."""

    def send(self, payload: bytes) -> None:
        """Queue ``payload``; never blocks, silently dropped once closed. A peer that does not read is aborted."""

    def close(self) -> None:
        """Close after what is queued has been sent. ``LinkHandler.closed`` still follows, later."""

    def slow(self, seconds: float) -> None:
        """Read nothing for ``seconds``, beside what it waits already; nothing of a peer that may send what it likes."""


class Receiver(Protocol):
    """Takes what a peer sends."""

    def received(self, payload: bytes) -> None:
        """Bytes were received, in any chunking."""


class LinkHandler(Receiver, Protocol):
    """Callbacks of a link. Each runs on the loop and must not block."""

    def opened(self, link: Link) -> Receiver | None:
        """The stream is open. Called once, first. Returns who is given the bytes; None: the handler itself."""

    def closed(self, reason: str) -> None:
        """The stream is closed, for ``reason``. Called once, last, also when it never opened."""


class Dialer(Protocol):
    """Opens connections to pools."""

    def dial(self, endpoint: Endpoint, handler: LinkHandler) -> Callable[[], None]:
        """Start connecting; the outcome reaches ``handler.opened`` or ``handler.closed``. Returns a cancel function."""
