"""The share as nearly all are, checked on the short way: its version bits can be read in one way only.

What all such shares of a job have in common is prepared once (``PlainWork``). The result is the same as that of
``share_check``, which deals with everything else; a property test holds the two together.
"""

from hashlib import sha256
from struct import Struct
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from proxy.engine.jobs import IssuedJob

_HEADER = Struct("<L32s32sLLL")
_new = sha256().copy
"""An empty hash; a copy is cheaper than a look-up of the algorithm."""


class PlainWork:
    """What the plain shares of one issued job are checked and sent with."""

    __slots__ = (
        "_branches",
        "_coinb2",
        "_head",
        "_nbits",
        "_prevhash",
        "_root",
        "_root_of",
        "block_target",
        "difficulty",
        "least",
        "ntime",
        "other_bits",
        "params",
        "size",
        "version",
    )

    def __init__(self, issued: "IssuedJob") -> None:
        job, template = issued.job, issued.job.template
        before = issued.padding + issued.extranonce1
        self.version = template.version
        self.other_bits = ~issued.version_mask
        """Version bits that the miner may not roll."""
        self.ntime = template.ntime
        """The pool's."""
        self.difficulty = max(issued.difficulty, job.difficulty)
        """What suits the miner's difficulty and the pool's."""
        self.least = self.difficulty if issued.shared is None else issued.difficulty
        """What is a good share, whether it goes up or proves work alone."""
        self.block_target = issued.block_target
        self.size = job.extranonce2_size - len(before)
        """Bytes of the miner's extranonce2."""
        user, job_id = orjson.dumps(issued.connection.credentials.user), orjson.dumps(template.job_id)
        self.params = b'%b,%b,"%b' % (user, job_id, before.hex().encode())
        """Parameters of ``mining.submit`` to the pool, up to the miner's extranonce2."""
        self._head = issued.coinbase_head
        self._coinb2 = template.coinb2
        self._branches = template.branches
        self._prevhash = template.prevhash
        self._nbits = template.nbits
        self._root = b""
        self._root_of: bytes | None = None
        """The extranonce2 whose merkle root is known: the last share's."""

    def hashed(self, extranonce2: bytes, version: int, ntime: int, nonce: int) -> tuple[bytes, bytes]:
        """Return the header and its hash, least significant byte first.

        25 of the 27 hashes of a share are those of its extranonce2. A miner with many shares a second has many in the
        search space of one (2^48 headers with the usual version bits), so the last one's merkle root is kept.
        """
        root = self._root if extranonce2 == self._root_of else self._merkle_root(extranonce2)
        header = _HEADER.pack(version, self._prevhash, root, ntime, self._nbits, nonce)
        inner, outer = _new(), _new()
        inner.update(header)
        outer.update(inner.digest())
        return header, outer.digest()

    def _merkle_root(self, extranonce2: bytes) -> bytes:
        whole, outer = self._head.copy(), _new()
        whole.update(extranonce2 + self._coinb2)
        outer.update(whole.digest())
        root = outer.digest()
        for branch in self._branches:
            inner, outer = _new(), _new()
            inner.update(root + branch)
            outer.update(inner.digest())
            root = outer.digest()
        self._root, self._root_of = root, extranonce2
        return root


def plain_work_of(issued: "IssuedJob") -> PlainWork | None:
    """Prepare ``issued`` for plain shares; None where each share has to be looked at with care.

    That is where the job's own version has bits that may be rolled (a miner's can be read in several ways then), and
    where the pool lets nobody roll (it gets no version bits).
    """
    job = issued.job
    allowed = job.allowed_version_mask
    if not allowed or job.template.version & allowed or issued.version_mask & ~allowed:
        return None
    return PlainWork(issued)
