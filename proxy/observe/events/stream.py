"""What an event is, the registry that knows them all, and the stream that carries them."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeVar, dataclass_transform

DEBUG, INFO, WARNING, ERROR = 10, 20, 30, 40

REGISTRY: dict[str, type["Event"]] = {}
"""Event name -> class, module by module."""


class Event:
    """Base of all events. Subclasses give ``name`` and, where not INFO, ``level``."""

    __slots__ = ()
    name: ClassVar[str] = ""
    level: ClassVar[int] = INFO


E = TypeVar("E", bound=Event)


@dataclass_transform(frozen_default=True, kw_only_default=True)
def event(name: str, level: int = INFO) -> Callable[[type[E]], type[E]]:
    """Make a class an event: slotted, keyword-only, and known to the registry by ``name``.

    Frozen for the type checker alone: a frozen ``__init__`` costs four times a plain one, at several events a share.
    """

    def register(plain: type[E]) -> type[E]:
        made = dataclass(slots=True, kw_only=True)(plain)
        made.name, made.level = name, level
        REGISTRY[name] = made
        return made

    return register


class EventStream:
    """Hands each event to those who asked for its class, in the order they asked, in the same turn of the loop."""

    def __init__(self, on_error: Callable[[Exception, Event], None] | None = None) -> None:
        self._handlers: dict[type[Event], list[Callable[[Event], None]]] = defaultdict(list)
        self._on_error = on_error

    def subscribe(self, kind: type[E], handler: Callable[[E], None]) -> None:
        """Call ``handler`` for each event of exactly the class ``kind``."""
        self._handlers[kind].append(handler)  # type: ignore[arg-type]

    def unsubscribe(self, kind: type[E], handler: Callable[[E], None]) -> None:
        """Take a subscription back."""
        self._handlers[kind].remove(handler)  # type: ignore[arg-type]

    def wants(self, kind: type[Event]) -> bool:
        """Whether anybody listens to ``kind``."""
        return bool(self._handlers.get(kind))

    def emit(self, event: Event) -> None:
        """Tell everybody. A handler that raises is reported and does not stop the others, nor the sender."""
        for handler in self._handlers.get(type(event), ()):
            try:
                handler(event)
            except Exception as error:
                if self._on_error is None:
                    raise
                self._on_error(error, event)
