"""Resolves the names of pools off the loop, once for all connections that are opened together."""

import asyncio
import socket
from dataclasses import dataclass
from typing import TypeAlias, cast

from proxy.net.tasks import spawn

KEPT_S = 10.0
"""A thousand miners that lost their pool dial it within seconds; a changed name is noticed soon."""

AddressInfo: TypeAlias = tuple[
    socket.AddressFamily, socket.SocketKind, int, str, tuple[str, int] | tuple[str, int, int, int]
]
"""As returned by ``socket.getaddrinfo``."""


@dataclass(slots=True)
class _Lookup:
    answer: asyncio.Task[list[AddressInfo]]
    until: float


class Resolver:
    """Caches answers for ``KEPT_S``; failures are not cached."""

    def __init__(self) -> None:
        self._lookups: dict[tuple[str, int], _Lookup] = {}

    def known(self, host: str, port: int) -> list[AddressInfo] | None:
        """What ``addresses`` would return at once; None where it would wait, or fail."""
        if (host, port) not in self._lookups:
            literal = _literal(host, port)
            return [literal] if literal is not None else None
        lookup = self._lookups[host, port]
        answer = lookup.answer
        if lookup.until <= asyncio.get_running_loop().time() or not answer.done():
            return None
        return None if answer.cancelled() or answer.exception() else answer.result()

    async def addresses(self, host: str, port: int) -> list[AddressInfo]:
        """Return the addresses of ``host``, best first; at least one.

        Raises:
            socket.gaierror: the name is unknown.
            UnicodeError: it is not a valid name.
        """
        literal = _literal(host, port)
        if literal is not None:
            return [literal]
        now = asyncio.get_running_loop().time()
        lookup = self._lookups.get((host, port))
        if lookup is None or lookup.until <= now:
            self._forget_old(now)
            lookup = self._lookups[host, port] = _Lookup(
                spawn(_resolve(host, port), name=f"resolve {host}", report=_ignore_failure), now + KEPT_S
            )
        try:
            return await asyncio.shield(lookup.answer)
        except (OSError, UnicodeError):
            self.forget(host, port)
            raise

    def forget(self, host: str, port: int) -> None:
        """Drop the cached answer: the address did not work."""
        self._lookups.pop((host, port), None)

    def _forget_old(self, now: float) -> None:
        for key in [key for key, lookup in self._lookups.items() if lookup.until <= now]:
            del self._lookups[key]


def _literal(host: str, port: int) -> AddressInfo | None:
    """The address, if ``host`` is a literal IP address without a scope (``fe80::1%eth0`` must be resolved)."""
    if _is_address(socket.AF_INET, host):
        return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port)
    if _is_address(socket.AF_INET6, host):
        return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port, 0, 0)
    return None


def _is_address(family: socket.AddressFamily, text: str) -> bool:
    try:
        socket.inet_pton(family, text)
    except (OSError, ValueError):
        return False
    return True


async def _resolve(host: str, port: int) -> list[AddressInfo]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return cast(list[AddressInfo], found)


def _ignore_failure(name: str, error: BaseException) -> None:
    """The dialer gets the error and reports it with the pool's name."""
