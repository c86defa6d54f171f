"""Firmware that needs more extranonce2 than its connection was given works elsewhere, and its owner is told why."""

from dataclasses import replace

from proxy.engine.eligibility import KINDS_KEPT, why_not
from proxy.stratum.extranonce import MinerExtranonce
from proxy.stratum.firmware import UNKNOWN
from tests.support.world import World


def test_firmware_that_needs_more_extranonce2_than_it_was_given_is_not_sent_there() -> None:
    world = World({"A": 8})
    miner = world.miner()
    world.advance(2)
    job = next(iter(miner.session.links.values())).job
    assert job is not None
    wide = replace(UNKNOWN, least_extranonce2=4)
    why = why_not(job, MinerExtranonce(b"", 2), wide, rolls=False, version_mask=None, elsewhere=False)
    assert "needs 4 bytes of extranonce2" in why


def test_a_verdict_is_kept_for_each_kind_of_miner_and_never_for_another() -> None:
    world = World({"A": 8})
    miner = world.miner()
    world.advance(2)
    job = next(iter(miner.session.links.values())).job
    assert job is not None
    verdicts = job.template.verdicts

    def fits(room: int, mask: int | None = None) -> bool:
        return not why_not(job, MinerExtranonce(b"", room), UNKNOWN, rolls=False, version_mask=mask, elsewhere=False)

    assert (fits(8), fits(9), fits(8), fits(9)) == (True, False, True, False)
    for mask in range(KINDS_KEPT + 10):
        assert fits(8, mask)
    assert len(verdicts) <= KINDS_KEPT
    assert not fits(9)
