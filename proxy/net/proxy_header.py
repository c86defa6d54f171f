"""The PROXY protocol, version 2: what a load balancer writes before a miner's own bytes, so that its address is known.

Source: HAProxy's proxy-protocol.txt (2.2 binary header format, 2020/03/05): twelve octets of signature, one of version
and command, one of family and protocol, the length of what follows in two, the addresses, and TLVs. Sans I/O.
"""

import ipaddress
from typing import NamedTuple

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
MAX_HEADER = 2_048
"""Octets with all TLVs: those that HAProxy and cloud balancers add (a unique id, names of TLS) take some hundreds."""
_FIXED = 16
_VERSION_2 = 0x20
_LOCAL, _PROXY = 0x0, 0x1
_UNSPECIFIED, _TCP4, _TCP6 = 0x00, 0x11, 0x21
_SIZE = {_TCP4: 12, _TCP6: 36}
_TEXT_HEADER = b"PROXY"


class ProxyHeaderError(ValueError):
    """What a peer sent is no header that can be used; the message says why, for the log."""


class ProxyHeader(NamedTuple):
    """A complete header."""

    size: int
    """Octets; what follows are the miner's own."""
    source: str
    """``address:port`` of the miner, an IPv6 address in brackets; "" where the peer speaks for itself."""


def read_header(octets: bytes) -> ProxyHeader | None:
    """Read the header that ``octets``, all there is so far, begin with; None: more is needed.

    Raises:
        ProxyHeaderError: it is none, as soon as that can be told.
    """
    if octets[: len(SIGNATURE)] != SIGNATURE[: len(octets)]:
        if octets.startswith(_TEXT_HEADER[: len(octets)]):
            raise ProxyHeaderError("it sent version 1 of the PROXY protocol, version 2 is expected (send-proxy-v2)")
        raise ProxyHeaderError("it sent no PROXY protocol header")
    if len(octets) > 12 and octets[12] not in (_VERSION_2 | _LOCAL, _VERSION_2 | _PROXY):
        raise ProxyHeaderError(f"its PROXY protocol header has the version and command {octets[12]:#04x}")
    if len(octets) < _FIXED:
        return None
    command, family, length = octets[12] & 0x0F, octets[13], int.from_bytes(octets[14:16], "big")
    if _FIXED + length > MAX_HEADER:
        raise ProxyHeaderError(f"its PROXY protocol header has {_FIXED + length} bytes, {MAX_HEADER} are allowed")
    is_local = command == _LOCAL or family == _UNSPECIFIED
    if not is_local and family not in _SIZE:
        raise ProxyHeaderError(f"its PROXY protocol header is not for TCP (family {family:#04x})")
    if not is_local and length < _SIZE[family]:
        raise ProxyHeaderError("its PROXY protocol header is too short for the addresses in it")
    if len(octets) < _FIXED + length:
        return None
    return ProxyHeader(_FIXED + length, "" if is_local else _source(octets[_FIXED : _FIXED + length], family))


def _source(block: bytes, family: int) -> str:
    """The first of the two addresses with its port."""
    size = 4 if family == _TCP4 else 16
    address: ipaddress.IPv4Address | ipaddress.IPv6Address = (
        ipaddress.IPv4Address(block[:4]) if family == _TCP4 else ipaddress.IPv6Address(block[:16])
    )
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_unspecified or address.is_multicast:
        raise ProxyHeaderError(f"its PROXY protocol header has {address} as the miner's address")
    port = int.from_bytes(block[2 * size : 2 * size + 2], "big")
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"
