"""A farm that comes back connects all at once: it must not be let in one by one."""

import asyncio
import socket

import uvloop

from proxy.net import listener
from proxy.net.listener import StratumListener

MINERS = 320


async def turns_until_all_are_in() -> int:
    """How many turns of the loop it takes, with nothing else to do in them."""
    came: list[str] = []
    stratum = StratumListener(lambda peer: came.append(peer))  # type: ignore[func-returns-value]
    address = await stratum.start("127.0.0.1", 0)
    miners = [socket.socket() for _ in range(MINERS)]
    for miner in miners:
        miner.connect(address)  # the system takes them into its queue
    turns = 0
    while len(came) < MINERS:
        await asyncio.sleep(0)
        turns += 1
    await stratum.stop()
    for miner in miners:
        miner.close()
    assert len(set(came)) == MINERS
    return turns


def test_many_are_accepted_in_one_turn() -> None:
    turns = uvloop.run(turns_until_all_are_in())
    assert turns <= 2 * MINERS / listener.ACCEPTS_A_TURN


async def refused_after_the_end() -> None:
    stratum = StratumListener(lambda peer: None)
    address = await stratum.start("127.0.0.1", 0)
    await stratum.stop()
    for _ in range(10):  # sockets are closed in the turns that follow
        await asyncio.sleep(0)
    with socket.socket() as late:
        assert late.connect_ex(address) != 0


def test_no_copy_of_the_socket_listens_after_the_end() -> None:
    uvloop.run(refused_after_the_end())
