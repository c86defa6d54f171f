"""The sink that writes the log."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, TextIO

from proxy.config.snapshot import LogConfig
from proxy.observe.events import (
    Event,
    EventStream,
    LibraryLog,
    MinerAuthorized,
    MinerConnected,
    MinerDisconnected,
    PoolSwitched,
)
from proxy.observe.log.line_limit import LIMITED, LineLimit
from proxy.observe.log.lines import Entry
from proxy.observe.log.log_filter import kinds_to_write
from proxy.observe.log.outlets import Outlet, RotatedFile, Stream
from proxy.observe.log.redact import Redactor
from proxy.observe.log.ring import RecentLines
from proxy.observe.log.writer import CAPACITY, LogWriter
from proxy.peer_address import address_of
from proxy.types import PoolKey, SessionId, WorkerName

_SESSION_EVENTS: tuple[type[Event], ...] = (MinerConnected, MinerAuthorized, PoolSwitched, MinerDisconnected)
"""Tell address, worker and pool of a session; subscribed to whether they are written or not."""
REPORT_S = 60.0
"""From the first line that was left out until the log says how many were."""


class _Known(NamedTuple):
    """What the log knows of a session."""

    address: str = ""
    worker: WorkerName | None = None
    pool: PoolKey | None = None


_NOBODY = _Known()


class LogSink:
    """Writes events to ``path`` and ``stdout``, where given, and keeps the newest in ``ring``.

    Only classes that pass the filter are subscribed to, so ``events.wants`` stays false for the others. Call everything
    but ``start`` and ``stop`` on the loop's thread; nothing there blocks.
    """

    def __init__(
        self,
        events: EventStream,
        wall: Callable[[], float],
        config: LogConfig,
        *,
        path: Path | None = None,
        stdout: TextIO | None = None,
        ring: RecentLines | None = None,
        capacity: int = CAPACITY,
    ) -> None:
        self._events = events
        self._wall = wall
        self.ring = RecentLines() if ring is None else ring
        self._file = None if path is None else RotatedFile(path, config.file_bytes, config.file_count)
        outlets = [] if stdout is None else [Outlet(Stream(stdout), "standard output")]
        if self._file is not None:
            outlets.append(Outlet(self._file, str(path)))
        self._writer = LogWriter(outlets, capacity)
        self._written: frozenset[type[Event]] = frozenset()
        self._sessions: dict[SessionId, _Known] = {}
        self._limit = LineLimit()
        self._left_out = asyncio.Event()
        self._next_id = self.ring.last_id + 1
        for kind in _SESSION_EVENTS:
            events.subscribe(kind, self._note_session)
        self.apply(config)

    def start(self) -> None:
        """Start the writing thread; events from before wait in the queue."""
        self._writer.start()

    def stop(self, timeout_s: float = 5.0) -> bool:
        """Unsubscribe and write what is queued. Blocks up to ``timeout_s``; returns whether all was written."""
        self._events.tell_later()
        self._emit_left_out()
        self._subscribe_to(frozenset())
        for kind in _SESSION_EVENTS:
            self._events.unsubscribe(kind, self._note_session)
        done = self._writer.stop(timeout_s)
        if done and self._file is not None:
            self._file.close()
        return done

    def apply(self, config: LogConfig, wallets: Iterable[str] = ()) -> None:
        """Use ``config`` from the next event on. ``wallets``: the configured ones, for redaction."""
        redact = Redactor(wallets) if config.redact_wallets else None
        self._writer.redact = self.ring.redact = redact
        if self._file is not None:
            self._file.resize(config.file_bytes, config.file_count)
        self._subscribe_to(kinds_to_write(config))

    @property
    def dropped(self) -> Mapping[str, int]:
        """Level -> lines dropped since the start because the queue was full."""
        return self._writer.dropped

    @property
    def write_errors(self) -> int:
        """Lines that could not be written, summed over the outlets."""
        return self._writer.errors

    @property
    def queued(self) -> int:
        """Lines in the queue."""
        return self._writer.queued

    def _subscribe_to(self, kinds: frozenset[type[Event]]) -> None:
        for kind in self._written - kinds:
            if kind not in _SESSION_EVENTS:
                self._events.unsubscribe(kind, self._write)
        for kind in kinds - self._written:
            if kind not in _SESSION_EVENTS:
                self._events.subscribe(kind, self._write)
        self._written = kinds

    async def run(self) -> None:
        """Log how many lines were left out, ``REPORT_S`` after the first of them, until cancelled."""
        while True:
            await self._left_out.wait()
            await asyncio.sleep(REPORT_S)
            self._left_out.clear()
            self._emit_left_out()

    def _emit_left_out(self) -> None:
        for left_out in self._limit.report():
            self._events.emit(left_out)

    def _write(self, event: Event) -> None:
        session: SessionId | None = getattr(event, "session", None)
        now, kind = self._wall(), type(event)
        if kind in LIMITED and not self._limit.admits(event, self._cause(event, session), now):
            self._left_out.set()
            return
        known = _NOBODY if session is None else self._sessions.get(session, _NOBODY)
        worker, pool = getattr(event, "worker", known.worker), getattr(event, "pool", known.pool)
        entry = Entry(self._next_id, now, event, session, worker, pool)
        self._next_id += 1
        self.ring.append(entry)
        self._writer.put(entry)

    def _cause(self, event: Event, session: SessionId | None) -> str:
        """Who caused ``event``: the address of a miner, else a pool, else a library."""
        known = self._sessions.get(session) if session is not None else None
        if known is not None and known.address:
            return known.address
        peer = getattr(event, "peer", "")
        if peer:
            return address_of(peer) or peer
        return event.logger if isinstance(event, LibraryLog) else getattr(event, "pool", None) or ""

    def _note_session(self, event: Event) -> None:
        if isinstance(event, MinerConnected):
            self._sessions[event.session] = _Known(address_of(event.peer) or event.peer)
        elif isinstance(event, MinerAuthorized) and event.first:
            known = self._sessions.get(event.session, _NOBODY)
            self._sessions[event.session] = _Known(known.address, event.worker, known.pool)
        elif isinstance(event, PoolSwitched):
            known = self._sessions.get(event.session, _NOBODY)
            self._sessions[event.session] = _Known(known.address, event.worker, event.new)
        if type(event) in self._written:
            self._write(event)
        if isinstance(event, MinerDisconnected):
            self._sessions.pop(event.session, None)
