"""Most jobs of shared connections go the usual way (``WorkSender.send_next``); the long way would send the same."""

from typing import Any

import pytest

from proxy.config.snapshot import VardiffRule
from proxy.engine.shared_link import SharedLink
from proxy.engine.work_sender import WorkSender
from tests.engine.test_search_spaces_of_shared_connections import Chaos


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
        if self.random.random() < 0.7:
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


def heard(seed: int, sizes: dict[str, int]) -> tuple[list[list[dict[str, Any]]], list[str]]:
    """What each miner was sent, and all that was told, of one random history."""
    chaos = Fickle(seed, sizes)
    for _ in range(150):
        chaos.step()
    chaos.world.advance(30)
    return [miner.lines for miner in chaos.all], [repr(event) for event in chaos.world.seen]


@pytest.mark.parametrize("sizes", [{"A": 8, "B": 4}, {"A": 8}])
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.no_cover) for seed in (2, 4, 5))])
def test_the_usual_way_sends_what_the_long_way_would(
    seed: int, sizes: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = [0, 0]
    send_next = WorkSender.send_next

    def counted(*args: Any) -> bool:
        went = send_next(*args)
        usual[went] += 1
        return went

    monkeypatch.setattr(WorkSender, "send_next", counted)
    lines, events = heard(seed, sizes)
    monkeypatch.setattr(SharedLink, "goes_on_with", lambda *_: False)
    monkeypatch.setattr(SharedLink, "is_as_before", lambda *_: False)
    long_lines, long_events = heard(seed, sizes)
    assert lines == long_lines
    assert events == long_events
    assert usual[True] > 10 and usual[False] > 10, f"(long, usual): {usual}"
