"""What miners ask for in their passwords: read where it is allowed, told where it cannot be used, else left alone."""

import pytest

from proxy.config.snapshot import ListenerConfig, MinerDirectives
from proxy.engine.password_directives import Directives, read_directives
from proxy.scheduling.control import MinerChoice
from proxy.types import ListenerId, PoolKey

A, B = PoolKey("A"), PoolKey("B")
EVERYTHING = MinerDirectives(difficulty=True, most_difficulty=1e6, pin=True, pools=(A, B), split=True, split_least=5)


def listener(directives: MinerDirectives = EVERYTHING, least: float | None = 16.0) -> ListenerConfig:
    return ListenerConfig(id=ListenerId(1), name="rack", host="", port=1, least_difficulty=least, directives=directives)


@pytest.mark.parametrize(
    ("password", "expected"),
    [
        ("x", Directives("x")),
        ("", Directives("")),
        ("d=1000", Directives("d=1000", 1000.0)),
        ("x;d=1000", Directives("x;d=1000", 1000.0)),
        ("x,D=0512.5", Directives("x,D=0512.5", 512.5)),
        ("p=b", Directives("", None, MinerChoice(pin=B))),
        ("x, p=A ; d=64", Directives("x, d=64", 64.0, MinerChoice(pin=A))),
        ("s=70:30", Directives("", None, MinerChoice(split=(70.0, 30.0)))),
        ("x s=1:1:2,md=5", Directives("x md=5", None, MinerChoice(split=(25.0, 25.0, 50.0)))),
    ],
)
def test_what_is_allowed_is_read_and_only_a_difficulty_is_left_for_the_pool(password, expected) -> None:
    assert read_directives(password, listener()) == expected


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("d=15", "least difficulty here is 16"),
        ("d=1e9", "no difficulty"),
        ("d=-5", "no difficulty"),
        ("d=nan", "no difficulty"),
        ("d=0", "no difficulty"),
        ("d=0.0", "no difficulty"),
        ("d=9999999", "most difficulty here is 1e\\+06"),
        ("d=" + "9" * 400, "no difficulty"),
        ("d=٣", "no difficulty"),
        ("p=C", "may be chosen here are A, B"),
        ("p=", "no key"),
        ("p=A/../B", "no key"),
        ("p=ſ", "no key|may be chosen"),
        ("s=70", "for example 70:30"),
        ("s=70:-30", "for example 70:30"),
        ("s=0:0", "above 0"),
        ("s=99:1", "5 percent or more"),
        ("s=" + ":".join(["1"] * 1000), "for example 70:30"),
        ("s=1:", "for example 70:30"),
        ("d==5", "no difficulty"),
    ],
)
def test_a_bad_value_is_told_and_ignored_and_no_pool_sees_it(password: str, problem: str) -> None:
    found = read_directives(f"x,{password}", listener())
    assert (found.rest, found.difficulty, found.choice) == ("x", None, MinerChoice())
    with pytest.raises(AssertionError, match=problem):
        raise AssertionError(*found.problems)


def test_of_two_of_a_kind_the_first_counts() -> None:
    found = read_directives("d=100,d=200,p=A,p=B", listener())
    assert (found.rest, found.difficulty, found.choice.pin) == ("d=100", 100.0, A)
    assert len(found.problems) == 2 and "second of its kind" in found.problems[0]


def test_nothing_is_read_unless_it_is_switched_on() -> None:
    password = "x;d=1000,p=B s=70:30"
    assert read_directives(password, listener(MinerDirectives())) == Directives(password)
    only_pins = read_directives(password, listener(MinerDirectives(pin=True)))
    assert only_pins == Directives("x;d=1000,s=70:30", None, MinerChoice(pin=B))
    without_limits = read_directives("d=0.001", listener(MinerDirectives(difficulty=True), least=None))
    assert without_limits.difficulty == 0.001
