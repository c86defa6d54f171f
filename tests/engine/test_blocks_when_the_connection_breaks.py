"""A block found while the line to its pool is down reaches a pool that resumes sessions, once; else that is told."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from proxy.config.snapshot import Endpoint
from proxy.engine.delivery import ANSWER_WITHIN_S, MAX_AGE_S, MAX_PER_POOL
from proxy.observe.events import (
    BlockCandidate,
    BlockDelivered,
    BlockKept,
    BlockNotDelivered,
    BlockResent,
    LateVerdict,
    ShareResult,
)
from proxy.types import AdminStatus, BlockFate, PoolKey, Reason, Verdict
from tests.support.world import Connection, MemoryLink, ScriptedMiner, ScriptedPool, World

NBITS = "2100ffff"
"""A network on which nearly every hash is a block (65,535 of 65,536)."""
SIX = [f"{nonce:08x}" for nonce in range(1, 7)]


class Farm:
    """One miner on one pool, on such a network."""

    def __init__(self, *, names_sessions: bool = True, resumes: bool = True, nbits: str = NBITS) -> None:
        self.world = World(pools={"A": 8})
        self.pool: ScriptedPool = self.world.pools["A"]
        self.pool.names_sessions, self.pool.resumes = names_sessions, resumes
        self.pool.nbits = nbits
        self.miner: ScriptedMiner = self.world.miner()
        self.world.advance(2)
        self.extranonce1 = self.pool.live()[-1].extranonce1

    def break_off(self) -> None:
        """The pool closes every connection and takes no new one."""
        self.pool.reachable = False
        self.pool.drop()
        self.world.advance(0.1)

    def mine(self, nonces: list[str] = SIX) -> list[Any]:
        job = self.miner.job
        return [self.miner.submit(job, nonce=nonce) for nonce in nonces]

    def answers(self, idents: list[Any]) -> list[Any]:
        """What the miner was told, one for each share."""
        told = [self.miner.answers(ident) for ident in idents]
        assert all(len(each) <= 1 for each in told)
        return [each[0]["result"] if each else "nothing yet" for each in told]

    def of(self, kind: type[Any]) -> list[Any]:
        return self.world.events_of(kind)

    def fates(self) -> list[BlockFate]:
        return [event.fate for event in self.world.seen if isinstance(event, BlockDelivered | BlockNotDelivered)]

    def verdicts(self) -> list[Verdict]:
        return [result.verdict for result in self.of(ShareResult)]

    def carriers(self) -> list[Connection]:
        """The pool's ends of the connections that were dialled for blocks."""
        return [
            each
            for each in self.pool.connections
            if any(line["method"] == "mining.subscribe" and len(line["params"]) > 1 for line in each.received)
        ]

    def job_line(self) -> bytes:
        return orjson.dumps({"id": None, "method": "mining.notify", "params": self.pool.job(clean=False)}) + b"\n"

    def refuse_duplicates(self) -> None:
        seen: list[Any] = []

        def verdict(params: list[Any]) -> Any:
            if params in seen:
                return {"result": False, "error": None, "reject-reason": "Duplicate"}  # ckpool's way
            seen.append(params)
            return True

        self.pool.verdict = verdict


def test_six_of_six_blocks_found_while_the_line_is_down_reach_a_resuming_pool_once() -> None:
    farm = Farm()
    farm.break_off()
    shares = farm.mine()
    farm.world.advance(5)
    assert (farm.pool.submits, farm.answers(shares)) == ([], ["nothing yet"] * 6)
    farm.pool.reachable = True
    farm.world.advance(20)
    assert [params[4] for params in farm.pool.submits] == SIX
    [carrier] = [
        each for each in farm.pool.connections if any(line["method"] == "mining.submit" for line in each.received)
    ]
    assert carrier.extranonce1 == farm.extranonce1
    assert farm.answers(shares) == [True] * 6
    assert farm.verdicts() == [Verdict.ACCEPTED] * 6
    assert farm.fates() == [BlockFate.ACCEPTED] * 6
    assert len(farm.of(BlockCandidate)) == len(farm.of(BlockKept)) == len(farm.of(BlockResent)) == 6
    farm.world.advance(MAX_AGE_S)
    assert len(farm.pool.submits) == len(farm.verdicts()) == 6


def test_blocks_that_had_arrived_are_told_as_such_and_counted_once() -> None:
    farm = Farm()
    farm.refuse_duplicates()
    farm.pool.live()[-1].say = lambda message: None  # type: ignore[method-assign]
    shares = farm.mine()
    farm.world.advance(1)
    assert len(farm.pool.submits) == 6
    farm.break_off()
    farm.pool.reachable = True
    farm.world.advance(20)
    assert farm.fates() == [BlockFate.ARRIVED] * 6
    assert farm.answers(shares) == [True] * 6
    assert farm.verdicts() == [Verdict.ACCEPTED] * 6


def test_blocks_lost_on_the_way_are_sent_once_more_and_accepted() -> None:
    farm = Farm()
    farm.pool.answer_submits = False
    shares = farm.mine()
    farm.world.advance(1)
    lost = len(farm.pool.submits)
    farm.pool.answer_submits = True
    farm.pool.drop()
    farm.world.advance(20)
    assert (lost, len(farm.pool.submits)) == (6, 12)
    assert farm.pool.submits[:6] == farm.pool.submits[6:]
    assert farm.answers(shares) == [True] * 6
    assert farm.fates() == [BlockFate.ACCEPTED] * 6


def test_a_refusal_on_the_resumed_session_is_the_pools_and_reaches_the_miner() -> None:
    farm = Farm()
    farm.break_off()
    farm.pool.verdict = lambda params: {"result": None, "error": [21, "Stale", None]}
    [share] = farm.mine(SIX[:1])
    farm.pool.reachable = True
    farm.world.advance(20)
    assert farm.miner.answers(share)[0]["error"][:2] == [21, "Stale"]
    [delivered] = farm.of(BlockDelivered)
    assert (delivered.fate, delivered.accepted, delivered.message) == (BlockFate.REJECTED, False, "Stale")
    assert farm.verdicts() == [Verdict.REJECTED]


def test_a_pool_that_gives_a_new_session_is_sent_nothing_and_it_is_told() -> None:
    farm = Farm(resumes=False)
    farm.break_off()
    shares = farm.mine()
    farm.pool.reachable = True
    farm.world.advance(60)
    assert farm.answers(shares) == [None] * 6, "the miner hears in time that there is no answer"
    assert farm.verdicts() == [Verdict.UNANSWERED] * 6
    farm.world.advance(MAX_AGE_S)
    assert farm.pool.submits == []
    assert farm.fates() == [BlockFate.NEW_SESSION] * 6
    asked = [
        each
        for each in farm.pool.connections
        if any(line["method"] == "mining.subscribe" and len(line["params"]) > 1 for line in each.received)
    ]
    assert 4 < len(asked) < 16, "asked until the jobs are too old: the old session may end late"
    assert all(each.link.closed for each in asked)


def test_a_block_is_sent_when_the_pool_lets_the_old_session_go_after_a_minute() -> None:
    """ckpool believes a connection open that broke without a word until its own sends have failed for a minute."""
    farm = Farm()
    farm.pool.resumes = False
    farm.break_off()
    farm.mine(SIX[:1])
    farm.world.advance(1)
    farm.pool.reachable = True
    farm.world.advance(60)
    farm.pool.resumes = True
    farm.world.advance(MAX_AGE_S - 70)
    assert farm.fates() == [BlockFate.ACCEPTED]
    assert len(farm.pool.submits) == 1


def test_where_the_pool_names_no_session_it_is_told_at_once_and_nobody_is_dialled() -> None:
    farm = Farm(names_sessions=False)
    farm.break_off()
    shares = farm.mine()
    assert farm.fates() == [BlockFate.NO_SESSION] * 6
    assert farm.answers(shares) == [None] * 6
    farm.pool.reachable = True
    farm.world.advance(60)
    assert farm.pool.submits == []


def test_ordinary_shares_end_as_before() -> None:
    farm = Farm(nbits="1d00ffff")
    farm.break_off()
    shares = farm.mine()
    assert farm.answers(shares) == [None] * 6
    farm.pool.reachable = True
    farm.world.advance(30)
    assert farm.pool.submits == []
    assert {result.reason for result in farm.of(ShareResult)} == {Reason.POOL_LOST}


def test_only_a_dial_with_something_to_deliver_names_the_old_session() -> None:
    farm = Farm()
    farm.pool.drop()
    farm.world.advance(30)
    assert [
        line["params"]
        for each in farm.pool.connections
        for line in each.received
        if line["method"] == "mining.subscribe" and len(line["params"]) > 1
    ] == []


def test_a_miner_waits_for_a_bounded_time_and_the_block_goes_up_all_the_same() -> None:
    farm = Farm()
    farm.break_off()
    [share] = farm.mine(SIX[:1])
    farm.world.advance(ANSWER_WITHIN_S - 1)
    assert farm.answers([share]) == ["nothing yet"]
    farm.world.advance(2)
    assert farm.answers([share]) == [None]
    farm.world.advance(60)
    farm.pool.reachable = True
    farm.world.advance(30)
    assert len(farm.pool.submits) == 1
    assert farm.fates() == [BlockFate.ACCEPTED]
    assert farm.answers([share]) == [None]
    assert farm.verdicts() == [Verdict.UNANSWERED]
    assert [late.accepted for late in farm.of(LateVerdict)] == [True]


def test_a_session_that_the_pool_still_believes_connected_is_asked_for_again() -> None:
    farm = Farm()
    [old] = farm.pool.live()
    farm.break_off()
    old.link.closed = False
    shares = farm.mine()
    farm.pool.reachable = True
    farm.world.advance(4)
    assert farm.pool.submits == []
    old.link.closed = True
    farm.world.advance(20)
    assert len(farm.pool.submits) == 6
    assert farm.answers(shares) == [True] * 6


def test_a_resumed_session_that_breaks_as_well_is_the_end_of_it() -> None:
    farm = Farm()
    farm.break_off()
    [share] = farm.mine(SIX[:1])
    farm.pool.answer_submits = False
    farm.pool.reachable = True
    farm.world.advance(3)
    assert len(farm.pool.submits) == 1
    farm.pool.drop()
    farm.world.advance(60)
    assert len(farm.pool.submits) == 1
    assert farm.fates() == [BlockFate.NO_ANSWER]
    assert farm.answers([share]) == [None]
    assert farm.verdicts() == [Verdict.UNANSWERED]


def test_a_block_found_after_the_resumed_session_was_closed_resumes_that_one() -> None:
    farm = Farm()
    job = farm.miner.job
    farm.break_off()
    first = farm.miner.submit(job, nonce="00000001")
    farm.pool.reachable = True
    farm.world.advance(20)
    second = farm.miner.submit(job, nonce="00000002")
    farm.world.advance(20)
    assert farm.answers([first, second]) == [True, True]
    assert farm.fates() == [BlockFate.ACCEPTED] * 2


def test_a_pool_that_stays_away_is_told_after_ten_minutes() -> None:
    farm = Farm()
    farm.break_off()
    farm.mine(SIX[:1])
    before = len(farm.world.dialer.dials)
    farm.world.advance(MAX_AGE_S - 20)
    assert farm.fates() == []
    farm.world.advance(40)
    assert farm.fates() == [BlockFate.EXPIRED]
    assert len(farm.world.dialer.dials) - before < 250
    farm.pool.reachable = True
    farm.world.advance(60)
    assert farm.pool.submits == []


def test_only_the_server_that_issued_the_job_is_asked() -> None:
    farm = Farm()
    backup = ScriptedPool("A", farm.world.clock, 8, 1.0)
    backup.names_sessions = backup.resumes = True
    farm.world.ports[2000] = backup
    config = farm.world.config.pools[PoolKey("A")]
    both = replace(config, endpoints=(*config.endpoints, Endpoint(host="127.0.0.1", port=2000)))
    farm.world.engine.apply(replace(farm.world.config, revision=2, pools={PoolKey("A"): both}))
    farm.world.advance(2)
    farm.break_off()
    farm.mine(SIX[:1])
    farm.world.advance(40)
    assert backup.live() != []
    assert (farm.pool.submits, backup.submits) == ([], [])
    farm.pool.reachable = True
    farm.world.advance(30)
    assert (len(farm.pool.submits), backup.submits) == (1, [])


def test_a_login_that_is_refused_now_is_told_and_not_tried_again() -> None:
    farm = Farm()
    farm.break_off()
    farm.mine(SIX[:2])
    farm.pool.refuse = "banned"
    farm.pool.reachable = True
    farm.world.advance(20)
    assert farm.fates() == [BlockFate.LOGIN_REFUSED] * 2


@pytest.mark.parametrize("under_way", [True, False])
@pytest.mark.parametrize("how", ["removed", "disabled"])
def test_a_pool_that_the_operator_takes_away_is_sent_nothing(how: str, under_way: bool) -> None:
    farm = Farm()
    farm.break_off()
    farm.mine(SIX[:1])
    farm.world.advance(0 if under_way else 2)
    off = replace(farm.world.config.pools[PoolKey("A")], status=AdminStatus.DISABLED)
    pools = {} if how == "removed" else {PoolKey("A"): off}
    farm.world.engine.apply(
        replace(
            farm.world.config,
            revision=2,
            pools=pools,
            schedules=() if how == "removed" else farm.world.config.schedules,
        )
    )
    farm.pool.reachable = True
    farm.world.advance(60)
    assert farm.pool.submits == []
    assert farm.fates() == [BlockFate.POOL_REMOVED]


def test_a_pool_whose_every_share_is_a_block_fills_no_memory() -> None:
    farm = Farm()
    farm.break_off()
    shares = farm.mine([f"{nonce:08x}" for nonce in range(1, 101)])
    assert farm.fates() == [BlockFate.TOO_MANY] * (100 - MAX_PER_POOL)
    farm.pool.reachable = True
    farm.world.advance(30)
    assert len(farm.pool.submits) == MAX_PER_POOL
    assert farm.answers(shares) == [True] * MAX_PER_POOL + [None] * (100 - MAX_PER_POOL)
    assert len(farm.verdicts()) == 100


def test_a_block_whose_miner_left_goes_up_all_the_same() -> None:
    farm = Farm()
    farm.break_off()
    farm.mine(SIX[:1])
    farm.miner.leave()
    farm.world.advance(3)
    farm.pool.reachable = True
    farm.world.advance(20)
    assert len(farm.pool.submits) == 1
    assert farm.verdicts() == [Verdict.ACCEPTED]
    assert farm.fates() == [BlockFate.ACCEPTED]


def test_the_end_of_the_proxy_answers_the_miner_and_leaves_the_fate_open() -> None:
    farm = Farm()
    farm.break_off()
    [share] = farm.mine(SIX[:1])
    farm.world.engine.close()
    farm.world.advance(1)
    assert farm.verdicts() == [Verdict.UNANSWERED]
    assert farm.fates() == []
    farm.pool.reachable = True
    farm.world.advance(60)
    assert farm.pool.submits == []
    assert farm.answers([share]) == [None]


def test_a_block_whose_answer_comes_after_a_minute_is_told_as_what_it_is() -> None:
    farm = Farm()
    farm.pool.answer_submits = False
    [share] = farm.mine(SIX[:1])
    connection = farm.pool.live()[-1]
    submit = [line for line in connection.received if line["method"] == "mining.submit"][-1]
    for _ in range(22):
        farm.world.advance(3)
        farm.pool.push("mining.set_difficulty", [1.0])  # it talks, so the connection is not given up
    assert farm.miner.answers(share)[0]["error"], "the miner hears in time that there is no answer"
    assert len(farm.pool.live()) == 1, "nothing is sent again while the connection stands"
    connection.say({"id": submit["id"], "result": True, "error": None})
    farm.world.advance(120)
    assert farm.fates() == [BlockFate.ACCEPTED]
    assert len(farm.miner.answers(share)) == 1
    assert farm.verdicts() == [Verdict.UNANSWERED]


def test_a_block_that_a_talking_pool_never_answered_is_sent_again_when_its_connection_breaks() -> None:
    farm = Farm()
    farm.pool.answer_submits = False
    farm.mine(SIX[:1])
    for _ in range(22):
        farm.world.advance(3)
        farm.pool.push("mining.set_difficulty", [1.0])
    farm.pool.answer_submits = True
    farm.pool.drop()
    farm.world.advance(30)
    assert farm.fates() == [BlockFate.ACCEPTED]
    assert len(farm.pool.submits) == 2


def test_a_block_whose_submit_is_too_long_for_pools_is_given_up_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    farm = Farm()
    farm.break_off()
    monkeypatch.setattr("proxy.stratum.submit_line.MAX_LINE_OUT", 50)
    [share] = farm.mine(SIX[:1])
    farm.pool.reachable = True
    farm.world.advance(60)
    assert [event.reason for event in farm.of(BlockNotDelivered)] == ["its submit is longer than what pools read"]
    assert farm.world.engine.delivery.open_submits == 0
    assert len(farm.miner.answers(share)) == 1
    assert farm.verdicts() == [Verdict.UNANSWERED]


class Resumed(Farm):
    """The session was resumed for a first block, which the pool accepted; its connection is still open."""

    def __init__(self) -> None:
        super().__init__()
        self.old_job = self.miner.job
        self.break_off()
        self.first = self.miner.submit(self.old_job, nonce=SIX[0])
        self.pool.reachable = True
        while not self.of(BlockDelivered):
            self.world.advance(0.5)
            assert self.world.clock.now() < 60
        [self.carrier] = self.carriers()

    def second(self) -> Any:
        return self.miner.submit(self.old_job, nonce=SIX[1])

    def last_submit(self) -> Any:
        return [line for line in self.carrier.received if line["method"] == "mining.submit"][-1]["id"]


def test_a_block_found_while_the_resumed_session_is_open_goes_over_it_and_keeps_it_open() -> None:
    farm = Resumed()
    farm.pool.answer_submits = False
    farm.world.advance(1)
    second = farm.second()
    farm.world.advance(7)
    assert farm.carriers() == [farm.carrier] and not farm.carrier.link.closed
    farm.carrier.say({"id": farm.last_submit(), "result": True, "error": None})
    farm.world.advance(1)
    assert farm.answers([farm.first, second]) == [True, True]
    assert farm.fates() == [BlockFate.ACCEPTED] * 2
    farm.world.advance(10)
    assert farm.carrier.link.closed and len(farm.pool.submits) == 2


def test_a_block_waits_for_the_session_where_the_pool_took_its_extranonce_away() -> None:
    farm = Resumed()
    farm.carrier.push("mining.set_extranonce", ["deadbeef", 8])
    farm.world.advance(0.1)
    second = farm.second()
    farm.world.advance(1)
    assert len(farm.pool.submits) == 1
    farm.world.advance(10)
    assert farm.carrier.link.closed
    assert [params[4] for params in farm.pool.submits] == SIX[:2]
    assert farm.answers([farm.first, second]) == [True, True]


def test_the_verdict_on_a_block_that_comes_long_after_it_was_sent_again_is_told() -> None:
    farm = Resumed()
    farm.pool.answer_submits = False
    second = farm.second()
    ident = farm.last_submit()
    for _ in range(30):
        farm.world.advance(3)
        if BlockFate.NO_ANSWER in farm.fates():
            break
        farm.pool.push("mining.set_difficulty", [1.0])  # it talks, so the connection is not given up
    assert farm.answers([second]) == [None]
    farm.carrier.say({"id": ident, "result": True, "error": None})
    farm.world.advance(0.1)
    assert farm.fates() == [BlockFate.ACCEPTED, BlockFate.NO_ANSWER, BlockFate.ACCEPTED]
    assert len(farm.miner.answers(second)) == 1


def test_the_end_of_the_proxy_leaves_open_what_became_of_a_block_that_was_sent_again() -> None:
    farm = Resumed()
    farm.pool.answer_submits = False
    second = farm.second()
    farm.world.engine.close()
    farm.carrier.handler.received(farm.job_line())  # it was on its way
    farm.world.advance(1)
    assert farm.fates() == [BlockFate.ACCEPTED]
    assert farm.verdicts() == [Verdict.ACCEPTED, Verdict.UNANSWERED]
    assert farm.answers([second]) == [None]
    assert len(farm.pool.submits) == 2


@pytest.mark.parametrize("how", ["removed", "disabled"])
def test_a_pool_that_is_taken_away_while_the_session_is_resumed_is_sent_nothing(how: str) -> None:
    farm = Farm()
    farm.break_off()
    farm.mine(SIX[:1])
    farm.pool.spoil = lambda line: b"" if b'"method":"mining.notify"' in line else line
    farm.pool.reachable = True
    farm.world.advance(3)
    off = replace(farm.world.config.pools[PoolKey("A")], status=AdminStatus.DISABLED)
    changes: dict[str, Any] = {"pools": {}, "schedules": ()} if how == "removed" else {"pools": {PoolKey("A"): off}}
    farm.world.engine.apply(replace(farm.world.config, revision=2, **changes))
    farm.pool.spoil = lambda line: line
    farm.pool.notify()
    farm.world.advance(1)
    assert farm.fates() == [BlockFate.POOL_REMOVED]
    farm.world.advance(60)
    assert farm.pool.submits == []
    assert all(each.link.closed for each in farm.pool.connections)


def test_blocks_behind_one_whose_sending_broke_the_connection_go_on_the_next() -> None:
    farm = Farm()
    farm.break_off()

    def verdict(params: list[Any]) -> bool:
        if len(farm.pool.submits) == 1:
            [carrier] = [each for each in farm.pool.connections if each.received[-1]["method"] == "mining.submit"]
            carrier.link.closed = True
            carrier.handler.closed("broken pipe")
        return True

    farm.pool.verdict = verdict
    shares = farm.mine(SIX[:3])
    farm.pool.reachable = True
    farm.world.advance(40)
    assert [params[4] for params in farm.pool.submits] == SIX[:3]
    assert farm.fates() == [BlockFate.NO_ANSWER, BlockFate.ACCEPTED, BlockFate.ACCEPTED]
    assert farm.answers(shares) == [None, True, True]


def test_a_job_on_a_connection_that_was_dropped_does_not_end_the_next_dial(monkeypatch: pytest.MonkeyPatch) -> None:
    farm = Farm(resumes=False)
    farm.break_off()
    farm.mine(SIX[:1])
    monkeypatch.setattr(MemoryLink, "close", lambda self, reason="": None)  # its end takes long
    farm.pool.reachable = True
    while len(farm.carriers()) < 2:
        farm.world.advance(0.1)
        assert farm.world.clock.now() < 60
        if farm.carriers() and farm.carriers()[0].received[-1]["method"] != "mining.subscribe":
            farm.pool.spoil = lambda line: b"" if b'"method":"mining.notify"' in line else line
    dropped, dialled = farm.carriers()
    dropped.handler.received(farm.job_line())
    farm.world.advance(7)
    assert farm.carriers() == [dropped, dialled]
    dialled.handler.received(
        orjson.dumps({"id": None, "method": "mining.set_extranonce", "params": [farm.extranonce1, 8]}) + b"\n"
    )
    dialled.handler.received(farm.job_line())
    farm.world.advance(1)
    assert farm.fates() == [BlockFate.ACCEPTED]
    assert dialled.received[-1]["method"] == "mining.submit"
