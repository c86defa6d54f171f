"""Lines in a fixed form are written without a general encoder; they are the same lines."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import RemoteProtocolError
from proxy.stratum.codec import SUBMIT, TRUE, encode_request, encode_response, parse
from tests.stratum.test_upstream import Bench

IDS = st.integers(-(2**63), 2**64 - 1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(IDS)
def test_the_answer_true_is_the_encoders(ident: int) -> None:
    assert TRUE % ident == encode_response(ident, True)


@pytest.mark.no_cover
@given(st.integers(0, 10**12), st.lists(TEXTS | st.integers(0, 2**53), min_size=1, max_size=6))
def test_a_submit_is_the_encoders(ident: int, params: list[str | int]) -> None:
    ready_made = b",".join(orjson.dumps(each) for each in params)
    assert SUBMIT % (ident, ready_made) == encode_request(ident, "mining.submit", params)


ANSWERS = st.fixed_dictionaries(
    {"id": st.sampled_from([0, 0, 0, 1, "0", True, None, 1.0])},
    optional={
        "result": st.sampled_from([True, True, False, None, [], "true", 1]),
        "error": st.sampled_from([None, None, [], {}, False, [23, "low", None], "no"]),
        "method": st.sampled_from([None, "mining.ping", 3]),
        "reject-reason": st.just("Above target"),
    },
)


@pytest.mark.no_cover
@given(st.lists(ANSWERS, min_size=1, max_size=4))
def test_a_pools_answer_means_the_same_on_the_short_way(answers: list[dict[str, Any]]) -> None:
    """``id`` 0 stands for an open share's."""
    short, careful = Bench().ready(), Bench().ready()
    for answer in answers:
        for bench in (short, careful):
            bench.submit("share", bench.upstream.job, bytes(4), 0x68000000, 1, 0x20000000)
            ident = bench.sent[-1]["id"]
            said = {**answer, "id": ident if answer["id"] == 0 and type(answer["id"]) is int else answer["id"]}
            line = orjson.dumps(said)
            if bench is short:
                bench.upstream.received(line + b"\n")
            else:
                bench.upstream._lines.received += 1
                try:
                    bench.upstream._decoded(parse(line), line)
                except RemoteProtocolError as problem:
                    bench.owner.problems.append(problem)
    told = [(each.owner.answers, [str(problem) for problem in each.owner.problems]) for each in (short, careful)]
    assert told[0] == told[1]


@pytest.mark.parametrize(
    "line",
    [
        b'{"id":%d,"result":true,"error":null}',
        b'{"result": true, "error": null, "id": %d}',
        b'{"id":%d,"error":null,"result":true}',
        b'{"id":%d,"result":true}',
    ],
)
def test_every_pools_order_of_a_plain_answer_is_read(line: bytes) -> None:
    bench = Bench().ready()
    bench.submit("share", bench.upstream.job, bytes(4), 0x68000000, 1, 0x20000000)
    bench.upstream.received(line % bench.sent[-1]["id"] + b"\n")
    [(name, answer)] = bench.owner.answers
    assert (name, answer.accepted, answer.error) == ("share", True, None)
