"""Names of pools to addresses: asked off the loop, once for all connections that are dialled together."""

import asyncio
import socket
from dataclasses import dataclass
from typing import TypeAlias, cast

from proxy.net.tasks import spawn

KEPT_S = 10.0
"""A thousand miners that lost their pool dial it within seconds; a name that has moved is seen soon after."""

AddressInfo: TypeAlias = tuple[
    socket.AddressFamily, socket.SocketKind, int, str, tuple[str, int] | tuple[str, int, int, int]
]
"""As ``socket.getaddrinfo`` has it."""


@dataclass(slots=True)
class _Asked:
    answer: asyncio.Task[list[AddressInfo]]
    until: float


class Resolver:
    """Remembers answers for ``KEPT_S``; failures are not remembered."""

    def __init__(self) -> None:
        self._asked: dict[tuple[str, int], _Asked] = {}

    async def addresses(self, host: str, port: int) -> list[AddressInfo]:
        """Return the addresses of ``host``, best first; at least one.

        Raises:
            socket.gaierror: nobody knows the name.
            UnicodeError: it is no name at all.
        """
        literal = _literal(host, port)
        if literal is not None:
            return [literal]
        now = asyncio.get_running_loop().time()
        asked = self._asked.get((host, port))
        if asked is None or asked.until <= now:
            self._forget_old(now)
            asked = self._asked[host, port] = _Asked(
                spawn(_ask(host, port), name=f"resolve {host}", report=_leave_it_to_the_caller), now + KEPT_S
            )
        try:
            return await asyncio.shield(asked.answer)
        except (OSError, UnicodeError):
            self.forget(host, port)
            raise

    def forget(self, host: str, port: int) -> None:
        """Ask again next time: the address did not work."""
        self._asked.pop((host, port), None)

    def _forget_old(self, now: float) -> None:
        for key in [key for key, asked in self._asked.items() if asked.until <= now]:
            del self._asked[key]


def _literal(host: str, port: int) -> AddressInfo | None:
    """An address that needs nobody's answer; one with a scope (``fe80::1%eth0``) does."""
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


async def _ask(host: str, port: int) -> list[AddressInfo]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return cast(list[AddressInfo], found)


def _leave_it_to_the_caller(name: str, error: BaseException) -> None:
    """Whoever dials gets the error and tells it with the pool's name."""
