"""We play the miner: the handshake, what pools get wrong, and requests that each end once."""

from typing import Any

import orjson
import pytest

from proxy.errors import LocalProtocolError, RemoteProtocolError
from proxy.scheduling.virtual_clock import VirtualClock
from proxy.stratum.codec import Request
from proxy.stratum.open_submits import MAX_EXPIRED
from proxy.stratum.pool_context import PoolContext
from proxy.stratum.pool_job import NotifyCache, PoolJob
from proxy.stratum.submit_line import MAX_LINE_OUT
from proxy.stratum.suggestions import SUGGEST_PAUSE_S
from proxy.stratum.upstream import MAX_LINE_IN, Upstream
from proxy.stratum.upstream_handshake import Credentials, UpstreamState
from proxy.stratum.upstream_owner import ShareAnswer

NOTIFY = ["1", "00" * 32, "aa", "bb", [], "20000000", "1d00ffff", "68000000", True]


class Owner:
    """Keeps every call."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.answers: list[tuple[Any, ShareAnswer]] = []
        self.late_answers: list[tuple[Any, bool]] = []
        self.given_up: list[Any] = []
        self.jobs: list[PoolJob] = []
        self.problems: list[RemoteProtocolError] = []
        self.closed: list[tuple[str, bool]] = []
        self.requests: list[Request] = []
        self.late: list[bool] = []

    def upstream_subscribed(self, extranonce1: bytes, size: int) -> None:
        self.calls.append(("subscribed", extranonce1, size))

    def upstream_authorized(self, ok: bool, message: str) -> None:
        self.calls.append(("authorized", ok, message))

    def upstream_job(self, job: PoolJob) -> None:
        self.jobs.append(job)

    def upstream_difficulty(self, difficulty: float) -> None:
        self.calls.append(("difficulty", difficulty))

    def upstream_version_mask(self, version_mask: int) -> None:
        self.calls.append(("mask", version_mask))

    def upstream_late(self, accepted: bool) -> None:
        self.late.append(accepted)

    def upstream_request(self, request: Request) -> None:
        self.requests.append(request)

    def upstream_problem(self, problem: RemoteProtocolError) -> None:
        self.problems.append(problem)

    def upstream_traffic(self, direction: str, line: bytes) -> None:
        pass

    def upstream_closed(self, reason: str, wanted: bool) -> None:
        self.closed.append((reason, wanted))


class Share:
    """A share whose answer is kept by the owner."""

    def __init__(self, owner: Owner, name: object) -> None:
        self.owner = owner
        self.name = name

    def answered(self, answer: ShareAnswer) -> None:
        self.owner.answers.append((self.name, answer))

    def accepted(self, latency_s: float, version_bits: int | None) -> None:
        self.answered(ShareAnswer(True, None, latency_s, version_bits=version_bits))

    def answered_late(self, answer: ShareAnswer) -> None:
        self.owner.late_answers.append((self.name, answer.accepted))

    def given_up(self) -> None:
        self.owner.given_up.append(self.name)


class Bench:
    """A connection with both ends in the test's hands."""

    peer = "pool:3333"

    def __init__(
        self,
        user: str = "wallet.rig",
        *,
        notify_cache: NotifyCache | None = None,
        resume: str = "",
        minimum_difficulty: float | None = None,
    ) -> None:
        self.clock = VirtualClock()
        self.owner = Owner()
        self.sent: list[dict[str, Any]] = []
        self.upstream = Upstream(
            clock=self.clock,
            owner=self.owner,
            credentials=Credentials(
                agent="cpuminer/2.5.1", user=user, password="x", minimum_difficulty=minimum_difficulty
            ),
            context=PoolContext() if notify_cache is None else PoolContext(notify_cache=notify_cache),
            resume=resume,
        )
        self.upstream.opened(self)

    def submit(self, name: object, *share: Any) -> None:
        self.upstream.submit(Share(self.owner, name), *share)

    def send(self, payload: bytes) -> None:
        self.sent += [orjson.loads(line) for line in payload.splitlines()]

    def close(self) -> None:
        self.upstream.closed("closed by us")

    def slow(self, seconds: float) -> None:
        raise AssertionError("a pool may send what it likes")

    def id_of(self, method: str) -> Any:
        return next(m["id"] for m in reversed(self.sent) if m["method"] == method)

    def pool(self, **message: Any) -> None:
        self.upstream.received(orjson.dumps(message) + b"\n")

    def push(self, method: str, params: list[Any]) -> None:
        self.pool(id=None, method=method, params=params)

    def subscribe(self, size: int = 8) -> None:
        self.pool(id=self.id_of("mining.subscribe"), result=[[], "aabbccdd", size], error=None)

    def configure(self, mask: str = "1fffe000") -> None:
        self.pool(
            id=self.id_of("mining.configure"),
            error=None,
            result={"version-rolling": True, "version-rolling.mask": mask},
        )

    def ready(self) -> "Bench":
        self.configure()
        self.subscribe()
        self.pool(id=self.id_of("mining.authorize"), result=True, error=None)
        self.push("mining.set_difficulty", [2])
        self.push("mining.notify", NOTIFY)
        assert self.upstream.ready
        return self


def test_the_order_is_configure_and_subscribe_then_authorize_then_the_optional_ones() -> None:
    bench = Bench()
    assert [m["method"] for m in bench.sent] == ["mining.configure", "mining.subscribe"]
    bench.subscribe()
    assert bench.sent[-1]["method"] == "mining.authorize"
    assert bench.sent[-1]["params"] == ["wallet.rig", "x"]
    bench.pool(id=bench.id_of("mining.authorize"), result=True, error=None)
    assert bench.upstream.state is UpstreamState.AUTHORIZING  # configure is not answered yet
    bench.configure()
    assert bench.upstream.state is UpstreamState.READY
    assert bench.sent[-1]["method"] == "mining.extranonce.subscribe"
    assert [type(m["id"]) for m in bench.sent] == [int] * 4
    assert len({m["id"] for m in bench.sent}) == 4


def test_a_pool_that_never_answers_configure_is_used_and_its_mask_is_not_known() -> None:
    bench = Bench()
    bench.subscribe()
    bench.pool(id=bench.id_of("mining.authorize"), result=True, error=None)
    bench.clock.advance(3)
    assert bench.upstream.ready
    assert bench.upstream.version_mask is None


@pytest.mark.parametrize(
    "answer",
    [
        {"result": False, "error": None},
        {"result": None, "error": [20, "Not supported", None]},
        {"result": {"version-rolling": False}, "error": None},
        {"error": {"code": -3, "message": "no"}},
    ],
)
def test_a_pool_that_refuses_configure_gets_no_sixth_parameter(answer: dict[str, Any]) -> None:
    bench = Bench()
    bench.pool(id=bench.id_of("mining.configure"), **answer)
    bench.subscribe()
    bench.pool(id=bench.id_of("mining.authorize"), result=True, error=None)
    bench.push("mining.notify", NOTIFY)
    bench.submit("t", bench.owner.jobs[0], b"\0" * 8, 0x68000000, 1, 0x20000000)
    assert len(bench.sent[-1]["params"]) == 5
    assert ("mask", 0) in bench.owner.calls


def test_a_job_before_the_authorisation_is_kept_and_handed_over_after_it() -> None:
    """ckpool and MiningCore send difficulty and job straight after subscribe."""
    bench = Bench()
    bench.configure()
    bench.subscribe()
    bench.push("mining.set_difficulty", [512.5])
    bench.push("mining.notify", NOTIFY)
    assert bench.owner.jobs == []
    bench.pool(id=bench.id_of("mining.authorize"), result=True, error=None)
    (job,) = bench.owner.jobs
    assert (job.difficulty, job.extranonce1, job.extranonce2_size) == (512.5, bytes.fromhex("aabbccdd"), 8)


def test_a_flat_subscription_and_yiimps_pair_are_read() -> None:
    bench = Bench()
    bench.pool(
        id=bench.id_of("mining.subscribe"),
        error=None,
        result=[[["mining.set_difficulty", "1"], ["mining.notify", "2"]], "", 4],
    )
    assert bench.owner.calls[-1] == ("subscribed", b"", 4)


@pytest.mark.parametrize(
    ("subscriptions", "name"),
    [
        ([["mining.set_difficulty", "1"], ["mining.notify", "0000002a"]], "0000002a"),
        (["mining.notify", "ab"], "ab"),
        ([], ""),
        (None, ""),
        ("mining.notify", ""),
        ([["mining.notify"]], ""),
        ([["mining.notify", None]], ""),
        ([["mining.notify", 7]], ""),
        ([["mining.notify", "x" * 129]], ""),
        ([[["mining.notify", "deep"]]], ""),
    ],
)
def test_a_session_has_the_name_that_the_pool_gives_its_jobs(subscriptions: Any, name: str) -> None:
    bench = Bench()
    bench.pool(id=bench.id_of("mining.subscribe"), error=None, result=[subscriptions, "aa", 4])
    assert bench.upstream.session_id == name


def test_an_old_session_is_asked_for_by_the_second_parameter_of_subscribe() -> None:
    asked = [
        next(line["params"] for line in bench.sent if line["method"] == "mining.subscribe")
        for bench in (Bench(), Bench(resume="0000002a"))
    ]
    assert asked == [["cpuminer/2.5.1"], ["cpuminer/2.5.1", "0000002a"]]


@pytest.mark.parametrize(
    "result",
    [None, [], "x", [[], "zz", 4], [[], "aa", 0], [[], "aa", 99], [[], "aa", True], [[], 5, 4], [[], "aa" * 40, 4]],
)
def test_a_bad_subscribe_answer_ends_the_connection_with_a_reason(result: Any) -> None:
    bench = Bench()
    bench.pool(id=bench.id_of("mining.subscribe"), result=result, error=None)
    ((reason, wanted),) = bench.owner.closed
    assert "subscribe" in reason
    assert not wanted


def test_a_refused_login_is_told_and_ends_the_connection() -> None:
    bench = Bench()
    bench.subscribe()
    bench.pool(id=bench.id_of("mining.authorize"), result=False, error={"code": 24, "message": "Unknown address"})
    assert ("authorized", False, "Unknown address") in bench.owner.calls
    assert len(bench.owner.closed) == 1


def test_a_pool_that_never_answered_anything_is_given_up_after_fifteen_seconds() -> None:
    bench = Bench()
    bench.clock.advance(14.9)
    assert not bench.owner.closed
    bench.clock.advance(0.2)
    assert bench.owner.closed == [("no answer for 15 s", False)]
    assert bench.upstream.stalled


def test_a_pool_that_answered_at_once_and_falls_silent_is_given_up_after_ten_seconds() -> None:
    bench = Bench().ready()
    bench.submit("t", bench.owner.jobs[-1], b"\0" * 8, 1, 1, 0x20000000)
    bench.clock.advance(9.9)
    assert not bench.owner.closed
    bench.clock.advance(0.2)
    assert bench.owner.closed == [("no answer for 10 s", False)]
    assert bench.upstream.stalled


def test_a_share_is_answered_once_whatever_the_pool_does() -> None:
    bench = Bench().ready()
    job = bench.owner.jobs[-1]
    for token in ("one", "two", "three"):
        bench.submit(token, job, b"\0" * 8, 0x68000000, 1, 0x20002000)
    idents = [m["id"] for m in bench.sent if m["method"] == "mining.submit"]
    assert bench.sent[-1]["params"] == ["wallet.rig", "1", "00" * 8, "68000000", "00000001", "00002000"]
    bench.pool(id=idents[0], result=True, error=None)
    bench.pool(id=idents[0], result=True, error=None)
    bench.pool(id=str(idents[1]), result=False, error=None, **{"reject-reason": "Stale"})
    bench.pool(id=99_999, result=True, error=None)
    bench.close()
    assert [(token, answer.accepted, answer.lost) for token, answer in bench.owner.answers] == [
        ("one", True, False),
        ("two", False, False),
        ("three", False, True),
    ]


def test_a_result_of_null_without_an_error_is_no_acceptance() -> None:
    bench = Bench().ready()
    bench.submit("t", bench.owner.jobs[-1], b"\0" * 8, 1, 1, 0x20000000)
    bench.pool(id=bench.id_of("mining.submit"), result=None, error=None)
    ((_, answer),) = bench.owner.answers
    assert not answer.accepted
    assert answer.error is not None


def test_a_submit_before_the_login_is_our_bug() -> None:
    bench = Bench()
    bench.subscribe()
    bench.push("mining.notify", NOTIFY)
    job = bench.upstream.job
    assert job is not None
    with pytest.raises(LocalProtocolError):
        bench.submit("t", job, b"", 1, 1, 1)


def test_lines_stay_below_what_drops_a_client_at_ckpool() -> None:
    bench = Bench(user="w" * 120 + "." + "x" * 64).ready()
    job = bench.owner.jobs[-1]
    sent: list[bytes] = []
    bench.send = sent.append  # type: ignore[method-assign,assignment]
    bench.submit("t", job, b"\0" * 16, 2**32 - 1, 2**32 - 1, 2**32 - 1)
    assert len(sent[0]) <= MAX_LINE_OUT < 1024


def test_the_pools_questions_to_its_client_end_here() -> None:
    bench = Bench().ready()
    bench.pool(id=7, method="mining.ping", params=[])
    bench.pool(id="v", method="client.get_version", params=[])
    assert bench.sent[-2:] == [
        {"id": 7, "result": "pong", "error": None},
        {"id": "v", "result": "cpuminer/2.5.1", "error": None},
    ]
    bench.push("client.reconnect", ["elsewhere", 1])
    assert [request.method for request in bench.owner.requests] == ["client.reconnect"]


def test_twenty_malformed_messages_in_a_row_end_the_connection() -> None:
    bench = Bench().ready()
    for _ in range(19):
        bench.upstream.received(b"garbage\n")
    assert not bench.owner.closed
    bench.push("mining.set_difficulty", [4])
    for _ in range(20):
        bench.upstream.received(b"garbage\n")
    assert len(bench.owner.closed) == 1
    assert len(bench.owner.problems) == 39


def test_a_narrower_mask_makes_the_job_a_new_one() -> None:
    bench = Bench().ready()
    bench.push("mining.set_version_mask", ["00ffe000"])
    assert bench.owner.jobs[-1].version_mask == 0x00FFE000
    assert bench.owner.jobs[-1].clean
    assert bench.owner.jobs[-1].template.job_id == "1"
    bench.push("mining.set_version_mask", ["00ffe000"])
    assert len(bench.owner.jobs) == 2


def test_set_extranonce_takes_nulls_for_what_stays() -> None:
    bench = Bench().ready()
    bench.push("mining.set_extranonce", ["11223344", None])
    bench.push("mining.notify", NOTIFY)
    assert (bench.owner.jobs[-1].extranonce1.hex(), bench.owner.jobs[-1].extranonce2_size) == ("11223344", 8)


def test_the_same_line_on_two_connections_is_one_notice_in_two_contexts() -> None:
    notify_cache = NotifyCache()
    first, second = Bench(notify_cache=notify_cache).ready(), Bench(notify_cache=notify_cache).ready()
    second.push("mining.set_difficulty", [7])
    second.push("mining.set_extranonce", ["11223344", 4])
    notify = ["2", "00" * 32, "aa" * 60, "bb" * 60, [], "20000000", "1d00ffff", "68000000", False]
    for bench in (first, second):
        bench.push("mining.notify", notify)
        bench.push("mining.notify", notify)
    jobs = [bench.owner.jobs[-1] for bench in (first, second)]
    assert jobs[0].template is jobs[1].template
    assert [(job.difficulty, job.extranonce1.hex(), job.extranonce2_size) for job in jobs] == [
        (2.0, "aabbccdd", 8),
        (7.0, "11223344", 4),
    ]


def test_a_known_line_before_the_answer_to_subscribe_waits_for_it_as_any_other() -> None:
    notify_cache = NotifyCache()
    notify = ["2", "00" * 32, "aa" * 60, "bb" * 60, [], "20000000", "1d00ffff", "68000000", False]
    Bench(notify_cache=notify_cache).ready().push("mining.notify", notify)
    early = Bench(notify_cache=notify_cache)
    early.push("mining.notify", notify)
    assert not early.owner.problems
    assert early.upstream.job is None
    early.subscribe()
    assert early.upstream.job is not None
    assert early.upstream.job.extranonce1.hex() == "aabbccdd"


@pytest.mark.parametrize(
    "answer", [{"result": None, "error": [20, "Unknown extension", None]}, {"result": False, "error": None}]
)
def test_a_pool_that_dislikes_minimum_difficulty_is_asked_again_without_it(answer: dict[str, Any]) -> None:
    bench = Bench(minimum_difficulty=2048.7)
    assert bench.sent[0]["params"][0] == ["version-rolling", "minimum-difficulty"]
    assert bench.sent[0]["params"][1]["minimum-difficulty.value"] == 2048
    bench.pool(id=bench.id_of("mining.configure"), **answer)
    assert bench.sent[-1]["params"][0] == ["version-rolling"]
    bench.ready()
    assert bench.upstream.version_mask == 0x1FFFE000


@pytest.mark.parametrize("granted", [True, False, "no"])
def test_a_pool_that_answers_about_the_minimum_is_understood(granted: object) -> None:
    bench = Bench(minimum_difficulty=0.5)
    assert bench.sent[0]["params"][1]["minimum-difficulty.value"] == 0.5
    bench.pool(
        id=bench.id_of("mining.configure"),
        error=None,
        result={"version-rolling": True, "version-rolling.mask": "1fffe000", "minimum-difficulty": granted},
    )
    assert bench.upstream.version_mask == 0x1FFFE000


@pytest.mark.parametrize(
    "value", [0, -1, 2.0**-33, 1e-300, 1e18, 1e300, "nan", "inf", "-1", "0", "x", "", True, None, [], {}]
)
def test_a_difficulty_that_no_miner_can_work_at_changes_nothing(value: Any) -> None:
    bench = Bench()
    bench.ready()
    bench.push("mining.set_difficulty", [512])
    bench.push("mining.set_difficulty", [value])
    bench.push("mining.set_difficulty", [])
    assert bench.upstream.difficulty == 512.0
    bench.push("mining.set_difficulty", [2.0**-32])
    assert bench.upstream.difficulty == 2.0**-32


def suggestions(bench: Bench) -> list[float]:
    return [line["params"][0] for line in bench.sent if line["method"] == "mining.suggest_difficulty"]


def test_a_pool_hears_one_suggestion_in_30_s_and_the_latest_is_not_lost() -> None:
    bench = Bench().ready()
    for difficulty in range(1000, 2000):
        bench.upstream.suggest(float(difficulty))
    assert suggestions(bench) == [1000]
    bench.clock.advance(SUGGEST_PAUSE_S - 0.1)
    bench.upstream.suggest(7.0)
    assert suggestions(bench) == [1000]
    bench.clock.advance(0.2)
    assert suggestions(bench) == [1000, 7]
    bench.clock.advance(5 * SUGGEST_PAUSE_S)
    assert suggestions(bench) == [1000, 7]


def test_a_suggestion_that_was_taken_back_while_it_waited_is_not_sent() -> None:
    bench = Bench().ready()
    bench.upstream.suggest(64.0)
    bench.upstream.suggest(128.0)
    bench.upstream.suggest(64.0)
    bench.clock.advance(2 * SUGGEST_PAUSE_S)
    bench.upstream.suggest(0.5)
    assert suggestions(bench) == [64, 0.5]


def test_what_is_suggested_before_a_connection_is_ready_goes_with_its_first_words() -> None:
    bench = Bench()
    bench.upstream.suggest(3.0)
    bench.upstream.suggest(5.0)
    bench.ready()
    assert suggestions(bench) == [5]


def test_no_suggestion_follows_the_end_of_a_connection() -> None:
    bench = Bench().ready()
    bench.upstream.suggest(64.0)
    bench.upstream.suggest(128.0)
    bench.upstream.closed("gone")
    sent = len(bench.sent)
    bench.clock.advance(2 * SUGGEST_PAUSE_S)
    assert len(bench.sent) == sent


def test_a_line_longer_than_any_is_a_fault_of_the_pool() -> None:
    bench = Bench().ready()
    bench.upstream.received(b"x" * (MAX_LINE_IN + 1) + b"\n")
    assert bench.owner.problems


def test_a_connection_is_opened_once_and_its_timers_end_with_it() -> None:
    bench = Bench().ready()
    with pytest.raises(LocalProtocolError):
        bench.upstream.opened(bench)
    bench.upstream.closed("gone")
    bench.upstream._look()
    assert bench.upstream.state is UpstreamState.CLOSED


def test_shares_that_nobody_answers_are_remembered_up_to_a_bound_and_the_last_one_is_told() -> None:
    bench = Bench().ready()
    bench.push("mining.notify", NOTIFY)
    job, ended = bench.upstream.job, list[str]()
    assert job is not None
    bench.upstream.when_all_answered(lambda: ended.append("all"))
    for number in range(MAX_EXPIRED + 3):
        bench.submit(number, job, bytes(8), 0, number, job.template.version)
    for _ in range(15):  # a pool that talks, and says nothing of the shares
        bench.clock.advance(5.0)
        bench.push("mining.notify", NOTIFY)
    assert ended == ["all"] and len(bench.owner.given_up) == 3


KNOWN = ["2", "00" * 32, "aa" * 60, "bb" * 60, [], "20000000", "1d00ffff", "68000000", False]


def test_a_known_line_is_taken_only_where_it_stands_alone_between_lines() -> None:
    notify_cache = NotifyCache()
    first, second = Bench(notify_cache=notify_cache).ready(), Bench(notify_cache=notify_cache).ready()
    line = orjson.dumps({"id": None, "method": "mining.notify", "params": KNOWN}) + b"\n"
    first.upstream.received(line)
    jobs = len(second.owner.jobs)
    second.upstream.received(b'{"id":null,"method":"mining.set_difficulty",')
    second.upstream.received(line)
    assert len(second.owner.jobs) == jobs, "half a line and a known one are no job"
    assert len(second.owner.problems) == 1
    second.upstream.received(line + line)
    assert len(second.owner.jobs) == jobs + 2
    second.upstream.received(line[:100])
    second.upstream.received(line[100:])
    assert len(second.owner.jobs) == jobs + 3
    assert len(second.owner.problems) == 1


def test_a_known_job_whose_submits_would_be_too_long_on_this_connection_is_refused_as_any_other() -> None:
    notify_cache = NotifyCache()
    first, second = Bench(notify_cache=notify_cache).ready(), Bench("w" * 850, notify_cache=notify_cache).ready()
    long_id = ["x" * 100, *KNOWN[1:]]
    first.push("mining.notify", long_id)
    jobs = len(second.owner.jobs)
    second.push("mining.notify", long_id)
    assert len(second.owner.jobs) == jobs
    assert "too long" in str(second.owner.problems[-1])


def test_a_pool_may_send_more_lines_than_are_remembered() -> None:
    bench = Bench(notify_cache=NotifyCache()).ready()
    for number in (*range(100, 140), *range(100, 110)):
        bench.push("mining.notify", [str(number), *KNOWN[1:]])
        assert bench.upstream.job is not None
        assert bench.upstream.job.template.job_id == str(number)
