"""A block that a killed proxy left without an answer is sent by the next one, once, if its session is resumed."""

import pytest

from proxy.engine.delivery import MAX_AGE_S
from proxy.history.journal import BlockJournal
from proxy.history.journal_undelivered import read_undelivered
from proxy.observe.events import BlockDelivered, BlockNotDelivered, ShareResult
from proxy.ops.undelivered import resume_delivery
from proxy.types import BlockFate, Verdict
from tests.engine.test_blocks_when_the_connection_breaks import SIX, Farm


class Killed:
    """A farm whose proxy was killed after its miner had found six blocks; ``restart`` gives another proxy."""

    def __init__(self, path, *, resumes=True):
        self.path = path
        self.first = Farm(resumes=resumes)
        journal = self._journal(self.first)
        self.first.pool.answer_submits = False
        self.first.mine()
        self.first.world.advance(1)
        assert len(self.first.pool.submits) == 6
        journal.close()
        self.first.world.seen.clear()
        for connection in self.first.pool.connections:
            connection.link.closed = True

    def _journal(self, farm):
        return BlockJournal(
            self.path, clock=farm.world.clock, events=farm.world.events, in_background=lambda call: None
        )

    def restart(self, *, after=5.0, seen=True):
        farm = Farm(resumes=self.first.pool.resumes)
        farm.pool.connections[0:0] = self.first.pool.connections
        if seen:
            farm.pool.verdict = lambda params: {"result": None, "error": [22, "Duplicate", None]}
        farm.world.clock.advance(self.first.world.clock.now() + after - farm.world.clock.now())
        farm.world.seen.clear()
        left = read_undelivered(self.path)
        journal = self._journal(farm)
        resume_delivery(left, farm.world.engine)
        farm.world.advance(60)
        journal.close()
        return farm


@pytest.mark.parametrize(("seen", "fate"), [(False, BlockFate.ACCEPTED), (True, BlockFate.ARRIVED)])
def test_six_of_six_blocks_reach_a_resuming_pool_after_a_kill(tmp_path, seen, fate):
    killed = Killed(tmp_path / "blocks.jsonl")
    farm = killed.restart(seen=seen)
    assert [params[4] for params in farm.pool.submits] == SIX
    assert farm.pool.submits == killed.first.pool.submits
    assert farm.fates() == [fate] * 6
    assert farm.of(ShareResult) == []
    again = killed.restart(after=200)
    assert (again.pool.submits, again.fates()) == ([], [])


def test_a_pool_that_gives_a_new_session_is_sent_nothing_after_a_kill(tmp_path):
    farm = Killed(tmp_path / "blocks.jsonl", resumes=False).restart()
    farm.world.advance(MAX_AGE_S)
    assert farm.pool.submits == []
    assert farm.fates() == [BlockFate.NEW_SESSION] * 6


def test_blocks_whose_job_is_too_old_are_told_and_not_sent(tmp_path):
    killed = Killed(tmp_path / "blocks.jsonl")
    farm = killed.restart(after=MAX_AGE_S)
    assert (farm.pool.submits, farm.fates()) == ([], [BlockFate.EXPIRED] * 6)


def test_a_kill_while_a_block_is_sent_again_does_not_send_it_a_third_time(tmp_path):
    killed = Killed(tmp_path / "blocks.jsonl")
    farm = Farm()
    farm.pool.connections[0:0] = killed.first.pool.connections
    farm.pool.answer_submits = False
    journal = killed._journal(farm)
    resume_delivery(read_undelivered(killed.path), farm.world.engine)
    farm.world.advance(3)
    assert len(farm.pool.submits) == 6
    journal.close()
    farm = killed.restart()
    assert (farm.pool.submits, farm.fates()) == ([], [BlockFate.NO_ANSWER] * 6)


def test_only_servers_that_are_configured_now_are_dialled(tmp_path):
    killed = Killed(tmp_path / "blocks.jsonl")
    text = killed.path.read_bytes().replace(b"127.0.0.1:1000", b"127.0.0.1:1999")
    killed.path.write_bytes(text)
    farm = killed.restart()
    assert (farm.pool.submits, farm.fates()) == ([], [BlockFate.POOL_REMOVED] * 6)


def test_after_an_orderly_end_the_next_run_tries_again(tmp_path):
    path = tmp_path / "blocks.jsonl"
    first = Farm()
    journal = BlockJournal(path, clock=first.world.clock, events=first.world.events, in_background=lambda call: None)
    first.break_off()
    first.mine(SIX[:2])
    first.world.engine.close()
    journal.close()
    assert first.verdicts() == [Verdict.UNANSWERED] * 2
    assert len(read_undelivered(path)) == 2
    assert first.of(BlockDelivered) == first.of(BlockNotDelivered) == []
