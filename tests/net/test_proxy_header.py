"""Headers of the PROXY protocol version 2, byte by byte, and everything that is none."""

import socket
import struct

import pytest

from proxy.net.proxy_header import MAX_HEADER, SIGNATURE, ProxyHeader, ProxyHeaderError, read_header

V4 = socket.inet_aton("203.0.113.7") + socket.inet_aton("10.0.0.1") + struct.pack("!HH", 40_001, 3_351)


def header(block: bytes = V4, *, command: int = 0x21, family: int = 0x11, length: int | None = None) -> bytes:
    """A header, by default a right one of 203.0.113.7:40001."""
    return SIGNATURE + struct.pack("!BBH", command, family, len(block) if length is None else length) + block


def v6(address: str) -> bytes:
    block = socket.inet_pton(socket.AF_INET6, address) + socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    return block + struct.pack("!HH", 40_001, 3_351)


@pytest.mark.parametrize(
    ("octets", "source"),
    [
        (header(), "203.0.113.7:40001"),
        (header(V4 + b"\x04\x00\x03abc"), "203.0.113.7:40001"),
        (header(v6("2001:db8::7"), family=0x21), "[2001:db8::7]:40001"),
        (header(v6("::ffff:203.0.113.7"), family=0x21), "203.0.113.7:40001"),
        (header(b"", command=0x20, family=0x00), ""),
        (header(V4, command=0x20, family=0x11), ""),
        (header(b"whatever", command=0x20, family=0x99), ""),
        (header(b"abc", family=0x00), ""),
    ],
)
def test_a_header_is_read_however_it_comes_in_pieces(octets: bytes, source: str) -> None:
    for end in range(len(octets)):
        assert read_header(octets[:end]) is None
    assert read_header(octets) == ProxyHeader(len(octets), source)
    assert read_header(octets + b'{"id":1}\n') == ProxyHeader(len(octets), source)


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"PROXY TCP4 203.0.113.7 10.0.0.1 40001 3351\r\n", "version 1"),
        (b"PR", "version 1"),
        (b'{"id":1,"method":"mining.subscribe"}\n', "no PROXY protocol header"),
        (b"\x16\x03\x01", "no PROXY protocol header"),
        (SIGNATURE[:5] + b"x", "no PROXY protocol header"),
        (SIGNATURE + b"\x11", "version and command 0x11"),
        (SIGNATURE + b"\x22", "version and command 0x22"),
        (header(family=0x12), "not for TCP"),
        (header(b"x" * 216, family=0x31), "not for TCP"),
        (header(V4[:11], length=11), "too short for the addresses"),
        (header(v6("2001:db8::7")[:35], family=0x21, length=35), "too short for the addresses"),
        (header(V4, length=MAX_HEADER - 15), "are allowed"),
        (header(V4, length=0xFFFF), "are allowed"),
        (header(b"", command=0x20, family=0, length=0xFFFF), "are allowed"),
        (header(b"\x00" * 12), "0.0.0.0 as the miner's address"),
        (header(b"\xe0\x00\x00\x01" + V4[4:]), "224.0.0.1 as the miner's address"),
        (header(v6("::"), family=0x21), ":: as the miner's address"),
    ],
)
def test_what_is_no_header_is_refused_with_a_reason(octets: bytes, why: str) -> None:
    with pytest.raises(ProxyHeaderError, match=why.replace("(", r"\(")):
        read_header(octets)


def test_the_largest_header_is_read() -> None:
    octets = header(V4 + b"\x00" * (MAX_HEADER - 16 - len(V4)))
    assert read_header(octets) == ProxyHeader(MAX_HEADER, "203.0.113.7:40001")
