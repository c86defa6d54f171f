"""Checks a miner's submits, forwards them to the pool that issued the job, and returns its answer.

A share is answered exactly once, with its own id, and ends in exactly one ``ShareResult``. One that meets the network's
target goes up whatever else is wrong with it, duplicates excepted: its pool decides, and its answer is the miner's.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol

from proxy.engine.delivery import UndeliveredBlock
from proxy.engine.jobs import IssuedJob, JobTable
from proxy.engine.reject_reasons import code_of, reason_of
from proxy.engine.share_check import ShareCheck, judge
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
from proxy.stratum.codec import ErrorInfo, JsonId
from proxy.stratum.difficulty import network_difficulty
from proxy.stratum.downstream import Downstream, Submit
from proxy.stratum.upstream_owner import ShareAnswer
from proxy.stratum.version_rolling import BitsReading
from proxy.types import DecidedBy, PoolKey, Reason, SessionId, Verdict, WorkerName

_TEXTS = {
    Reason.UNKNOWN_JOB: "Job not found",
    Reason.DUPLICATE: "Duplicate share",
    Reason.LOW_DIFFICULTY: "Low difficulty share",
    Reason.FRACTION: "Low difficulty share (between whole difficulty and the pool's)",
    Reason.VERSION: "Version bits outside the mask",
    Reason.NTIME: "Ntime out of range",
    Reason.POOL_LOST: "Connection to the pool was lost, share not judged",
    Reason.TIMEOUT: "The pool did not answer",
}
_HASH_REFUSED = frozenset({Reason.LOW_DIFFICULTY, Reason.VERSION})
"""How a pool refuses a share whose version it rebuilt as another."""


class PendingShare(NamedTuple):
    """A share that is to be judged by its pool."""

    submit: Submit
    worker: WorkerName
    issued: IssuedJob
    judged: ShareCheck
    block: BlockCandidate | None = None
    """What it is as well, until it has been handed on for another way to its pool."""


class SubmitHost(Protocol):
    """What a desk needs of the engine."""

    events: EventStream
    diff1: int

    def deliver(self, block: UndeliveredBlock, answered: Callable[[ShareAnswer], None]) -> None:
        """Try to bring a block candidate to its pool all the same; ``answered`` is called once."""


class SubmitHandler:
    """One miner's. ``judged(pool, difficulty, credited, accepted)`` hears of each verdict of a pool.

    ``difficulty`` is 0 for a block below what the miner was told: it says nothing about the miner's hash rate.
    """

    __slots__ = (
        "_deliver",
        "_diff1",
        "_events",
        "_judged",
        "_reading",
        "downstream",
        "id",
    )

    def __init__(
        self,
        session: SessionId,
        downstream: Downstream,
        host: SubmitHost,
        judged: Callable[[PoolKey, float, float, bool], None],
    ) -> None:
        self.id = session
        self.downstream = downstream
        self._deliver = host.deliver
        self._events = host.events
        self._diff1 = host.diff1
        self._judged = judged
        self._reading = BitsReading.REPLACE
        """How the miner's version bits are read first: as they were last where it mattered."""

    def bad(self, ident: JsonId, worker: WorkerName, job_id: str, code: int, text: str) -> None:
        """A share that nobody can judge."""
        reason = {24: Reason.UNAUTHORIZED, 25: Reason.NOT_SUBSCRIBED}.get(code, Reason.BAD_PARAMS)
        self.downstream.refuse(ident, code, text)
        self._result(worker, None, job_id, Verdict.REJECTED, reason, DecidedBy.PROXY, message=text)

    def submit(self, submit: Submit, worker: WorkerName, jobs: JobTable | None) -> None:
        """Judge a share by its job; what passes goes to the upstream session that issued it."""
        issued = jobs.find(submit.job_id) if jobs is not None else None
        if issued is None:
            self._unknown_job(submit, worker, known=jobs is not None and jobs.any_issued)
            return
        judged = judge(issued, submit, self._diff1, self._reading)
        if judged.reading is not None:
            self._reading = judged.reading
        if judged.goes_up:
            block = self._block(worker, issued, submit, judged) if judged.meets_network else None
            if block is not None:
                self._events.emit(block)
            self._forward(PendingShare(submit, worker, issued, judged, block))
            return
        if judged.reason is Reason.DUPLICATE:
            self._events.emit(SubmitDuplicate(session=self.id, worker=worker, job=submit.job_id))
        self._refuse(submit.id, worker, issued, judged, judged.reason)

    def _forward(self, token: PendingShare) -> None:
        submit, worker, issued, judged, block = token
        connection = issued.connection
        if not connection.ready:
            if block is not None:
                self._send_later(token, block)
                return
            self._events.emit(SubmitPoolDead(session=self.id, worker=worker, pool=connection.pool, job=issued.id))
            self._lost(token, Reason.POOL_LOST, 0.0)
            return
        if self._events.wants(SubmitRouted):
            self._events.emit(
                SubmitRouted(
                    session=self.id,
                    worker=worker,
                    pool=connection.pool,
                    connection=connection.id,
                    job=issued.id,
                    pool_job=str(issued.job.notice.job_id),
                )
            )
        connection.submit(
            token,
            issued.job,
            issued.padding + issued.extranonce1 + submit.extranonce2,
            submit.ntime,
            submit.nonce,
            judged.version,
        )

    def answered(self, token: PendingShare, answer: ShareAnswer) -> None:
        """Give the pool's verdict to the miner, unchanged in meaning."""
        if answer.lost and token.block is not None:
            self._send_later(token, token.block)
            return
        if answer.lost:
            self._lost(token, Reason.TIMEOUT if token.issued.connection.ready else Reason.POOL_LOST, answer.latency_s)
            return
        issued, ident = token.issued, token.submit.id
        found = issued.difficulty if token.judged.true_difficulty >= issued.difficulty else 0.0
        self._judged(issued.connection.pool, found, issued.job.difficulty, answer.accepted)
        if answer.accepted:
            self._learn_reading(token, answer.bits, accepted=True)
            self.downstream.accept(ident)
            self._result(
                token.worker,
                issued,
                issued.id,
                Verdict.ACCEPTED,
                Reason.NONE,
                DecidedBy.POOL,
                judged=token.judged,
                latency_s=answer.latency_s,
            )
            return
        error = answer.error or ErrorInfo(20, "refused")
        reason = reason_of(error)
        if reason in _HASH_REFUSED and token.judged.true_difficulty >= issued.job.difficulty:
            self._learn_reading(token, answer.bits, accepted=False)
        self.downstream.refuse(ident, code_of(reason), error.text)
        self._result(
            token.worker,
            issued,
            issued.id,
            Verdict.REJECTED,
            reason,
            DecidedBy.POOL,
            judged=token.judged,
            latency_s=answer.latency_s,
            message=error.text,
        )

    def _learn_reading(self, token: PendingShare, bits: int | None, *, accepted: bool) -> None:
        """Let the pool's answer tell how it reads version bits."""
        if bits is not None:
            job = token.issued.job
            token.issued.connection.reading.answered(
                job.notice.version, job.allowed_mask, token.judged.version, bits, accepted=accepted
            )

    def _send_later(self, token: PendingShare, block: BlockCandidate) -> None:
        """A block without an answer: its miner waits until the delivery has one, or has none in time."""
        connection, alone = token.issued.connection, token._replace(block=None)
        self._deliver(
            UndeliveredBlock(
                worker=block.worker,
                pool=block.pool,
                chain=block.chain,
                header_hash=block.header_hash,
                endpoint=connection.endpoint,
                session_id=block.pool_session,
                extranonce1=block.extranonce1,
                submit=block.submit,
                credentials=connection.credentials,
            ),
            lambda answer: self.answered(alone, answer),
        )

    def _unknown_job(self, submit: Submit, worker: WorkerName, *, known: bool) -> None:
        if known:
            self._events.emit(SubmitUnknownJob(session=self.id, worker=worker, job=submit.job_id))
        else:
            self._events.emit(SubmitNoJobYet(session=self.id, worker=worker))
        self.downstream.refuse(submit.id, 21, _TEXTS[Reason.UNKNOWN_JOB])
        self._result(
            worker,
            None,
            submit.job_id,
            Verdict.REJECTED,
            Reason.UNKNOWN_JOB,
            DecidedBy.PROXY,
            message=_TEXTS[Reason.UNKNOWN_JOB],
        )

    def _refuse(self, ident: JsonId, worker: WorkerName, issued: IssuedJob, judged: ShareCheck, reason: Reason) -> None:
        self.downstream.refuse(ident, code_of(reason), _TEXTS[reason])
        self._result(
            worker, issued, issued.id, Verdict.REJECTED, reason, DecidedBy.PROXY, judged=judged, message=_TEXTS[reason]
        )

    def _lost(self, token: PendingShare, reason: Reason, latency_s: float) -> None:
        """The one place where a share ends that could not be given to its pool, or got no answer there."""
        self.downstream.refuse(token.submit.id, 20, _TEXTS[reason])
        self._result(
            token.worker,
            token.issued,
            token.issued.id,
            Verdict.UNANSWERED,
            reason,
            DecidedBy.PROXY,
            judged=token.judged,
            latency_s=latency_s,
            message=_TEXTS[reason],
        )

    def _result(
        self,
        worker: WorkerName,
        issued: IssuedJob | None,
        job_id: str,
        verdict: Verdict,
        reason: Reason,
        decided_by: DecidedBy,
        *,
        judged: ShareCheck | None = None,
        latency_s: float = 0.0,
        message: str = "",
    ) -> None:
        self._events.emit(
            ShareResult(
                session=self.id,
                worker=worker,
                pool=issued.connection.pool if issued else None,
                job=job_id,
                difficulty=issued.difficulty if issued else 0.0,
                pool_difficulty=issued.job.difficulty if issued else 0.0,
                true_difficulty=judged.true_difficulty if judged else 0.0,
                verdict=verdict,
                reason=reason,
                decided_by=decided_by,
                message=message,
                latency_s=latency_s,
                header_hash=judged.header_hash if judged else b"",
            )
        )

    def _block(self, worker: WorkerName, issued: IssuedJob, submit: Submit, judged: ShareCheck) -> BlockCandidate:
        notice, connection = issued.job.notice, issued.connection
        coinbase = (
            notice.coinb1
            + issued.job.extranonce1
            + issued.padding
            + issued.extranonce1
            + submit.extranonce2
            + notice.coinb2
        )
        return BlockCandidate(
            session=self.id,
            worker=worker,
            pool=connection.pool,
            chain=connection.chain,
            job=issued.id,
            header=judged.header,
            header_hash=judged.header_hash,
            coinbase=coinbase,
            merkle_branches=notice.branches,
            nbits=notice.nbits,
            true_difficulty=judged.true_difficulty,
            network_difficulty=network_difficulty(notice.nbits, self._diff1),
            endpoint=str(connection.endpoint),
            pool_session=connection.session_id,
            extranonce1=issued.job.extranonce1,
            submit=tuple(
                connection.params_of(
                    issued.job,
                    issued.padding + issued.extranonce1 + submit.extranonce2,
                    submit.ntime,
                    submit.nonce,
                    judged.version,
                )
            ),
        )
