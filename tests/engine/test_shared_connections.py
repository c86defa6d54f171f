"""Many miners on one connection to a pool: one job for all, search spaces apart, each answer to its own miner."""

from dataclasses import replace
from typing import Any

import pytest

from proxy.config.snapshot import Connections, GroupBy, VardiffRule
from proxy.engine import jobs, submits
from proxy.engine.jobs import MAX_CONTENTS
from proxy.engine.pool_link import DRAIN_GRACE_S
from proxy.engine.prefixes import Prefixes
from proxy.engine.shared_connections import FIRST_JOB_ID, TRIES, SharedConnection, SharedConnections
from proxy.engine.shared_link import FIRST_OF_ASIC, FIRST_OF_OTHERS, SharedLink
from proxy.engine.vardiff import Vardiff
from proxy.observe.events import (
    AcceptedShares,
    EmergencySwitch,
    MinerWaiting,
    PoolConnecting,
    PoolDisconnected,
    ShareResult,
)
from proxy.stratum.extranonce import shared_sizes_for
from proxy.types import HASHES_PER_DIFFICULTY, DecidedBy, PoolKey, Reason, Verdict
from tests.support.world import EASY, Connection, ScriptedMiner, ScriptedPool, World

SHARED = {"connections": Connections.SHARED}
BITAXE = "bitaxe/BM1370/v2.15.0"


def farm(pools: dict[str, int] | None = None, *, each: dict[str, Any] | None = None, **more: Any) -> World:
    """A world whose pools' connections are shared."""
    sizes = pools or {"A": 8, "B": 4}
    return World(sizes, options={key: {**SHARED, **(each or {})} for key in sizes}, **more)


def lines_to(pool: ScriptedPool) -> list[Connection]:
    """Its open connections that are no probes."""
    return [each for each in pool.connections if not each.link.closed and each.user and not each.user.endswith(".dpmp")]


def results(world: World, verdict: Verdict) -> list[ShareResult]:
    return [result for result in world.events_of(ShareResult) if result.verdict is verdict]


def fleet(world: World, number: int, agent: str = BITAXE) -> list[ScriptedMiner]:
    miners = [world.miner(agent, f"account.rig{index}") for index in range(number)]
    world.advance(2)
    return miners


def test_all_miners_have_one_connection_to_each_pool_and_one_line() -> None:
    world = farm()
    miners = fleet(world, 12)
    assert [len(lines_to(pool)) for pool in world.pools.values()] == [1, 1]
    assert [lines_to(pool)[0].user for pool in world.pools.values()] == ["walletA", "walletB"]
    for key, pool in world.pools.items():
        pool.notify(new_block=True)
        world.advance(0.1)
        jobs = [miner.job for miner in miners if miner.pool_of(miner.job) == key]
        assert jobs and all(job == jobs[0] for job in jobs)
        assert int(jobs[0][0], 16) >= FIRST_JOB_ID
    assert len({miner.subscribed()[0] for miner in miners}) == len(miners)


def test_a_job_reaches_each_miner_in_one_write() -> None:
    world = farm()
    miners = fleet(world, 6)
    before = [len(miner.writes) for miner in miners]
    for pool in world.pools.values():
        pool.notify()
    world.advance(1)
    assert [len(miner.writes) for miner in miners] == [count + 1 for count in before]


def test_each_verdict_goes_to_the_miner_that_sent_the_share() -> None:
    world = farm()
    miners = fleet(world, 8)
    for pool in world.pools.values():
        pool.verdict = lambda params: int(params[4], 16) % 2 == 0
    sent = [miner.submit(ident=7, nonce=f"{number:08x}") for number, miner in enumerate(miners)]
    world.advance(1)
    assert [miner.answers(ident)[0]["result"] is True for miner, ident in zip(miners, sent, strict=True)] == [
        number % 2 == 0 for number in range(len(miners))
    ]
    for pool in world.pools.values():
        users = {params[0] for params in pool.submits}
        assert users == {f"wallet{pool.key}"}


def test_the_pool_gets_a_share_of_its_own_size_with_the_miners_prefix_before_its_part() -> None:
    world = farm({"A": 8, "B": 8})
    [miner] = fleet(world, 1)
    prefix, size = miner.subscribed()
    assert (len(prefix) // 2, size) == (2, 4)
    miner.submit(extranonce2="a1b2c3d4")
    world.advance(1)
    [params] = [params for pool in world.pools.values() for params in pool.submits]
    assert len(params[2]) == 16
    assert params[2].endswith(prefix + "a1b2c3d4")


@pytest.mark.parametrize(
    ("pools", "least", "even", "expected"),
    [
        ([8, 8], 2, False, (2, 4)),
        ([8, None], 2, False, (1, 3)),
        ([8, 6], 4, True, (2, 4)),
        ([5], 2, False, (1, 4)),
        ([4, 8], 3, False, (1, 3)),
        ([4, 8], 2, True, (2, 2)),
        ([3], 2, False, (1, 2)),
        ([3], 3, False, (0, 0)),
        ([4], 4, False, (0, 0)),
        ([4, 8], 4, False, (2, 4)),
        ([2], 2, False, (0, 0)),
    ],
)
def test_how_the_search_space_is_divided(
    pools: list[int | None], least: int, even: bool, expected: tuple[int, int]
) -> None:
    assert shared_sizes_for(pools, least=least, even=even) == expected


def test_a_miner_that_cannot_be_told_apart_has_a_connection_of_its_own() -> None:
    """NiceHash wants 4 bytes of extranonce2, and a pool of 4 leaves none for a prefix."""
    world = farm({"A": 4})
    rented = world.miner("nicehash/1.0", "account.rented")
    others = fleet(world, 3)
    assert rented.subscribed() == ("", 4)
    users = sorted(each.user for each in lines_to(world.pools["A"]))
    assert users == ["walletA", "walletA.rented"]
    for miner in (rented, *others):
        miner.submit()
    world.advance(1)
    assert len(results(world, Verdict.ACCEPTED)) == 4


def test_a_duplicate_is_one_of_the_same_miner_only() -> None:
    world = farm()
    miners = fleet(world, 4)
    for miner in miners:
        miner.submit(nonce="00000005", extranonce2="000000")
        miner.submit(nonce="00000005", extranonce2="000000")
    world.advance(1)
    assert len(results(world, Verdict.ACCEPTED)) == 4
    assert [result.reason for result in results(world, Verdict.REJECTED)] == [Reason.DUPLICATE] * 4


# --- Work and credit ------------------------------------------------------------------------------------------------


def below_the_pools(agent: str = BITAXE) -> tuple[World, ScriptedMiner]:
    """A miner at difficulty 1 on a pool whose difficulty nothing reaches but a block."""
    world = farm({"A": 8}, difficulty=1e12)
    world.pools["A"].nbits = "1a00ffff"
    miner = world.miner(agent, "account.rig")
    miner.call("mining.suggest_difficulty", [1], 4)
    world.advance(2)
    assert miner.difficulty == 1
    return world, miner


def test_a_share_below_the_pools_difficulty_is_accepted_as_work_and_goes_no_further() -> None:
    world, miner = below_the_pools()
    ident = miner.submit()
    world.advance(1)
    assert miner.answers(ident)[0]["result"] is True
    assert world.pools["A"].submits == []
    [result] = world.events_of(ShareResult)
    assert (result.verdict, result.decided_by, result.difficulty) == (Verdict.WORK, DecidedBy.PROXY, 1.0)
    again = miner.submit()
    assert miner.answers(again)[0]["error"][0] == 22


def test_the_hash_rate_and_the_split_are_made_of_work() -> None:
    world, miner = below_the_pools()
    for number in range(30):
        miner.submit(nonce=f"{number + 1:08x}")
        world.advance(1)
    assert world.engine.scheduler.rate(miner.session.id) > 0
    assert world.engine.scheduler.is_known(miner.session.worker)


def test_work_for_a_block_that_is_old_by_now_is_stale() -> None:
    world, miner = below_the_pools()
    old = miner.job
    world.pools["A"].notify(new_block=True)
    world.advance(1)
    ident = miner.submit(old)
    assert miner.answers(ident)[0]["error"][0] == 21
    assert world.events_of(ShareResult)[-1].reason is Reason.STALE


def test_work_of_a_connection_that_is_gone_is_not_judged() -> None:
    world, miner = below_the_pools()
    world.pools["A"].reachable = False
    world.pools["A"].drop()
    world.advance(0.1)
    ident = miner.submit()
    assert miner.answers(ident)[0]["error"][0] == 20
    assert world.events_of(ShareResult)[-1].verdict is Verdict.UNANSWERED


def test_a_block_goes_up_whatever_the_difficulties_are() -> None:
    world, miner = below_the_pools()
    world.pools["A"].nbits = "207fffff"
    world.pools["A"].notify(new_block=True)
    world.advance(1)
    sent = [miner.submit(nonce=f"{number:08x}") for number in range(8)]
    world.advance(1)
    went_up = len(world.pools["A"].submits)
    assert went_up and len(results(world, Verdict.ACCEPTED)) == went_up
    assert all(miner.answers(ident) for ident in sent)


# --- Places ---------------------------------------------------------------------------------------------------------


def test_a_full_connection_opens_another_up_to_the_limit() -> None:
    world = farm({"A": 8, "B": 8}, each={"most_miners": 3, "most_connections": 2}, weights={"A": 100.0, "B": 0.0})
    world.configure(B={"connections": Connections.OWN})
    fleet(world, 8)
    assert len(lines_to(world.pools["A"])) == 2
    together = world.engine.sharing.connections[PoolKey("A")]
    assert [len(each.miners) for each in together] == [3, 3]
    assert together.waiting == 2
    next(iter(next(iter(together)).miners)).session.downstream.close("test")
    world.advance(1)
    assert together.waiting == 1
    world.configure(A={"most_connections": 3})
    world.advance(1)
    assert together.waiting == 0


class Tries:
    """Counts who looks for a place in which turn."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.turns: list[list[SharedLink]] = []
        place_for, catch_up = SharedConnections.place_for, SharedConnections.catch_up

        def look(together: SharedConnections, link: SharedLink, **more: Any) -> SharedConnection | None:
            self.turns[-1].append(link)
            return place_for(together, link, **more)

        def turn(together: SharedConnections) -> None:
            self.turns.append([])
            catch_up(together)

        monkeypatch.setattr(SharedConnections, "place_for", look)
        monkeypatch.setattr(SharedConnections, "catch_up", turn)


def test_where_there_is_no_place_for_one_of_a_kind_no_other_one_looks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    world = farm({"A": 8}, each={"most_miners": 3, "most_connections": 1})
    miners = fleet(world, 100)
    together = world.engine.sharing.connections[PoolKey("A")]
    assert together.waiting == 97
    tries = Tries(monkeypatch)
    world.pools["A"].notify()
    world.advance(0.1)
    miners[0].leave()
    world.advance(0.1)
    assert [len(turn) for turn in tries.turns if turn] == [1, 2]
    assert miners[3].session.links[PoolKey("A")].connection is not None, "it waited the longest"
    assert together.waiting == 96


def test_miners_of_many_kinds_look_for_a_place_a_few_in_a_turn_and_again_for_what_became_free_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = farm({"A": 8}, each={"group_by": GroupBy.WORKER, "most_miners": 2, "most_connections": 2})
    miners = fleet(world, 100)
    together = world.engine.sharing.connections[PoolKey("A")]
    assert (len(together), together.waiting) == (1, 99)
    tries = Tries(monkeypatch)
    place_for = SharedConnections.place_for

    def look(shared: SharedConnections, link: SharedLink, **more: Any) -> SharedConnection | None:
        if link is miners[70].session.links[PoolKey("A")]:
            next(iter(together)).prove()  # so one more may be opened
        return place_for(shared, link, **more)

    monkeypatch.setattr(SharedConnections, "place_for", look)
    world.pools["A"].notify()
    world.advance(0.1)
    later = [TRIES, 98 - TRIES]
    rounds = [TRIES, 99 - TRIES, *later, *later]  # the last once the new connection has a job
    assert [len(turn) for turn in tries.turns if turn] == rounds
    assert together.waiting == 98
    for miner in miners:
        miner.leave()
    world.advance(0.1)
    assert together.waiting == 0
    assert not together._to_try


def test_invented_names_do_not_take_all_connections_where_each_name_has_its_own() -> None:
    world = farm({"A": 8}, each={"group_by": GroupBy.WORKER, "most_connections": 4})
    together = world.engine.sharing.connections[PoolKey("A")]
    strangers = [world.miner(BITAXE, f"account.invented{number}") for number in range(3)]
    world.advance(2)
    assert (len(together), together.waiting) == (2, 1)
    strangers[0].submit(ident=7)
    world.advance(1)
    assert strangers[0].answers(7)[0]["result"] is True
    assert (len(together), together.waiting) == (3, 0), "whoever has earned counts no more"
    world.miner(BITAXE, "account.another")
    world.advance(1)
    assert together.waiting == 1
    strangers[0].leave()
    world.advance(30)
    world.miner(BITAXE, "account.invented0")
    world.advance(1)
    groups = {each.group for each in together if each.miners}
    assert groups == {"invented0", "invented1", "invented2"}, "known names find a place"


def test_miners_without_a_place_work_elsewhere() -> None:
    world = farm({"A": 8, "B": 8}, each={"most_miners": 2, "most_connections": 1})
    world.configure(B={"most_miners": 100})
    miners = fleet(world, 6)
    assert {miner.pool_of(miner.job) for miner in miners[2:]} == {"B"}


def test_a_miner_for_whom_no_pool_has_a_place_is_told_so_and_works_when_there_is_one() -> None:
    world = farm(each={"most_miners": 2, "most_connections": 1})
    first = fleet(world, 2)
    late = world.miner(BITAXE, "account.late")
    world.advance(0.1)
    assert late.session.waiting == "No shared connection of its pools has a place for it."
    assert [(event.worker, event.reason) for event in world.events_of(MinerWaiting)] == [("late", late.session.waiting)]
    first[0].leave()
    world.advance(120)
    assert late.session.current is not None and late.session.waiting == ""


def test_a_miner_for_whom_one_pool_has_a_place_waits_for_its_first_job() -> None:
    world = World({"A": 8, "B": 8}, options={"A": {**SHARED, "most_miners": 1, "most_connections": 1}})
    first = fleet(world, 1)
    late = world.miner(BITAXE, "account.late")
    assert first[0].session.links["A"].at is not None and late.session.links["A"].at is None
    assert late.session.waiting == "Waiting for the first job of a pool."


def test_a_prefix_that_was_given_up_rests_until_its_jobs_are_over() -> None:
    """256 prefixes of a byte: whoever comes next gets one that had an owner."""
    world = farm({"A": 4}, each={"most_miners": 1000, "most_connections": 1}, seed=3)
    first = world.miner(BITAXE, "account.first")
    world.advance(2)
    job, prefix = first.job, first.subscribed()[0]
    first.leave()
    world.advance(1)
    world.engine.sharing._prefixes[1]._next = int(prefix, 16)  # as after 255 others
    second = world.miner(BITAXE, "account.second")
    world.advance(2)
    assert second.subscribed()[0] == prefix
    assert second.all("mining.notify") == []
    world.pools["A"].notify()
    world.advance(1)
    assert (second.job[2] == job[2] and second.job[7] != job[7]) or second.job[2] != job[2]


def test_the_last_owner_of_a_prefix_may_come_back_and_never_repeats_itself() -> None:
    world = farm({"A": 4, "B": 4}, min_switch_s=5)
    [miner] = fleet(world, 1)
    for weights in ({"A": 0.0, "B": 100.0}, {"A": 100.0, "B": 0.0}) * 4:
        world.slider(**weights)
        world.advance(12)
    spaces = [(job[2], job[7]) for job in miner.all("mining.notify")]
    assert len(spaces) > 6
    assert len(set(spaces)) == len(spaces)


@pytest.mark.parametrize(
    ("group_by", "users"),
    [
        (GroupBy.NOTHING, ["walletA"]),
        (GroupBy.ACCOUNT, ["walletA.ann", "walletA.bob"]),
        (GroupBy.WORKER, ["walletA.x", "walletA.y", "walletA.z"]),
    ],
)
def test_who_shares_a_connection(group_by: GroupBy, users: list[str]) -> None:
    world = farm({"A": 8}, each={"group_by": group_by})
    for user in ("ann.x", "ann.y", "bob.y", "bob.z"):
        world.miner(BITAXE, user)
    world.advance(3)
    assert sorted(each.user for each in lines_to(world.pools["A"])) == users


def test_the_connection_of_nobody_is_closed_after_its_grace() -> None:
    world = farm({"A": 8})
    [miner] = fleet(world, 1)
    miner.submit()
    miner.leave()
    world.advance(3)
    assert len(lines_to(world.pools["A"])) == 1
    world.advance(10)
    assert lines_to(world.pools["A"]) == []
    [again] = fleet(world, 1)
    assert again.all("mining.notify")


# --- When connections break -----------------------------------------------------------------------------------------


def test_miners_of_a_lost_connection_go_to_another_one_of_the_pool() -> None:
    world = farm({"A": 8}, each={"most_miners": 4})
    miners = fleet(world, 6)
    world.configure(A={"most_miners": 10})
    lost, kept = lines_to(world.pools["A"])
    lost.link.close("closed by the other side")
    world.advance(0.05)
    assert world.events_of(EmergencySwitch) == []
    for miner in miners:
        assert miner.job[2].startswith(f"01000000{'41' * 8}"[:8])
        miner.submit()
    world.advance(1)
    assert len(results(world, Verdict.ACCEPTED)) == 6
    assert all(params for params in world.pools["A"].submits)
    assert {each.extranonce1 for each in lines_to(world.pools["A"])} >= {kept.extranonce1}


def test_without_another_connection_they_go_to_the_other_pool_and_come_back() -> None:
    world = farm()
    miners = fleet(world, 6)
    at_a = [miner for miner in miners if miner.pool_of(miner.job) == "A"]
    assert at_a
    world.pools["A"].reachable = False
    world.pools["A"].drop()
    world.advance(0.1)
    assert {miner.pool_of(miner.job) for miner in miners} == {"B"}
    world.pools["A"].reachable = True
    world.advance(200)
    assert {miner.pool_of(miner.job) for miner in miners} == {"A", "B"}
    for miner in miners:
        miner.submit()
    world.advance(1)
    assert len(results(world, Verdict.ACCEPTED)) == 6


def test_open_shares_of_a_lost_connection_end_once_each_at_their_miner() -> None:
    world = farm({"A": 8})
    world.pools["A"].answer_submits = False
    miners = fleet(world, 4)
    idents = [miner.submit() for miner in miners]
    world.advance(0.1)
    world.pools["A"].drop()
    world.advance(0.2)
    for miner, ident in zip(miners, idents, strict=True):
        [answer] = miner.answers(ident)
        assert answer["error"][0] == 20
    assert len(results(world, Verdict.UNANSWERED)) == 4


def test_a_miner_that_leaves_takes_no_verdict_with_it() -> None:
    world = farm({"A": 8})
    world.pools["A"].delay_s = 0.5
    miners = fleet(world, 2)
    for miner in miners:
        miner.submit()
    miners[0].leave()
    world.advance(2)
    assert len(results(world, Verdict.ACCEPTED)) == 2


def test_a_pool_that_refuses_the_user_is_told_once_for_all() -> None:
    world = farm({"A": 8, "B": 8})
    world.pools["A"].refuse = "no such user"
    miners = fleet(world, 5)
    world.advance(20)
    assert {miner.pool_of(miner.job) for miner in miners} == {"B"}
    dials = [event for event in world.events_of(PoolConnecting) if event.pool == "A" and not event.probe]
    assert len(dials) <= 2
    assert miners[0].session.facts()[PoolKey("A")].endswith("no such user")


def test_a_new_wallet_renews_the_connection_without_a_gap() -> None:
    world = farm({"A": 8})
    miners = fleet(world, 3)
    world.configure(A={"wallet": "other"})
    world.advance(3)
    for miner in miners:
        miner.submit()
    world.advance(8)
    assert [each.user for each in lines_to(world.pools["A"])] == ["other"]
    assert len(results(world, Verdict.ACCEPTED)) == 3
    assert world.events_of(MinerWaiting) == []


def test_a_pool_that_is_switched_off_or_removed_ends_its_shared_connections() -> None:
    world = farm()
    miners = fleet(world, 4)
    world.pools.pop("A")
    world.ports = {port: pool for port, pool in world.ports.items() if pool.key != "A"}
    world.weights = {"B": 1.0}
    world.configure()
    world.advance(1)
    assert PoolKey("A") not in world.engine.sharing.connections
    assert {miner.pool_of(miner.job) for miner in miners} == {"B"}
    assert all(event.wanted for event in world.events_of(PoolDisconnected) if event.pool == "A")


# --- A change of the setting ----------------------------------------------------------------------------------------


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Connections.OWN, Connections.SHARED),
        (Connections.SHARED, Connections.OWN),
    ],
)
def test_a_change_moves_miners_and_their_open_shares_get_the_old_connections_verdict(
    before: Connections, after: Connections
) -> None:
    world = World({"A": 8}, options={"A": {"connections": before}})
    world.pools["A"].delay_s = 0.4
    miners = fleet(world, 10)
    old = lines_to(world.pools["A"])
    sent = 0
    for round_ in range(60):
        if round_ == 5:
            world.configure(A={"connections": after})
        for miner in miners:
            miner.submit(nonce=f"{round_:08x}")
            sent += 1
        world.advance(0.2)
    world.advance(15)
    assert len(results(world, Verdict.ACCEPTED)) == sent == len(world.pools["A"].submits)
    assert world.events_of(MinerWaiting) == [] == world.events_of(EmergencySwitch)
    assert len(lines_to(world.pools["A"])) == (1 if after is Connections.SHARED else 10)
    assert all(each.link.closed for each in old)


def test_another_way_of_grouping_moves_them_too() -> None:
    world = farm({"A": 8}, each={"most_connections": 2})
    miners = [world.miner(BITAXE, f"{account}.rig{number}") for account in ("ann", "bob") for number in range(2)]
    world.advance(2)
    world.configure(A={"group_by": GroupBy.ACCOUNT})
    for round_ in range(30):
        for miner in miners:
            miner.submit(nonce=f"{round_:08x}")
        world.advance(0.5)
    assert sorted(each.user for each in lines_to(world.pools["A"])) == ["walletA.ann", "walletA.bob"]
    assert len(results(world, Verdict.ACCEPTED)) == 120


def test_fewer_miners_on_a_connection_moves_those_of_fuller_ones_without_a_lost_share() -> None:
    world = farm({"A": 8}, each={"most_miners": 9})
    miners = fleet(world, 12)
    full, other = lines_to(world.pools["A"])
    world.configure(A={"most_miners": 3})
    for round_ in range(30):
        for miner in miners:
            miner.submit(nonce=f"{round_:08x}")
        world.advance(0.5)
    together = world.engine.sharing.connections[PoolKey("A")]
    assert [len(each.miners) for each in together if each.miners] == [3, 3, 3, 3]
    assert full.link.closed and not other.link.closed, "one that is not too full keeps its miners"
    assert len(results(world, Verdict.ACCEPTED)) == 360
    assert world.events_of(EmergencySwitch) == [] and together.waiting == 0


def test_miners_who_find_no_place_on_fewer_stay_where_they_are() -> None:
    world = farm({"A": 8}, each={"most_miners": 9})
    miners = fleet(world, 8)
    world.configure(A={"most_miners": 3, "most_connections": 2})
    for round_ in range(30):
        for miner in miners:
            miner.submit(nonce=f"{round_:08x}")
        world.advance(0.5)
    together = world.engine.sharing.connections[PoolKey("A")]
    assert sorted(len(each.miners) for each in together) == [2, 3, 3]
    assert together.waiting == 2 and len(results(world, Verdict.ACCEPTED)) == 240
    miners[0].leave()
    world.advance(120)
    assert together.waiting == 1


def test_a_setting_that_is_taken_back_moves_nobody_whose_turn_had_not_come() -> None:
    world = World({"A": 8})
    miners = [*fleet(world, 5), world.miner(BITAXE, handshake=False)]
    before = {id(each.handler) for each in lines_to(world.pools["A"])}
    world.configure(A=SHARED)
    miners[4].leave()
    world.configure(A={"connections": Connections.OWN})
    world.advance(30)
    after = {id(each.handler) for each in lines_to(world.pools["A"])}
    assert len(after) == 4, "each miner that is at work has one of its own"
    assert len(after & before) == 3, "the first one's turn comes at once"


def test_automatic_shares_above_a_number_of_miners_and_stops_well_below() -> None:
    world = World({"A": 8}, options={"A": {"connections": Connections.AUTOMATIC, "own_up_to": 5}})
    miners = fleet(world, 5)
    world.advance(5)
    assert len(lines_to(world.pools["A"])) == 5
    miners += fleet(world, 1)
    world.advance(15)
    assert len(lines_to(world.pools["A"])) == 1
    miners.pop().leave()
    world.advance(15)
    assert len(lines_to(world.pools["A"])) == 1  # 5 of 5: no going to and fro
    miners.pop().leave()
    world.advance(15)
    assert len(lines_to(world.pools["A"])) == 4
    for miner in miners:
        miner.submit()
    world.advance(1)
    assert len(results(world, Verdict.ACCEPTED)) == 4


# --- Difficulty -----------------------------------------------------------------------------------------------------


def vardiff_of(miner: ScriptedMiner) -> Vardiff:
    vardiff = miner.session.vardiff
    assert vardiff is not None
    return vardiff


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("agent", "suggests", "first"),
    [
        (BITAXE, None, FIRST_OF_ASIC),
        ("cpuminer/2.5.1", None, FIRST_OF_OTHERS),
        ("cpuminer/2.5.1", 3.0, 3.0),
        ("NerdMinerV2/V1.8", 0.00015, 0.00015),
        ("NerdMinerV2/V1.8", 1e-9, 1e4 * 4 / HASHES_PER_DIFFICULTY),  # no device is so slow
    ],
)
def test_the_first_difficulty_is_rather_too_high_than_too_low(agent: str, suggests: float | None, first: float) -> None:
    world = farm({"A": 8}, difficulty=1e6, hashes_per_difficulty=HASHES_PER_DIFFICULTY)
    world.pools["A"].nbits = "1a00ffff"
    miner = world.miner(agent, "account.rig")
    if suggests is not None:
        miner.call("mining.suggest_difficulty", [suggests], 4)
    world.advance(2)
    assert miner.difficulty == pytest.approx(first)


def test_rules_for_a_firmware_act_on_its_miners_with_their_next_job() -> None:
    world = farm({"A": 8}, difficulty=1e6, hashes_per_difficulty=HASHES_PER_DIFFICULTY)
    world.pools["A"].nbits = "1a00ffff"
    bitaxe, other = world.miner(BITAXE, "account.rig"), world.miner("cpuminer/2.5.1", "account.other")
    world.advance(2)
    before = bitaxe.difficulty, other.difficulty
    rule = VardiffRule(profile="esp-miner", shares_per_minute=30.0, least_difficulty=700.0)
    world.engine.apply(replace(world.config, revision=world.config.revision + 1, vardiff={(None, "esp-miner"): rule}))
    world.pools["A"].notify()
    world.advance(0.1)
    assert (bitaxe.difficulty, other.difficulty) == (before[0] / 2, before[1])
    rule = replace(rule, least_difficulty=5000.0)
    world.engine.apply(replace(world.config, revision=world.config.revision + 2, vardiff={(None, "esp-miner"): rule}))
    world.pools["A"].notify()
    world.advance(0.1)
    assert bitaxe.difficulty == 5000.0
    world.engine.apply(replace(world.config, revision=world.config.revision + 3))
    world.pools["A"].notify()
    world.advance(0.1)
    assert bitaxe.difficulty == before[0]


def test_silence_lowers_the_difficulty_before_the_next_job_comes() -> None:
    world = farm({"A": 8}, difficulty=1e6, hashes_per_difficulty=HASHES_PER_DIFFICULTY)
    world.pools["A"].nbits = "1a00ffff"
    miner = world.miner("cpuminer/2.5.1", "account.rig")
    world.advance(20)
    assert miner.difficulty < FIRST_OF_OTHERS / 8
    assert miner.job[8] is True
    before = miner.difficulty
    world.advance(20)
    assert miner.difficulty < before


def test_a_silent_miner_keeps_a_difficulty_that_exists_and_costs_the_others_nothing() -> None:
    world = farm({"A": 8}, hashes_per_difficulty=HASHES_PER_DIFFICULTY, difficulty=65536.0)
    silent = world.miner("cpuminer/2.5.1", "account.silent")
    others = fleet(world, 3, "cpuminer/2.5.1")
    world.advance(600)
    least = 1e4 * 4 / HASHES_PER_DIFFICULTY
    assert silent.difficulty >= least
    world.pools["A"].notify()
    world.advance(1)
    jobs, sent = len(others[0].all("mining.notify")), len(silent.all("mining.notify"))
    for _ in range(50):
        world.pools["A"].notify()
        world.advance(60)
    assert len(others[0].all("mining.notify")) == jobs + 50
    assert len(silent.all("mining.notify")) == sent + 50, "none is issued anew"
    assert silent.difficulty == pytest.approx(least)


def test_a_miner_that_pauses_has_its_hash_rate_again_with_its_first_shares() -> None:
    world, miner = below_the_pools("cpuminer/2.5.1")
    right = 100.0
    rate = right * EASY / 4.0

    def mine(seconds: float) -> None:
        end, most = world.clock.now() + seconds, 3_000
        while world.clock.now() < end:
            most -= 1
            assert most > 0
            world.advance(miner.difficulty * 4.0 / right)
            miner.submit(nonce=f"{int(world.clock.now() * 1000):08x}")

    mine(900.0)
    assert miner.difficulty == pytest.approx(right, rel=0.7)
    assert world.engine.scheduler.rate(miner.session.id) == pytest.approx(rate, rel=0.1)
    world.advance(240.0)
    sent = len(results(world, Verdict.WORK))
    mine(20.0)
    assert world.engine.scheduler.rate(miner.session.id) > rate / 4
    assert len(results(world, Verdict.WORK)) - sent < 60
    mine(600.0)
    assert world.engine.scheduler.rate(miner.session.id) == pytest.approx(rate, rel=0.1)


def test_a_flood_raises_it_at_once_and_shares_of_the_job_before_still_count() -> None:
    world, miner = below_the_pools()
    old = miner.job
    for number in range(30):
        miner.submit(old, nonce=f"{number:08x}")
    world.advance(0.1)
    assert miner.difficulty > 1
    miner.submit(old, nonce="000000ff")
    assert len(results(world, Verdict.WORK)) == 31


def test_a_miner_that_works_elsewhere_keeps_its_difficulty() -> None:
    world = farm({"A": 8, "B": 8}, difficulty=1e6, hashes_per_difficulty=HASHES_PER_DIFFICULTY, min_switch_s=5)
    for pool in world.pools.values():
        pool.nbits = "1a00ffff"
    world.configure(B={"connections": Connections.OWN})
    world.slider(A=0.0, B=100.0)
    miner = world.miner("cpuminer/2.5.1", "account.rig")
    world.advance(300)
    world.slider(A=100.0, B=0.0)
    world.advance(10)
    assert miner.pool_of(miner.job) == "A"
    assert miner.difficulty == FIRST_OF_OTHERS
    assert vardiff_of(miner).is_learning


def silent() -> tuple[World, ScriptedMiner, float]:
    """A miner of which nothing is known and that finds nothing, two seconds after it came."""
    world = farm({"A": 8}, difficulty=1e6, hashes_per_difficulty=HASHES_PER_DIFFICULTY)
    world.pools["A"].nbits = "1a00ffff"
    miner = world.miner("cpuminer/2.5.1", "account.rig")
    world.advance(2)
    return world, miner, miner.difficulty


def test_time_without_work_is_no_silence() -> None:
    world, miner, before = silent()
    world.pools["A"].reachable = False
    world.pools["A"].drop()
    world.advance(300)
    world.pools["A"].reachable = True
    world.advance(70)
    first, back, *_ = [params[0] for params in miner.all("mining.set_difficulty")]
    assert first == back == before


def test_a_connection_lost_on_one_pool_leaves_the_evidence_of_another_alone() -> None:
    world = farm({"A": 8, "B": 8}, difficulty=1e6, hashes_per_difficulty=HASHES_PER_DIFFICULTY)
    for pool in world.pools.values():
        pool.nbits = "1a00ffff"
    world.slider(A=0.0, B=100.0)
    miner = world.miner("cpuminer/2.5.1", "account.rig")
    world.advance(5)
    assert miner.pool_of(miner.job) == "B"
    before = miner.difficulty
    world.pools["A"].drop()
    world.advance(20)
    assert miner.difficulty < before


# --- Work is counted once -------------------------------------------------------------------------------------------


class Prover:
    """A miner whose shares only prove work: each nonce is one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, difficulty: float = 2.0**58) -> None:
        monkeypatch.setattr(jobs, "MAX_SHARES_REMEMBERED", 100)
        monkeypatch.setattr(jobs, "MAX_SHARES_OF_SESSION", 200)
        monkeypatch.setattr(submits, "SPARE_SHARES", 20)
        self.world = farm({"A": 8}, each={"max_difficulty": 1.0}, difficulty=difficulty, hashes_per_difficulty=2.0**-40)
        self.miner = self.world.miner("cpuminer/2.5.1", "account.rig", mask="1fffe000")
        self.world.advance(3)

    def sends(self, shares: int, job: list[Any] | None = None) -> int:
        """So many for ``job`` (the newest), always the same; returns how many are accepted."""
        job = job or self.miner.job
        sent = [self.miner.submit(job, nonce=f"{nonce:08x}", bits="00002000") for nonce in range(shares)]
        answers = {line["id"]: line["result"] for line in self.miner.lines if "method" not in line}
        assert all(ident in answers for ident in sent)
        return sum(answers[ident] is True for ident in sent)


def test_a_job_that_can_remember_no_more_shares_takes_no_more_work_and_the_miner_gets_another_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    it = Prover(monkeypatch)
    full, count = it.miner.job, len(it.miner.all("mining.notify"))
    assert it.sends(150) == 100
    assert len(it.miner.all("mining.notify")) == count + 1, "once, before any is refused"
    assert it.sends(150, full) == 0
    assert len(it.miner.all("mining.notify")) == count + 1
    assert it.sends(50) == 50
    assert len(results(it.world, Verdict.WORK)) <= 150
    it.world.events.settle()
    summed = sum(shares.work_only for shares in it.world.events_of(AcceptedShares))
    assert summed + len(results(it.world, Verdict.WORK)) == 150
    assert {result.reason for result in results(it.world, Verdict.REJECTED)} == {Reason.STALE, Reason.DUPLICATE}


def test_a_miner_that_follows_its_jobs_has_no_share_refused_however_many_it_sends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    it = Prover(monkeypatch)
    for _ in range(10):
        assert it.sends(85) == 85
    assert len({params[0] for params in it.miner.all("mining.notify")}) > 10


def test_a_job_whose_shares_were_forgotten_takes_no_more_work(monkeypatch: pytest.MonkeyPatch) -> None:
    it = Prover(monkeypatch)
    given = []
    for _ in range(4):
        given.append(it.miner.job)
        assert it.sends(80) == 80
        it.world.pools["A"].notify()
        it.world.advance(1)
    assert [it.sends(90, job) for job in given] == [0, 0, 10, 10], "what was counted is not counted again"


def test_what_is_good_enough_for_the_pool_goes_up_from_a_job_that_takes_no_more_work(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    it = Prover(monkeypatch, difficulty=2.0**41)
    job = it.miner.job
    for nonce in range(600):
        it.miner.submit(job, nonce=f"{nonce:08x}", bits="00002000")
    it.world.advance(1)
    up = [params[4] for params in it.world.pools["A"].submits]
    assert len(up) == len(set(up)) > 200
    assert len(results(it.world, Verdict.REJECTED)) > 200, "those that are not"
    assert len(up) + len(results(it.world, Verdict.REJECTED)) >= 500


# --- Small ones -----------------------------------------------------------------------------------------------------


def test_prefixes_that_all_have_an_owner_are_given_again_to_as_few_as_possible() -> None:
    prefixes = Prefixes(1, start=7)
    taken = [prefixes.take() for _ in range(256)]
    assert len(set(taken)) == 256
    assert set(prefixes.users) == {1}
    prefixes.give_back(taken[3])
    assert [prefixes.take(), prefixes.take()] == [taken[3], bytes([(taken[3][0] + 1) % 256])]
    assert max(prefixes.users) == 2


def test_what_a_miner_had_on_many_connections_is_forgotten_in_turn_and_never_given_twice() -> None:
    world = farm({"A": 8})
    [miner] = fleet(world, 1)
    seen = set()
    for number in range(MAX_CONTENTS + 4):
        world.configure(A={"group_by": GroupBy.WORKER if number % 2 else GroupBy.NOTHING})
        world.advance(5)
        assert miner.job[0] not in seen, "each connection's job is another one"
        seen.add(miner.job[0])
        ident = miner.submit(nonce=f"{number + 1:08x}")
        world.advance(1)
        assert miner.answers(ident)[0]["result"] is True


def test_open_shares_of_a_connection_that_is_left_are_counted_and_waited_for() -> None:
    world = farm({"A": 8})
    [miner] = fleet(world, 1)
    for kind in (Connections.OWN, Connections.SHARED):
        world.pools["A"].delay_s = DRAIN_GRACE_S + 2
        ident = miner.submit(nonce=f"{len(kind):08x}")
        world.pools["A"].delay_s = 0.0
        world.configure(A={"connections": kind})
        world.advance(1)
        assert world.engine.open_submits == 1
        world.advance(DRAIN_GRACE_S + 3)
        assert miner.answers(ident)[0]["result"] is True
        assert world.engine.open_submits == 0


def test_a_change_that_is_taken_back_before_the_new_link_has_a_job_changes_nothing() -> None:
    world = farm({"A": 8})
    [miner] = fleet(world, 1)
    [line] = lines_to(world.pools["A"])
    world.pools["A"].reachable = False
    world.configure(A={"connections": Connections.OWN})
    world.advance(0.5)
    world.configure(A={"connections": Connections.SHARED})
    world.advance(0.5)
    world.pools["A"].reachable = True
    world.advance(60)
    ident = miner.submit()
    world.advance(1)
    assert miner.answers(ident)[0]["result"] is True
    assert len(lines_to(world.pools["A"])) == 1
    assert line.link.closed is (lines_to(world.pools["A"])[0] is not line)


def test_a_miner_that_waits_for_a_place_is_forgotten_when_it_wants_none() -> None:
    world = farm({"A": 8, "B": 8}, each={"most_miners": 1, "most_connections": 1})
    miners = fleet(world, 3)
    together = world.engine.sharing.connections[PoolKey("A")]
    assert together.waiting
    world.slider(A=0, B=100)
    world.advance(60)
    for miner in miners:
        miner.leave()
    world.advance(30)
    assert together.waiting == 0


def test_a_place_is_kept_when_it_is_asked_for_again() -> None:
    world = farm({"A": 8})
    [miner] = fleet(world, 1)
    link = miner.session.links[PoolKey("A")]
    assert isinstance(link, SharedLink)
    assert link.difficulty == world.pools["A"].difficulty
    place = link.at
    link.try_again()
    assert link.at is place is not None
    assert len(world.engine.sharing.connections[PoolKey("A")]) == 1


def test_late_shares_of_a_pool_that_the_miner_left_give_it_no_job_there() -> None:
    world = farm()
    [miner] = fleet(world, 1)
    here = miner.pool_of(miner.job)
    there = "B" if here == "A" else "A"
    old = miner.job
    world.slider(**{here: 0.0, there: 100.0})
    world.advance(60)
    assert miner.pool_of(miner.job) == there
    jobs = len(miner.all("mining.notify"))
    link = miner.session.links.get(PoolKey(here))
    for number in range(40):
        miner.submit(old, nonce=f"{number + 77:08x}")
    world.advance(0.1)
    assert all(miner.pool_of(job) == there for job in miner.all("mining.notify")[jobs:])
    assert link is None or isinstance(link, SharedLink)


def test_a_job_of_a_link_whose_place_another_one_took_changes_nothing() -> None:
    world = farm({"A": 8})
    [miner] = fleet(world, 1)
    session = miner.session
    old = session.links[PoolKey("A")]
    job = old.job
    assert job is not None
    world.configure(A={"connections": Connections.OWN})
    world.advance(2)
    assert session.links[PoolKey("A")] is not old
    before = len(miner.writes)
    session.work_came(old, job, new_connection=False)
    session.work_noted(old, job)
    assert len(miner.writes) == before
    ident = miner.submit()
    world.advance(1)
    assert miner.answers(ident)[0]["result"] is True
