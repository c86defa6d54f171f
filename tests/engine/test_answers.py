"""Every request gets one reply, with its own id; every share one verdict, and a true one."""

import pytest

from proxy.config.snapshot import Connections
from proxy.observe.events import AcceptedShares, LateVerdict, ShareResult, SubmitPoolDead
from proxy.types import DecidedBy, Reason, Verdict
from tests.support.world import ScriptedMiner, World


def ready_world(**options: object) -> tuple[World, ScriptedMiner]:
    world = World(**options)  # type: ignore[arg-type]
    miner = world.miner()
    world.advance(1)
    return world, miner


def test_a_reused_request_id_gets_one_answer_for_each_submit() -> None:
    world, miner = ready_world()
    for nonce in ("00000001", "00000002", "00000003"):
        miner.submit(ident=4, nonce=nonce)
    world.advance(1)
    assert len(miner.answers(4)) == 3
    assert all(answer["result"] is True for answer in miner.answers(4))


@pytest.mark.parametrize("ident", [0, "xnsub", None, 1.5, ""])
def test_an_id_of_any_type_is_echoed(ident: object) -> None:
    world, miner = ready_world()
    params = [miner.user, miner.job[0], "00" * miner.subscribed()[1], miner.job[7], "00000001"]
    before = len(miner.lines)
    miner.call("mining.submit", params, ident)
    world.advance(1)
    (answer,) = [line for line in miner.lines[before:] if "method" not in line]
    assert answer["id"] == ident
    assert type(answer["id"]) is type(ident)


def test_an_unknown_job_is_21_and_a_duplicate_22() -> None:
    world, miner = ready_world()
    job = miner.job
    first = miner.submit()
    second = miner.submit()
    unknown = miner.submit(["nope", *job[1:]])
    world.advance(1)
    assert miner.answers(first)[0]["result"] is True
    assert miner.answers(second)[0]["error"][0] == 22
    assert miner.answers(unknown)[0]["error"][0] == 21
    assert sum(len(pool.submits) for pool in world.pools.values()) == 1
    assert [result.reason for result in world.events_of(ShareResult)] == [
        Reason.DUPLICATE,
        Reason.UNKNOWN_JOB,
        Reason.NONE,
    ]


def test_version_bits_are_part_of_the_duplicate_check() -> None:
    world = World()
    miner = world.miner(mask="1fffe000")
    world.advance(1)
    idents = [miner.submit(bits=bits) for bits in ("00002000", "00004000", "00002000")]
    world.advance(1)
    assert [miner.answers(ident)[0]["error"] and miner.answers(ident)[0]["error"][0] for ident in idents] == [
        None,
        None,
        22,
    ]


def test_a_share_below_its_jobs_difficulty_is_23_and_no_pool_is_asked() -> None:
    world, miner = ready_world(difficulty=2.0**40)
    ident = miner.submit()
    world.advance(1)
    assert miner.answers(ident)[0]["error"][0] == 23
    assert not any(pool.submits for pool in world.pools.values())
    (result,) = world.events_of(ShareResult)
    assert (result.reason, result.decided_by) == (Reason.LOW_DIFFICULTY, DecidedBy.PROXY)
    assert 0 < result.true_difficulty < 2.0**40


@pytest.mark.parametrize(
    ("params", "code"),
    [
        (["addr.rig", "1", "00000000", "68000000"], 20),
        (["addr.rig", "1", "0000", "68000000", "00000001"], 20),
        (["addr.rig", "1", "zzzzzzzz", "68000000", "00000001"], 20),
        (["addr.rig", "1", "00000000", "68000000", "123456789"], 20),
        (["addr.rig", "1", "00000000", "+8000000", "00000001"], 20),
        (["addr.rig", "1", "00000000", "68000000", "00000001", "not hex"], 20),
        (["addr.rig", 1, "00000000", "68000000", "00000001"], 20),
        (["stranger", "1", "00000000", "68000000", "00000001"], 24),
    ],
)
def test_a_share_that_cannot_be_judged_is_answered_with_why(params: list[object], code: int) -> None:
    world, miner = ready_world()
    miner.call("mining.submit", params, 9)
    (answer,) = miner.answers(9)
    assert answer["error"][0] == code
    assert len(world.events_of(ShareResult)) == 1


def test_a_share_before_subscribe_is_25() -> None:
    world = World()
    miner = world.miner(handshake=False)
    miner.call("mining.authorize", ["addr.rig", "x"], 1)
    miner.call("mining.submit", ["addr.rig", "1", "00000000", "68000000", "00000001"], 2)
    assert miner.answers(2)[0]["error"][0] == 25
    world.advance(1)
    assert miner.link.closed
    assert not world.engine.sessions


def test_what_follows_a_share_before_subscribe_is_not_read() -> None:
    world = World()
    miner = world.miner(handshake=False)
    miner.raw(
        b'{"id":1,"method":"mining.submit","params":["a.b","1","00000000","68000000","00000001"]}\n'
        b'{"id":2,"method":"mining.subscribe","params":[]}\n'
    )
    assert [line["id"] for line in miner.lines] == [1]


@pytest.mark.no_cover
@pytest.mark.parametrize("offset", [-1, -3600, 7001, 90_000])
@pytest.mark.parametrize("difficulty", [1.0, 2.0**40])
def test_a_wrong_time_is_answered_as_such(offset: int, difficulty: float) -> None:
    """ckpool takes up to 7,000 s above its job's time and none before it (src/stratifier.c)."""
    world, miner = ready_world(difficulty=difficulty)
    ident = miner.submit(ntime=f"{int(miner.job[7], 16) + offset:08x}")
    world.advance(1)
    assert miner.answers(ident)[0]["error"][:2] == [20, "Ntime out of range"]
    (result,) = world.events_of(ShareResult)
    assert (result.reason, result.decided_by) == (Reason.NTIME, DecidedBy.PROXY)
    assert not any(pool.submits for pool in world.pools.values())


@pytest.mark.parametrize("offset", [0, 600, 7000])
def test_a_time_that_the_pool_takes_is_forwarded(offset: int) -> None:
    world, miner = ready_world()
    ident = miner.submit(ntime=f"{int(miner.job[7], 16) + offset:08x}")
    world.advance(1)
    assert miner.answers(ident)[0]["result"] is True


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("verdict", "code", "reason"),
    [
        ({"result": None, "error": [21, "Job not found", None]}, 21, Reason.STALE),
        ({"result": False, "error": None, "reject-reason": "Invalid version mask"}, 20, Reason.VERSION),
        (
            {"result": False, "error": {"code": 23, "message": "low difficulty share", "data": None}},
            23,
            Reason.LOW_DIFFICULTY,
        ),
        ({"result": None, "error": "Stale"}, 21, Reason.STALE),
        ({"result": None, "error": [24, "Invalid nonce2 size", None]}, 20, Reason.EXTRANONCE),
        ({"result": None}, 20, Reason.OTHER),
    ],
)
def test_a_pools_refusal_reaches_the_miner_unchanged_in_meaning(
    verdict: dict[str, object], code: int, reason: Reason
) -> None:
    world, miner = ready_world()
    for pool in world.pools.values():
        pool.verdict = lambda params: verdict
    ident = miner.submit()
    world.advance(1)
    (answer,) = miner.answers(ident)
    assert answer["result"] is None
    assert answer["error"][0] == code
    (result,) = world.events_of(ShareResult)
    assert (result.verdict, result.reason, result.decided_by) == (Verdict.REJECTED, reason, DecidedBy.POOL)


def test_a_connection_that_dies_leaves_its_open_shares_unanswered_and_the_miner_told() -> None:
    world, miner = ready_world()
    for pool in world.pools.values():
        pool.answer_submits = False
    job = miner.job
    ident = miner.submit(job)
    world.pools[miner.pool_of(job)].drop()
    world.advance(1)
    (answer,) = miner.answers(ident)
    assert answer["error"]
    (result,) = world.events_of(ShareResult)
    assert (result.verdict, result.reason) == (Verdict.UNANSWERED, Reason.POOL_LOST)
    late = miner.submit(job, nonce="00000099")
    world.advance(1)
    assert miner.answers(late)[0]["error"]
    assert len(world.events_of(SubmitPoolDead)) == 1


def test_a_pool_that_never_answers_a_share_while_it_goes_on_talking_ends_it_after_a_minute() -> None:
    world, miner = ready_world(weights={"A": 100, "B": 0})
    world.pools["A"].answer_submits = False
    ident = miner.submit()
    for _ in range(14):
        world.advance(5)
        world.pools["A"].notify()
    assert len(miner.answers(ident)) == 1
    assert world.events_of(ShareResult)[0].reason is Reason.TIMEOUT


def test_a_verdict_that_comes_too_late_is_counted_and_told_to_nobody() -> None:
    world, miner = ready_world(weights={"A": 100, "B": 0})
    pool = world.pools["A"]
    pool.answer_submits = False
    ident = miner.submit()
    for _ in range(14):
        world.advance(5)
        pool.notify()
    connection = pool.live()[-1]
    request = next(m for m in connection.received if m["method"] == "mining.submit")
    connection.say({"id": request["id"], "result": True, "error": None})
    world.advance(1)
    assert len(miner.answers(ident)) == 1
    assert [event.accepted for event in world.events_of(LateVerdict)] == [True]


def test_shares_in_flight_when_the_miner_leaves_still_get_their_verdict_counted() -> None:
    world, miner = ready_world()
    miner.submit()
    miner.leave()
    world.advance(10)
    assert [result.verdict for result in world.events_of(ShareResult)] == [Verdict.ACCEPTED]
    assert not any(pool.live() for pool in world.pools.values())
    assert not world.engine.sessions


def test_a_share_without_version_bits_and_without_negotiation_is_taken_with_its_bits() -> None:
    """MRR sends a sixth parameter without configure; the pool allowed rolling on this connection."""
    world, miner = ready_world()
    ident = miner.submit(bits="00002000")
    world.advance(1)
    assert miner.answers(ident)[0]["result"] is True
    (submit,) = [params for pool in world.pools.values() for params in pool.submits]
    assert submit[5] == "00002000"


class BookkeepingError(Exception):
    """A fault behind a share."""


@pytest.mark.parametrize(
    ("pool", "expected"),
    [(True, Verdict.ACCEPTED), ({"result": None, "error": [23, "low", None]}, Verdict.REJECTED)],
)
@pytest.mark.parametrize("shared", [False, True])
def test_a_fault_of_the_scheduler_costs_no_reply_and_no_record(
    pool: object, expected: Verdict, shared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, miner = ready_world(pools={"A": 8}, options={"A": {"connections": Connections.SHARED}} if shared else {})
    _fail_behind_shares(world, monkeypatch)
    world.pools["A"].verdict = lambda params: pool
    ident = miner.submit()
    with pytest.raises(BookkeepingError):
        world.advance(1)
    world.events.settle()
    _assert_told_once(world, miner, ident, expected)


def test_a_fault_of_the_scheduler_costs_a_share_that_only_proves_work_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    world, miner = ready_world(
        pools={"A": 8}, difficulty=1e15, options={"A": {"connections": Connections.SHARED, "max_difficulty": 1.0}}
    )
    _fail_behind_shares(world, monkeypatch)
    with pytest.raises(BookkeepingError):
        miner.submit(ident=77)
    world.events.settle()
    _assert_told_once(world, miner, 77, Verdict.WORK)
    assert not world.pools["A"].submits


def _fail_behind_shares(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise BookkeepingError

    monkeypatch.setattr(world.engine.scheduler, "share", fail)


def _assert_told_once(world: World, miner: ScriptedMiner, ident: object, expected: Verdict) -> None:
    (answer,) = miner.answers(ident)
    assert (answer["result"] is True) is (expected is not Verdict.REJECTED)
    told = [result.verdict for result in world.events_of(ShareResult)]
    for shares in world.events_of(AcceptedShares):
        told += [Verdict.ACCEPTED] * shares.number + [Verdict.WORK] * shares.work_only
    assert told == [expected]
