"""What hardly anybody sends is answered or counted as well, and nothing is read after the end."""

import orjson
import pytest

from proxy.errors import LocalProtocolError, RemoteProtocolError
from proxy.stratum.codec import decode, encode_response
from proxy.stratum.downstream import MAX_USER
from proxy.stratum.open_submits import MAX_PENDING
from proxy.stratum.pool_job import parse_notify
from proxy.stratum.submit_line import MAX_LINE_OUT
from proxy.stratum.upstream_handshake import UpstreamState
from tests.stratum.test_upstream import NOTIFY, Bench, Owner, Share
from tests.support.world import ScriptedMiner, World

SHARE = ["1", "00" * 8, "68000000", "00000001"]


@pytest.fixture
def miner() -> ScriptedMiner:
    world = World({"A": 8})
    miner = world.miner(mask="1fffe000")
    world.advance(1)
    return miner


# --- Of miners ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", [None, 7, "", "   "])
def test_authorize_without_a_user_is_refused(miner: ScriptedMiner, user: object) -> None:
    miner.call("mining.authorize", [user, "x"], 99)  # type: ignore[list-item]
    assert miner.answers(99)[0]["error"][:2] == [24, "authorize needs a user name"]


def test_a_user_name_that_is_too_long_is_refused_with_a_word_and_the_miner_goes_on(miner: ScriptedMiner) -> None:
    taproot = "bc1p" + "q" * 58
    names = [f"{taproot}.{'w' * 32}", f"{taproot}+65536.rig*2%", "u" * MAX_USER, "u" * (MAX_USER + 1)]
    for ident, name in enumerate(names):
        miner.call("mining.authorize", [name, "x"], 90 + ident)
    assert [miner.answers(90 + ident)[0]["result"] for ident in range(4)] == [True, True, True, None]
    assert miner.answers(93)[0]["error"][:2] == [24, "user name longer than 256 characters"]
    assert names[3] not in miner.session.downstream.users
    assert miner.session.downstream.peer, "still connected"


@pytest.mark.parametrize("params", [[], ["version-rolling"], [["version-rolling"], 5]])
def test_configure_of_a_wrong_shape_is_refused(miner: ScriptedMiner, params: list[object]) -> None:
    miner.call("mining.configure", params, 99)
    assert "configure needs a list of extensions" in miner.answers(99)[0]["error"][1]


def test_a_suggestion_that_is_no_number_is_answered_like_any_other(miner: ScriptedMiner) -> None:
    miner.call("mining.suggest_difficulty", ["much"], 99)
    assert miner.answers(99)[0]["result"] is True


def test_a_line_that_is_too_long_counts_as_a_fault_of_the_miner(miner: ScriptedMiner) -> None:
    miner.raw(b'{"id": 9, "method": "' + b"x" * 200_000 + b'"}\n')
    miner.call("mining.extranonce.subscribe", [], 99)
    assert miner.link.closed or miner.answers(99)


def test_nothing_is_sent_to_a_miner_that_is_gone(miner: ScriptedMiner) -> None:
    downstream = miner.session.downstream
    miner.leave()
    miner.world.advance(1)
    before = len(miner.lines)
    downstream.push(b"{}\n")
    downstream.accept(5)
    downstream.close()
    assert len(miner.lines) == before


def test_an_id_of_more_than_64_bits_comes_back_as_it_was_written() -> None:
    line = b'{"id": 123456789012345678901234567890, "method": "mining.subscribe", "params": []}'
    message = decode(line)
    assert b"123456789012345678901234567890" in encode_response(message.id, True)


# --- Of pools -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        (0, True, "bad job id"),
        (0, "", "bad job id"),
        (0, "x" * 5000, "bad job id"),
        (4, "ab", "bad merkle branches"),
        (4, ["ab" * 32] * 200, "bad merkle branches"),
    ],
)
def test_a_job_with_a_bad_field_is_refused(place: int, value: object, problem: str) -> None:
    params = [*NOTIFY[:place], value, *NOTIFY[place + 1 :]]
    with pytest.raises(RemoteProtocolError, match=problem):
        parse_notify(params)


def test_a_job_without_all_its_fields_is_refused_and_one_without_branches_is_not() -> None:
    with pytest.raises(RemoteProtocolError, match="fewer than 8"):
        parse_notify(NOTIFY[:7])
    assert parse_notify([*NOTIFY[:4], None, *NOTIFY[5:]]).branches == ()


def test_nothing_of_a_chunk_is_read_after_the_line_that_ended_the_connection() -> None:
    bench = Bench()
    ident = bench.id_of("mining.subscribe")
    refusal = orjson.dumps({"id": ident, "result": None, "error": [20, "go away", None]}) + b"\n"
    ask = orjson.dumps({"id": 1, "method": "client.get_version", "params": []}) + b"\n"
    bench.upstream.received(refusal * 30 + ask)
    assert bench.upstream.state is UpstreamState.CLOSED
    assert bench.owner.requests == []
    bench.upstream.closed("again")
    assert len(bench.owner.closed) == 1


def test_a_submit_before_the_handshake_is_our_own_fault() -> None:
    with pytest.raises(LocalProtocolError, match="submit in state"):
        Bench().upstream.submit_params(Share(Owner(), "early"), SHARE)


def test_a_submit_that_is_too_long_for_a_pool_is_not_sent_and_nobody_waits_for_its_answer() -> None:
    bench = Bench().ready()
    before = len(bench.sent)
    assert bench.upstream.submit_params(Share(bench.owner, "long"), ["w" * 5000, *SHARE]) is False
    assert (len(bench.sent), bench.upstream.open_submits) == (before, 0)
    bench.upstream.closed("gone")
    assert bench.owner.answers == []


@pytest.mark.parametrize(("job_id", "fits"), [("\x01" * 128, False), ("x" * 128, True), (2**63, True)])
def test_a_job_whose_submits_would_be_too_long_is_malformed(job_id: str | int, fits: bool) -> None:
    """JSON writes a control character in 6 bytes."""
    bench = Bench(user="w" * 200 + "." + "r" * 32).ready()
    before = bench.upstream.job
    bench.push("mining.notify", [job_id, *NOTIFY[1:]])
    assert (bench.upstream.job is not before) is fits
    assert len(bench.owner.problems) == (not fits)


def test_every_job_that_is_taken_has_submits_that_fit() -> None:
    taken = set()
    for length in range(100, 129):
        bench = Bench(user="w" * 200 + "." + "r" * 32).ready()
        bench.push("mining.notify", ["\x01" * length, *NOTIFY[1:]])
        job = bench.owner.jobs[-1]
        if job.template.job_id != NOTIFY[0]:
            taken.add(length)
            assert bench.upstream.submit(Share(bench.owner, 1), job, b"\0" * 8, 2**32 - 1, 2**32 - 1, 2**32 - 1)
    assert 100 in taken
    assert 128 not in taken


def test_the_oldest_of_too_many_open_submits_ends_as_lost() -> None:
    bench = Bench().ready()
    for number in range(MAX_PENDING + 1):
        bench.upstream.submit_params(Share(bench.owner, number), ["wallet.rig", *SHARE])
    [(name, answer)] = bench.owner.answers
    assert (name, answer.lost) == (0, True)


@pytest.mark.parametrize(("result", "error"), [(True, None), (None, [21, "Stale", None])])
def test_whoever_waits_for_all_answers_is_told_after_the_last_one(result: object, error: object) -> None:
    bench, answered = Bench().ready(), list[str]()
    bench.upstream.when_all_answered(lambda: answered.append("all"))
    bench.upstream.submit_params(Share(bench.owner, 1), ["wallet.rig", *SHARE])
    bench.pool(id=bench.id_of("mining.submit"), result=result, error=error)
    assert answered == ["all"]


def test_a_difficulty_that_comes_after_the_first_job_puts_that_job_under_it() -> None:
    bench = Bench()
    bench.configure()
    bench.subscribe()
    bench.pool(id=bench.id_of("mining.authorize"), result=True, error=None)
    bench.push("mining.notify", NOTIFY)
    bench.push("mining.set_difficulty", [4])
    assert bench.upstream.job is not None
    assert bench.upstream.job.difficulty == 4.0


@pytest.mark.parametrize("params", [[], ["aabbccdd"], ["zz", 4], [None, 0], [7, 4]])
def test_an_extranonce_that_cannot_be_used_is_a_problem_of_the_pool(params: list[object]) -> None:
    bench = Bench().ready()
    bench.push("mining.set_extranonce", params)
    assert len(bench.owner.problems) == 1


def test_an_answer_to_nothing_is_a_problem_of_the_pool() -> None:
    bench = Bench().ready()
    bench.pool(id=True, result=True, error=None)
    assert len(bench.owner.problems) == 1


def test_a_share_in_ready_made_form_that_is_too_long_for_pools_is_not_sent() -> None:
    bench = Bench().ready()
    sent = len(bench.sent)
    assert bench.upstream.submit_ready_made(Share(bench.owner, 1), b'"%b"' % (b"x" * MAX_LINE_OUT), 0) is False
    assert (len(bench.sent), bench.upstream.open_submits) == (sent, 0)
    assert bench.upstream.submit_ready_made(Share(bench.owner, 2), b'"x"', 0) is True
