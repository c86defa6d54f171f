"""A share on its way: sent to its pool, and not answered yet."""

from typing import TYPE_CHECKING

from proxy.engine.jobs import IssuedJob
from proxy.engine.reject_reasons import code_of, reason_of
from proxy.observe.events import BlockCandidate, ShareResult
from proxy.stratum.codec import ErrorInfo, JsonId
from proxy.stratum.upstream_owner import ShareAnswer
from proxy.types import DecidedBy, Reason, Verdict, WorkerName

if TYPE_CHECKING:
    from proxy.engine.submits import SubmitHandler

_ACCEPTED, _NONE, _POOL = Verdict.ACCEPTED, Reason.NONE, DecidedBy.POOL
_HASH_REFUSED = frozenset({Reason.LOW_DIFFICULTY, Reason.VERSION})
"""How a pool refuses a share whose version it rebuilt as another."""


class PendingShare:
    """Takes the answer straight from the connection that carried the share. Implements ``PendingSubmit``."""

    __slots__ = ("block", "handler", "header_hash", "ident", "issued", "true_difficulty", "version", "worker")

    def __init__(
        self,
        handler: "SubmitHandler",
        ident: JsonId,
        worker: WorkerName,
        issued: IssuedJob,
        true_difficulty: float,
        header_hash: bytes,
        version: int,
    ) -> None:
        self.handler = handler
        self.ident = ident
        """The miner's, to be echoed."""
        self.worker = worker
        self.issued = issued
        self.true_difficulty = true_difficulty
        self.header_hash = header_hash
        """32 bytes, most significant first."""
        self.version = version
        """As hashed."""
        self.block: BlockCandidate | None = None
        """What it is as well, until it was given to the delivery of blocks."""
        handler.any_share = True

    def accepted(self, latency_s: float, version_bits: int | None) -> None:
        """The pool accepted it: tell the miner, those who count, and the scheduler, for it is evidence.

        The miner first: whatever fails behind it, the share has its reply.
        """
        handler, issued, reached = self.handler, self.issued, self.true_difficulty
        handler.downstream.accept(self.ident)
        credited = min(issued.job.difficulty, reached)
        handler.cost.accepted += 1
        productive = issued.productive
        if credited > productive.value or not productive.earned:
            productive.accepted(credited)
        if issued.plain is None:  # else there is nothing to learn: its bits can be read in one way only
            self._learn_reading(version_bits, accepted=True)
        if self.block is not None:
            handler.events.settle()  # what came before it counts in its own minute
        is_summed = self.block is None and handler.sums.add(handler.session, self.worker, issued, reached, latency_s)
        if not is_summed or ShareResult in handler.events.heard_each:
            self._tell_accepted(latency_s, is_summed=is_summed)
        # A block below the assigned difficulty says nothing about the miner's hash rate.
        proven = issued.difficulty if reached >= issued.difficulty else 0.0
        if issued.shared is not None:
            credited = proven  # the pool's is for many shares of the connection: what counts for the split is the work
            issued.shared.worked(proven)
        handler.scheduler.share(handler.session, issued.connection.pool, proven, True, credited)

    def _tell_accepted(self, latency_s: float, *, is_summed: bool) -> None:
        handler, issued = self.handler, self.issued
        emit = handler.events.emit_each if is_summed else handler.events.emit
        emit(
            ShareResult(
                session=handler.session,
                worker=self.worker,
                pool=issued.connection.pool,
                job=issued.id,
                difficulty=issued.difficulty,
                pool_difficulty=issued.job.difficulty,
                true_difficulty=self.true_difficulty,
                verdict=_ACCEPTED,
                reason=_NONE,
                decided_by=_POOL,
                message="",
                latency_s=latency_s,
                header_hash=self.header_hash,
            )
        )

    def answered(self, answer: ShareAnswer) -> None:
        """Give the pool's verdict to the miner, unchanged in meaning, and to the scheduler as evidence."""
        if answer.lost:
            self._lost(answer)
        elif answer.accepted:
            self.accepted(answer.latency_s, answer.version_bits)
        else:
            self._rejected(answer)

    def _lost(self, answer: ShareAnswer) -> None:
        connection = self.issued.connection
        if self.block is not None and not connection.ready:
            self.handler.deliver_later(self, self.block, self.answered)
        else:  # a block whose connection still stands may get its answer late
            reason = Reason.TIMEOUT if connection.ready else Reason.POOL_LOST
            self.handler.end_unanswered(self, reason, answer.latency_s)

    def _rejected(self, answer: ShareAnswer) -> None:
        handler, issued, reached = self.handler, self.issued, self.true_difficulty
        connection, credited = issued.connection, min(issued.job.difficulty, reached)
        error = answer.error or ErrorInfo(20, "refused")
        reason, text = reason_of(error), error.text
        # Some pools (public-pool) judge by the difficulty of the moment, not by the job's.
        if reason in _HASH_REFUSED and reached >= max(issued.job.difficulty, connection.difficulty):
            self._learn_reading(answer.version_bits, accepted=False)
        handler.downstream.refuse(self.ident, code_of(reason), text)
        handler.emit_result(
            self.worker,
            issued,
            issued.id,
            Verdict.REJECTED,
            reason,
            DecidedBy.POOL,
            reached,
            self.header_hash,
            answer.latency_s,
            text,
        )
        handler.scheduler.share(handler.session, connection.pool, issued.difficulty, False, credited)

    def answered_late(self, answer: ShareAnswer) -> None:
        """The miner was told that there is no answer; of a block people want to know it all the same."""
        if self.block is not None:
            block, self.block = self.block, None
            self.handler.tell_late(self, block, answer)

    def given_up(self) -> None:
        """The connection ended without an answer: a block is sent again where its session can be resumed."""
        if self.block is not None:
            self.handler.deliver_later(self, self.block, None)

    def _learn_reading(self, version_bits: int | None, *, accepted: bool) -> None:
        """Let the pool's answer tell how it reads version bits."""
        if version_bits is not None:
            job = self.issued.job
            self.issued.connection.reading.answered(
                job.template.version, job.allowed_version_mask, self.version, version_bits, accepted=accepted
            )
