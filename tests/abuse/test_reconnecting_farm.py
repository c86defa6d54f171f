"""None of the limits touches a farm behind one address: two hundred ASICs come back at once after a power cut."""

import asyncio
import time

from proxy.net.tasks import spawn
from proxy.simulator.miner import SimMiner
from proxy.simulator.profiles import AVALON, BRAIINS, ESP_MINER, WHATSMINER
from tests.abuse.subject import Attacked, Workshop
from tests.support.patience import PATIENCE_S, ProcessorWait

ASICS = 200
FIRMWARE = (AVALON, BRAIINS, ESP_MINER, WHATSMINER)
BACK_S = 5.0


def _asics(attacked: Attacked) -> list[SimMiner]:
    """Their hash rate is so small that they find nothing by themselves."""
    hashes = attacked.target.hashes_per_difficulty
    return [
        SimMiner(
            FIRMWARE[number % len(FIRMWARE)],
            "127.0.0.1",
            attacked.target.stratum,
            user=f"farm.asic{number}",
            hashrate=1e-3,
            hashes_per_difficulty=hashes,
        )
        for number in range(ASICS)
    ]


async def _in_work(miners: list[SimMiner]) -> None:
    for miner in miners:
        miner.start(spawn)
    await asyncio.gather(*(miner.until(lambda each: each.in_work, PATIENCE_S) for miner in miners))


async def _each_has_a_share_accepted(miners: list[SimMiner]) -> None:
    for miner in miners:
        answer = await asyncio.wait_for(miner.submit_raw(miner.find_share().params(miner.user)), PATIENCE_S)
        assert answer.result is True, (miner.user, answer.error)


async def test_two_hundred_asics_are_back_in_work_within_five_seconds_of_a_power_cut(shop: Workshop) -> None:
    async with shop.proxy() as proxy:
        before, after = _asics(proxy), _asics(proxy)
        try:
            await _in_work(before)
            await _each_has_a_share_accepted(before)
            for miner in before:  # no power: nothing is read any more, and no connection was closed either
                assert miner.wire is not None
                miner.wire.transport.pause_reading()
            waited, began = ProcessorWait(proxy.pid), time.monotonic()
            await _in_work(after)
            took_s = time.monotonic() - began - waited.look()
            await _each_has_a_share_accepted(after)
            assert took_s < BACK_S
            assert [(miner.failed_dials, miner.refusals, miner.connections) for miner in after] == [(0, 0, 1)] * ASICS
            assert [violation for miner in after for violation in miner.violations] == []
            assert proxy.lines("miner_refused") == []
        finally:
            await asyncio.gather(*(miner.stop() for miner in [*before, *after]))
