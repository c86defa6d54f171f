"""Bytes to lines, whatever the chunks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import RemoteProtocolError
from proxy.stratum.framing import LineFramer


def shape(items: list[bytes | RemoteProtocolError]) -> list[object]:
    return [str(item) if isinstance(item, RemoteProtocolError) else item for item in items]


def feed_all(chunks: list[bytes], limit: int) -> list[object]:
    framer = LineFramer(limit)
    return shape([item for chunk in chunks for item in framer.feed(chunk)])


@pytest.mark.no_cover
@given(st.binary(max_size=400).map(lambda b: b.replace(b"\x00", b"\n")), st.lists(st.integers(1, 60), max_size=40))
def test_any_chunking_gives_the_same_lines(stream: bytes, cuts: list[int]) -> None:
    chunks, rest = [], stream
    for cut in cuts:
        chunks.append(rest[:cut])
        rest = rest[cut:]
    chunks.append(rest)
    stream_end = b"\n"  # an unfinished last line is no line yet, however it is cut
    assert feed_all([*chunks, stream_end], 20) == feed_all([stream + stream_end], 20)


def test_a_line_over_the_limit_is_reported_once_and_the_next_one_is_read() -> None:
    result = feed_all([b"x" * 30, b"x" * 30, b"xx\nok\n"], 20)
    assert result == ["line longer than 20 bytes", b"ok"]


def test_windows_line_ends_and_blank_lines_are_no_matter() -> None:
    assert feed_all([b"one\r\n\r\n \n\ntwo\n"], 20) == [b"one", b"two"]


def test_a_line_at_the_limit_is_read() -> None:
    assert feed_all([b"y" * 20 + b"\n"], 20) == [b"y" * 20]


def test_memory_stays_bounded_while_a_line_never_ends() -> None:
    framer = LineFramer(100)
    for _ in range(1000):
        framer.feed(b"z" * 50)
    assert len(framer._buffer) <= 150


@pytest.mark.no_cover
@given(st.binary(max_size=400).map(lambda b: b.replace(b"\x00", b"\n")), st.lists(st.integers(1, 60), max_size=40))
def test_framers_that_are_handed_on_give_the_same_lines(stream: bytes, cuts: list[int]) -> None:
    of_all, alone = LineFramer(20), LineFramer(20)
    framer = of_all
    for cut in cuts:
        piece, stream = stream[:cut], stream[cut:]
        lines, framer = framer.split(piece)
        assert shape(lines) == shape(alone.feed(piece))
        assert framer.is_between_lines == alone.is_between_lines == (framer is of_all)


@pytest.mark.parametrize(("part", "rest", "line"), [(b"one", b"\n", b"one"), (b"x" * 30, b"x\nok\n", b"ok")])
def test_part_of_a_line_is_no_other_connections(part: bytes, rest: bytes, line: bytes) -> None:
    of_all = LineFramer(20)
    _, framer = of_all.split(part)
    assert of_all.split(b"two\n") == ([b"two"], of_all)
    assert framer.split(rest) == ([line], of_all)
