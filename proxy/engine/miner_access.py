"""Who may mine here: by the address it connects from, and by the password it authorises with."""

import re
from hmac import compare_digest
from ipaddress import ip_address

from proxy.config.snapshot import MinerAccess
from proxy.peer_address import host_of

WRONG_PASSWORD = "Wrong password: this proxy asks miners for one, set it in the miner"
"""What a miner is told."""
_SEPARATOR = re.compile(r"[,;\s]+")


def may_connect(access: MinerAccess, peer: str, *, is_named: bool = False) -> bool:
    """Whether ``peer`` (``address:port``) may connect. This machine always may, unless a load balancer named it
    (``is_named``): then it is that one's own machine."""
    if not access.networks:
        return True
    try:
        address = ip_address(host_of(peer))
    except ValueError:
        return False
    return (address.is_loopback and not is_named) or any(address in network for network in access.networks)


def password_for_pool(access: MinerAccess, given: str) -> str | None:
    """Check what a miner gave as its password; None: it is wrong.

    It may contain directives for the pool beside the access password (``secret,d=1000``): what is left of it without
    the secret is returned, which no pool gets to see. The time it takes does not tell how much of a guess was right.
    """
    if not access.password:
        return given
    secret = access.password.encode()
    parts = [part for part in _SEPARATOR.split(given) if part]
    right = [compare_digest(part.encode("utf-8", "replace"), secret) for part in parts]
    if not any(right):
        return None
    return ",".join(part for part, is_secret in zip(parts, right, strict=True) if not is_secret)
