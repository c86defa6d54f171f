"""The alerts of a running proxy: two threads, so that neither rules nor slow mail servers touch the event loop.

Rules and addresses are part of the configuration: whoever loads that calls ``AlertService.apply``.
"""

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable

from django.db import Error as DjangoError
from django.db import close_old_connections, connections

from proxy.alerts import AlertEngine, AlertMessage, AlertSetup, FleetSnapshot, Watch
from proxy.alerts.deliverer import Deliverer, Send
from proxy.alerts.sending import send
from proxy.observe.events import (
    BestShare,
    BlockFound,
    ChainSplit,
    DatabaseTrouble,
    Event,
    EventStream,
    PoolBehind,
    PoolDown,
    PoolUp,
)
from proxy.observe.live.views import store

LOOK_S = 10.0
PAUSE_S = 5.0
"""Before the next attempt after a fault."""
MAX_EVENTS, MAX_MESSAGES = 1000, 500
HEARD: tuple[type[Event], ...] = (PoolDown, PoolUp, PoolBehind, ChainSplit, DatabaseTrouble, BestShare, BlockFound)

_logger = logging.getLogger(__name__)


class ThreadWatch:
    """The time for threads: an event loop's own clock stands still while the loop sleeps."""

    now = staticmethod(time.monotonic)
    wall = staticmethod(time.time)


class AlertService:
    """``start`` once on the loop, ``stop`` once (from a thread: it waits); ``apply`` before or after, from any thread.

    Events are only put in a queue on the loop; where that is full they are left out and counted in ``dropped``. Until
    the first ``apply`` they wait there.
    """

    def __init__(
        self,
        *,
        events: EventStream,
        look: Callable[[], FleetSnapshot | None] = store.current,
        clock: Watch | None = None,
        send: Send = send,
        look_s: float = LOOK_S,
    ) -> None:
        self.dropped = 0
        self._clock = clock = clock or ThreadWatch()
        self._events = events
        self._look, self._look_s = look, look_s
        self._heard: queue.Queue[Event | None] = queue.Queue(MAX_EVENTS)
        self._outgoing: queue.Queue[AlertMessage | None] = queue.Queue(MAX_MESSAGES)
        self._inside = EventStream(on_error=self._failed)
        self._deliverer = Deliverer(clock=clock, send=send)
        self._engine: AlertEngine | None = None
        self._setup: AlertSetup | None = None
        """What is to be in force; replaced as a whole."""
        self._applied: AlertSetup | None = None
        self._woken = threading.Event()
        """Set by the first ``apply`` and by ``stop``."""
        self._stopping = threading.Event()
        self._look_at = clock.now()
        self._threads = (
            threading.Thread(target=self._watch, name="alert rules", daemon=True),
            threading.Thread(target=self._deliver, name="alert delivery", daemon=True),
        )

    def start(self) -> None:
        """Listen to the events and start the threads."""
        for kind in HEARD:
            self._events.subscribe(kind, self._hear)
        for thread in self._threads:
            thread.start()

    def apply(self, setup: AlertSetup) -> None:
        """Have ``setup`` in force from now on; both threads are woken for it. Never blocks."""
        self._deliverer.addresses = setup.addresses
        self._setup = setup
        self._wake()

    def _wake(self) -> None:
        self._woken.set()
        for line in (self._heard, self._outgoing):
            with contextlib.suppress(queue.Full):
                line.put_nowait(None)  # wakes the thread; a full queue wakes it anyway

    def stop(self, timeout_s: float = 3.0) -> bool:
        """End both threads; whether they ended in time. What is not delivered is tried again by the next run."""
        if not all(thread.ident for thread in self._threads):
            return True
        for kind in HEARD:
            self._events.unsubscribe(kind, self._hear)
        self._stopping.set()
        self._wake()
        for thread in self._threads:
            thread.join(timeout_s / len(self._threads))
        return not any(thread.is_alive() for thread in self._threads)

    def _hear(self, event: Event) -> None:
        try:
            self._heard.put_nowait(event)
        except queue.Full:
            self.dropped += 1

    # --- The thread of the rules ---

    def _watch(self) -> None:
        while not self._stopping.is_set():
            self._safely(self._take_setup)
            self._safely(self._look_if_due)
            self._listen(max(0.05, self._look_at - self._clock.now()))

    def _listen(self, timeout_s: float) -> None:
        """Hand one event to the engine, if one comes in time; without rules yet it stays in the queue."""
        if self._engine is None:
            self._woken.wait()
            return
        try:
            event = self._heard.get(timeout=timeout_s)
        except queue.Empty:
            return
        if event is not None:
            self._inside.emit(event)

    def _take_setup(self) -> None:
        setup = self._setup
        if setup is None or setup is self._applied:
            return
        self._applied = setup
        if self._engine is None:
            self._engine = AlertEngine(clock=self._clock, events=self._inside, config=setup.config)
            self._engine.on_message = self._post
        else:
            self._engine.apply(setup.config)

    def _look_if_due(self) -> None:
        if self._engine is None or self._clock.now() < self._look_at:
            return
        self._look_at = self._clock.now() + self._look_s
        snapshot = self._look()
        if snapshot is None:
            self._engine.tick()
        else:
            self._engine.look(snapshot)

    def _post(self, message: AlertMessage) -> None:
        try:
            self._outgoing.put_nowait(message)
        except queue.Full:
            self.dropped += 1

    # --- The thread of the delivery ---

    def _deliver(self) -> None:
        try:
            self._safely(self._deliverer.resume)
            while not self._stopping.is_set():
                if self._setup is None:
                    self._woken.wait()  # the addresses are not known yet
                    continue
                close_old_connections()
                wait_s = self._safely(self._deliverer.work)
                self._receive(60.0 if wait_s is None else max(0.1, wait_s))
        finally:
            connections.close_all()

    def _receive(self, timeout_s: float) -> None:
        with contextlib.suppress(queue.Empty):
            message = self._outgoing.get(timeout=min(60.0, timeout_s))
            if message is not None:
                self._deliverer.take(message)

    # --- Faults ---

    def _safely(self, call: Callable[[], float | None]) -> float | None:
        """Run ``call``; a fault is logged and the thread goes on."""
        try:
            return call()
        except DjangoError as error:
            _logger.warning("Alerts: the database cannot be used: %s", error)
        except Exception:  # the boundary of a thread: alerts go on whatever one of them does
            _logger.exception("Alerts: a fault of ours")
        return PAUSE_S

    def _failed(self, error: Exception, event: Event) -> None:
        _logger.error("Alerts: a fault of ours at %s", event.name, exc_info=error)
