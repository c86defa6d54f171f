"""What the first bytes of a connection say, however they are cut."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.stratum.opening import KEY_SIZE, Opening, http_answer, opening_of

TLS_HELLO = bytes.fromhex("1603010200010001fc0303") + b"\x5a" * 506
KEY = random.Random(7).randbytes(KEY_SIZE)
BROWSER = b"GET / HTTP/1.1\r\nHost: 10.0.0.5:3351\r\nAccept: */*\r\n\r\n"
SUBSCRIBE = b'{"id":1,"method":"mining.subscribe","params":["x/1"]}\n'


def decided(stream: bytes, step: int = 1) -> tuple[Opening, int]:
    """The verdict, and after how many bytes it fell; bytes come ``step`` at a time."""
    for end in range(step, len(stream) + step, step):
        opening = opening_of(stream[:end])
        if opening is not Opening.UNDECIDED:
            return opening, min(end, len(stream))
    return Opening.UNDECIDED, len(stream)


@pytest.mark.no_cover
@pytest.mark.parametrize("step", [1, 2, 7, 10_000])
@pytest.mark.parametrize(
    ("stream", "opening"),
    [
        (TLS_HELLO, Opening.TLS),
        (KEY, Opening.STRATUM_V2),
        (BROWSER, Opening.HTTP),
        (SUBSCRIBE, Opening.STRATUM),
        (b"\r\n \n" + SUBSCRIBE, Opening.STRATUM),
        (b"hello\n", Opening.TEXT),
        (b"[]\n", Opening.TEXT),
        (b"HEAD /x HTTP/1.0\n\n", Opening.HTTP),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Opening.HTTP),
        (b"GETWORK\n", Opening.TEXT),
        (b"x" * 5000, Opening.TEXT),
        (b"POST / HTTP/1.1\r\n\r\n{}", Opening.HTTP),
        ('{"id":1,"method":"mining.authorize","params":["ä.rig","x"]}\n'.encode(), Opening.STRATUM),
        (b'{"id":1' + b" " * 200 + b"}\n", Opening.STRATUM),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Opening.TEXT),
    ],
)
def test_each_protocol_is_known_however_its_bytes_come(stream: bytes, opening: Opening, step: int) -> None:
    assert decided(stream, step)[0] is opening


def test_nothing_is_waited_for_once_it_is_clear() -> None:
    assert decided(TLS_HELLO) == (Opening.TLS, 2)
    assert decided(KEY) == (Opening.STRATUM_V2, KEY_SIZE)
    assert decided(b"hello\nmore") == (Opening.TEXT, 6)
    assert decided(BROWSER) == (Opening.HTTP, len(BROWSER))
    assert decided(b"\x03\x00" + b"\x00" * 100)[0] is Opening.STRATUM_V2  # one at a time: 64 bytes and no more so far
    assert decided(b"\x03\x00" + b"\x00" * 100, 200)[0] is Opening.BINARY


def test_random_keys_of_stratum_v2_clients_are_known() -> None:
    source = random.Random(1)
    known = sum(opening_of(source.randbytes(KEY_SIZE)) is Opening.STRATUM_V2 for _ in range(4000))
    assert known > 3980


@given(st.binary(max_size=200), st.booleans())
def test_at_the_end_of_the_time_any_bytes_are_decided(stream: bytes, final: bool) -> None:
    assert isinstance(opening_of(stream, final=final), Opening)
    assert opening_of(stream, final=True) is not Opening.UNDECIDED


@pytest.mark.parametrize(
    ("host", "port", "says"),
    [
        ("0.0.0.0", 8855, "same address with port 8855"),
        ("::", 80, "same address with port 80"),
        ("127.0.0.1", 8855, "only from the machine"),
        ("10.1.2.3", 9000, "http://10.1.2.3:9000/"),
        ("fd00::1", 9000, "http://[fd00::1]:9000/"),
    ],
)
def test_a_browser_is_told_where_the_dashboard_is(host: str, port: int, says: str) -> None:
    head, _, body = http_answer(BROWSER, host, port).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert says in body.decode()
    assert f"Content-Length: {len(body)}".encode() in head
    without = http_answer(b"HEAD / HTTP/1.1\r\n\r\n", host, port)
    assert without == head + b"\r\n\r\n"
    assert http_answer(b"PRI * HTTP/2.0\r\n\r\n", host, port) == b""
