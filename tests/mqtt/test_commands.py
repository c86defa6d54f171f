"""What comes from the broker is obeyed where it is a command, and only there."""

import pytest

from proxy.mqtt.commands import (
    COMMANDS_SPAN_S,
    MOST_COMMANDS,
    CommandError,
    CommandLimit,
    Pin,
    SetPercent,
    SwitchAutoBalance,
    parse,
    with_percent,
)
from proxy.mqtt.topics import Topics
from proxy.types import PoolKey, WorkerName

TOPICS = Topics("home/dpmp", "homeassistant")
A, B = PoolKey("A"), PoolKey("B")
RIG = WorkerName("my rig/1")


def parsed(topic: str, payload: bytes) -> object:
    return parse(topic, payload, TOPICS, [A, B], [RIG])


@pytest.mark.parametrize(
    "topic, payload, command",
    [
        (TOPICS.pool_percent("A"), b"70", SetPercent(A, 70.0)),
        (TOPICS.pool_percent("B"), b" 12.5 ", SetPercent(B, 12.5)),
        (TOPICS.pool_percent("A"), b"0", SetPercent(A, 0.0)),
        (TOPICS.auto_balance, b"ON", SwitchAutoBalance(True)),
        (TOPICS.auto_balance, b"OFF", SwitchAutoBalance(False)),
        (TOPICS.worker_pin(RIG), b"B", Pin(RIG, B)),
        (TOPICS.worker_pin(RIG), b"not pinned", Pin(RIG, None)),
    ],
)
def test_commands_are_understood(topic: str, payload: bytes, command: object) -> None:
    assert parsed(topic, payload) == command


@pytest.mark.parametrize(
    "topic, payload, reason",
    [
        (TOPICS.pool_percent("A"), b"101", "between 0 and 100"),
        (TOPICS.pool_percent("A"), b"-1", "no number"),
        (TOPICS.pool_percent("A"), b"nan", "no number"),
        (TOPICS.pool_percent("A"), b"1e9", "no number"),
        (TOPICS.pool_percent("A"), b"", "no number"),
        (TOPICS.pool_percent("A"), "٧٠".encode(), "not ASCII"),
        (TOPICS.pool_percent("A"), b"7" * 65, "longer than"),
        (TOPICS.pool_percent("C"), b"70", "no such pool"),
        (TOPICS.auto_balance, b"on", "neither"),
        (TOPICS.worker_pin(RIG), b"C", "no such pool"),
        (TOPICS.worker_pin(RIG), b"\xff", "not ASCII"),
        (TOPICS.worker_pin("other"), b"A", "no such pool or worker"),
        ("home/dpmp/pool/A/percent", b"70", "no such pool"),
    ],
)
def test_anything_else_says_why_it_is_none(topic: str, payload: bytes, reason: str) -> None:
    with pytest.raises(CommandError, match=reason):
        parsed(topic, payload)


@pytest.mark.parametrize(
    "now, pool, percent, then",
    [
        ({"A": 70.0, "B": 30.0}, "A", 40.0, {"A": 40.0, "B": 60.0}),
        ({"A": 50.0, "B": 30.0, "C": 20.0}, "A", 0.0, {"A": 0.0, "B": 60.0, "C": 40.0}),
        ({"A": 100.0, "B": 0.0, "C": 0.0}, "A", 40.0, {"A": 40.0, "B": 30.0, "C": 30.0}),
        ({"A": 100.0, "B": 0.0}, "B", 100.0, {"A": 0.0, "B": 100.0}),
        ({"A": 100.0}, "A", 30.0, {"A": 30.0}),
    ],
)
def test_the_others_share_the_rest_in_their_proportions(
    now: dict[str, float], pool: str, percent: float, then: dict[str, float]
) -> None:
    assert with_percent(now, pool, percent) == pytest.approx(then)


def test_the_only_pool_cannot_get_nothing() -> None:
    with pytest.raises(CommandError, match="at least one pool"):
        with_percent({"A": 100.0}, "A", 0.0)


def test_an_automation_in_a_circle_is_stopped_and_heard_again_later() -> None:
    limit = CommandLimit()
    assert [limit.lets(1.0) for _ in range(MOST_COMMANDS + 2)] == [True] * MOST_COMMANDS + [False] * 2
    assert not limit.lets(COMMANDS_SPAN_S + 0.9)
    assert limit.lets(COMMANDS_SPAN_S + 1.0)
