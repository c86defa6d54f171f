"""The base of events, their registry, and the stream that delivers them.

An event is a dataclass whose class has a ``name`` (what users search the log for) and a ``level``. ``DEBUG`` events
come once per share or job. Where an event costs something to make, ask ``EventStream.wants`` first. A new event needs a
class in one of the modules here, its name in ``__init__``, a test, and a new ``docs/log-events.md``.
"""

import sys
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar, dataclass_transform

DEBUG, INFO, WARNING, ERROR = 10, 20, 30, 40

REGISTRY: dict[str, type["Event"]] = {}
"""Event name -> class."""


class Event:
    """Base of all events. Subclasses give ``name`` and, where not INFO, ``level``."""

    __slots__ = ()
    name: ClassVar[str] = ""
    level: ClassVar[int] = INFO
    limited: ClassVar[bool] = False
    """Whether a peer can cause it as often as it likes, so that the log writes only so many."""


E = TypeVar("E", bound=Event)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def event(name: str, level: int = INFO, *, limited: bool = False) -> Callable[[type[E]], type[E]]:
    """Make a class an event: slotted, keyword-only, and known to the registry by ``name``.

    ``limited``: a miner, a pool or a visitor can cause it as often as it likes.

    Frozen for the type checker alone: a frozen ``__init__`` costs four times a plain one, at several events a share.
    """

    def register(plain: type[E]) -> type[E]:
        made = dataclass(slots=True, kw_only=True)(plain)
        made.name, made.level, made.limited = name, level, limited
        REGISTRY[name] = made
        return made

    return register


class EventStream:
    """Calls the subscribers of an event's class at once, in the order of their subscriptions.

    Some events may be summed up for those who only count them (``subscribe_counting``): whoever sums tells the others
    of each by ``emit_each`` and of the sum by ``emit``, and is asked for what is open by ``settle``.

    What happens to a whole fleet at once, while its miners wait for work, may be told a moment later (``emit_later``).
    All is told in the order in which it happened: whatever is emitted meanwhile has what waits told first.
    """

    def __init__(self, on_error: Callable[[Exception, Event], None] | None = None) -> None:
        self._handlers: dict[type[Event], list[Callable[[Event], None]]] = defaultdict(list)
        self._counting: dict[type[Event], list[Callable[[Event], None]]] = defaultdict(list)
        """Those of the handlers that get sums in place of what stands in them."""
        self._bars: dict[type[Event], list[Callable[[Any], float]]] = defaultdict(list)
        self.heard: set[type[Event]] = set()
        """Kinds with a subscriber; for whoever asks at each share."""
        self.heard_each: set[type[Event]] = set()
        """Kinds with a subscriber that is not content with sums."""
        self._folds: list[Callable[[], None]] = []
        self._later: deque[Event] = deque()
        self._is_telling = False
        self.on_later: Callable[[], object] = self.tell_later
        """Called when events begin to wait: to have ``tell_later`` called soon."""
        self._on_error = on_error

    def subscribe(self, kind: type[E], handler: Callable[[E], None]) -> None:
        """Call ``handler`` for each event of exactly the class ``kind``."""
        self._handlers[kind].append(handler)  # type: ignore[arg-type]
        self._note_hearers(kind)

    def subscribe_counting(
        self, kind: type[E], handler: Callable[[E], None], bar: Callable[[Any], float] | None = None
    ) -> None:
        """As ``subscribe``, but what stands in a sum is left out: for handlers that hear of the sums instead.

        ``bar`` is given a sum that begins and returns above what true difficulty a share must not stand in it.
        """
        self._handlers[kind].append(handler)  # type: ignore[arg-type]
        self._counting[kind].append(handler)  # type: ignore[arg-type]
        if bar is not None:
            self._bars[kind].append(bar)
        self._note_hearers(kind)

    def unsubscribe(self, kind: type[E], handler: Callable[[E], None]) -> None:
        """End a subscription."""
        self._handlers[kind].remove(handler)  # type: ignore[arg-type]
        if handler in self._counting[kind]:
            self._counting[kind].remove(handler)  # type: ignore[arg-type]
        self._note_hearers(kind)

    def _note_hearers(self, kind: type[Event]) -> None:
        hearers, counting = len(self._handlers[kind]), len(self._counting[kind])
        for kinds, is_one in ((self.heard, hearers > 0), (self.heard_each, hearers > counting)):
            (kinds.add if is_one else kinds.discard)(kind)

    def wants(self, kind: type[Event]) -> bool:
        """Whether ``kind`` has a subscriber."""
        return kind in self.heard

    def bars(self, kind: type[Event]) -> list[Callable[[Any], float]]:
        """What subscribers of ``kind`` gave as ``bar``."""
        return self._bars.get(kind, [])

    def settle_by(self, fold: Callable[[], None]) -> None:
        """Call ``fold`` as well when somebody wants to know all that has happened; it emits what is still open."""
        self._folds.append(fold)

    def settle(self) -> None:
        """Have all sums emitted; for whoever reads what was counted, and before what must come after it."""
        for fold in self._folds:
            fold()
        if self._later:
            self.tell_later()

    def emit_later(self, event: Event) -> None:
        """As ``emit``, but when ``tell_later`` is called, or before the next event that is emitted or wanted."""
        if event.__class__ not in self.heard:
            return
        self._later.append(event)
        if len(self._later) == 1:
            self.on_later()

    def tell_later(self, most: int = sys.maxsize) -> bool:
        """Tell of the next ``most`` events that wait. Returns whether any are left."""
        if self._is_telling:
            return False
        self._is_telling = True
        try:
            while self._later and most > 0:
                most -= 1
                self.emit(self._later.popleft())
        finally:
            self._is_telling = False
        return bool(self._later)

    def emit(self, event: Event) -> None:
        """Call all subscribers. An error in one goes to ``on_error`` and stops neither the others nor the caller."""
        if self._later and event.__class__ in self.heard:
            self.tell_later()
        for handler in self._handlers.get(event.__class__, ()):
            try:
                handler(event)
            except Exception as error:
                self._failed(error, event)

    def emit_each(self, event: Event) -> None:
        """As ``emit``, for an event that stands in a sum: those who count hear of that."""
        if self._later:
            self.tell_later()
        counting = self._counting.get(event.__class__, ())
        for handler in self._handlers.get(event.__class__, ()):
            if handler in counting:
                continue
            try:
                handler(event)
            except Exception as error:
                self._failed(error, event)

    def _failed(self, error: Exception, event: Event) -> None:
        if self._on_error is None:
            raise error
        self._on_error(error, event)
