"""Addresses are read and written to the letter of BIP 173, BIP 350, the CashAddr specification and Base58Check."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.chains.addresses import AddressError, AddressKind, address_of_script, script_of, validate_address
from proxy.errors import ConfigError
from proxy.types import Chain

BTC, BCH, DGB = Chain.BTC, Chain.BCH, Chain.DGB
CHAINS = st.sampled_from([BTC, BCH, DGB])


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4", "0014751e76e8199196d454941c45d1b3a323f1433bd6"),
        (
            "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7kt5nd6y",
            "5128751e76e8199196d454941c45d1b3a323f1433bd6751e76e8199196d454941c45d1b3a323f1433bd6",
        ),
        ("BC1SW50QGDZ25J", "6002751e"),
        ("bc1zw508d6qejxtdg4y5r3zarvaryvaxxpcs", "5210751e76e8199196d454941c45d1b3a323"),
        (
            "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
            "512079be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
        ),
        (
            "bc1qrp33g0q5c5txsp9arysrx4k6zdkfs4nce4xj0gdcccefvpysxf3qccfmv3",
            "00201863143c14c5166804bd19203356da136c985678cd4d27a1b8c6329604903262",
        ),
    ],
)
def test_valid_addresses_of_bip_350(text, script) -> None:
    assert script_of(BTC, text).hex() == script
    assert address_of_script(BTC, bytes.fromhex(script)) == text.lower() == validate_address(BTC, text).text


@pytest.mark.parametrize(
    "text",
    [
        "tc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq5zuyut",
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqh2y7hd",
        "BC1S0XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ54WELL",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kemeawh",
        "bc1p38j9r5y49hruaue7wxjce0updqjuyyx0kh56v8s25huc6995vvpql3jow4",
        "BC130XLXVLHEMJA6C4DQV22UAPCTQUPFHLXM9H8Z3K2E72Q4K9HCZ7VQ7ZWS8R",
        "bc1pw5dgrnzv",
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v8n0nx0muaewav253zgeav",
        "BC1QR508D6QEJXTDG4Y5R3ZARVARYV98GJ9P",
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7v07qwwzcrf",
        "bc1gmk9yu",
        "bc1pw508d6qejxtdg4y5r3zarvary0c5xw7kw508d6qejxtdg4y5r3zarvary0c5xw7k7grplx",
    ],
)
def test_invalid_addresses_of_bip_173_and_350(text) -> None:
    with pytest.raises(AddressError):
        validate_address(BTC, text)


@pytest.mark.parametrize(
    ("legacy", "cash", "kind"),
    [
        ("1BpEi6DfDAUFd7GtittLSdBeYJvcoaVggu", "qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a", AddressKind.P2PKH),
        ("1KXrWXciRDZUpQwQmuM1DbwsKDLYAYsVLR", "qr95sy3j9xwd2ap32xkykttr4cvcu7as4y0qverfuy", AddressKind.P2PKH),
        ("16w1D5WRVKJuZUsSRzdLp9w3YGcgoxDXb", "qqq3728yw0y47sqn6l2na30mcw6zm78dzqre909m2r", AddressKind.P2PKH),
        ("3CWFddi6m4ndiGyKqzYvsFYagqDLPVMTzC", "ppm2qsznhks23z7629mms6s4cwef74vcwvn0h829pq", AddressKind.P2SH),
        ("3LDsS579y7sruadqu11beEJoTjdFiFCdX4", "pr95sy3j9xwd2ap32xkykttr4cvcu7as4yc93ky28e", AddressKind.P2SH),
        ("31nwvkZwyPdgzjBJZXfDmSWsC4ZLKpYyUw", "pqq3728yw0y47sqn6l2na30mcw6zm78dzq5ucqzc37", AddressKind.P2SH),
    ],
)
def test_the_pairs_of_the_cashaddr_specification(legacy, cash, kind) -> None:
    address = validate_address(BCH, cash)
    assert address.kind is kind and address.text == f"bitcoincash:{cash}"
    assert script_of(BCH, f"BITCOINCASH:{cash.upper()}") == script_of(BCH, legacy) == address.script
    assert address_of_script(BCH, address.script) == address.text
    assert address_of_script(BTC, address.script) == legacy


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "76a91462e907b15cbf27d5425399ebf6f0fb50ebb88f1888ac"),
        ("3P14159f73E4gFr7JterCCQh9QjiTjiZrG", "a914e9c3dd0c07aac76179ebc76a6c78d4d67c6c160a87"),
    ],
)
def test_well_known_base58_addresses(text, script) -> None:
    assert script_of(BTC, text).hex() == script


def base58(version: int, payload: bytes) -> str:
    """Base58Check, written anew so that the code is not tested against itself."""
    raw = bytes([version]) + payload
    number = int.from_bytes(raw + sha256(sha256(raw).digest()).digest()[:4], "big")
    digits = []
    while number:
        number, digit = divmod(number, 58)
        digits.append("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"[digit])
    return "".join(reversed(digits))


@pytest.mark.parametrize(
    ("version", "initial", "script"),
    [
        (0x1E, "D", "76a914" + "11" * 20 + "88ac"),
        (0x3F, "S", "a914" + "11" * 20 + "87"),
        (0x05, "3", "a914" + "11" * 20 + "87"),
    ],
)
def test_digibyte_addresses_with_the_old_script_form_too(version, initial, script) -> None:
    text = base58(version, b"\x11" * 20)
    assert text.startswith(initial) and script_of(DGB, text).hex() == script
    written = address_of_script(DGB, bytes.fromhex(script))
    assert written is not None and written[0] == ("D" if version == 0x1E else "S")


def test_a_digibyte_segwit_address_comes_back() -> None:
    script = bytes.fromhex("0014751e76e8199196d454941c45d1b3a323f1433bd6")
    text = address_of_script(DGB, script)
    assert text is not None and text.startswith("dgb1q") and script_of(DGB, text) == script


@pytest.mark.parametrize(
    ("chain", "text", "sentence"),
    [
        (
            BTC,
            "bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a",
            "looks like a BCH address, but the wallet's chain",
        ),
        (DGB, "qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a", "looks like a BCH address"),
        (BCH, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "looks like a BTC address"),
        (DGB, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "looks like a BTC address"),
        (DGB, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "looks like a BTC address"),
        (BTC, base58(0x1E, b"\x11" * 20), "looks like a DGB address"),
        (BTC, "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx", "test network"),
        (BTC, base58(0x6F, b"\x11" * 20), "test network"),
        (BCH, "bchtest:pr6m7j9njldwwzlg9v7v53unlr4jkmx6eyvwc0uz5t", "test network"),
        (BTC, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", "checksum is wrong: check for a typo"),
        (BTC, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", "checksum is wrong: check for a typo"),
        (BCH, "qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6q", "checksum is wrong: check for a typo"),
        (BTC, "bc1qW508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "mixes capital and small letters"),
        (BTC, "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfN0", '"0" does not occur'),
        (BTC, "1A1zP1eP5QGefi2DMPTfTL5SLmv7", "length is wrong"),
        (BTC, "1A1zP1eP5QGefi2D MPTfTL5SLmv7DivfNa", "letters and digits only"),
        (BCH, "simpleledger:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a", "no prefix of an address known here"),
        (BTC, base58(0x17, b"\x11" * 20), "version is unknown"),
        (BTC, "", "empty"),
        (BTC, "q" * 200, "too long"),
        (Chain.OTHER, "x", "not known here"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(chain, text, sentence) -> None:
    with pytest.raises(AddressError) as refused:
        validate_address(chain, text)
    assert sentence in str(refused.value)
    assert isinstance(refused.value, ConfigError) and isinstance(refused.value, ValueError)


def test_blanks_around_an_address_are_forgiven() -> None:
    assert validate_address(BTC, " 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa\n").text == "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"


@pytest.mark.parametrize(
    "script",
    [
        "",
        "6a",
        "6a24aa21a9ed" + "00" * 32,
        "21" + "02" * 33 + "ac",
        "0013" + "11" * 19,
        "76a914" + "11" * 20 + "88",
        "5101ff",
    ],
)
def test_a_script_without_an_address_has_none(script) -> None:
    assert all(address_of_script(chain, bytes.fromhex(script)) is None for chain in Chain)


def test_segwit_has_no_address_on_bitcoin_cash() -> None:
    assert address_of_script(BCH, bytes.fromhex("0014" + "11" * 20)) is None


PAYLOAD20, PAYLOAD32 = st.binary(min_size=20, max_size=20), st.binary(min_size=32, max_size=32)
SCRIPTS = st.one_of(
    PAYLOAD20.map(lambda p: b"\x76\xa9\x14" + p + b"\x88\xac"),
    PAYLOAD20.map(lambda p: b"\xa9\x14" + p + b"\x87"),
    PAYLOAD32.map(lambda p: b"\xaa\x20" + p + b"\x87"),
    PAYLOAD20.map(lambda p: b"\x00\x14" + p),
    PAYLOAD32.map(lambda p: b"\x00\x20" + p),
    PAYLOAD32.map(lambda p: b"\x51\x20" + p),
)


@given(chain=CHAINS, script=SCRIPTS)
def test_each_address_that_is_written_reads_back_as_its_script(chain, script) -> None:
    text = address_of_script(chain, script)
    if text is not None:
        assert script_of(chain, text) == script


@pytest.mark.no_cover
@given(
    chain=CHAINS, script=SCRIPTS, place=st.integers(0, 200), other=st.sampled_from("qpzry9x8gf2tvdw0s3jn54khce6mua7l")
)
def test_one_wrong_letter_is_always_noticed(chain, script, place, other) -> None:
    text = address_of_script(chain, script)
    if text is None:
        return
    place %= len(text)
    wrong = text[:place] + other + text[place + 1 :]
    if wrong != text:
        with pytest.raises(AddressError):
            validate_address(chain, wrong)


@pytest.mark.no_cover
@given(
    chain=st.sampled_from(Chain),
    text=st.one_of(st.text(max_size=140), st.from_regex(r"\A(bc1|dgb1|tb1|bitcoincash:|1|3|D|q)[0-9a-zA-Z]{0,90}\Z")),
)
def test_any_text_is_an_address_or_a_sentence(chain, text) -> None:
    try:
        address = validate_address(chain, text)
    except AddressError as error:
        assert str(error).endswith(".")
    else:
        assert address.script


@given(chain=st.sampled_from(Chain), script=st.binary(max_size=50))
def test_any_script_has_an_address_or_none(chain, script) -> None:
    text = address_of_script(chain, script)
    assert text is None or script_of(chain, text) == script


def cashaddr(version: int, payload: bytes) -> str:
    """A CashAddr with any version byte, and a checksum that fits."""
    from proxy.chains import addresses

    number = int.from_bytes(bytes([version]) + payload, "big")
    size = 8 * (1 + len(payload))
    groups = -(-size // 5)
    number <<= groups * 5 - size
    digits = [number >> 5 * (groups - 1 - at) & 31 for at in range(groups)]
    sum_ = addresses._cashaddr("bitcoincash", digits + [0] * 8)
    digits += [sum_ >> 5 * (7 - at) & 31 for at in range(8)]
    return "bitcoincash:" + "".join("qpzry9x8gf2tvdw0s3jn54khce6mua7l"[digit] for digit in digits)


def test_cashaddr_of_a_wrong_length_or_kind_is_refused() -> None:
    assert validate_address(BCH, cashaddr(0, bytes(20)))
    with pytest.raises(AddressError, match="length is wrong"):
        validate_address(BCH, cashaddr(0, bytes(24)))
    with pytest.raises(AddressError, match="do not pay this kind"):
        validate_address(BCH, cashaddr(2 << 3, bytes(20)))


def test_a_segwit_address_longer_than_any_is_refused() -> None:
    with pytest.raises(AddressError, match="too long"):
        validate_address(BTC, "bc1q" + "q" * 90)
