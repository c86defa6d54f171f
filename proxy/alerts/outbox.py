"""Holds notifications back: until quiet hours end, to group them, and to keep to a rate."""

from collections import deque
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from proxy.alerts.rules import AlertConfig, AlertKind, AlertLevel, AlertMessage

MAX_HELD = 100
"""Notifications that wait for one target; beyond it the oldest are dropped and counted."""
URGENT = frozenset({AlertKind.BLOCK_FOUND})
"""Neither grouped nor held back by the rate."""
HOUR_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """One thing to report."""

    kind: AlertKind
    level: AlertLevel
    title: str
    text: str
    at: float
    """Unix seconds: when it happened."""


class Outbox:
    """The notifications that wait for one target."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._held: deque[tuple[float, float, Notification]] = deque()
        """(Not before, unix seconds; came at, monotonic seconds; notification)."""
        self._sent: deque[float] = deque()
        self._dropped = 0

    def put(self, now: float, not_before: float, notification: Notification) -> None:
        """Hold ``notification`` at least until unix time ``not_before``."""
        if len(self._held) >= MAX_HELD:
            self._held.popleft()
            self._dropped += 1
        self._held.append((not_before, now, notification))

    def take(self, now: float, wall: float, config: AlertConfig) -> AlertMessage | None:
        """Everything that may go out, as one message; None if there is nothing or it is too early."""
        ready = [(came, notification) for not_before, came, notification in self._held if not_before <= wall]
        if not ready or not self._may_send(now, ready, config):
            return None
        self._held = deque(entry for entry in self._held if entry[0] > wall)
        self._sent.append(now)
        dropped, self._dropped = self._dropped, 0
        return grouped(self._target, [notification for _, notification in ready], dropped, wall, config.zone())

    def _may_send(self, now: float, ready: list[tuple[float, Notification]], config: AlertConfig) -> bool:
        while self._sent and now - self._sent[0] >= HOUR_S:
            self._sent.popleft()
        if any(notification.kind in URGENT for _, notification in ready):
            return True
        return now - ready[0][0] >= config.group_s and len(self._sent) < config.max_per_hour


def grouped(target: int, notifications: list[Notification], dropped: int, wall: float, zone: ZoneInfo) -> AlertMessage:
    """One message of several notifications; the worst sets its level."""
    order = [AlertLevel.BAD, AlertLevel.GOOD, AlertLevel.INFO]
    level = min((notification.level for notification in notifications), key=order.index)
    lines = [_line(notification, wall, zone) for notification in notifications]
    if dropped:
        lines.append(f"{dropped} older messages were left out.")
    first = sorted(notifications, key=lambda notification: notification.kind not in URGENT)
    return AlertMessage(
        target=target,
        title=_title([notification.title for notification in first]),
        body="\n".join(lines),
        level=level,
        kinds=tuple(dict.fromkeys(notification.kind for notification in notifications)),
        at=wall,
    )


def _title(titles: list[str]) -> str:
    distinct = list(dict.fromkeys(titles))
    if len(distinct) <= 2:
        return "DPMP: " + "; ".join(distinct)
    return f"DPMP: {distinct[0]}, and {len(titles) - 1} more"


def _line(notification: Notification, wall: float, zone: ZoneInfo) -> str:
    when, today = datetime.fromtimestamp(notification.at, zone), datetime.fromtimestamp(wall, zone)
    stamp = when.strftime("%H:%M" if when.date() == today.date() else "%Y-%m-%d %H:%M")
    return f"{stamp} {notification.text}"
