"""Most jobs of shared connections go the usual way (``SharedLink.goes_on_with``); the long way would send the same."""

from collections.abc import Callable
from typing import Any

import pytest

from proxy.config.snapshot import VardiffRule
from proxy.engine import backlog, in_turns, job_rounds, shared_connections
from proxy.engine.shared_link import SharedLink
from proxy.engine.shared_work import SharedWork
from proxy.observe.events import JobsForwarded
from tests.engine.test_jobs_close_together import turns_later
from tests.engine.test_search_spaces_of_shared_connections import Chaos
from tests.support.world import ScriptedMiner


class Fickle(Chaos):
    """Jobs mostly, and now and then anything that a job sent on the terms of the last one must not miss."""

    def step(self) -> None:
        if len(self.miners) >= 6 and self.random.random() < 0.8:
            self.change()
            self.random.choice(list(self.world.pools.values())).notify(
                clean=self.random.random() < 0.3, new_block=self.random.random() < 0.2
            )
            self.submit()
            self.world.advance(self.random.choice([0.0, 0.1, 1.0]))
        else:
            super().step()

    def change(self) -> None:
        if self.random.random() < 0.7 or not self.miners:
            return
        pool, miner = self.random.choice(list(self.world.pools.values())), self.random.choice(self.miners)
        match self.random.randrange(8):
            case 0:
                pool.push("mining.set_difficulty", [self.random.choice([0.5, 2.0, 64.0])])
            case 1:
                pool.push("mining.set_version_mask", [self.random.choice(["1fffe000", "00ffe000", "00000000"])])
            case 2:
                pool.version = self.random.choice(["20000000", "20002000"])
            case 3:
                pool.nbits = self.random.choice(["1d00ffff", "1c00ffff"])
            case 4:
                miner.call("mining.suggest_difficulty", [self.random.choice([0.001, 100.0])], 900 + len(miner.lines))
            case 5:
                extensions = {"minimum-difficulty.value": self.random.choice([0.25, 3.0])}
                miner.call("mining.configure", [["minimum-difficulty"], extensions], 900 + len(miner.lines))
            case 6:
                mask = {"version-rolling.mask": self.random.choice(["1fffe000", "00ffe000"])}
                miner.call("mining.configure", [["version-rolling"], mask], 900 + len(miner.lines))
            case 7:
                self.rules()

    def rules(self) -> None:
        world = self.world
        rule = VardiffRule(
            profile="esp-miner",
            most_difficulty=self.random.choice([None, 0.5]),
            shares_per_minute=self.random.choice([6.0, 90.0]),
        )
        world.config = world.snapshot(revision=world.config.revision + 1, vardiff={(None, "esp-miner"): rule})
        world.engine.apply(world.config)


class Hasty(Fickle):
    """The same while a job is still handed out and noted, a few miners in a turn of the loop."""

    def step(self) -> None:
        for _ in range(self.random.randrange(1, 6)):
            call = self.random.choice([self.job, self.job, self.share, self.share, self.change, self.disturb])
            turns_later(self.world.clock, self.random.randrange(16), call)
        self.world.advance(self.random.choice([0.0, 0.0, 0.1, 1.0, 20.0]))

    def job(self) -> None:
        self.random.choice(list(self.world.pools.values())).notify(
            clean=self.random.random() < 0.3, new_block=self.random.random() < 0.3
        )

    def share(self) -> None:
        """Miners submit for one of their last jobs, mostly the newest."""
        self.miners = [miner for miner in self.miners if not miner.link.closed]
        for miner in self.miners:
            if (jobs := miner.all("mining.notify")) and self.random.random() < 0.5:
                job = jobs[-1] if self.random.random() < 0.7 else self.random.choice(jobs[-3:])
                for _ in range(self.random.choice([1, 1, 1, 30])):
                    miner.submit(job, nonce=f"{self.sent:08x}", bits=self.random.choice(["00000000", "00002000"]))
                    self.sent += 1

    def disturb(self) -> None:
        world, chance = self.world, self.random.random()
        if chance < 0.4 or len(self.miners) < 6:
            miner = world.miner(self.random.choice(self.AGENTS), f"ann.rig{self.random.randrange(4)}", mask="1fffe000")
            self.miners.append(miner)
            self.all.append(miner)
        elif chance < 0.6:
            self.miners.pop(self.random.randrange(len(self.miners))).leave()
        elif chance < 0.8:
            world.slider(**{key: self.random.random() for key in world.pools})
        elif chance < 0.9:
            self.reconfigure(self.random.choice(list(world.pools)))
        else:
            pool = self.random.choice(list(world.pools.values()))
            self.random.choice(pool.connections).link.close("closed by the other side")


class History:
    """What each miner was sent, all that was told, and what is known of the miners' jobs, of one random history."""

    def __init__(self, chaos: Fickle, steps: int) -> None:
        self.waits_s: list[tuple[str, int, list[float], list[float]]] = []
        chaos.world.events.subscribe(JobsForwarded, self._count)
        for _ in range(steps):
            chaos.step()
        chaos.world.engine.job_sums.fold()
        self.jobs = [jobs_of(miner) for miner in chaos.miners]  # the last ones may not be entered yet
        chaos.world.advance(30)
        self.lines = [miner.lines for miner in chaos.all]
        self.events = [repr(event) for event in chaos.world.seen]

    def _count(self, jobs: JobsForwarded) -> None:
        self.waits_s.append((jobs.pool, jobs.number, sorted(jobs.waits_s), sorted(jobs.new_block_waits_s)))

    @property
    def sums(self) -> dict[str, tuple[int, list[float], list[float]]]:
        """How many jobs were sent of each pool, and how long miners waited for them."""
        sums: dict[str, tuple[int, list[float], list[float]]] = {}
        for pool, number, waits_s, new_block_waits_s in self.waits_s:
            known = sums.get(pool, (0, [], []))
            sums[pool] = known[0] + number, sorted(known[1] + waits_s), sorted(known[2] + new_block_waits_s)
        return sums


def jobs_of(miner: ScriptedMiner) -> list[Any]:
    """What is known of the jobs that the miner was sent."""
    session, table = miner.session, miner.session.jobs
    if table is None:
        return []
    found = [table.find(params[0]) for params in miner.all("mining.notify")]
    known = [
        each and (each.id, each.difficulty, each.version_mask, each.ntime, each.padding, each.connection.id)
        for each in found
    ]
    return [known, len(table), table.lowest_difficulty, session.vardiff and session.vardiff.suitable]


def compare(usual: Callable[[], History], monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold a history to the same one with everything on the long way."""
    ways = [0, 0]
    goes_on_with, is_as_before = SharedLink.goes_on_with, SharedLink.is_as_before

    def counted(*args: Any) -> bool:
        went = goes_on_with(*args)
        ways[went] += 1
        return went

    def look_now(link: SharedLink, work: SharedWork) -> bool:
        """What is looked at in a later turn in one way only would come in another order."""
        if not is_as_before(link, work):
            link.catch_up()
        return True

    def long_look(link: SharedLink, work: SharedWork) -> bool:
        link.catch_up()
        return True

    monkeypatch.setattr(SharedLink, "goes_on_with", counted)
    monkeypatch.setattr(SharedLink, "is_as_before", look_now)
    short = usual()
    monkeypatch.setattr(SharedLink, "goes_on_with", lambda *_: False)
    monkeypatch.setattr(SharedLink, "is_as_before", long_look)
    long = usual()
    assert short.lines == long.lines
    assert short.events == long.events
    assert short.jobs == long.jobs
    assert short.sums == long.sums
    assert ways[True] > 10 and ways[False] > 10, f"(long, usual): {ways}"


SIZES = [{"A": 8, "B": 4}, {"A": 8}, {"A": 4, "B": 5}]


@pytest.mark.parametrize("sizes", SIZES[:2])
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.no_cover) for seed in (2, 4, 5))])
def test_the_usual_way_sends_what_the_long_way_would(
    seed: int, sizes: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    compare(lambda: History(Fickle(seed, sizes), 150), monkeypatch)


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.no_cover) for seed in range(1, 6))])
def test_it_does_whatever_happens_between_two_turns(
    seed: int, sizes: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (backlog, job_rounds):
        monkeypatch.setattr(module, "A_TURN", 1 + seed % 3)
    monkeypatch.setattr(shared_connections, "LOOKS", 1)
    monkeypatch.setattr(in_turns, "AT_ONCE", 1)
    monkeypatch.setattr(in_turns, "A_PLACE", 1)
    compare(lambda: History(Hasty(seed, sizes), 80), monkeypatch)
