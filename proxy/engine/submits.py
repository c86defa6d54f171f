"""Checks a miner's submits, forwards them to the pool that issued the job, and returns its answer.

A share is answered exactly once, with its own id, and ends in exactly one ``ShareResult``. One that meets the network's
target goes up whatever else is wrong with it, duplicates excepted: its pool decides, and its answer is the miner's.
"""

import struct
from binascii import unhexlify
from collections.abc import Callable, Mapping
from types import MappingProxyType

from proxy.engine.delivery import TOO_LONG, BlockDelivery, UndeliveredBlock
from proxy.engine.jobs import SPARE_SHARES, IssuedJob, JobTable
from proxy.engine.peer_costs import PeerCost
from proxy.engine.pending_share import PendingShare
from proxy.engine.reject_reasons import code_of
from proxy.engine.share_check import MAX_NTIME_AHEAD_S, ShareCheck, check_share, reason_for
from proxy.engine.share_sums import ShareSums
from proxy.engine.shared_link import SharedLink
from proxy.observe.events import (
    BlockCandidate,
    EventStream,
    ShareResult,
    SubmitDuplicate,
    SubmitNoJobYet,
    SubmitPoolDead,
    SubmitRouted,
    SubmitUnknownJob,
)
from proxy.scheduling.scheduler import Scheduler
from proxy.stratum.codec import JsonId
from proxy.stratum.difficulty import network_difficulty, true_difficulty
from proxy.stratum.downstream import UNAUTHORIZED, Downstream
from proxy.stratum.downstream_owner import Submit
from proxy.stratum.upstream_owner import ShareAnswer
from proxy.stratum.usual_forms import UsualSubmit
from proxy.stratum.version_rolling import BitsReading
from proxy.types import BlockFate, DecidedBy, Reason, SessionId, Verdict, Waste, WorkerName

_TEXTS = {
    Reason.UNKNOWN_JOB: "Job not found",
    Reason.DUPLICATE: "Duplicate share",
    Reason.LOW_DIFFICULTY: "Low difficulty share",
    Reason.FRACTION: "Low difficulty share (between whole difficulty and the pool's)",
    Reason.VERSION: "Version bits outside the mask",
    Reason.NTIME: "Ntime out of range",
    Reason.STALE: "Stale",
    Reason.POOL_LOST: "Connection to the pool was lost, share not judged",
    Reason.TIMEOUT: "The pool did not answer",
}
_NO_OTHERS: Mapping[str, WorkerName] = MappingProxyType({})
REFUSED_COST = 1.0
"""Points for a share that is refused here, unless it was worked for."""
_words = struct.Struct(">LLL").unpack
_from_bytes = int.from_bytes


class SubmitHandler:
    """One miner's. Implements ``SubmitTaker`` for its ``Downstream``."""

    __slots__ = (
        "_delivery",
        "_diff1",
        "_others",
        "_reading",
        "any_share",
        "cost",
        "downstream",
        "events",
        "jobs",
        "scheduler",
        "session",
        "sums",
        "user",
        "worker",
    )

    def __init__(
        self,
        session: SessionId,
        downstream: Downstream,
        *,
        cost: PeerCost,
        events: EventStream,
        sums: ShareSums,
        scheduler: Scheduler,
        delivery: BlockDelivery,
        diff1: int,
    ) -> None:
        self.session = session
        self.downstream = downstream
        self.cost = cost
        """Its accepted shares are counted here."""
        self.scheduler = scheduler
        self.any_share = False
        """Whether a share of it has passed the check."""
        self.user: str | None = None
        """The first that was authorised, from which nearly all shares come; None until then."""
        self.worker = WorkerName("")
        """Its worker is the session's."""
        self._others = _NO_OTHERS
        """Of the other users that were authorised."""
        self.jobs: JobTable | None = None
        """None until the miner has subscribed."""
        self.events = events
        self.sums = sums
        self._delivery = delivery
        self._diff1 = diff1
        self._reading = BitsReading.REPLACE
        """How the miner's version bits are read first: as they were last where it mattered."""

    def authorized(self, user: str, worker: WorkerName) -> None:
        """Take shares from ``user``, of whom the worker's name was made."""
        if self.user is None:
            self.user, self.worker = user, worker
        elif user != self.user:
            self._others = {**self._others, user: worker}

    # --- SubmitTaker ----------------------------------------------------------------------------------------------

    def submit(self, submit: Submit) -> None:
        """Check a share by its job; what passes goes to the connection that issued the job.

        Under a name that was not authorised only a block goes up: it counts for the session's worker, whose user the
        connection to the pool has anyway.
        """
        jobs, worker = self.jobs, self.worker if submit.user == self.user else self._others.get(submit.user)
        if worker is None:
            self._submit_of_stranger(submit)
            return
        issued = jobs.find(submit.job_id) if jobs is not None else None
        if issued is None:
            self._unknown_job(submit, worker, known=jobs is not None and jobs.any_issued)
            return
        check = check_share(issued, submit, self._diff1, self._reading)
        if check.reading is not None:
            self._reading = check.reading
        self._checked(submit, worker, issued, check)

    def plain_submit(self, submit: UsualSubmit) -> bool:
        """Check a share in the usual form and forward it, as ``submit`` would; False where it is not in that form."""
        jobs = self.jobs
        if jobs is None:
            return False
        ident, user, texts = submit
        job, extranonce2_hex, ntime_hex, nonce_hex, bits_hex = texts
        try:
            job_id = job.decode()
            worker, issued = self.worker if user == self.user else self._others[user], jobs.find(job_id)
            extranonce2 = unhexlify(extranonce2_hex)
            words = unhexlify(ntime_hex + nonce_hex + bits_hex)
            ntime, nonce, version_bits = _words(words)
        except (KeyError, ValueError, struct.error):
            return False
        if issued is None:
            return False
        work = issued.plain or jobs.prepare(issued)
        if (
            work is None
            or version_bits & work.other_bits
            or len(extranonce2) != work.size
            or not len(ntime_hex) == len(nonce_hex) == 8
        ):
            return False
        version = work.version | version_bits
        key = extranonce2 + words  # ``issued.key``: the bits are those in which the version differs from the job's
        if key in issued.shares:
            return False
        header, digest = work.hashed(extranonce2, version, ntime, nonce)
        value = _from_bytes(digest, "little")
        reached, meets_network = true_difficulty(value, self._diff1), value <= work.block_target
        in_time = not meets_network and 0 <= ntime - work.ntime <= MAX_NTIME_AHEAD_S
        if in_time and work.least <= reached < work.difficulty:
            self._work_only(ident, worker, issued, key, reached, digest[::-1])
            return True
        if in_time and reached >= work.difficulty:
            issued.went_up(key)
            share = PendingShare(self, ident, worker, issued, reached, digest[::-1], version)
            del texts[0]
            params = work.params + b'","'.join(texts).lower() + b'"'
            if issued.connection.upstream.submit_ready_made(share, params, version_bits):
                if SubmitRouted in self.events.heard:
                    self._emit_route(share)
            else:
                check = ShareCheck(Reason.NONE, reached, header, digest[::-1], False, version)
                self._forward(
                    Submit(ident, user, job_id, extranonce2, ntime, nonce, version_bits), worker, issued, check
                )
            return True
        whole = Submit(ident, user, job_id, extranonce2, ntime, nonce, version_bits)
        reason = reason_for(issued, whole, version, reached)
        if meets_network:
            issued.went_up(key)
        self._checked(whole, worker, issued, ShareCheck(reason, reached, header, digest[::-1], meets_network, version))
        return True

    def _checked(self, submit: Submit, worker: WorkerName, issued: IssuedJob, check: ShareCheck) -> None:
        """Forward what is to go up, refuse the rest."""
        if check.goes_up:
            self._forward(submit, worker, issued, check)
            return
        if check.reason is Reason.FRACTION and issued.shared is not None:
            key = issued.key(submit.extranonce2, submit.ntime, submit.nonce, check.version)
            self._work_only(submit.id, worker, issued, key, check.true_difficulty, check.header_hash)
            return
        if check.reason is Reason.DUPLICATE:
            self.events.emit(SubmitDuplicate(session=self.session, worker=worker, job=submit.job_id))
        self._refuse(
            submit.id, worker, issued, Verdict.REJECTED, check.reason, check.true_difficulty, check.header_hash
        )
        if not self._was_worked_for(check):
            self.downstream.charge(REFUSED_COST, Waste.SHARES)

    def _work_only(
        self, ident: JsonId, worker: WorkerName, issued: IssuedJob, key: bytes, reached: float, header_hash: bytes
    ) -> None:
        """A share of a shared connection that reached what the miner was given and not what the pool wants: it is
        counted as work and goes no further. One for a job that no pool would take any more is refused as there, and
        one for a job of which shares were forgotten, too: nobody else would refuse what was counted before."""
        shared, newest = issued.shared, issued.connection.job
        assert shared is not None
        pool = issued.connection.pool
        is_old = newest is not issued.job and (
            newest is None or newest.template.prevhash != issued.job.template.prevhash
        )
        room = issued.room
        is_full = not is_old and room <= 0
        if is_old or is_full:
            reason = Reason.POOL_LOST if newest is None else Reason.STALE
            verdict = Verdict.UNANSWERED if newest is None else Verdict.REJECTED
            self._refuse(ident, worker, issued, verdict, reason, reached, header_hash)
            if is_full:
                self._replace(issued, shared)
                self.downstream.charge(REFUSED_COST, Waste.SHARES)
            else:
                issued.went_up(key)
            return
        issued.went_up(key)
        self.any_share = True
        self.cost.accepted += 1
        self.downstream.accept(ident)
        summed = self.sums.add_work(self.session, worker, issued, reached)
        if not summed or ShareResult in self.events.heard_each:
            result = ShareResult(
                session=self.session,
                worker=worker,
                pool=pool,
                job=issued.id,
                difficulty=issued.difficulty,
                pool_difficulty=issued.job.difficulty,
                true_difficulty=reached,
                verdict=Verdict.WORK,
                reason=Reason.NONE,
                decided_by=DecidedBy.PROXY,
                message="",
                latency_s=0.0,
                header_hash=header_hash,
            )
            (self.events.emit_each if summed else self.events.emit)(result)
        self.scheduler.share(self.session, pool, issued.difficulty, True, issued.difficulty)
        shared.worked(issued.difficulty)
        if room <= SPARE_SHARES:
            self._replace(issued, shared)

    def _replace(self, issued: IssuedJob, shared: SharedLink) -> None:
        """Give another job in place of one that can remember few more shares, unless the miner has got one."""
        if self.jobs is not None and self.jobs.is_newest(issued):
            shared.session.give_anew(shared)

    def _was_worked_for(self, check: ShareCheck) -> bool:
        """Whether the hash took the work of a share, at a difficulty that the miner was given not long ago."""
        if check.reason is Reason.DUPLICATE or self.jobs is None:
            return False
        return 0.0 < self.jobs.lowest_difficulty <= check.true_difficulty

    def _submit_of_stranger(self, submit: Submit) -> None:
        issued = self.jobs.find(submit.job_id) if self.jobs is not None else None
        if issued is not None:
            check = check_share(issued, submit, self._diff1, self._reading)
            if check.meets_network and check.goes_up:
                self._forward(submit, self.worker, issued, check)
                return
        self.bad_submit(submit.id, submit.job_id, 24, UNAUTHORIZED)

    def bad_submit(self, ident: JsonId, job_id: str, code: int, text: str) -> None:
        """Refuse what is no share; it counts for the session's worker."""
        reason = {24: Reason.UNAUTHORIZED, 25: Reason.NOT_SUBSCRIBED}.get(code, Reason.BAD_PARAMS)
        self.downstream.refuse(ident, code, text)
        self.emit_result(self.worker, None, job_id, Verdict.REJECTED, reason, DecidedBy.PROXY, message=text)

    def _unknown_job(self, submit: Submit, worker: WorkerName, *, known: bool) -> None:
        if known:
            self.events.emit(SubmitUnknownJob(session=self.session, worker=worker, job=submit.job_id))
        else:
            self.events.emit(SubmitNoJobYet(session=self.session, worker=worker))
        self.downstream.charge(REFUSED_COST, Waste.SHARES)
        reason, text = Reason.UNKNOWN_JOB, _TEXTS[Reason.UNKNOWN_JOB]
        self.downstream.refuse(submit.id, code_of(reason), text)
        self.emit_result(worker, None, submit.job_id, Verdict.REJECTED, reason, DecidedBy.PROXY, message=text)

    def _forward(self, submit: Submit, worker: WorkerName, issued: IssuedJob, check: ShareCheck) -> None:
        connection = issued.connection
        share = PendingShare(self, submit.id, worker, issued, check.true_difficulty, check.header_hash, check.version)
        if check.meets_network and self._delivery.candidates.take(connection.pool):
            share.block = self._block(submit, worker, issued, check)
            self.events.emit(share.block)
        if not connection.ready:
            if share.block is not None:
                self.deliver_later(share, share.block, share.answered)
                return
            self.events.emit(
                SubmitPoolDead(session=self.session, worker=share.worker, pool=connection.pool, job=issued.id)
            )
            self.end_unanswered(share, Reason.POOL_LOST, 0.0)
            return
        if SubmitRouted in self.events.heard:
            self._emit_route(share)
        extranonce2 = issued.padding + issued.extranonce1 + submit.extranonce2
        if not connection.submit(share, issued.job, extranonce2, submit.ntime, submit.nonce, check.version):
            self._end_too_long(share)

    def _emit_route(self, share: PendingShare) -> None:
        issued, connection = share.issued, share.issued.connection
        self.events.emit(
            SubmitRouted(
                session=self.session,
                worker=share.worker,
                pool=connection.pool,
                connection=connection.id,
                job=issued.id,
                pool_job=str(issued.job.template.job_id),
            )
        )

    def _end_too_long(self, share: PendingShare) -> None:
        if share.block is not None:
            block, share.block = share.block, None
            self._delivery.give_up(self._undelivered(share, block), BlockFate.EXPIRED, TOO_LONG)
        self.end_unanswered(share, Reason.BAD_PARAMS, 0.0, "The share is too long for its pool, not sent")

    # --- For its pending shares -----------------------------------------------------------------------------------

    def deliver_later(
        self, share: PendingShare, block: BlockCandidate, answered: Callable[[ShareAnswer], None] | None
    ) -> None:
        """A block without an answer: a miner that waits (``answered``) hears of it, or in time that there is none."""
        share.block = None
        self._delivery.deliver(self._undelivered(share, block), answered)

    def tell_late(self, share: PendingShare, block: BlockCandidate, answer: ShareAnswer) -> None:
        """The pool's verdict on a block came after its miner had been told that there is none."""
        self._delivery.tell_verdict(self._undelivered(share, block), answer)

    def _undelivered(self, share: PendingShare, block: BlockCandidate) -> UndeliveredBlock:
        return UndeliveredBlock(
            worker=block.worker,
            pool=block.pool,
            chain=block.chain,
            header_hash=block.header_hash,
            endpoint=share.issued.connection.endpoint,
            session_id=block.pool_session,
            extranonce1=block.extranonce1,
            submit=block.submit,
            credentials=share.issued.connection.credentials,
        )

    def end_unanswered(self, share: PendingShare, reason: Reason, latency_s: float, text: str = "") -> None:
        """The one place where a share ends that could not be given to its pool, or got no answer there."""
        self._refuse(
            share.ident,
            share.worker,
            share.issued,
            Verdict.UNANSWERED,
            reason,
            share.true_difficulty,
            share.header_hash,
            latency_s,
            text,
        )

    def _refuse(
        self,
        ident: JsonId,
        worker: WorkerName,
        issued: IssuedJob,
        verdict: Verdict,
        reason: Reason,
        true_difficulty: float,
        header_hash: bytes,
        latency_s: float = 0.0,
        text: str = "",
    ) -> None:
        """Refuse a share of a known job, which no pool has judged: the miner's reply, then the share's one result."""
        text = text or _TEXTS[reason]
        self.downstream.refuse(ident, 20 if verdict is Verdict.UNANSWERED else code_of(reason), text)
        self.emit_result(
            worker,
            issued,
            issued.id,
            verdict,
            reason,
            DecidedBy.PROXY,
            true_difficulty,
            header_hash,
            latency_s,
            text,
        )

    def emit_result(
        self,
        worker: WorkerName,
        issued: IssuedJob | None,
        job_id: str,
        verdict: Verdict,
        reason: Reason,
        decided_by: DecidedBy,
        true_difficulty: float = 0.0,
        header_hash: bytes = b"",
        latency_s: float = 0.0,
        message: str = "",
    ) -> None:
        """Emit the share's one ``ShareResult``, after all that came before it."""
        self.events.settle()
        self.events.emit(
            ShareResult(
                session=self.session,
                worker=worker,
                pool=issued.connection.pool if issued else None,
                job=job_id,
                difficulty=issued.difficulty if issued else 0.0,
                pool_difficulty=issued.job.difficulty if issued else 0.0,
                true_difficulty=true_difficulty,
                verdict=verdict,
                reason=reason,
                decided_by=decided_by,
                message=message,
                latency_s=latency_s,
                header_hash=header_hash,
            )
        )

    def _block(self, submit: Submit, worker: WorkerName, issued: IssuedJob, check: ShareCheck) -> BlockCandidate:
        job, connection = issued.job, issued.connection
        extranonce2 = issued.padding + issued.extranonce1 + submit.extranonce2
        return BlockCandidate(
            session=self.session,
            worker=worker,
            pool=connection.pool,
            chain=connection.chain,
            job=issued.id,
            header=check.header,
            header_hash=check.header_hash,
            coinbase=job.template.coinb1 + job.extranonce1 + extranonce2 + job.template.coinb2,
            merkle_branches=job.template.branches,
            nbits=job.template.nbits,
            true_difficulty=check.true_difficulty,
            network_difficulty=network_difficulty(job.template.nbits, self._diff1),
            endpoint=str(connection.endpoint),
            pool_session=connection.session_id,
            extranonce1=job.extranonce1,
            submit=tuple(connection.params_of(job, extranonce2, submit.ntime, submit.nonce, check.version)),
        )
