"""From a share to its header and hash: header, double SHA-256."""

import struct
from hashlib import sha256

_HEADER = struct.Struct("<L32s32sLLL")


def sha256d(payload: bytes) -> bytes:
    """SHA-256 twice."""
    return sha256(sha256(payload).digest()).digest()


def header(version: int, prevhash: bytes, root: bytes, ntime: int, nbits: int, nonce: int) -> bytes:
    """The 80 bytes that are hashed; ``prevhash`` and ``root`` as the header holds them."""
    return _HEADER.pack(version, prevhash, root, ntime, nbits, nonce)


def hash_value(block_header: bytes) -> tuple[bytes, int]:
    """Return the hash (32 bytes, most significant first) and the number it stands for."""
    digest = sha256d(block_header)
    return digest[::-1], int.from_bytes(digest, "little")
