"""Version rolling (BIP 310): which bits a miner may change, and what it changed."""

import re

from proxy.core.errors import RemoteProtocolError

USUAL_MASK = 0x1FFFE000
"""BIP 320's general purpose bits; assumed while no pool has said its own."""
_HEX32 = re.compile(r"(?:0[xX])?[0-9a-fA-F]{1,8}")


def parse_mask(value: object) -> int:
    """A mask as peers write it: up to 8 hex digits.

    Raises:
        RemoteProtocolError: anything else.
    """
    if not isinstance(value, str) or not _HEX32.fullmatch(value):
        raise RemoteProtocolError("a version mask must be up to 8 hex digits")
    return int(value, 16)


def mask_text(mask: int) -> str:
    """8 hex digits; ESP-Miner insists on a string."""
    return f"{mask:08x}"


def rolled(job_version: int, mask: int, bits: int) -> int:
    """The version in the header: the job's, with the bits inside ``mask`` taken from the miner."""
    return (job_version & ~mask) | (bits & mask)
