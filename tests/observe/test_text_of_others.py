"""What miners, pools and visitors write moves no terminal's cursor and turns no reading order, wherever it is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.observe.events import PoolMessage, PoolRedirect
from proxy.stratum.codec import Response, decode
from proxy.text import escape_hidden, escape_in_page, visible
from tests.observe.logs_cast import Scene, authorized
from tests.support.world import World

OVERRIDE, ISOLATE, CSI, MARK = "\u202e", "\u2066", "\x9b", "\u200f"
HIDDEN = [
    *map(chr, range(0x7F, 0xA0)),
    *map(chr, range(0x2028, 0x202F)),
    *map(chr, range(0x2066, 0x206A)),
    "\u061c",
    "\u200e",
    MARK,
]


@pytest.mark.parametrize("text", ["", "rig", "Größe 5 µs", "矿池", "العربية"])
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert visible(text) == escape_hidden(text) == escape_in_page(text) == text


@pytest.mark.no_cover
@given(st.text(st.characters(), max_size=50))
def test_all_text_can_be_printed_on_one_line(text: str) -> None:
    assert visible(text).isprintable()
    assert not set(escape_hidden(text)) & set(HIDDEN)
    assert not set(escape_in_page(text)) & set(HIDDEN) - {"\u061c", "\u200e", MARK}


def test_what_is_hidden_is_named() -> None:
    assert visible(f"a{OVERRIDE}b\x1b[2J\n{CSI}\u00a0c") == "a\\u202eb\\u001b[2J \\u009b c"
    assert escape_hidden(f"one\ntwo{CSI}{MARK}\x7f") == "one\ntwo\\u009b\\u200f\\u007f"
    assert escape_in_page(f"<b>{ISOLATE}{MARK}</b>") == f"<b>\\u2066{MARK}</b>"


@pytest.mark.no_cover
@pytest.mark.parametrize("hidden", HIDDEN)
def test_no_line_of_the_log_holds_what_a_terminal_obeys(hidden: str) -> None:
    scene = Scene()
    scene.events.emit(authorized(user=f"wallet{hidden}.rig"))
    (line,) = scene.written()
    assert hidden not in scene.stdout.getvalue()
    assert line["user"] == f"wallet\\u{ord(hidden):04x}.rig"


def test_what_a_pool_says_can_be_shown_wherever_it_ends_up() -> None:
    world = World({"A": 8})
    world.miner()
    world.advance(1)
    pool = world.pools["A"]
    pool.push("client.show_message", [f"hello{OVERRIDE}{CSI}"])
    pool.push("client.reconnect", [f"evil{OVERRIDE}.example", 3333])
    world.advance(1)
    assert [event.text for event in world.events_of(PoolMessage)] == ["hello\\u202e\\u009b"]
    assert [event.target for event in world.events_of(PoolRedirect)] == ["evil\\u202e.example 3333"]


@pytest.mark.parametrize("error", ['[20, "no%sbody", null]', '{"message": "no%sbody"}', '"no%sbody"'])
def test_a_reason_of_a_pool_can_be_shown_wherever_it_ends_up(error: str) -> None:
    answer = decode(('{"id": 1, "result": null, "error": ' + error % OVERRIDE + "}").encode())
    assert isinstance(answer, Response)
    assert answer.error is not None and answer.error.text == "no\\u202ebody"
