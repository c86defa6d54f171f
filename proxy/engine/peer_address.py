"""Which address a miner's connection counts for."""

import ipaddress


def address_of(peer: str) -> str:
    """The part of ``peer`` (``address:port``) that limits count by: an IPv4 address, or the first 64 bits of an IPv6
    one, for a single host has all the addresses below them (RFC 4291, 2.5.1; RFC 6177)."""
    host = peer.rpartition(":")[0].strip("[]").partition("%")[0]
    if ":" not in host:
        return host
    try:
        return str(ipaddress.IPv6Network((host, 64), strict=False))
    except ValueError:
        return host
