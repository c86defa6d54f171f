"""Tells all open pages that there is a newer snapshot. Only "revision n" travels; each page renders from the newest."""

from typing import Any, Protocol

from channels.layers import get_channel_layer

GROUP = "dpmp.live"
"""The channel layer group of all open pages."""


class Layer(Protocol):
    """As much of a Channels layer as is needed here."""

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        """Hand ``message`` to each member of ``group``."""


class Ticker:
    """Sends ticks, one for each snapshot: how often there is one is the business of whoever makes them."""

    def __init__(self, layer: Layer | None = None) -> None:
        self._layer = layer

    async def tick(self, revision: int) -> bool:
        """Tell the pages about ``revision``; whether a tick was sent.

        Raises:
            whatever the channel layer raises (Redis gone): the caller counts it and goes on.
        """
        layer = self._layer or get_channel_layer()
        if layer is None:
            return False
        await layer.group_send(GROUP, {"type": "live.tick", "revision": revision})
        return True
