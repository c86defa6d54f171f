"""Which addresses may be asked: those of private networks alone, and in a scan only those that the operator named.

A page that can make the proxy connect somewhere is a tool for others as soon as somebody gets at it: so there are no
host names (nothing is looked up), no public address, none of this machine and none of its link, where clouds keep
their keys (169.254.169.254).
"""

import ipaddress
from collections.abc import Iterator, Sequence

from proxy.errors import DPMPError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PRIVATE: tuple[Network, ...] = tuple(
    ipaddress.ip_network(each)
    for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)
"""RFC 1918; RFC 6598 (shared addresses, also of Tailscale); RFC 4193."""
LOOPBACK: tuple[Network, ...] = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
"""Only where miners are simulated on this machine."""
MOST_HOSTS = 4096
MOST_NETWORKS = 16


class NetworkError(DPMPError):
    """What was entered is no network that may be asked; the text is for the operator."""


class AddressRefused(NetworkError):
    """The address is none of a private network."""


def address_of(text: str, *, loopback: bool = False) -> Address:
    """The address that ``text`` is.

    Raises:
        NetworkError: it is none, or none that may be asked.
    """
    try:
        found = ipaddress.ip_address(text.strip())
    except ValueError as error:
        raise NetworkError("This is no IP address.") from error
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    found = mapped or found
    if getattr(found, "scope_id", None) or not _is_within(ipaddress.ip_network(found), loopback):
        raise AddressRefused("This address is not in a private network.")
    return found


def networks_of(text: str, *, loopback: bool = False) -> tuple[Network, ...]:
    """The networks of ``text``, separated by commas, spaces or lines, each as ``192.168.1.0/24`` or one address.

    Raises:
        NetworkError: one is none, is not private, or they are too large together.
    """
    parts = text.replace(",", " ").split()
    if len(parts) > MOST_NETWORKS:
        raise NetworkError(f"At most {MOST_NETWORKS} networks can be named.")
    found: list[Network] = []
    for part in parts:
        try:
            network = ipaddress.ip_network(part, strict=False)
        except ValueError as error:
            raise NetworkError("Write networks as 192.168.1.0/24, separated by commas.") from error
        if not _is_within(network, loopback):
            raise AddressRefused("Only private networks can be scanned: 10..., 172.16 to 31..., 192.168..., fc00::/7.")
        found.append(network)
    if sum(network.num_addresses for network in found) > MOST_HOSTS:
        raise NetworkError(f"These networks have more than {MOST_HOSTS} addresses together.")
    return tuple(found)


def hosts_of(networks: Sequence[Network]) -> Iterator[Address]:
    """Every host of ``networks``, each once."""
    seen: set[Address] = set()
    for network in networks:
        for host in network.hosts():
            if host not in seen:
                seen.add(host)
                yield host


def _is_within(network: Network, loopback: bool) -> bool:
    allowed = PRIVATE + (LOOPBACK if loopback else ())
    return any(network.version == each.version and network.subnet_of(each) for each in allowed)  # type: ignore[arg-type]
