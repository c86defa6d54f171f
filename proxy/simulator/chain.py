"""A synthetic chain: heights, previous hashes, targets and coinbases as a pool's node would give them."""

import random
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from proxy.simulator import hashing

BTC_DEMO_SCRIPT = bytes.fromhex("0014751e76e8199196d454941c45d1b3a323f1433bd6")
"""Pays bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4, the example address of BIP 173."""

BCH_DEMO_SCRIPT = bytes.fromhex("76a91476a04053bda0a88bda5177b86a15c3b29f55987388ac")
"""Pays bitcoincash:qpm2qsznhks23z7629mms6s4cwef74vcwvy22gdx6a, the example of the CashAddr specification."""

MAX_BRANCHES = 12
NULL_OUTPUT = bytes(8) + b"\x22\x6a\x20" + bytes(32)
"""Pays nothing to nobody (OP_RETURN): room in a coinbase that is to be large."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What a job is made of. Hashes in internal order; the extranonce goes between head and tail of the coinbase."""

    height: int
    previous_hash: bytes
    version: int
    nbits: int
    ntime: int
    coinbase_head: bytes
    coinbase_tail: bytes
    branches: tuple[bytes, ...]

    def notify_params(self, job_id: str, clean: bool) -> list[object]:
        """The nine parameters of ``mining.notify``."""
        return [
            job_id,
            hashing.swap_words(self.previous_hash).hex(),
            self.coinbase_head.hex(),
            self.coinbase_tail.hex(),
            [branch.hex() for branch in self.branches],
            f"{self.version:08x}",
            f"{self.nbits:08x}",
            f"{self.ntime:08x}",
            clean,
        ]


class SimChain:
    """One coin's chain. ``network_difficulty`` is in the same unit as shares (``hashes_per_difficulty`` hashes)."""

    def __init__(
        self,
        *,
        name: str = "BTC",
        seed: int = 0,
        height: int = 840_000,
        network_difficulty: float = 1e9,
        hashes_per_difficulty: int = hashing.STANDARD_HASHES_PER_DIFFICULTY,
        outputs: Sequence[tuple[bytes, int]] = ((BTC_DEMO_SCRIPT, 312_500_000),),
        branches: int | None = None,
        version: int = 0x20000000,
        large_coinbase: int = 0,
        large_every: int = 0,
    ) -> None:
        """``outputs`` are (script, value); ``branches`` None draws 0 to 12 merkle branches for each template.

        Every ``large_every``-th template has a coinbase of at least ``large_coinbase`` bytes, as pools that pay their
        members in it make them.
        """
        self.name = name
        self.height = height
        self.hashes_per_difficulty = hashes_per_difficulty
        self.outputs = tuple(outputs)
        self.branches = branches
        self.version = version
        self.large_coinbase = large_coinbase
        self.large_every = large_every
        self._templates = 0
        self._random = random.Random(f"{name}/{seed}")
        self.nbits = 0
        self.set_network_difficulty(network_difficulty)
        self.previous_hash = self._synthetic_hash()

    def set_network_difficulty(self, difficulty: float) -> None:
        """From the next template on."""
        self.nbits = hashing.nbits_of_target(hashing.target_of(difficulty, self.hashes_per_difficulty))

    @property
    def network_target(self) -> int:
        """A hash number up to this is a block."""
        return hashing.target_of_nbits(self.nbits)

    def new_block(self, block_hash: bytes | None = None) -> None:
        """The chain grows by one: ``block_hash`` (internal order), or somebody else's block."""
        self.height += 1
        self.previous_hash = block_hash or self._synthetic_hash()

    def template(self, ntime: int, extranonce_bytes: int) -> Template:
        """A fresh template with room for ``extranonce_bytes`` in its coinbase."""
        count = self._random.randint(0, MAX_BRANCHES) if self.branches is None else self.branches
        self._templates += 1
        is_large = self.large_every > 0 and self._templates % self.large_every == 0
        head, tail = self._coinbase(extranonce_bytes, self.large_coinbase if is_large else 0)
        return Template(
            height=self.height + 1,
            previous_hash=self.previous_hash,
            version=self.version,
            nbits=self.nbits,
            ntime=ntime,
            coinbase_head=head,
            coinbase_tail=tail,
            branches=tuple(self._random.randbytes(32) for _ in range(count)),
        )

    def _synthetic_hash(self) -> bytes:
        """Somebody else's block: it meets the network's target, as every block does."""
        return self._random.randint(1, self.network_target).to_bytes(32, "little")

    def _coinbase(self, extranonce_bytes: int, least: int = 0) -> tuple[bytes, bytes]:
        tag = f"/{self.name}/".encode()
        script_start = push(script_number(self.height + 1)) + push(self._random.randbytes(4))
        script_end = push(tag)
        size = len(script_start) + extranonce_bytes + len(script_end)
        if size > 100:
            raise ValueError(f"a coinbase script of {size} bytes is over consensus' limit of 100")
        head = struct.pack("<IB32sI", 1, 1, bytes(32), 0xFFFFFFFF) + bytes([size]) + script_start
        outputs = [struct.pack("<q", value) + bytes([len(script)]) + script for script, value in self.outputs]
        room = least - len(head) - extranonce_bytes - len(script_end) - sum(map(len, outputs))
        outputs += [NULL_OUTPUT] * max(0, -(-room // len(NULL_OUTPUT)))
        if len(outputs) > 252:
            raise ValueError(f"{len(outputs)} outputs are more than their count of one byte can say")
        tail = script_end + b"\xff" * 4 + bytes([len(outputs)]) + b"".join(outputs) + bytes(4)
        return head, tail


def script_number(number: int) -> bytes:
    """A positive number as a script holds it (BIP 34 heights): little-endian, never with the sign bit set."""
    return number.to_bytes(number.bit_length() // 8 + 1, "little")


def push(payload: bytes) -> bytes:
    """A script's push of up to 75 bytes."""
    return bytes([len(payload)]) + payload
