"""Sends one miner its work: mask, difficulty and job in one write, and something to keep it in between."""

from typing import TYPE_CHECKING

from proxy.engine.assigned_difficulty import as_number, assigned_difficulty_for
from proxy.engine.jobs import IssuedJob, IssueTerms, JobTable, MinerLink
from proxy.engine.session_part import SessionPart
from proxy.engine.shared_link import SharedLink
from proxy.engine.shared_work import Bounds, notify_line
from proxy.observe.events import DifficultySent, JobForwarded, MinerReady
from proxy.stratum.codec import encode_notification, encode_request
from proxy.stratum.downstream import KEEP_ALIVE_ID
from proxy.stratum.pool_job import PoolJob
from proxy.stratum.version_rolling import mask_text, undisputed_mask
from proxy.types import JobId, PoolKey

if TYPE_CHECKING:
    from proxy.engine.engine import Engine
    from proxy.engine.session import Session

KEEP_ALIVE_S = 50.0
"""cgminer and bfgminer give a pool up after 90 s of silence, others later."""


class WorkSender(SessionPart):
    """One session's; knows what the miner was last sent."""

    __slots__ = ("_engine", "_pool", "assigned_difficulty", "version_mask")

    def __init__(self, session: "Session", engine: "Engine") -> None:
        super().__init__(session)
        self.assigned_difficulty: float | None = None
        """The difficulty last sent."""
        self.version_mask: int | None = None
        """The version bits last allowed; None: none were negotiated."""
        self._engine = engine
        self._pool: PoolKey | None = None
        """Whose job it was sent last."""

    def has_sent(self, job: PoolJob) -> bool:
        """Whether this is the job that the miner was sent last."""
        jobs = self._session.jobs
        return jobs is not None and jobs.last is job

    def send(self, link: MinerLink, *, clean: bool, switch: bool = False) -> None:
        """The way in which jobs reach the miner: mask, difficulty and job in this order in one write."""
        job, jobs = link.job, self._session.jobs
        assert job is not None and jobs is not None, "work is sent where there is a job, after the handshake"
        before = jobs.last
        new_block = before is None or job.template.prevhash != before.template.prevhash
        clean = clean or new_block or before is None or job.extranonce1 != before.extranonce1
        first, now = not jobs.any_issued, self._engine.clock.now()
        if clean:
            jobs.retire(now)
        issued = self._issue(link, job, jobs, now, switch=switch)
        jobs.last = job
        push, notify = self._session.downstream.push, notify_line(issued, clean=clean)
        version_mask = self._mask_to_tell(issued, first=first)
        if version_mask is None and not switch and issued.difficulty == self.assigned_difficulty:
            push(notify)
        else:
            lines = [] if version_mask is None else [_mask_line(version_mask)]
            if switch or issued.difficulty != self.assigned_difficulty:
                lines.append(self._difficulty_line(issued, link))
            push(*lines, notify)
        jobs.change_terms(self._terms_of(link, issued) if isinstance(link, SharedLink) else None)
        key, age_s = link.pool.key, now - job.received_at
        old_pool, self._pool = self._pool, key
        was_waiting = (
            before is not None and old_pool == key and before.template.job_id != job.template.job_id
        )  # not where the job was kept for a switch, or is issued a second time
        self._engine.job_sums.add(key, age_s if was_waiting else None, new_block=new_block)
        if JobForwarded in self._engine.events.heard:
            self.tell(key, job, issued.id, clean=clean, new_block=new_block, age_s=age_s)
        if first:
            session = self._session
            self._engine.events.emit(MinerReady(session=session.id, worker=session.worker, pool=link.pool.key))

    def _terms_of(self, link: SharedLink, issued: IssuedJob) -> IssueTerms | None:
        """How the job just sent was issued; None where it was not the one that all get."""
        session, pool, job, work = self._session, link.pool, issued.job, link.work
        vardiff = session.vardiff
        if issued.lines is None or work is None or vardiff is None:
            return None
        bounds = Bounds(job.difficulty, session.network_difficulty(pool, job), issued.block_target)
        common = link.common_terms(bounds, issued.version_mask, session.kind(pool.key, job))
        return IssueTerms(link=link, common=common, suitable=vardiff.suitable, difficulty=issued.difficulty)

    def _issue(self, link: MinerLink, job: PoolJob, jobs: JobTable, now: float, *, switch: bool) -> IssuedJob:
        session, engine, pool = self._session, self._engine, link.pool
        network = engine.network_difficulties.believe(pool.config.chain, job.template.nbits)
        if isinstance(link, SharedLink):
            difficulty = link.assign(job, network.credible, switch=switch)
        else:
            held = link.held_difficulty(job.difficulty)
            difficulty = assigned_difficulty_for(
                job.difficulty,
                pool.config,
                session.profile,
                hashrate=engine.scheduler.rate(session.id) if held else 0.0,
                held=held,
                hashes_per_difficulty=engine.hashes_per_difficulty,
                network_difficulty=network.credible,
                miner_minimum=session.asked_difficulty.least,
            )
        return jobs.issue(
            link,
            job,
            difficulty=difficulty,
            version_mask=session.version_mask_for(pool.key, job),
            block_target=network.block_target,
            now=now,
        )

    def _mask_to_tell(self, issued: IssuedJob, *, first: bool) -> int | None:
        """The mask to send before the job; None where the miner has it, or takes none.

        Firmware that was told of no rolling hears of masks only where it would roll all the same (ESP-Miner).
        """
        session = self._session
        version_mask = undisputed_mask(issued.version_mask, issued.job.template.version)
        if version_mask == self.version_mask and not (first and session.profile.repeats_mask):
            return None
        if not session.rolls and not (session.downstream.declined and session.profile.stops_rolling):
            return None
        self.version_mask = version_mask
        session.facts_changed()
        return version_mask

    def _difficulty_line(self, issued: IssuedJob, link: MinerLink) -> bytes:
        session, events = self._session, self._engine.events
        self.assigned_difficulty = issued.difficulty
        session.facts_changed()
        if events.wants(DifficultySent):
            events.emit(
                DifficultySent(
                    session=session.id,
                    worker=session.worker,
                    pool=link.pool.key,
                    difficulty=issued.difficulty,
                    pool_difficulty=issued.job.difficulty,
                )
            )
        return encode_notification("mining.set_difficulty", [as_number(issued.difficulty)])

    def tell(
        self,
        pool: PoolKey,
        job: PoolJob,
        ident: JobId,
        *,
        clean: bool,
        new_block: bool,
        age_s: float,
    ) -> None:
        """Tell whoever listens that ``job`` was sent as ``ident``."""
        session = self._session
        self._engine.events.emit(
            JobForwarded(
                session=session.id,
                worker=session.worker,
                pool=pool,
                job=ident,
                pool_job=str(job.template.job_id),
                difficulty=self.assigned_difficulty or 0.0,
                pool_difficulty=job.difficulty,
                clean=clean,
                age_s=age_s,
                new_block=new_block,
            )
        )

    def keep_alive(self) -> float:
        """Send something before the miner takes silence for a dead pool; nothing that changes what it works on.

        Returns when to look again (monotonic seconds). Never a difficulty: cgminer 4.11.1 (util.c, cgminer.c) and
        Avalon queue them and use one up with each notify, so one without a job behind it shifts all later ones by a
        job. The mask it has, to firmware that negotiated rolling; else a call that firmware answers and otherwise
        ignores.
        """
        session, now = self._session, self._engine.clock.now()
        due = session.downstream.last_sent + KEEP_ALIVE_S
        if now < due - 1e-6:
            return due
        if session.rolls and self.version_mask is not None:
            line = _mask_line(self.version_mask)
        else:
            line = encode_request(KEEP_ALIVE_ID, session.profile.keep_alive, [])
        session.downstream.push(line)
        return now + KEEP_ALIVE_S


def _mask_line(version_mask: int) -> bytes:
    return encode_notification("mining.set_version_mask", [mask_text(version_mask)])
