"""What becomes of an error in a subscriber."""

import pytest

from proxy.observe.events import Event, EventStream, MinerReady
from tests.support.shares import ready


def fail(event: MinerReady) -> None:
    raise ValueError(event.worker)


def test_an_error_in_one_subscriber_is_handed_on_and_the_others_are_told_all_the_same() -> None:
    errors: list[tuple[str, Event]] = []
    told: list[Event] = []
    events = EventStream(on_error=lambda error, event: errors.append((str(error), event)))
    events.subscribe(MinerReady, fail)
    events.subscribe(MinerReady, told.append)
    events.emit(ready())
    assert told == [ready()] and errors == [("ann", ready())]


def test_an_error_that_nobody_takes_reaches_whoever_emits() -> None:
    events = EventStream()
    events.subscribe(MinerReady, fail)
    with pytest.raises(ValueError, match="ann"):
        events.emit(ready())


def test_what_stands_in_a_sum_is_told_to_those_who_do_not_count_and_an_error_is_handed_on() -> None:
    errors: list[str] = []
    counted: list[Event] = []
    told: list[Event] = []
    events = EventStream(on_error=lambda error, event: errors.append(str(error)))
    events.subscribe_counting(MinerReady, counted.append)
    assert MinerReady not in events.heard_each
    events.subscribe(MinerReady, fail)
    events.subscribe(MinerReady, told.append)
    assert MinerReady in events.heard_each
    events.emit_each(ready())
    assert (counted, told, errors) == ([], [ready()], ["ann"])
