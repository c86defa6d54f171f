"""What happens to a whole fleet at once is told a moment later, in the order in which it happened."""

from collections.abc import Callable

import pytest

from proxy.observe.events import Event, EventStream, LateVerdict, PoolDisconnected, PoolReconnectWait, SwitchSkipped
from proxy.types import ConnectionId, PoolKey, SessionId, WorkerName

A = PoolKey("A")


def lost(number: int) -> PoolDisconnected:
    return PoolDisconnected(pool=A, connection=ConnectionId(number), reason="reset", wanted=False)


def late(number: int) -> LateVerdict:
    return LateVerdict(pool=A, connection=ConnectionId(number), accepted=True)


def hearing(handler: Callable[[Event], None]) -> EventStream:
    """A stream in which nobody has what waits told, with a subscriber to both kinds."""
    events = EventStream()
    events.on_later = lambda: None
    for kind in (PoolDisconnected, LateVerdict):
        events.subscribe(kind, handler)
    return events


def test_so_many_are_told_as_are_asked_for_and_the_first_one_asks() -> None:
    told: list[Event] = []
    events, asked = hearing(told.append), []
    events.on_later = lambda: asked.append(len(told))
    for number in range(5):
        events.emit_later(lost(number))
    assert told == [] and asked == [0]
    assert events.tell_later(2)
    assert told == [lost(0), lost(1)]
    assert not events.tell_later(3)
    events.emit_later(lost(5))
    assert told == [lost(number) for number in range(5)] and asked == [0, 5]


@pytest.mark.parametrize("emit", [EventStream.emit, EventStream.emit_each])
def test_whatever_is_emitted_meanwhile_comes_after_it(emit: Callable[[EventStream, Event], None]) -> None:
    told: list[Event] = []
    events = hearing(told.append)
    events.emit_later(lost(1))
    emit(events, late(1))
    assert told == [lost(1), late(1)]


def test_what_nobody_hears_has_nothing_told_and_does_not_wait() -> None:
    told: list[Event] = []
    events = hearing(told.append)
    events.emit_later(PoolReconnectWait(pool=A, delay_s=1.0))
    assert not events.tell_later(0)
    events.emit_later(lost(1))
    events.emit(SwitchSkipped(session=SessionId(1), worker=WorkerName("ann"), pool=A))
    assert told == []


def test_whoever_wants_to_know_all_hears_it_before_the_sums() -> None:
    told: list[Event] = []
    events = hearing(told.append)
    events.settle_by(lambda: events.emit(late(1)))
    events.emit_later(lost(1))
    events.settle()
    assert told == [lost(1), late(1)]


def test_what_a_subscriber_emits_comes_at_once_and_what_it_has_told_later_comes_last() -> None:
    told: list[Event] = []
    events = hearing(told.append)

    def answer(event: PoolDisconnected) -> None:
        events.emit(late(event.connection))
        if event.connection == 1:
            events.emit_later(lost(3))
            events.settle()

    events.subscribe(PoolDisconnected, answer)
    events.emit_later(lost(1))
    events.emit_later(lost(2))
    assert not events.tell_later()
    assert told == [lost(1), late(1), lost(2), late(2), lost(3), late(3)]


def test_an_error_loses_none_of_the_others() -> None:
    told: list[Event] = []

    def fail_once(event: Event) -> None:
        if not told:
            told.append(event)
            raise ValueError
        told.append(event)

    events = hearing(fail_once)
    events.emit_later(lost(1))
    events.emit_later(lost(2))
    with pytest.raises(ValueError):
        events.tell_later()
    events.emit(late(1))
    assert told == [lost(1), lost(2), late(1)]


def test_where_nobody_has_it_told_it_is_told_at_once() -> None:
    told: list[Event] = []
    events = EventStream()
    events.subscribe(PoolDisconnected, told.append)
    events.emit_later(lost(1))
    assert told == [lost(1)]
