"""Jobs that miners were sent are counted in sums; a wait is only that of a miner which was waiting."""

from proxy.engine.job_sums import MOST, JobSums
from proxy.observe.events import EventStream, JobForwarded, JobsForwarded
from proxy.types import PoolKey
from tests.support.world import World

A, B = PoolKey("A"), PoolKey("B")


def told(world: World) -> list[JobsForwarded]:
    """The sums that were told until now."""
    sums: list[JobsForwarded] = []
    world.events.subscribe(JobsForwarded, sums.append)
    world.events.settle()
    world.events.unsubscribe(JobsForwarded, sums.append)
    return sums


def test_a_first_job_and_those_after_a_switch_are_no_waits() -> None:
    world = World({"A": 8, "B": 8})
    world.miner()
    world.advance(900)
    sums, jobs = told(world), world.events_of(JobForwarded)
    assert sum(each.number for each in sums) == len(jobs) > 10
    assert not any(each.waits_s for each in sums), "the pools sent nothing new: each job came with a switch"


def test_a_job_that_its_miner_waited_for_has_its_age() -> None:
    world = World({"A": 8})
    world.miner()
    world.advance(1)
    told(world)
    world.pools["A"].delay_s = 0.0
    world.pools["A"].notify()
    world.advance(1)
    (job,) = told(world)
    assert (job.pool, job.number, len(job.waits_s), job.new_block_waits_s) == (A, 1, 1, [])
    assert 0.0 <= job.waits_s[0] < 0.1
    world.pools["A"].notify(new_block=True)
    world.advance(1)
    (block,) = told(world)
    assert block.new_block_waits_s == block.waits_s


def test_a_job_that_is_issued_a_second_time_is_no_wait() -> None:
    world = World({"A": 8})
    world.miner()
    world.advance(1)
    told(world)
    params = world.pools["A"].notify(job_id="again")
    world.advance(1)
    assert [len(each.waits_s) for each in told(world)] == [1]
    world.pools["A"].push("mining.notify", params)
    world.advance(1)
    assert not any(each.waits_s for each in told(world))


def test_a_sum_is_told_before_it_grows_large() -> None:
    events = EventStream()
    sums: list[JobsForwarded] = []
    events.subscribe(JobsForwarded, sums.append)
    counted = JobSums(events)
    for _ in range(MOST):
        counted.add(A, 0.5, new_block=False)
    assert [(each.pool, each.number) for each in sums] == [(A, MOST)]
    counted.add(B, None, new_block=True)
    events.settle()
    events.settle()
    assert [(each.pool, each.number, each.waits_s, each.new_block_waits_s) for each in sums[1:]] == [(B, 1, [], [])]
