"""Whoever waits for a turn of the loop gets one, in order, and nobody gets more than there are."""

import asyncio

from proxy.net.web_turns import Turns


async def test_a_turn_has_so_many_permissions_and_the_next_one_has_them_again() -> None:
    turns = Turns(2)
    assert [turns.take() for _ in range(3)] == [True, True, False]
    await asyncio.sleep(0)
    assert [turns.take() for _ in range(3)] == [True, True, False]


async def test_who_waits_comes_before_those_that_come_later() -> None:
    turns = Turns(2)
    called: list[int] = []
    for number in range(3):
        turns.wait(lambda number=number: called.append(number))  # type: ignore[misc]
    await asyncio.sleep(0)
    assert (called, turns.take()) == ([0, 1], False)
    await asyncio.sleep(0)
    assert (called, turns.take()) == ([0, 1, 2], True)
