"""All ports for miners: opened, changed and closed as the configuration says, while the proxy runs.

The two of the proxy settings are opened when the proxy starts, and stay on the address and port that they were opened
on; the others come, move and go. One that cannot be opened keeps no other from working.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from proxy.config.snapshot import Limits, ListenerConfig
from proxy.net.listener import MinerHandler, PendingHeaders, StratumListener
from proxy.net.miner_tls import MinerTls
from proxy.net.refused import RefusedConnections
from proxy.net.tasks import spawn
from proxy.net.transport import InputBudget
from proxy.observe.events import (
    EventStream,
    ListenerClosed,
    ListenerFailed,
    ListenerOpened,
    TlsCertificateLoaded,
    TlsCertificateRefused,
)
from proxy.ports import Clock, Timer
from proxy.text import address_text
from proxy.types import MAIN_LISTENER, TLS_LISTENER, ListenerId

FIXED = (MAIN_LISTENER, TLS_LISTENER)
RETRY_S = 5.0
"""A port that is in use is tried again so often: who holds it may be a proxy that is just ending."""


@dataclass(slots=True, kw_only=True)
class _Port:
    """One listener."""

    config: ListenerConfig
    listener: StratumListener
    bound: tuple[str, int] | None = None
    """Where it is open; None while it is closed."""
    at: tuple[str, int] | None = None
    """What it was opened as: address and port as configured."""
    problem: str = ""
    inherited: socket.socket | None = field(default=None, repr=False)


class MinerListeners:
    """Opens and closes ports. ``connect(peer, through, listener)`` decides about a connection, ``refused(peer, why,
    listener)`` hears of load balancers' connections that are closed, ``miners(listener)`` says how many miners came
    through one, ``let_go(listener)`` disconnects them."""

    def __init__(
        self,
        connect: Callable[[str, str, ListenerId], MinerHandler | None],
        *,
        clock: Clock,
        events: EventStream,
        refused: Callable[[str, str, ListenerId], None],
        miners: Callable[[ListenerId], int],
        let_go: Callable[[ListenerId], None],
        share_ports: bool = False,
    ) -> None:
        """``share_ports``: other processes of this node listen on the same ports."""
        self._share_ports = share_ports
        self.budget = InputBudget()
        self.refused_connections = RefusedConnections()
        self._connect = connect
        self._clock = clock
        self._events = events
        self._refused = refused
        self._miners = miners
        self._let_go = let_go
        self._ports: dict[ListenerId, _Port] = {}
        self._certificates: dict[tuple[str, str], MinerTls] = {}
        self._turns: deque[Callable[[], None]] = deque()
        self._started = self._stopped = False
        self._task: asyncio.Task[None] | None = None
        self._again = False
        self._timer: Timer | None = None

    # --- What pages show ------------------------------------------------------------------------------------------

    def address(self, ident: ListenerId) -> tuple[str, int] | None:
        """Where a listener is open; None while it is not."""
        port = self._ports.get(ident)
        return port.bound if port is not None else None

    def problem(self, ident: ListenerId) -> str:
        """Why a listener is not open; "" if it is, or is not meant to be."""
        port = self._ports.get(ident)
        return port.problem if port is not None else ""

    # --- Configuration --------------------------------------------------------------------------------------------

    def limit_input(self, limits: Limits) -> None:
        """Set what each miner may send, those included that are connected."""
        self.budget.bytes_per_s = float(limits.input_bytes_per_s)
        self.budget.burst = float(limits.input_burst_bytes)
        self.budget.lines_per_s = float(limits.input_lines_per_s)

    def configure(self, configs: Iterable[ListenerConfig]) -> None:
        """Use these from now on; ports are opened and closed in a task of its own."""
        wanted = {config.id: config for config in configs}
        for ident, config in wanted.items():
            port = self._ports.get(ident)
            if port is None:
                port = self._ports[ident] = _Port(config=config, listener=self._listener(ident))
            port.config = config
            port.listener.balancers = config.proxy_networks
            port.listener.tls = self._certificate(config) if config.tls else None
        for ident in self._ports.keys() - wanted.keys() - {*FIXED}:
            self._ports[ident].config = _switched_off(self._ports[ident].config)
        self._use_certificates()
        if self._started:
            self._update_soon()

    def _listener(self, ident: ListenerId) -> StratumListener:
        def accept(peer: str, through: str = "") -> MinerHandler | None:
            return self._connect(peer, through, ident)

        deadlines = self._clock.deadlines
        listener = StratumListener(accept, self.budget, refused=self.refused_connections)
        listener.headers = PendingHeaders(
            lambda seconds, call: deadlines.call_at(deadlines.now() + seconds, call),
            partial(self._refuse, ident),
        )
        return listener

    def _refuse(self, ident: ListenerId, peer: str, why: str) -> None:
        self._refused(peer, why, ident)

    def _certificate(self, config: ListenerConfig) -> MinerTls:
        files = (config.certificate, config.key)
        known = self._certificates.get(files)
        if known is None:
            known = self._certificates[files] = MinerTls(
                on_loaded=lambda path, until: self._events.emit(
                    TlsCertificateLoaded(certificate=path, valid_until=until.isoformat())
                ),
                on_refused=lambda problem: self._events.emit(TlsCertificateRefused(problem=problem)),
                turns=self._turns,
            )
            known.configure(*files)
        return known

    def _use_certificates(self) -> None:
        used = {id(port.listener.tls) for port in self._ports.values()}
        self._certificates = {files: tls for files, tls in self._certificates.items() if id(tls) in used}
        if self._started:
            for tls in self._certificates.values():
                tls.look()

    # --- Opening and closing --------------------------------------------------------------------------------------

    async def open_fixed(
        self, ident: ListenerId, host: str, port: int, inherited: socket.socket | None = None
    ) -> tuple[str, int] | None:
        """Open one of the two of the proxy settings; None where it is switched off.

        Raises:
            OSError: the address cannot be used; the message says which and why.
        """
        entry = self._ports[ident]
        entry.at, entry.inherited = (host, port), inherited
        if not entry.config.enabled:
            return None
        await self._open(entry)
        return entry.bound

    async def start(self) -> None:
        """Open all others; whatever is configured from now on is acted on."""
        self._started = True
        await self._update()

    def _update_soon(self) -> None:
        self._again = True
        if self._task is None or self._task.done():
            self._task = spawn(self._update_until_done(), name="ports for miners")

    async def _update_until_done(self) -> None:
        while self._again:
            self._again = False
            await self._update()

    async def _update(self) -> None:
        """Close what is not wanted (any more), then open what is not open."""
        for ident, port in list(self._ports.items()):
            is_moved = ident not in FIXED and port.at is not None and port.at != (port.config.host, port.config.port)
            if port.bound is not None and (is_moved or not port.config.enabled):
                await self._close(ident, port)
        for ident in [ident for ident, port in self._ports.items() if port.config.port == 0 and port.bound is None]:
            del self._ports[ident]  # removed
        for ident, port in list(self._ports.items()):
            if self._stopped or not port.config.enabled:
                port.problem = ""
            elif port.bound is None and (ident not in FIXED or port.at is not None):
                await self._try(ident, port)
        self._plan_retry()

    async def _try(self, ident: ListenerId, port: _Port) -> None:
        if ident not in FIXED:
            port.at = (port.config.host, port.config.port)
        assert port.at is not None
        try:
            await self._open(port)
        except OSError as error:
            problem = str(error.strerror or error)
            if problem != port.problem:
                port.problem = problem
                self._events.emit(
                    ListenerFailed(listener=port.config.name, address=address_text(*port.at), problem=port.problem)
                )
            return
        assert port.bound is not None
        self._events.emit(
            ListenerOpened(
                listener=port.config.name, address=address_text(*port.bound), tls=port.listener.tls is not None
            )
        )

    async def _open(self, port: _Port) -> None:
        assert port.at is not None
        if port.listener.tls is not None:
            await port.listener.tls.refresh()
        inherited, port.inherited = port.inherited, None
        port.bound = await port.listener.start(*port.at, inherited, share_port=self._share_ports)
        port.problem = ""

    async def _close(self, ident: ListenerId, port: _Port) -> None:
        bound, port.bound = port.bound, None
        assert bound is not None
        await port.listener.stop()
        miners = 0
        if not port.config.enabled:
            miners = self._miners(ident)
            self._let_go(ident)
        self._events.emit(ListenerClosed(listener=port.config.name, address=address_text(*bound), miners=miners))

    def _plan_retry(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._stopped and any(port.problem for port in self._ports.values()):
            self._timer = self._clock.call_at(self._clock.now() + RETRY_S, self._update_soon)

    async def stop(self) -> None:
        """Close all ports; open connections stay."""
        self._stopped = True
        if self._task is not None and not self._task.done():
            await self._task
        self._plan_retry()
        for port in self._ports.values():
            if port.bound is not None:
                await port.listener.stop()
        self.refused_connections.close()


def _switched_off(config: ListenerConfig) -> ListenerConfig:
    """What is left of a listener that was removed, until it is closed."""
    return ListenerConfig(id=config.id, name=config.name, host=config.host, port=0, enabled=False)
