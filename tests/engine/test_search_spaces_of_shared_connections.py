"""No search space is handed out twice on shared connections, whoever comes, goes, switches, or breaks in what order."""

import random
from collections import defaultdict
from types import SimpleNamespace
from typing import Any, cast

import pytest

from proxy.config.snapshot import Connections, GroupBy
from proxy.engine.jobs import IssueTerms, JobTable
from proxy.engine.prefixes import Prefixes
from proxy.engine.seats import CONTENTS_KEPT, Layout, Seats
from proxy.engine.shared_work import SearchSpaces, SharedWork
from proxy.engine.upstream_connection import UpstreamConnection
from proxy.observe.events import ShareResult
from proxy.stratum.extranonce import ExtranoncePadding, MinerExtranonce
from proxy.stratum.pool_job import PoolJob, parse_notify
from proxy.types import JobId, SessionId, Verdict
from tests.support.world import ScriptedMiner, World

ANN, BOB = SessionId(1), SessionId(2)
WIDE = Layout(1, 3)
TIP, NEXT_TIP = b"t" * 32, b"u" * 32


def test_a_prefix_is_one_miners() -> None:
    seats = Seats()
    assert seats.take(ANN, b"\x01", WIDE)
    assert not seats.take(BOB, b"\x01", WIDE)
    assert seats.take(BOB, b"\x02", WIDE)
    assert len(seats) == 2


def test_all_miners_of_a_connection_are_laid_out_alike() -> None:
    seats = Seats()
    assert seats.take(ANN, b"\x01", WIDE)
    assert not seats.take(BOB, b"\x02\x03", Layout(2, 2))
    seats.give_up(b"\x01")
    assert not seats.take(BOB, b"\x02\x03", Layout(2, 2))  # what rests may be searched still
    seats.begin_anew()
    assert seats.take(BOB, b"\x02\x03", Layout(2, 2))


def test_a_prefix_rests_until_a_job_comes_that_its_owner_never_had() -> None:
    seats = Seats()
    seats.job_came(("one",), TIP)
    seats.take(ANN, b"\x01", WIDE)
    seats.job_came(("two",), TIP)
    seats.give_up(b"\x01")
    for known in ("two", "one", "two"):
        seats.job_came((known,), TIP)
        assert not seats.has_room_for(BOB, b"\x01", WIDE)
        assert seats.has_room_for(ANN, b"\x01", WIDE)
    seats.job_came(("three",), TIP)
    assert seats.take(BOB, b"\x01", WIDE)


def test_a_new_block_ends_all_rests_and_what_is_remembered_is_bounded() -> None:
    seats = Seats()
    for number in range(3 * CONTENTS_KEPT):
        seats.job_came((number,), TIP)
    assert len(seats._contents) == CONTENTS_KEPT
    seats.take(ANN, b"\x01", WIDE)
    seats.give_up(b"\x01")
    seats.job_came((0,), NEXT_TIP)
    assert seats.take(BOB, b"\x01", WIDE)


@pytest.mark.parametrize("length", [1, 2])
def test_prefixes_are_given_to_as_few_miners_as_possible(length: int) -> None:
    prefixes = Prefixes(length, 250)
    number = 600
    given = [prefixes.take() for _ in range(number)]
    most = -(-number // 256) if length == 1 else 1
    assert max(prefixes.users) == most
    assert all(len(each) == length for each in given)
    for each in given[:300]:
        prefixes.give_back(each)
    assert prefixes.take() not in given[:1]  # what was given back last comes last
    assert sum(prefixes.users) == 301


def job(coinb1: str = "01", ntime: int = 100, tip: str = "00") -> PoolJob:
    template = parse_notify(["j", tip * 32, coinb1, "02", [], "20000000", "1d00ffff", f"{ntime:08x}", False])
    return PoolJob(
        template=template,
        clean=False,
        extranonce1=b"e",
        extranonce2_size=4,
        difficulty=1.0,
        version_mask=0,
        received_at=0.0,
    )


def test_without_padding_the_same_content_gets_another_ntime_each_time() -> None:
    spaces = SearchSpaces(SessionId(-1))
    connection = cast(UpstreamConnection, SimpleNamespace(padding=ExtranoncePadding()))
    assert spaces.first(JobId("1"), connection, job(), 0).ntime == 100
    assert spaces.first(JobId("2"), connection, job(), 0).ntime == 101
    spaces.issued(job(), 150)
    assert spaces.first(JobId("3"), connection, job(ntime=130), 1).ntime == 151
    assert spaces.first(JobId("4"), connection, job("03"), 0).ntime == 100
    two = spaces.first(JobId("5"), connection, job(), 2)
    assert (two.ntime, len(two.padding)) == (100, 2)
    assert spaces.first(JobId("6"), connection, job(tip="11"), 0).ntime == 100
    spaces.issued(job(), 999)  # of a block that is over
    assert spaces.first(JobId("7"), connection, job(tip="11"), 0).ntime == 101


def test_a_search_space_that_a_miner_had_does_not_come_as_its_next_job() -> None:
    connection = cast(UpstreamConnection, SimpleNamespace(padding=ExtranoncePadding()))
    table = JobTable(MinerExtranonce(b"\x01", 3), SessionId(1))
    table.change_terms(cast(IssueTerms, SimpleNamespace()))
    one, same, later = (
        SharedWork(JobId(ident), SessionId(-1), connection, job(), b"", ntime)
        for ident, ntime in (("1", 100), ("2", 100), ("3", 101))
    )
    assert table.issue_next(one)
    assert not table.issue_next(same)
    assert table.issue_next(later)
    assert not table.issue_next(one)
    assert len(table) == 2


def test_what_is_remembered_of_search_spaces_is_bounded() -> None:
    spaces = SearchSpaces(SessionId(-1))
    connection = cast(UpstreamConnection, SimpleNamespace(padding=ExtranoncePadding()))
    for number in range(300):
        spaces.first(JobId("1"), connection, job(f"{number:04x}"), 0)
    assert len(spaces._ntimes) <= 64


# --- The whole engine, with orders that nobody would think of --------------------------------------------------------


class Chaos:
    """Random orders of what can happen; afterwards all that was handed out is compared."""

    AGENTS = ("bitaxe/BM1370/v2.15.0", "cgminer/4.11.1", "NerdMinerV2/V1.8", "cpuminer/2.5.1", "Antminer S21/1.0")

    def __init__(self, seed: int, sizes: dict[str, int]) -> None:
        self.random = random.Random(seed)
        shared = {"connections": Connections.SHARED, "most_miners": 5, "most_connections": 3}
        self.world = World(sizes, options={key: dict(shared) for key in sizes}, min_switch_s=5, seed=seed)
        self.miners: list[ScriptedMiner] = []
        self.all: list[ScriptedMiner] = []
        self.sent = 0

    def step(self) -> None:
        choice = self.random.random()
        world, pool = self.world, self.random.choice(list(self.world.pools.values()))
        if choice < 0.25 or not self.miners:
            miner = world.miner(self.random.choice(self.AGENTS), f"ann.rig{self.random.randrange(4)}", mask="1fffe000")
            self.miners.append(miner)
            self.all.append(miner)
        elif choice < 0.4:
            self.miners.pop(self.random.randrange(len(self.miners))).leave()
        elif choice < 0.6:
            pool.notify(clean=self.random.random() < 0.3, new_block=self.random.random() < 0.2)
        elif choice < 0.65:
            pool.push("mining.set_difficulty", [self.random.choice([0.5, 1.0, 4.0, 4096.0])])
        elif choice < 0.7:
            self.random.choice(pool.connections).link.close("closed by the other side")
        elif choice < 0.75:
            world.slider(**{key: self.random.random() for key in world.pools})
        elif choice < 0.8:
            self.reconfigure(pool.key)
        elif choice < 0.83:
            size = self.random.choice([4, 5, 8])
            for connection in pool.connections:
                connection.push("mining.set_extranonce", [connection.extranonce1, size])
            pool.size = size
        self.submit()
        world.advance(self.random.choice([0.0, 0.1, 1.0, 6.0]))

    def reconfigure(self, key: str) -> None:
        world = self.world
        fields: dict[str, Any] = self.random.choice(
            [
                {"connections": self.random.choice(list(Connections)), "own_up_to": 3},
                {"group_by": self.random.choice(list(GroupBy))},
                {"most_miners": self.random.randrange(1, 9)},
                {"wallet": f"wallet{self.random.randrange(3)}"},
            ]
        )
        world.configure(**{key: fields})

    def submit(self) -> None:
        self.miners = [miner for miner in self.miners if not miner.link.closed]  # no pool fits any more
        for miner in self.miners:
            if self.random.random() < 0.3 and miner.all("mining.notify"):
                miner.submit(nonce=f"{self.sent:08x}")
                self.sent += 1

    def spaces(self) -> dict[tuple[Any, ...], list[tuple[str, int, ScriptedMiner]]]:
        """By everything but the extranonce and what is before it: what each miner got, laid out in one line."""
        found = defaultdict(list)
        for miner in self.all:
            if not miner.all("mining.notify"):
                continue
            prefix, size = miner.subscribed()
            for _, prevhash, coinb1, coinb2, branches, version, nbits, ntime, _ in miner.all("mining.notify"):
                fixed = (prevhash, coinb2, tuple(branches), version, nbits, ntime, len(coinb1 + prefix) // 2 + size)
                found[fixed].append((coinb1 + prefix, size, miner))
        return found


@pytest.mark.no_cover
@pytest.mark.parametrize("sizes", [{"A": 8, "B": 4}, {"A": 4, "B": 5}, {"A": 8, "B": 8}])
@pytest.mark.parametrize("seed", [*(pytest.param(seed, marks=pytest.mark.no_cover) for seed in range(5)), 5])
def test_no_search_space_is_handed_out_twice(seed: int, sizes: dict[str, int]) -> None:
    chaos = Chaos(seed, sizes)
    for _ in range(150):
        chaos.step()
    chaos.world.advance(120)
    for handed_out in chaos.spaces().values():
        known: set[str] = set()
        lengths = {len(space) for space, _, _ in handed_out}
        for space, _, _ in handed_out:
            assert space not in known, "the same space twice"
            known.add(space)
        for space in known:
            assert not any(space[:length] in known for length in lengths if length < len(space)), "a part of another"

    results = chaos.world.events_of(ShareResult)
    assert len(results) == chaos.sent
    for miner in chaos.miners:
        answers = [line["id"] for line in miner.lines if "method" not in line and (line["id"] or 0) > 10]
        assert sorted(answers) == sorted(set(answers)), "each share is answered once"
    at_pools = sum(len(pool.submits) for pool in chaos.world.pools.values())
    accepted = sum(result.verdict is Verdict.ACCEPTED for result in results)
    unanswered = sum(result.verdict is Verdict.UNANSWERED for result in results)
    assert accepted <= at_pools <= accepted + unanswered
    for together in chaos.world.engine.sharing.connections.values():
        for each in together:
            assert len({miner.place[1] for miner in each.miners}) == len(each.miners) == len(each.seats)
            assert all(miner.at is each for miner in each.miners)
