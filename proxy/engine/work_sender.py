"""Sends one miner its work: mask, difficulty and job in one write, and something to keep it in between."""

from typing import TYPE_CHECKING

from proxy.engine.assigned_difficulty import as_number, assigned_difficulty_for
from proxy.engine.jobs import notify_line
from proxy.engine.pool_link import PoolLink
from proxy.observe.events import DifficultySent, JobForwarded, MinerReady
from proxy.stratum.codec import encode_notification, encode_request
from proxy.stratum.downstream import KEEP_ALIVE_ID
from proxy.stratum.version_rolling import mask_text, undisputed_mask

if TYPE_CHECKING:
    from proxy.engine.engine import Engine
    from proxy.engine.session import Session

KEEP_ALIVE_S = 50.0
"""cgminer and bfgminer give a pool up after 90 s of silence, others later."""


class WorkSender:
    """One session's; knows what the miner was last sent."""

    __slots__ = ("_engine", "_extranonce1", "_prevhash", "_session", "assigned_difficulty", "version_mask")

    def __init__(self, session: "Session", engine: "Engine") -> None:
        self.assigned_difficulty: float | None = None
        """The difficulty last sent."""
        self.version_mask: int | None = None
        """The version bits last allowed; None: none were negotiated."""
        self._session = session
        self._engine = engine
        self._prevhash = b""
        self._extranonce1 = b""

    def send(self, link: PoolLink, *, clean: bool, switch: bool = False) -> None:
        """The one way in which a job reaches the miner: mask, difficulty and job in this order in one write."""
        session, engine = self._session, self._engine
        job, jobs, pool = link.job, session.jobs, link.pool
        assert job is not None and jobs is not None, "work is sent where there is a job, after the handshake"
        new_block = job.template.prevhash != self._prevhash
        clean = clean or new_block or job.extranonce1 != self._extranonce1
        now = engine.clock.now()
        if clean:
            jobs.retire(now)
        held = link.held_difficulty(job.difficulty)
        difficulty = assigned_difficulty_for(
            job.difficulty,
            pool.config,
            session.profile,
            hashrate=engine.scheduler.rate(session.id) if held else 0.0,
            held=held,
            hashes_per_difficulty=engine.hashes_per_difficulty,
            network_difficulty=engine.network_difficulties.credible(pool.config.chain, job.template.nbits),
            miner_minimum=session.minimum_difficulty,
        )
        job_mask = session.version_mask_for(pool.key, job)
        first = not jobs.any_issued
        issued = jobs.issue(
            link,
            job,
            difficulty=difficulty,
            version_mask=job_mask,
            block_target=engine.network_difficulties.block_target(pool.config.chain, job.template.nbits),
            now=now,
        )
        self._prevhash, self._extranonce1 = job.template.prevhash, job.extranonce1
        lines: list[bytes] = []
        version_mask = undisputed_mask(job_mask, job.template.version)
        # Firmware that was told of no rolling hears of masks only where it would roll all the same (ESP-Miner).
        takes_masks = session.rolls or (session.downstream.declined and session.profile.stops_rolling)
        if takes_masks and (version_mask != self.version_mask or (first and session.profile.repeats_mask)):
            self.version_mask = version_mask
            lines.append(encode_notification("mining.set_version_mask", [mask_text(version_mask)]))
        if switch or difficulty != self.assigned_difficulty:
            self.assigned_difficulty = difficulty
            lines.append(encode_notification("mining.set_difficulty", [as_number(difficulty)]))
            if engine.events.wants(DifficultySent):
                engine.events.emit(
                    DifficultySent(
                        session=session.id,
                        worker=session.worker,
                        pool=pool.key,
                        difficulty=difficulty,
                        pool_difficulty=job.difficulty,
                    )
                )
        lines.append(notify_line(issued, clean=clean))
        session.downstream.push(*lines)
        if engine.events.wants(JobForwarded):
            engine.events.emit(
                JobForwarded(
                    session=session.id,
                    worker=session.worker,
                    pool=pool.key,
                    job=issued.id,
                    pool_job=str(job.template.job_id),
                    difficulty=difficulty,
                    pool_difficulty=job.difficulty,
                    clean=clean,
                    age_s=now - job.received_at,
                    new_block=new_block,
                )
            )
        if first:
            engine.events.emit(MinerReady(session=session.id, worker=session.worker, pool=pool.key))

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
            line = encode_notification("mining.set_version_mask", [mask_text(self.version_mask)])
        else:
            line = encode_request(KEEP_ALIVE_ID, session.profile.keep_alive, [])
        session.downstream.push(line)
        return now + KEEP_ALIVE_S
