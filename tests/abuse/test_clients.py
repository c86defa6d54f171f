"""Attacks end when their time is over."""

import asyncio
from collections import Counter

from tests.abuse.clients import again_and_again


async def test_an_attack_ends_also_where_its_connection_is_closed_in_that_very_moment() -> None:
    loop, counts = asyncio.get_running_loop(), Counter[str]()
    ends = loop.time() + 0.1

    async def closed_at_the_end() -> None:
        while loop.time() < ends:
            await asyncio.sleep(0)
        raise ConnectionError("closed")

    async def attempt() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(closed_at_the_end())
            await asyncio.Event().wait()

    async with asyncio.timeout(30):
        await again_and_again(0.1, attempt, counts)
    assert counts["cut off"] <= 1
