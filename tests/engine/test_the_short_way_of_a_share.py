"""A share in the usual form takes a short way, and nothing else about it is different."""

from collections import Counter
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.config.snapshot import Connections
from proxy.engine.jobs import FEW_SHARES
from proxy.engine.submits import SubmitHandler
from proxy.history import Accounting
from proxy.observe.events import BlockCandidate, ShareResult, SubmitRouted, UpstreamTraffic
from proxy.stratum.codec import Request, decode
from proxy.types import Verdict
from tests.support.world import EASY, World

HALF = 2.0 / EASY
"""A difficulty that every second hash reaches."""
BLOCKS = "203fffff"
"""Every fourth hash solves a block."""
SHARED = {"connections": Connections.SHARED, "max_difficulty": HALF}
"""A pool that wants four times what the miner is given."""
COUNTED = ("accepted", "work_only", "rejects", "credited", "work", "work_squares", "work_shares", "best")


class Twins:
    """Two worlds alike: in one each share goes as it comes, in the other none takes the short way."""

    def __init__(
        self, *, version: str, nbits: str, mask: int | None, miners_mask: str | None, is_shared: bool = False
    ) -> None:
        options, difficulty = ({"A": SHARED}, 4 * HALF) if is_shared else ({}, HALF)
        self.worlds = [World({"A": 8}, difficulty=difficulty, options=options) for _ in range(2)]
        self.miners, self.books = [], []
        for world in self.worlds:
            self.books.append(Accounting(clock=world.clock, events=world.events, hashes_per_difficulty=EASY))
            pool = world.pools["A"]
            pool.version, pool.nbits, pool.mask = version, nbits, mask
            self.miners.append(world.miner(mask=miners_mask))
            world.advance(5)
        self.told = [len(miner.lines) for miner in self.miners]
        self.seen = [len(world.seen) for world in self.worlds]

    def submit(self, ident: Any, params: Any) -> None:
        line = orjson.dumps({"id": ident, "method": "mining.submit", "params": params})
        short, careful = self.miners
        short.raw(line + b"\n")
        request = decode(line)
        assert isinstance(request, Request)
        careful.session.downstream._lines.received += 1
        careful.session.downstream._request(request)
        for world in self.worlds:
            world.advance(0.25)

    def new_block(self) -> None:
        for world in self.worlds:
            world.pools["A"].notify(new_block=True)
            world.advance(0.25)

    def outcome(self, at: int) -> tuple[Any, ...]:
        """Everything that counts: what the miner and the pool got, what was told, and what is kept of the miner."""
        world, miner = self.worlds[at], self.miners[at]
        lines, session = world.engine.lines, miner.session
        counts = self.books[at].fleet().total
        return (
            [(name, getattr(counts, name)) for name in COUNTED],
            self.books[at].rates(session.worker),
            session.vardiff and (session.vardiff.suitable, session.vardiff._work, session.vardiff._spent_s),
            session.submits.any_share,
            session.cost.accepted,
            session.cost.points(world.clock.now()),
            world.engine.scheduler.rate(session.id),
            miner.lines[self.told[at] :],
            world.pools["A"].submits,
            sorted(map(str, world.seen[self.seen[at] :])),
            (lines.received, lines.sent),
        )


def nearly(usual: list[Any], *others: Any) -> st.SearchStrategy[Any]:
    """Mostly what is usual, sometimes something odd."""
    return st.one_of(*([st.sampled_from(usual)] * 4), st.sampled_from(others))


SHARES = st.lists(
    st.tuples(
        nearly([7, 8, 9], None, "a", 2**63 - 1, 1.5, True),
        nearly(["addr.rig"], "addr.other", 5, None),
        nearly([0], "7f", "", 3),
        nearly(["00000000", "0000000A", "0000000a"], "00", "0000 000", "0x000000", "gg000000", None),
        nearly([0, 1, 7000], 7001, -1, "0x68000001", "6800 001", "+8000001", 5),
        nearly([f"{nonce:08x}" for nonce in range(6)], "1", "0000000g", "000_0001", "0x000001", [], None),
        nearly(["00002000", "00000000", "1FFFE000"], "e0000000", "2000", "", "0_000000", None, "none"),
    ),
    min_size=1,
    max_size=12,
)


@pytest.mark.no_cover
@settings(max_examples=60)
@given(
    SHARES,
    st.sampled_from(["20000000", "20006000"]),
    st.sampled_from(["1d00ffff", BLOCKS]),
    st.sampled_from([0x1FFFE000, 0x1FFFE000, None]),
    st.sampled_from(["1fffe000", "1fffe000", "00ffe000", None]),
    st.booleans(),
    st.sampled_from([None, None, None, 2, 4]),
)
def test_a_share_ends_the_same_on_either_way(
    shares: list[tuple[Any, ...]],
    version: str,
    nbits: str,
    mask: int | None,
    miners_mask: str | None,
    is_shared: bool,
    new_block: int | None,
) -> None:
    twins = Twins(version=version, nbits=nbits, mask=mask, miners_mask=miners_mask, is_shared=is_shared)
    job = twins.miners[0].job
    for number, (ident, user, job_id, extranonce2, ntime, nonce, bits) in enumerate(shares):
        if number == new_block:
            twins.new_block()
        time = f"{int(job[7], 16) + ntime:08x}" if type(ntime) is int and ntime != 5 else ntime
        params = [user, job[0] if job_id == 0 else job_id, extranonce2, time, nonce, bits]
        twins.submit(ident, params[:5] if bits == "none" else params)
    assert twins.outcome(0) == twins.outcome(1)


@pytest.mark.parametrize("params", [{"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6}, "abcdef", None, [], [[]] * 6])
def test_parameters_that_are_no_list_of_texts_are_refused_as_before(params: Any) -> None:
    world = World({"A": 8})
    miner = world.miner(mask="1fffe000")
    world.advance(1)
    miner.call("mining.submit", params, 99)
    assert miner.answers(99)[0]["error"] is not None
    assert not world.pools["A"].submits


def test_a_share_in_the_usual_form_takes_the_short_way_and_is_accepted() -> None:
    world = World({"A": 8})
    miner = world.miner(mask="1fffe000")
    world.advance(1)
    ident = miner.submit(bits="00002000")
    world.advance(1)
    odd = [miner.job[0].encode(), b"00", b"0", b"0", b"0"]
    assert miner.session.submits.plain_submit((5, miner.user, odd)) is False
    of_no_job = [b"7f", b"00000000", miner.job[7].encode(), b"00000002", b"00002000"]
    assert miner.session.submits.plain_submit((6, miner.user, of_no_job)) is False
    assert miner.answers(ident)[0]["result"] is True
    assert [event.verdict for event in world.events_of(ShareResult)] == [Verdict.ACCEPTED]
    assert len(world.events_of(SubmitRouted)) == 1
    assert miner.session.submits.any_share


@pytest.mark.parametrize("short_first", [True, False])
def test_a_share_that_went_up_on_one_way_is_a_duplicate_on_the_other(short_first: bool) -> None:
    world = World({"A": 8})
    miner = world.miner(mask="1fffe000")
    world.advance(1)
    miner.submit(nonce="00000001", bits="00004000")  # its form is learnt
    share = {"nonce": "00000002", "bits": "00002000"}
    other = {**share, "bits": "0x2000"}  # the same share, but not in the usual form
    idents = [miner.submit(**each) for each in ((share, other) if short_first else (other, share))]
    world.advance(1)
    assert miner.answers(idents[0])[0]["result"] is True
    assert miner.answers(idents[1])[0]["error"][0] == 22


def test_a_share_that_reads_like_parts_of_two_others_is_none_of_them() -> None:
    world = World({"A": 8})
    miner = world.miner(mask="1fffe000")
    world.advance(1)
    ntime, bits = miner.job[7], "00002000"
    miner.submit(extranonce2="00000000", nonce="00000001", bits=bits)  # its form is learnt
    shares = [("00000000", ntime), (bits, "00000003"), (ntime, bits)]  # the last one lies across the others
    idents = [miner.submit(extranonce2=extranonce2, nonce=nonce, bits=bits) for extranonce2, nonce in shares]
    again = miner.submit(extranonce2=ntime, nonce=bits, bits=bits)
    world.advance(1)
    assert all(miner.answers(ident)[0]["result"] is True for ident in idents)
    assert miner.answers(again)[0]["error"][0] == 22
    assert len(world.pools["A"].submits) == 4


def test_shares_of_several_users_take_the_short_way_and_those_of_a_stranger_are_refused() -> None:
    world = World({"A": 8})
    miner = world.miner(user="addr.one", mask="1fffe000")
    miner.call("mining.authorize", ["addr.two", "x"], 60)
    world.advance(1)
    idents = list[int]()
    for _ in range(3):
        for miner.user in ("addr.one", "addr.two", "addr.three", ""):
            idents.append(miner.submit(nonce=f"{len(idents):08x}", bits="00002000"))
    world.advance(1)
    assert [miner.answers(ident)[0]["result"] for ident in idents] == [True, True, None, None] * 3
    assert Counter((share.worker, share.verdict) for share in world.events_of(ShareResult)) == {
        ("one", Verdict.ACCEPTED): 3,
        ("two", Verdict.ACCEPTED): 3,
        ("one", Verdict.REJECTED): 6,
    }


def test_a_duplicate_of_one_of_many_shares_is_found() -> None:
    world = World({"A": 8})
    miner = world.miner(mask="1fffe000")
    world.advance(1)
    nonces = [f"{number:08x}" for number in range(2 * FEW_SHARES)]
    for number, nonce in enumerate(nonces):
        miner.submit(nonce=nonce, bits="00002000")
        earlier = miner.submit(nonce=nonces[number // 2], bits="00002000")
        world.advance(0.1)
        assert miner.answers(earlier)[0]["error"][0] == 22
    assert len(world.pools["A"].submits) == len(nonces)


def test_a_share_that_only_proves_work_takes_the_short_way_and_goes_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World({"A": 8}, difficulty=2.0**40, options={"A": {**SHARED, "max_difficulty": 1.0}})
    miner = world.miner(mask="1fffe000")
    world.advance(1)
    careful: list[object] = []
    monkeypatch.setattr(SubmitHandler, "_checked", lambda *given: careful.append(given))
    for nonce in range(3):
        ident = miner.submit(nonce=f"{nonce:08x}", bits="00002000")
        assert miner.answers(ident)[0]["result"] is True
    assert [event.verdict for event in world.events_of(ShareResult)] == [Verdict.WORK] * 3
    assert not careful and not world.pools["A"].submits


def test_a_share_for_a_connection_that_is_lost_is_told_as_lost() -> None:
    world = World({"A": 8})
    miner = world.miner(mask="1fffe000")
    world.advance(1)
    job = miner.job
    world.pools["A"].reachable = False
    world.pools["A"].drop()
    world.advance(0.5)
    ident = miner.submit(job, bits="00002000")
    world.advance(1)
    assert miner.answers(ident)[0]["error"][0] == 20
    assert [event.verdict for event in world.events_of(ShareResult)] == [Verdict.UNANSWERED]


def test_a_traced_share_is_logged_like_any_line() -> None:
    world = World({"A": 8})
    miner = world.miner(mask="1fffe000")
    world.advance(1)
    miner.session.trace(True)
    ident = miner.submit(bits="00002000")
    world.advance(1)
    assert miner.answers(ident)[0]["result"] is True
    traffic = [event.line for event in world.events_of(UpstreamTraffic)]
    assert any("mining.submit" in line for line in traffic)


def test_a_block_in_the_usual_form_goes_up_once() -> None:
    world = World({"A": 8})
    world.pools["A"].nbits = "2100ffff"  # nearly every hash is a block
    miner = world.miner(mask="1fffe000")
    world.advance(1)
    first = miner.submit(bits="00002000")
    again = miner.submit(bits="00002000")
    world.advance(1)
    assert miner.answers(first)[0]["result"] is True
    assert miner.answers(again)[0]["error"][0] == 22
    assert len(world.pools["A"].submits) == len(world.events_of(BlockCandidate)) == 1


def test_what_shares_are_checked_with_is_kept_for_the_last_two_jobs_that_had_any() -> None:
    world = World({"A": 8})
    miner = world.miner(mask="1fffe000")
    world.advance(5)
    known = [miner.job]
    for number in range(4):
        miner.submit(nonce=f"{number + 1:08x}", bits="00000000")
        world.pools["A"].notify()
        world.advance(5)
        known.append(miner.job)
    jobs = miner.session.jobs
    assert jobs is not None
    issued = [jobs.find(job[0]) for job in known[:4]]
    assert [each is not None and each.plain is not None for each in issued] == [False, False, True, True]
    before = len(world.pools["A"].submits)
    miner.submit(known[0], nonce="00000077", bits="00000000")
    duplicate = miner.submit(known[0], nonce="00000001", bits="00000000")
    world.advance(1)
    assert len(world.pools["A"].submits) == before + 1
    assert miner.answers(duplicate)[0]["error"][0] == 22
    assert [each is not None and each.plain is not None for each in issued] == [True, False, False, True]
