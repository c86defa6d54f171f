"""Addresses of BTC, BCH and DGB: text to locking script and back, with the checksum verified.

Base58Check (P2PKH, P2SH), SegWit (BIP 173 bech32, BIP 350 bech32m) and CashAddr, main networks only. What is wrong
with an address is said in a sentence for the person who typed it.
"""

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from proxy.errors import ConfigError
from proxy.types import Chain

MAX_CHARS = 128
CASHADDR_PREFIX = "bitcoincash"

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32, _BECH32M = 1, 0x2BC830A3
_BECH32_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_CASHADDR_GENERATOR = (0x98F2BC8E61, 0x79B76D99E2, 0xF33E5FB3C4, 0xAE2EABE2A8, 0x1E4F43E470)
_CASHADDR_HASH_BYTES = (20, 24, 28, 32, 40, 48, 56, 64)

_TYPO = "The checksum is wrong: check for a typo."
_TESTNET = "This is an address of a test network; mining needs one of the main network."


class AddressError(ConfigError, ValueError):
    """The text is no address of the chain; ``str(error)`` is a sentence for the person."""


class AddressKind(StrEnum):
    """What locks the coins."""

    P2PKH = "p2pkh"
    P2SH = "p2sh"
    P2WPKH = "p2wpkh"
    P2WSH = "p2wsh"
    P2TR = "p2tr"
    WITNESS = "witness"
    """A SegWit version without a meaning of its own yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An address whose checksum is right."""

    kind: AddressKind
    chain: Chain
    text: str
    """Canonical: SegWit in lower case, CashAddr in lower case with its prefix, base58 as it is."""
    script: bytes
    """The locking script of an output that pays it."""


_HRP = {"bc": Chain.BTC, "dgb": Chain.DGB}
_HRP_OF = {chain: hrp for hrp, chain in _HRP.items()}
_TEST_HRP = ("tb", "bcrt", "dgbt", "dgbrt")
_TEST_CASHADDR = ("bchtest", "bchreg")
_VERSIONS = {
    Chain.BTC: {0x00: AddressKind.P2PKH, 0x05: AddressKind.P2SH},
    Chain.BCH: {0x00: AddressKind.P2PKH, 0x05: AddressKind.P2SH},
    Chain.DGB: {0x1E: AddressKind.P2PKH, 0x3F: AddressKind.P2SH, 0x05: AddressKind.P2SH},
}
"""Base58 version bytes; DGB's 0x05 is its old P2SH form."""
_PREFERRED = {
    Chain.BTC: {AddressKind.P2PKH: 0x00, AddressKind.P2SH: 0x05},
    Chain.DGB: {AddressKind.P2PKH: 0x1E, AddressKind.P2SH: 0x3F},
}
_TEST_VERSIONS = frozenset({0x6F, 0xC4, 0x7E, 0x8C})


def validate_address(chain: Chain, text: str) -> Address:
    """Read ``text`` as an address of ``chain``'s main network.

    Raises:
        AddressError: with a sentence that says what is wrong; also for ``Chain.OTHER``, whose rules are not known.
    """
    text = text.strip()
    if not text:
        raise AddressError("The address is empty.")
    if chain not in _VERSIONS:
        raise AddressError("The addresses of this chain are not known here.")
    if len(text) > MAX_CHARS:
        raise AddressError(f"This is too long for an address ({len(text)} characters).")
    if not text.isascii() or not all(char.isalnum() or char == ":" for char in text):
        raise AddressError("An address has letters and digits only: remove blanks and signs.")
    hrp, one, _ = text.lower().rpartition("1")
    if ":" in text or _looks_like_cashaddr(text):
        return _read_cashaddr(chain, text)
    if one and (hrp in _HRP or hrp in _TEST_HRP):
        return _read_segwit(chain, hrp, text)
    return _read_base58(chain, text)


def script_of(chain: Chain, text: str) -> bytes:
    """The locking script of an output that pays ``text``.

    Raises:
        AddressError: as ``validate_address``.
    """
    return validate_address(chain, text).script


def address_of_script(chain: Chain, script: bytes) -> str | None:
    """The address that ``script`` pays, in the chain's usual form; None if it has none (OP_RETURN, bare keys)."""
    if chain not in _VERSIONS:
        return None
    kind, payload = _read_script(script)
    if kind in (AddressKind.P2PKH, AddressKind.P2SH):
        if chain is Chain.BCH:
            return _write_cashaddr(kind, payload)
        return _write_base58(_PREFERRED[chain][kind], payload) if len(payload) == 20 else None
    if kind is not None and chain in _HRP_OF:
        return _write_segwit(_HRP_OF[chain], script)
    return None


# --- Scripts ---------------------------------------------------------------------------------------------------------


def _lock(kind: AddressKind, payload: bytes) -> bytes:
    if kind is AddressKind.P2PKH:
        return b"\x76\xa9\x14" + payload + b"\x88\xac"
    if len(payload) == 32:
        return b"\xaa\x20" + payload + b"\x87"  # P2SH32 of BCH
    return b"\xa9\x14" + payload + b"\x87"


def _read_script(script: bytes) -> tuple[AddressKind | None, bytes]:
    size = len(script)
    if size == 25 and script[:3] == b"\x76\xa9\x14" and script[23:] == b"\x88\xac":
        return AddressKind.P2PKH, script[3:23]
    if size == 23 and script[:2] == b"\xa9\x14" and script[22:] == b"\x87":
        return AddressKind.P2SH, script[2:22]
    if size == 35 and script[:2] == b"\xaa\x20" and script[34:] == b"\x87":
        return AddressKind.P2SH, script[2:34]
    if 4 <= size <= 42 and script[1] == size - 2 and (script[0] == 0 or 0x51 <= script[0] <= 0x60):
        return _witness_kind(script[0] and script[0] - 0x50, size - 2), script[2:]
    return None, b""


def _witness_kind(version: int, size: int) -> AddressKind | None:
    if version == 0:
        return {20: AddressKind.P2WPKH, 32: AddressKind.P2WSH}.get(size)
    return AddressKind.P2TR if (version, size) == (1, 32) else AddressKind.WITNESS


# --- Base58Check -----------------------------------------------------------------------------------------------------


def _checksum(payload: bytes) -> bytes:
    return sha256(sha256(payload).digest()).digest()[:4]


def _read_base58(chain: Chain, text: str) -> Address:
    number = 0
    for char in text:
        digit = _BASE58.find(char)
        if digit < 0:
            raise AddressError(f'"{char}" does not occur in such an address: check for a typo.')
        number = number * 58 + digit
    zeros = len(text) - len(text.lstrip("1"))
    raw = bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")
    if len(raw) != 25:
        raise AddressError(f"This is no {chain} address: its length is wrong.")
    if _checksum(raw[:-4]) != raw[-4:]:
        raise AddressError(_TYPO)
    return _base58_address(chain, text, raw[0], raw[1:-4])


def _base58_address(chain: Chain, text: str, version: int, payload: bytes) -> Address:
    if version in _TEST_VERSIONS:
        raise AddressError(_TESTNET)
    kind = _VERSIONS[chain].get(version)
    if kind is None:
        known = next((other for other, versions in _VERSIONS.items() if version in versions), None)
        raise AddressError(_mismatch(known, chain) if known else f"This is no {chain} address: its version is unknown.")
    return Address(kind=kind, chain=chain, text=text, script=_lock(kind, payload))


def _write_base58(version: int, payload: bytes) -> str:
    raw = bytes([version]) + payload
    raw += _checksum(raw)
    number, digits = int.from_bytes(raw, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        digits = _BASE58[digit] + digits
    return "1" * (len(raw) - len(raw.lstrip(b"\0"))) + digits


def _mismatch(looks: Chain, chain: Chain) -> str:
    return f"This looks like a {looks} address, but the wallet's chain is {chain}."


# --- Base 32, common to SegWit and CashAddr --------------------------------------------------------------------------


def _lower(text: str) -> str:
    if text != text.lower() and text != text.upper():
        raise AddressError("The address mixes capital and small letters: copy it again.")
    return text.lower()


def _digits(text: str) -> list[int]:
    digits = [_BASE32.find(char) for char in text]
    if -1 in digits:
        raise AddressError(f'"{text[digits.index(-1)]}" does not occur in such an address: check for a typo.')
    return digits


def _to_bytes(digits: list[int]) -> bytes:
    number = 0
    for digit in digits:
        number = number << 5 | digit
    spare = len(digits) * 5 % 8
    if spare >= 5 or number & ((1 << spare) - 1):
        raise AddressError("The address ends in a way that no address does: check for a typo.")
    return (number >> spare).to_bytes(len(digits) * 5 // 8, "big")


def _from_bytes(payload: bytes) -> list[int]:
    size = -(-len(payload) * 8 // 5)
    number = int.from_bytes(payload, "big") << (size * 5 - len(payload) * 8)
    return [number >> 5 * place & 31 for place in reversed(range(size))]


def _residue(values: list[int], generator: tuple[int, ...], top: int) -> int:
    """The remainder of the BCH code; ``top`` is where a digit leaves the register."""
    state = 1
    for value in values:
        high = state >> top
        state = (state & (1 << top) - 1) << 5 ^ value
        for place, poly in enumerate(generator):
            if high >> place & 1:
                state ^= poly
    return state


# --- SegWit (BIP 173, BIP 350) ---------------------------------------------------------------------------------------


def _bech32(hrp: str, digits: list[int]) -> int:
    spread = [ord(char) >> 5 for char in hrp] + [0] + [ord(char) & 31 for char in hrp]
    return _residue(spread + digits, _BECH32_GENERATOR, 25)


def _read_segwit(chain: Chain, hrp: str, text: str) -> Address:
    text = _lower(text)
    if hrp in _TEST_HRP:
        raise AddressError(_TESTNET)
    if _HRP[hrp] is not chain:
        raise AddressError(_mismatch(_HRP[hrp], chain))
    if len(text) > 90:
        raise AddressError(f"This is no {chain} address: it is too long.")
    digits = _digits(text[len(hrp) + 1 :])
    if len(digits) < 8:
        raise AddressError(f"This is no {chain} address: it is too short.")
    version = digits[0]
    if _bech32(hrp, digits) != (_BECH32M if version else _BECH32):
        raise AddressError(_TYPO)
    program = _to_bytes(digits[1:-6])
    kind = _witness_kind(version, len(program))
    if version > 16 or not 2 <= len(program) <= 40 or kind is None:
        raise AddressError(f"This is no {chain} address: version and length do not fit.")
    opcode = version and 0x50 + version
    return Address(kind=kind, chain=chain, text=text, script=bytes([opcode, len(program)]) + program)


def _write_segwit(hrp: str, script: bytes) -> str:
    version = script[0] and script[0] - 0x50
    digits = [version, *_from_bytes(script[2:])]
    residue = _bech32(hrp, digits + [0] * 6) ^ (_BECH32M if version else _BECH32)
    digits += [residue >> 5 * place & 31 for place in reversed(range(6))]
    return f"{hrp}1" + "".join(_BASE32[digit] for digit in digits)


# --- CashAddr --------------------------------------------------------------------------------------------------------


def _looks_like_cashaddr(text: str) -> bool:
    return len(text) >= 40 and text[0].lower() in "qpzr" and all(char in _BASE32 for char in text.lower())


def _cashaddr(prefix: str, digits: list[int]) -> int:
    spread = [ord(char) & 31 for char in prefix] + [0]
    return _residue(spread + digits, _CASHADDR_GENERATOR, 35) ^ 1


def _read_cashaddr(chain: Chain, text: str) -> Address:
    text = _lower(text)
    prefix, _, body = text.rpartition(":")
    if prefix in _TEST_CASHADDR:
        raise AddressError(_TESTNET)
    if prefix not in ("", CASHADDR_PREFIX):
        raise AddressError(f'"{prefix}:" is no prefix of an address known here.')
    if chain is not Chain.BCH:
        raise AddressError(_mismatch(Chain.BCH, chain))
    digits = _digits(body)
    if len(digits) < 9 or _cashaddr(CASHADDR_PREFIX, digits):
        raise AddressError(_TYPO)
    raw = _to_bytes(digits[:-8])
    version, payload = raw[0], raw[1:]
    if len(payload) != _CASHADDR_HASH_BYTES[version & 7]:
        raise AddressError("This is no BCH address: its length is wrong.")
    kind = {0: AddressKind.P2PKH, 1: AddressKind.P2SH}.get(version >> 3)
    if kind is None or len(payload) not in (20, 32) or (kind is AddressKind.P2PKH and len(payload) != 20):
        raise AddressError("Pools do not pay this kind of BCH address: use one that starts with q or p.")
    return Address(kind=kind, chain=chain, text=f"{CASHADDR_PREFIX}:{body}", script=_lock(kind, payload))


def _write_cashaddr(kind: AddressKind, payload: bytes) -> str:
    version = (kind is AddressKind.P2SH) << 3 | _CASHADDR_HASH_BYTES.index(len(payload))
    digits = _from_bytes(bytes([version]) + payload)
    residue = _cashaddr(CASHADDR_PREFIX, digits + [0] * 8)
    digits += [residue >> 5 * place & 31 for place in reversed(range(8))]
    return f"{CASHADDR_PREFIX}:" + "".join(_BASE32[digit] for digit in digits)
