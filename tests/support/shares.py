"""Events about shares, jobs and blocks as the engine would emit them; defaults for what a test does not care about."""

import struct
from hashlib import sha256

from proxy.observe.events import BlockCandidate, MinerDisconnected, MinerReady, PoolNotify, ShareResult
from proxy.types import Chain, ConnectionId, DecidedBy, PoolKey, Reason, SessionId, Verdict, WorkerName

A, B = PoolKey("A"), PoolKey("B")
LOCK = b"\0\x14" + bytes(20)
ANN, BOB = WorkerName("ann"), WorkerName("bob")


def share(
    worker=ANN,
    pool=A,
    difficulty=1.0,
    *,
    session=1,
    credited=None,
    true=None,
    verdict=Verdict.ACCEPTED,
    reason=Reason.NONE,
    by=DecidedBy.POOL,
    latency_s=0.0,
    header_hash=b"",
    message="",
):
    """A share; accepted by default."""
    return ShareResult(
        session=SessionId(session),
        worker=WorkerName(worker),
        pool=pool,
        job="1",
        difficulty=difficulty,
        pool_difficulty=difficulty if credited is None else credited,
        true_difficulty=difficulty * 2 if true is None else true,
        verdict=verdict,
        reason=reason,
        decided_by=by,
        message=message,
        latency_s=latency_s,
        header_hash=header_hash,
    )


def refused(reason, worker=ANN, pool=A, difficulty=1.0, by=DecidedBy.POOL, **more):
    """A share that was not accepted."""
    return share(worker, pool, difficulty, verdict=Verdict.REJECTED, reason=reason, by=by, **more)


def ready(session=1, worker=ANN, pool=A):
    return MinerReady(session=SessionId(session), worker=WorkerName(worker), pool=pool)


def gone(session=1, worker=ANN):
    return MinerDisconnected(
        session=SessionId(session), worker=WorkerName(worker), peer="127.0.0.1:1", reason="bye", duration_s=1.0
    )


def coinbase_parts(height=840_000, outputs=((LOCK, 312_500_000),)):
    """The part of a coinbase before and behind the extranonce, for an extranonce of 8 bytes."""
    number = height.to_bytes(height.bit_length() // 8 + 1, "little")
    script = bytes([len(number)]) + number
    head = struct.pack("<IB32sI", 1, 1, bytes(32), 0xFFFFFFFF) + bytes([len(script) + 8 + 4]) + script
    paid = b"".join(struct.pack("<q", value) + bytes([len(lock)]) + lock for lock, value in outputs)
    return head, b"/me/" + b"\xff" * 4 + bytes([len(outputs)]) + paid + bytes(4)


def notify(
    pool=A,
    prevhash=b"p" * 32,
    *,
    connection=1,
    chain=Chain.BTC,
    height=840_000,
    nbits=0x1703FFFC,
    clean=True,
    parts=None,
    session=1,
):
    """A job; ``height`` is that of the block it is for; ``session`` is None on a probe's connection."""
    head, tail = parts or coinbase_parts(height)
    return PoolNotify(
        pool=pool,
        connection=ConnectionId(connection),
        chain=chain,
        job="j",
        prevhash=prevhash,
        version=0x20000000,
        nbits=nbits,
        ntime=1,
        clean=clean,
        coinbase1=head,
        extranonce1=bytes(4),
        extranonce2_size=4,
        coinbase2=tail,
        session=session,
    )


def candidate(number=0, *, worker=ANN, pool=A, chain=Chain.BTC, session=1):
    """A block candidate whose header hashes to its hash (not to a real target)."""
    head, tail = coinbase_parts(840_000 + number)
    header = struct.pack("<I32s32sIII", 0x20000000, b"p" * 32, bytes(32), 1, 0x1703FFFC, number)
    return BlockCandidate(
        session=SessionId(session),
        worker=WorkerName(worker),
        pool=pool,
        chain=chain,
        job="1",
        header=header,
        header_hash=sha256(sha256(header).digest()).digest()[::-1],
        coinbase=head + bytes(8) + tail,
        merkle_branches=(b"b" * 32,),
        nbits=0x1703FFFC,
        true_difficulty=1e14,
        network_difficulty=9e13,
    )


def all_workers(accounting):
    """The tally of each worker in memory, the latest share first."""
    names = {}
    accounting.watch(names)
    accounting._events.settle()
    return [accounting.worker(name) for name in sorted(names, key=accounting.last_share, reverse=True)]


class Heard:
    """Everything of some kinds that was emitted, in order."""

    def __init__(self, events, *kinds):
        self.all = []
        for kind in kinds:
            events.subscribe(kind, self.all.append)

    def of(self, kind):
        return [event for event in self.all if type(event) is kind]
