"""Coinbases of pools: real ones are read, garbage raises the one error for it."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.chains.coinbase import MAX_BYTES, assemble, height_of, parse_coinbase, script_height
from proxy.errors import RemoteProtocolError
from tests.support.shares import coinbase_parts

CKPOOL = (  # recorded from ckpool: extranonce1 05d4026b, extranonce2 of 8 bytes
    bytes.fromhex(
        "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff2b0351f80c000404d4026b"
        "048af5571a0c"
    ),
    bytes.fromhex(
        "0a636b706f6f6c2d6c6872032f412fffffffff0279b2a01200000000160014751e76e8199196d454941c45d1b3a323f1433bd6"
        "0000000000000000266a24aa21a9ed8e39745b9f7f398dee1470bdbc53d19e3105e2ec8399da5057fe7ee55149999c00000000"
    ),
)
RAW = assemble(CKPOOL[0], bytes.fromhex("05d4026b"), 8, CKPOOL[1])


def test_a_recorded_coinbase_is_read():
    coinbase = parse_coinbase(RAW)
    assert coinbase.height == height_of(CKPOOL[0]) == 0x0CF851
    assert coinbase.total == 312_521_337
    assert coinbase.outputs[0].script.hex() == "0014751e76e8199196d454941c45d1b3a323f1433bd6"
    assert coinbase.outputs[1].script[:2] == b"\x6a\x24"


def test_the_segwit_marker_makes_no_difference():
    with_witness = RAW[:4] + b"\0\1" + RAW[4:-4] + b"\1\x20" + bytes(32) + RAW[-4:]
    assert parse_coinbase(with_witness) == parse_coinbase(RAW)
    assert height_of(with_witness) == 0x0CF851


@pytest.mark.parametrize(
    ("script", "height"),
    [
        ("03 51f80c", 0x0CF851),
        ("51", 1),
        ("60", 16),
        ("01 11", 17),
        ("02 8000", 128),
        ("00", 0),
        ("", None),
        ("03 51f88c", None),
        ("03 51f8", None),
        ("4c 03", None),
        ("05 0000000001", None),
    ],
)
def test_heights_are_read_as_bip_34_writes_them(script, height):
    assert script_height(bytes.fromhex(script)) == height


@given(st.integers(17, 400_000_000))
def test_every_height_comes_back(height):
    head, tail = coinbase_parts(height)
    assert height_of(head) == parse_coinbase(head + bytes(8) + tail).height == height


@given(st.binary(max_size=300))
def test_garbage_is_refused_as_the_pools_fault(raw):
    height_of(raw)
    with pytest.raises(RemoteProtocolError):
        parse_coinbase(raw)


@given(st.integers(0, len(RAW) - 1), st.integers(0, 255), st.integers(0, len(RAW)))
def test_a_damaged_coinbase_never_raises_anything_else(place, value, cut):
    damaged = (RAW[:place] + bytes([value]) + RAW[place + 1 :])[:cut]
    height = height_of(damaged)
    assert height is None or height >= 0
    with suppress(RemoteProtocolError):
        assert parse_coinbase(damaged).height == height


def test_a_coinbase_that_claims_millions_of_outputs_is_refused():
    head, _ = coinbase_parts()
    tail = b"/me/" + b"\xff" * 4 + b"\xfe" + b"\xff\xff\xff\x7f" + bytes(100)
    with pytest.raises(RemoteProtocolError, match="outputs"):
        parse_coinbase(head + bytes(8) + tail)


def test_a_transaction_that_spends_something_is_no_coinbase():
    with pytest.raises(RemoteProtocolError, match="spends"):
        parse_coinbase(RAW[:5] + b"\1" + RAW[6:])


def test_a_coinbase_larger_than_any_is_refused():
    with pytest.raises(RemoteProtocolError, match="too large"):
        parse_coinbase(bytes(MAX_BYTES + 1))
