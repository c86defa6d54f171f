"""Tells all open pages that there is a newer snapshot. Only "revision n" travels; each page renders from the newest."""

from typing import Any, Protocol

from channels.layers import get_channel_layer

GROUP = "dpmp.live"
"""The channel layer group of all open pages."""

MIN_GAP_S = 0.5


class Layer(Protocol):
    """As much of a Channels layer as is needed here."""

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        """Hand ``message`` to each member of ``group``."""


class Ticker:
    """Sends ticks, at most two a second; those in between are dropped, because a tick carries nothing to miss."""

    def __init__(self, layer: Layer | None = None) -> None:
        self._layer = layer
        self._next_at = float("-inf")

    async def tick(self, revision: int, now: float) -> bool:
        """Tell the pages about ``revision`` at monotonic time ``now``; whether a tick was sent.

        Raises:
            whatever the channel layer raises (Redis gone): the caller counts it and goes on.
        """
        layer = self._layer or get_channel_layer()
        if layer is None or now < self._next_at:
            return False
        self._next_at = now + MIN_GAP_S
        await layer.group_send(GROUP, {"type": "live.tick", "revision": revision})
        return True
