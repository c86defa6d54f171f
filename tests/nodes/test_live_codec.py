"""Frames of nodes: what one process writes another reads, and no bytes at all make more than a typed error."""

import zlib
from dataclasses import replace
from math import inf, nan

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.nodes import live_codec
from proxy.nodes.live_codec import MAGIC, WORKERS_A_PART, FrameError, decode, encode
from proxy.observe.live.moves import Moves, ShareSum, Stay
from proxy.observe.live.views import Alarm, ControlView
from proxy.sentence import Sentence, sentence
from tests.support.node_snapshots import T0, a_node, a_rate, a_worker, node_snapshots


def frame_of(*parts, magic=MAGIC, behind=b""):
    content = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return magic + zlib.compress(content) + behind


def large():
    names = [f"w{number}" for number in range(2 * WORKERS_A_PART + 1)]
    return a_node(
        "a",
        *[a_worker(name, "a", rate=1e12) for name in names],
        moves={name: Moves(2, {"A": Stay(1.0, 1, 2.0)}) for name in [*names, "of nobody"]},
        marks={name: ShareSum(1, 2, 3) for name in names[1:]},
    )


@pytest.mark.no_cover
@settings(max_examples=40, deadline=None)
@given(node_snapshots())
def test_what_is_written_is_read(node):
    assert decode(encode(node)) == node


WHY = sentence("no connection within {limit:.0f} s", limit=10.0)
LOST = sentence("Pool {pool} was lost ({why}) and no other pool has work for it.", pool="A", why=WHY)


def with_sentences():
    """Sentences in an alarm, in a worker's row and below it, in a mapping; a pool is called as one of them is."""
    node = a_node(
        "a", a_worker("w", "a", waiting=LOST, excluded={"A": WHY, "B": "of somebody else"}), a_worker("v", "a")
    )
    alarm = Alarm(level="bad", text=sentence("{pool}: {why}", pool="A", why=LOST), subject="A")
    return replace(node, live=replace(node.live, alarms=(alarm, Alarm(level="warn", text="of somebody else"))))


def how_made(text):
    assert isinstance(text, Sentence), text
    return text.template, {
        name: how_made(one) if isinstance(one, Sentence) else one for name, one in text.values.items()
    }


def test_a_sentence_is_one_again_with_those_within_it():
    node = with_sentences()
    read = decode(encode(node))
    assert read == node
    alarm, other = (one.text for one in read.live.alarms)
    assert how_made(alarm) == how_made(node.live.alarms[0].text)
    worker = read.live.workers[0]
    assert how_made(worker.waiting) == how_made(LOST)
    assert how_made(worker.excluded["A"]) == how_made(WHY)
    assert type(other) is type(worker.excluded["B"]) is type(read.live.alarms[0].subject) is str


def test_an_earlier_version_reads_sentences_as_texts_and_a_later_one_reads_frames_without_them():
    parts = list(live_codec._split(zlib.decompress(encode(with_sentences())[len(MAGIC) :])))
    last = msgspec.msgpack.decode(parts[-1])
    assert (last["workers"], last["moves"], last["marks"]) == ([], {}, {})  # what an earlier one reads of that part
    read = decode(frame_of(*parts[:-1]))
    assert read == with_sentences()
    assert type(read.live.alarms[0].text) is str
    assert len(list(live_codec._split(zlib.decompress(encode(a_node("a"))[len(MAGIC) :])))) == 1


@pytest.mark.parametrize(
    "made",
    [
        {"template": "No pool is up.", "values": {}},
        {"template": "{pool}: {why}", "values": {"pool": "B", "why": "x"}},
        {"template": "{n:d}: x", "values": {"n": 1.5}},
        {"template": "{pool.__class__}: x", "values": {"pool": "A"}},
    ],
    ids=["another sentence", "other values", "a format that does not fit", "more than a name"],
)
def test_a_sentence_that_is_not_what_it_says_stays_the_text(made):
    node = a_node("a")
    node = replace(node, live=replace(node.live, alarms=(Alarm(level="bad", text="A: x"),)))
    parts = list(live_codec._split(zlib.decompress(encode(node)[len(MAGIC) :])))
    table = {"workers": [], "moves": {}, "marks": {}, "sentences": {"A: x": made}}
    assert type(decode(frame_of(*parts, msgspec.msgpack.encode(table))).live.alarms[0].text) is str
    table["sentences"]["A: x"] = {"template": "{pool}: {why}", "values": {"pool": "A", "why": "x"}}
    assert isinstance(decode(frame_of(*parts, msgspec.msgpack.encode(table))).live.alarms[0].text, Sentence)


def test_workers_of_several_parts_come_in_their_order_with_what_is_known_of_them():
    node = large()
    read = decode(encode(node))
    assert read.live.workers == node.live.workers
    assert read.live.marks == node.live.marks
    assert set(read.live.moves) == {worker.name for worker in node.live.workers}


@pytest.mark.no_cover
@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_a_frame_or_a_typed_error(data):
    for frame in (data, MAGIC + data, frame_of(data), frame_of(msgspec.msgpack.encode({"name": "a"}), data)):
        with pytest.raises(FrameError):
            decode(frame)


@pytest.mark.no_cover
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_damaged_frame_is_a_frame_or_a_typed_error(data):
    content = zlib.decompress(encode(a_node("a", a_worker("w", "a", rate=1.0)))[len(MAGIC) :])
    at = data.draw(st.integers(0, len(content) - 1))
    damaged = content[:at] + bytes([data.draw(st.integers(0, 255))]) + content[at + 1 :]
    try:
        decode(MAGIC + zlib.compress(damaged))
    except FrameError as error:
        assert str(error)


def test_deep_nesting_is_a_typed_error():
    with pytest.raises(FrameError, match="is not written as this version expects"):
        decode(frame_of(b"\x81\xa1x" + b"\x91" * 100_000 + b"\xc0"))


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (b"", "does not begin"),
        (frame_of(b"", magic=b"DPMPn0"), "does not begin"),
        (MAGIC + b"junk", "cannot be unpacked"),
        (MAGIC + zlib.compress(b"x" * 100)[:-2], "cut off"),
        (frame_of(b"\x80", behind=b"more"), "has more behind"),
        (MAGIC + zlib.compress(b"\0\0"), "length is cut off"),
        (MAGIC + zlib.compress(b"\0\0\0\x09x"), "part is cut off"),
        (frame_of(), "not written as"),
    ],
)
def test_says_what_is_wrong_with_a_frame(frame, why):
    with pytest.raises(FrameError, match=why):
        decode(frame)


def test_a_frame_that_unpacks_to_too_much_is_refused_before_it_takes_the_memory(monkeypatch):
    monkeypatch.setattr(live_codec, "MAX_BYTES", 1000)
    with pytest.raises(FrameError, match="more than 1000 bytes"):
        decode(MAGIC + zlib.compress(bytes(100_000)))


def test_too_large_a_frame_is_neither_written_nor_read(monkeypatch):
    frame = encode(large())
    monkeypatch.setattr(live_codec, "MAX_PACKED", 100)
    for call in (lambda: decode(frame), lambda: encode(large())):
        with pytest.raises(FrameError, match="may publish"):
            call()


@pytest.mark.parametrize(
    "live",
    [
        {"at": nan},
        {"at": 1e300},
        {"at": -1.0},
        {"rate_5m": a_rate(nan)},
        {"control": ControlView(since=1e18)},
        {"spark": ((T0, {"A": nan}),)},
    ],
)
def test_a_number_that_no_page_can_show_is_refused(live):
    with pytest.raises(FrameError, match="number"):
        decode(encode(a_node("a", **live)))


def test_infinity_is_a_number():
    node = a_node("a", last_difficulty=inf)
    assert decode(encode(node)) == node


def test_fields_of_a_later_version_are_passed_over_and_those_of_an_earlier_take_their_defaults():
    content = zlib.decompress(encode(a_node("a"))[len(MAGIC) :])
    node = msgspec.msgpack.decode(content[4:])
    node["of a later version"] = {"x": [1, 2]}
    del node["trouble"], node["live"]["splits"]
    assert decode(frame_of(msgspec.msgpack.encode(node))) == a_node("a")


def test_what_other_parts_make_of_the_snapshot_is_not_sent():
    node = a_node("a")
    assert decode(encode(replace(node, live=replace(node.live, extra={"balance": object()})))) == node
