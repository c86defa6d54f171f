"""The alerts of a running proxy: two threads, so that neither rules nor slow mail servers touch the event loop.

Rules and addresses are part of the configuration: whoever loads that calls ``AlertService.apply``.
"""

import contextlib
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable

from django.db import Error as DjangoError
from django.db import close_old_connections, connections

from proxy.alerts.alert_engine import AlertEngine
from proxy.alerts.deliverer import Deliverer, Send
from proxy.alerts.rules import AlertMessage, AlertSetup
from proxy.alerts.sending import send
from proxy.nodes.lease import Lease, OwnLease
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
from proxy.observe.live.views import LiveSnapshot, store
from proxy.ports import TimeSource

EVALUATE_EVERY_S = 10.0
PAUSE_S = 5.0
"""Pause after a fault before the next attempt."""
MAX_EVENTS, MAX_MESSAGES = 1000, 500
FORWARDED: tuple[type[Event], ...] = (PoolDown, PoolUp, PoolBehind, ChainSplit, DatabaseTrouble, BlockFound)
OWN: tuple[type[Event], ...] = (DatabaseTrouble, BlockFound, BestShare)
"""Told by each of several nodes; the others concern all of them alike, and one tells them."""

_logger = logging.getLogger(__name__)


class ThreadClock:
    """Time for threads: the event loop's clock may only be read on the loop."""

    now = staticmethod(time.monotonic)
    wall = staticmethod(time.time)


class AlertService:
    """``start`` once on the loop, ``stop`` once (from a thread: it waits); ``apply`` before or after, from any thread.

    On the loop, events are only put in a queue; when it is full they are dropped and counted in ``dropped``. They wait
    there until the first ``apply``. Best shares wait until the rules are evaluated: up to ``EVALUATE_EVERY_S``.
    """

    def __init__(
        self,
        *,
        events: EventStream,
        snapshot: Callable[[], LiveSnapshot | None] = store.current,
        clock: TimeSource | None = None,
        send: Send = send,
        evaluate_every_s: float = EVALUATE_EVERY_S,
        lease: Lease | None = None,
        node: str = "",
    ) -> None:
        self.dropped = 0
        self._lease = lease or OwnLease()
        self._clock = clock = clock or ThreadClock()
        self._events = events
        self._snapshot, self._evaluate_every_s = snapshot, evaluate_every_s
        self._events_in: queue.Queue[Event | None] = queue.Queue(MAX_EVENTS)
        self._aside: deque[Event] = deque()
        """Events that wait until the thread of the rules wakes by itself: a farm has many, and each wake-up costs."""
        self._messages: queue.Queue[AlertMessage | None] = queue.Queue(MAX_MESSAGES)
        self._engine_events = EventStream(on_error=self._failed)
        self._deliverer = Deliverer(clock=clock, send=send, node=node)
        self._engine: AlertEngine | None = None
        self._setup: AlertSetup | None = None
        """The newest rules and addresses; replaced as a whole."""
        self._applied: AlertSetup | None = None
        self._woken = threading.Event()
        """Set by the first ``apply`` and by ``stop``."""
        self._stopping = threading.Event()
        self._evaluate_at = clock.now()
        self._threads = (
            threading.Thread(target=self._run_rules, name="alert rules", daemon=True),
            threading.Thread(target=self._run_delivery, name="alert delivery", daemon=True),
        )

    def start(self) -> None:
        """Subscribe to the events and start the threads."""
        for kind in FORWARDED:
            self._events.subscribe(kind, self._enqueue)
        self._events.subscribe(BestShare, self._put_aside)
        for thread in self._threads:
            thread.start()

    def apply(self, setup: AlertSetup) -> None:
        """Use ``setup`` from now on: wakes both threads. Never blocks."""
        self._deliverer.addresses = setup.addresses
        self._setup = setup
        self._wake()

    def _wake(self) -> None:
        self._woken.set()
        for waiting in (self._events_in, self._messages):
            with contextlib.suppress(queue.Full):
                waiting.put_nowait(None)  # wakes the thread; a full queue wakes it anyway

    def stop(self, timeout_s: float = 3.0) -> bool:
        """End both threads; returns whether they ended in time. The next run tries again what is not delivered."""
        if not all(thread.ident for thread in self._threads):
            return True
        for kind in FORWARDED:
            self._events.unsubscribe(kind, self._enqueue)
        self._events.unsubscribe(BestShare, self._put_aside)
        self._stopping.set()
        self._wake()
        for thread in self._threads:
            thread.join(timeout_s / len(self._threads))
        return not any(thread.is_alive() for thread in self._threads)

    def _enqueue(self, event: Event) -> None:
        if not self._lease.held and not isinstance(event, OWN):
            return
        try:
            self._events_in.put_nowait(event)
        except queue.Full:
            self.dropped += 1

    def _put_aside(self, event: Event) -> None:
        if len(self._aside) < MAX_EVENTS:
            self._aside.append(event)
        else:
            self.dropped += 1

    # --- The thread of the rules ---

    def _run_rules(self) -> None:
        while not self._stopping.is_set():
            self._safely(self._apply_setup)
            self._safely(self._take_aside)
            self._safely(self._evaluate_if_due)
            self._next_event(max(0.05, self._evaluate_at - self._clock.now()))

    def _next_event(self, timeout_s: float) -> None:
        """Hand one event to the engine, if one comes in time; without rules yet it stays in the queue."""
        if self._engine is None:
            self._woken.wait()
            return
        try:
            event = self._events_in.get(timeout=timeout_s)
        except queue.Empty:
            return
        if event is not None:
            self._engine_events.emit(event)

    def _take_aside(self) -> None:
        while self._aside and self._engine is not None:
            self._engine_events.emit(self._aside.popleft())

    def _apply_setup(self) -> None:
        setup = self._setup
        if setup is None or setup is self._applied:
            return
        self._applied = setup
        if self._engine is None:
            self._engine = AlertEngine(clock=self._clock, events=self._engine_events, config=setup.config)
            self._engine.on_message = self._post
        else:
            self._engine.apply(setup.config)

    def _evaluate_if_due(self) -> None:
        if self._engine is None or self._clock.now() < self._evaluate_at:
            return
        self._evaluate_at = self._clock.now() + self._evaluate_every_s
        snapshot = self._snapshot()
        if not self._lease.held:
            self._engine.leave_to_another()
        elif snapshot is None:
            self._engine.tick()
        else:
            for _ in self._engine.evaluate(snapshot):
                time.sleep(0)  # the loop's thread would wait for the interpreter, up to 5 ms each time

    def _post(self, message: AlertMessage) -> None:
        try:
            self._messages.put_nowait(message)
        except queue.Full:
            self.dropped += 1

    # --- The thread of the delivery ---

    def _run_delivery(self) -> None:
        try:
            self._safely(self._deliverer.resume)
            while not self._stopping.is_set():
                if self._setup is None:
                    self._woken.wait()  # the addresses are not known yet
                    continue
                close_old_connections()
                wait_s = self._safely(self._deliverer.deliver_due)
                self._receive(60.0 if wait_s is None else max(0.1, wait_s))
        finally:
            connections.close_all()

    def _receive(self, timeout_s: float) -> None:
        with contextlib.suppress(queue.Empty):
            message = self._messages.get(timeout=min(60.0, timeout_s))
            if message is not None:
                self._deliverer.accept(message)

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
