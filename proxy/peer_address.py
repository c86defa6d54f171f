"""Which address a miner's connection counts for."""

import ipaddress
from sys import intern


def host_of(peer: str) -> str:
    """The address in ``peer`` (``address:port``), an IPv6 one without its brackets and zone."""
    return peer.rpartition(":")[0].strip("[]").partition("%")[0]


def address_of(peer: str) -> str:
    """The part of ``peer`` that limits count by: an IPv4 address, or the first 64 bits of an IPv6 one, for a single
    host has all the addresses below them (RFC 4291, 2.5.1; RFC 6177)."""
    host = host_of(peer)
    if ":" not in host:
        return intern(host)  # several keep it for each connection
    try:
        return str(ipaddress.IPv6Network((host, 64), strict=False))
    except ValueError:
        return host
