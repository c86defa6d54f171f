"""Which ``client.reconnect`` may be honoured: to the same host or to a configured endpoint, never anywhere else.

Firmware that follows any target can be led away by whoever sits on the line; the message never reaches a miner.
"""

from collections.abc import Sequence
from dataclasses import replace

from proxy.config.snapshot import Endpoint


def redirect_target(params: Sequence[object], here: Endpoint, known: Sequence[Endpoint]) -> Endpoint | None:
    """The endpoint to connect to next; None: not to be honoured. No parameters mean: here again."""
    host = params[0] if params else here.host
    port = params[1] if len(params) > 1 else here.port
    if isinstance(port, str) and port.isdecimal() and len(port) < 6:
        port = int(port)
    if not isinstance(host, str) or type(port) is not int or not 0 < port < 65536:
        return None
    host = host.strip().lower() or here.host
    for endpoint in known:
        if (endpoint.host.lower(), endpoint.port) == (host, port):
            return endpoint
    if host == here.host.lower():
        return replace(here, port=port)
    return None
