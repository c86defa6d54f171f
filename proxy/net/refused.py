"""Refused connections are slowed down: each stays open for a while, unread and unanswered.

Firmware that connects again at once would do nothing else, and neither would the proxy: 630 miners too many came 3,800
times a second. Nobody who may come in waits for them, for they are taken from the queue like all others.
"""

import asyncio
import socket

HOLD_S = 5.0
"""So long at least."""
LET_GO_PER_S = 100.0
"""Where more are held than this makes of ``HOLD_S``, each stays for longer: so often at most all of them come again."""
LEAST_HELD = 256
MOST_HELD = 4_096
"""Each takes some 6 KB, the kernel's part included."""
UNREAD = 2_048
"""Bytes that the kernel keeps of what a held connection sends; twice that by its own count."""


class RefusedConnections:
    """Those of a process."""

    def __init__(self) -> None:
        self.most = LEAST_HELD
        """More than these are closed at once. May be changed: there may be open files to spare."""
        self._held: dict[asyncio.Transport, asyncio.TimerHandle] = {}

    def hold(self, transport: asyncio.Transport) -> None:
        """Close ``transport`` a while later, without an answer."""
        held = len(self._held)
        if held >= self.most:
            transport.close()
            return
        transport.pause_reading()
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, UNREAD)
        seconds = max(HOLD_S, held / LET_GO_PER_S)
        self._held[transport] = asyncio.get_running_loop().call_later(seconds, self._let_go, transport)

    def _let_go(self, transport: asyncio.Transport) -> None:
        del self._held[transport]
        transport.close()

    def close(self) -> None:
        """Let all of them go."""
        for transport, timer in self._held.items():
            timer.cancel()
            transport.close()
        self._held.clear()
