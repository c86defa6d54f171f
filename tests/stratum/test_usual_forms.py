"""A line in its peer's usual form says what its JSON says, and every other line is left to JSON."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.stratum.codec import parse
from proxy.stratum.usual_forms import AnswerForm, SubmitForm, learn_answer, learn_submit

NUMBERS = ["1a", "00000000", "68000000", "0000a001", "00002000"]
WAYS = [
    '{"id":%s,"method":"mining.submit","params":["%s","%s","%s","%s","%s","%s"]}',
    '{"id": %s, "method": "mining.submit", "params": ["%s", "%s", "%s", "%s", "%s", "%s"]}',
    '{"params": ["%s", "%s", "%s", "%s", "%s", "%s"], "id": %s, "method": "mining.submit"}',
    '{"v":2,"id" : %s,"method":"mining.submit","worker":"x","params":["%s","%s","%s","%s","%s","%s"],"t":[1]}',
]
"""ESP-Miner's, a Python miner's, cgminer's, and one that says more."""


def written(way: str, ident: object, user: str, numbers: list[str]) -> bytes:
    last = way.startswith('{"params"')
    return (way % ((user, *numbers, ident) if last else (ident, user, *numbers))).encode()


def learnt(line: bytes, known: SubmitForm | None = None) -> SubmitForm:
    form = learn_submit(line, parse(line), known)
    assert form is not None
    return form


@pytest.mark.parametrize("way", WAYS)
def test_the_next_share_is_read_as_json_reads_it(way: str) -> None:
    form = learnt(written(way, 4, "addr.rig", NUMBERS))
    other = ["7f", "0000000a", "68000001", "ffffffff", "1fffe000"]
    assert form.read(written(way, 123456, "addr.rig", other)) == (123456, "addr.rig", [each.encode() for each in other])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("ident", ["007", "-7", "7.0", '"7"', "null", "", "0", "7" * 16, "\N{ARABIC-INDIC DIGIT ONE}"])
def test_an_id_that_is_no_plain_number_is_left_to_json(way: str, ident: str) -> None:
    assert learnt(written(way, 4, "addr.rig", NUMBERS)).read(written(way, ident, "addr.rig", NUMBERS)) is None


@pytest.mark.parametrize(
    "line",
    [
        b'{"id":5,"method":"mining.submit","params":["addr.rig","1a","00000000","68000000","0000a001"]}',
        b'{"id":5,"method":"mining.submit","params":["addr.rig","1a","00000000","68000000","0000a001","00002000","x"]}',
        b'{"id":5,"method":"mining.submit","params":["addr.rig","1a","00000000","68000000","0000a001","00002000"],"id":6}',
        b'{"id":5,"method":"mining.ping","params":["addr.rig","1a","00000000","68000000","0000a001","00002000"]}',
        b'{"id":5,"method":"mining.submit","params":["addr.other","1a","00000000","68000000","0000a001","00002000"]}',
        b'{"id":5,"id":6,"method":"mining.submit","params":["addr.rig","1a","00000000","68000000","0000a001","00002000"]}',
        b"{}",
        b"",
    ],
)
def test_any_other_line_is_left_to_json(line: bytes) -> None:
    assert learnt(written(WAYS[0], 4, "addr.rig", NUMBERS)).read(line) is None


def test_a_second_user_of_a_connection_is_learnt_beside_the_first() -> None:
    first = learnt(written(WAYS[0], 4, "addr.rig", NUMBERS))
    both = learnt(written(WAYS[0], 4, "addr.other", NUMBERS), first)
    for user in ("addr.rig", "addr.other"):
        assert both.read(written(WAYS[0], 9, user, NUMBERS)) == (9, user, [each.encode() for each in NUMBERS])


def test_a_name_with_an_escape_is_known_by_its_bytes_and_means_the_text() -> None:
    form = learnt(written(WAYS[0], 4, r"a\u0064dr.\"r", NUMBERS))
    assert form.read(written(WAYS[0], 4, r"a\u0064dr.\"r", NUMBERS))[1] == 'addr."r'  # type: ignore[index]
    assert form.read(written(WAYS[0], 4, r"addr.\"r", NUMBERS)) is None


@pytest.mark.parametrize(
    "line",
    [
        b'{"id":4,"method":"mining.submit","params":["addr.rig","1a","00","68000000","0000a001"]}',
        b'{"id":4,"method":"mining.submit","params":["addr.rig","1a","00","68000000","0000a001","2000"]}',
        b'{"id":4,"method":"mining.submit","params":["addr.rig",1,"00","68000000","0000a001","00002000"]}',
        b'{"id":4,"method":"mining.submit","params":null}',
        b'{"id":"4","method":"mining.submit","params":["addr.rig","1a","00","68000000","0000a001","00002000"]}',
        b'{"id":-4,"method":"mining.submit","params":["addr.rig","1a","00","68000000","0000a001","00002000"]}',
        b'{"method":"mining.submit","params":["addr.rig","1a","00","68000000","0000a001","00002000"]}',
        b'{"id":4,"method":"mining.submit","params":["addr.rig","1a", "00","68000000","0000a001","00002000"]}',
        b'{"id":4,"method":"mining.submit","params":[ "addr.rig","1a","00","68000000","0000a001","00002000"]}',
        b'{"id":3,"id":4,"method":"mining.submit","params":["a","1a","00","68000000","0000a001","00002000"],"id":4}',
        b'{"params":["a","1a","00","68000000","0000a001","00002000"],"id":4,"method":"mining.submit","id":4}',
        b'{"params":["b","1a","00","68000000","0000a001","00002000"],"id":4,"params":["a","1a","00","68000000","0000a001","00002000"]}',
        b'{"id":4,"params":["a","\\u0031a","00","68000000","0000a001","00002000"]}',
    ],
)
def test_no_form_is_learnt_from_an_odd_line_unless_it_says_the_same(line: bytes) -> None:
    message = parse(line)
    form = learn_submit(line, message, None)
    if form is not None:
        read = form.read(line)
        assert read is not None
        assert [read[0], read[1], *(each.decode() for each in read[2])] == [message["id"], *message["params"]]


@pytest.mark.parametrize("ident", [4, 7, 8])
def test_a_submit_that_has_its_id_twice_is_not_mistaken(ident: int) -> None:
    line = b'{"id":%d,"id":%d,"method":"mining.submit","params":["u","1a","00","68000000","0000a001","00002000"]}'
    form = learn_submit(line % (ident, ident), parse(line % (ident, ident)), None)
    read = form.read(line % (9, ident)) if form is not None else None
    assert read is None or read[0] == ident


TEXTS = st.text(st.characters(codec="utf-8"), max_size=6)
LINES = st.tuples(
    st.sampled_from(WAYS),
    st.one_of(st.integers(-5, 10**17), st.sampled_from(["07", "1e3", "null"])),
    st.sampled_from(["addr.rig", "addr.rig", "addr.other", 'a\\"b', "a\\\\b", 'a","b', "\N{SNOWMAN}", "a\tb"]),
    st.lists(
        st.sampled_from([*NUMBERS, "", "FFFFFFFF", "ffffffff", "12345678", '"', "\\", ",", "]}"]),
        min_size=5,
        max_size=5,
    ),
)


@pytest.mark.no_cover
@given(st.lists(LINES, min_size=1, max_size=8))
def test_what_a_form_reads_is_what_json_reads(lines: list[tuple[Any, ...]]) -> None:
    form: SubmitForm | None = None
    for way, ident, user, numbers in lines:
        line = written(way, ident, user, numbers)
        read = form.read(line) if form is not None else None
        try:
            message = parse(line)
        except Exception:
            message = None
        if read is not None and message is None:
            # JSON's own rules about texts: those that matter here are looked at by whoever takes the numbers
            assert any(each in (b'"', b"\\") for each in read[2])
            continue
        if message is None:
            continue
        if read is not None and b"\\" not in b"".join(read[2]):
            assert [read[0], read[1], *(each.decode() for each in read[2])] == [message["id"], *message["params"]]
        form = learn_submit(line, message, form) or form


@pytest.mark.parametrize(
    "line",
    [
        b'{"id":%d,"result":true,"error":null}',
        b'{"result": true, "error": null, "id": %d}',
        b'{"id" : %d, "result":true}',
    ],
)
def test_the_next_verdict_is_read_as_json_reads_it(line: bytes) -> None:
    form = learn_answer(line % 12, parse(line % 12))
    assert form is not None
    for ident in (1, 12, 99, 123456789012):
        assert form.ident(line % ident) == parse(line % ident)["id"] == ident
    for odd in (b"01", b"-1", b"1.0", b"", b'"1"', b"0", b"9" * 16):
        assert form.ident(line.replace(b"%d", odd)) == -1
    assert form.ident(line.replace(b"true", b"false") % 5) == -1


@pytest.mark.parametrize("ident", [5, 7, 8])
def test_a_verdict_that_has_its_id_twice_is_not_mistaken(ident: int) -> None:
    line = b'{"id":%d,"id":%d,"result":true}' % (ident, ident)
    form, other = learn_answer(line, parse(line)), b'{"id":9,"id":%d,"result":true}' % ident
    assert form is None or form.ident(other) in (-1, ident)


@pytest.mark.parametrize(
    "line", [b'{"id":5,"id":5,"result":true}', b'{"id":"5","result":true}', b'{"x":{"id":5},"id":5}']
)
def test_a_verdict_whose_id_is_not_plain_to_find_has_no_form_that_misleads(line: bytes) -> None:
    form = learn_answer(line, parse(line))
    assert form is None or form.ident(line) == parse(line)["id"]


def test_a_verdict_without_an_id_has_no_form() -> None:
    assert learn_answer(b'{"result":true}', {"result": True}) is None
    assert AnswerForm(b'{"id":', b"}").ident(orjson.dumps({"id": 5})) == 5
