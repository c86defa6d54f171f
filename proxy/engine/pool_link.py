"""A session's attachment to one pool: keeps it supplied with a warm lane, renews it, drains it.

Renewal is make-before-break: the new lane replaces the old one at its first job, then the old one drains. A drained
lane ends when no submit of it is open (after a grace for shares in flight), or after ``DRAIN_MOST_S``.
"""

from enum import StrEnum
from typing import Any, Protocol

from proxy.config.snapshot import Endpoint
from proxy.engine.pool_health import Backoff, Random
from proxy.engine.productive import ProductiveDifficulty
from proxy.engine.upstream_connection import DedicatedLane, LaneUser
from proxy.errors import LocalProtocolError
from proxy.observe.events import EventStream, PoolReconnectWait
from proxy.ports import Clock, Timer
from proxy.stratum.pool_job import PoolJob
from proxy.stratum.upstream_owner import ShareAnswer
from proxy.types import PoolKey, SessionId

DRAIN_GRACE_S = 5.0
DRAIN_MOST_S = 10.0
RETRY_LEAST_S = 0.25
RETRY_MOST_S = 60.0
STEADY_S = 30.0
"""A connection that lived this long was a good one: when it breaks, the next is dialled at once."""
REFUSED_LEAST_S = 60.0
REFUSED_MOST_S = 900.0
"""A user that the pool refuses is parked: hammering gets addresses banned (MiningCore)."""


class AttachmentState(StrEnum):
    """What an attachment is about."""

    IDLE = "idle"
    OPENING = "opening"
    WARM = "warm"
    WAITING = "waiting"
    """For its backoff, or for the pool to come back."""
    DRAINING = "draining"


_MOVES: dict[AttachmentState, tuple[AttachmentState, ...]] = {
    AttachmentState.IDLE: (AttachmentState.OPENING, AttachmentState.WAITING),
    AttachmentState.OPENING: (AttachmentState.WARM, AttachmentState.WAITING, AttachmentState.IDLE),
    AttachmentState.WARM: (
        AttachmentState.OPENING,
        AttachmentState.WAITING,
        AttachmentState.DRAINING,
        AttachmentState.IDLE,
    ),
    AttachmentState.WAITING: (AttachmentState.OPENING, AttachmentState.IDLE),
    AttachmentState.DRAINING: (AttachmentState.WARM, AttachmentState.IDLE),
}


class PoolSide(Protocol):
    """What an attachment asks of the pool it belongs to."""

    key: PoolKey

    @property
    def may_dial(self) -> bool:
        """Whether lanes may be opened now; if not, ``Attachment.pool_back`` will be called."""

    def make_lane(
        self, session: SessionId, user: LaneUser, endpoint: Endpoint | None, productive: ProductiveDifficulty
    ) -> DedicatedLane:
        """Make a lane for the session's user (to ``endpoint``, else where the pool is now) and dial it."""

    def lane_up(self, lane: DedicatedLane) -> None:
        """A lane got its first job."""

    def job_heard(self, lane: DedicatedLane) -> None:
        """A lane got a job."""

    def answer_heard(self) -> None:
        """A share was answered."""

    def lane_mask(self, lane: DedicatedLane, mask: int) -> None:
        """A lane heard which version bits the pool allows."""

    def lane_down(self, lane: DedicatedLane, reason: str) -> None:
        """A lane ended."""

    def lane_stale(self, lane: DedicatedLane) -> None:
        """A lane hears of no new jobs."""


class AttachmentOwner(Protocol):
    """The session."""

    id: SessionId

    def work_came(self, attachment: "Attachment", job: PoolJob, *, new_lane: bool) -> None:
        """The warm lane has a new job; ``new_lane``: it is another connection than before."""

    def work_lost(self, attachment: "Attachment") -> None:
        """There is no warm lane any more; ``Attachment.loss`` says why."""

    def share_answered(self, token: Any, answer: ShareAnswer) -> None:
        """A share's verdict, from whichever lane carried it."""

    def is_working_on(self, pool: PoolKey) -> bool:
        """Whether the miner works on ``pool`` now."""


class Attachment:
    """See the module. Implements ``LaneUser`` for its lanes."""

    __slots__ = (
        "_clock",
        "_elsewhere",
        "_events",
        "_finishing",
        "_leaving",
        "_next",
        "_outdated",
        "_owner",
        "_parked",
        "_retry",
        "_timer",
        "_traced",
        "lane",
        "loss",
        "pool",
        "productive",
        "refused",
        "state",
    )

    def __init__(
        self, *, pool: PoolSide, owner: AttachmentOwner, clock: Clock, events: EventStream, random: Random
    ) -> None:
        self.pool = pool
        self.state = AttachmentState.IDLE
        self.lane: DedicatedLane | None = None
        self.productive = ProductiveDifficulty()
        """Over all its lanes."""
        self.refused = ""
        """Why the pool refused this user, until it accepts it."""
        self.loss = ""
        """Why the last connection in use ended; known before the pool or the session hears of the end."""
        self._next: DedicatedLane | None = None
        self._elsewhere: Endpoint | None = None
        """Where the pool sent the connection that had no job yet: the next dial goes there."""
        self._outdated = False
        """Whether the lane in use is to be replaced (another wallet or address), and has not been."""
        self._leaving: list[DedicatedLane] = []
        self._owner = owner
        self._clock = clock
        self._events = events
        self._retry = Backoff(RETRY_LEAST_S, RETRY_MOST_S, random)
        self._parked = Backoff(REFUSED_LEAST_S, REFUSED_MOST_S, random)
        self._timer: Timer | None = None
        self._finishing = False
        self._traced = False

    @property
    def open_submits(self) -> int:
        """Shares without a verdict on any lane, also on those that are leaving."""
        return sum(lane.open_submits for lane in (self.lane, *self._leaving) if lane is not None)

    @property
    def warm_lane(self) -> DedicatedLane | None:
        """The lane that shares and jobs go through, if it is ready and has a job."""
        lane = self.lane
        return lane if lane is not None and lane.job is not None else None

    @property
    def connections(self) -> int:
        """Lanes that exist in any stage."""
        return len(self._leaving) + (self.lane is not None) + (self._next is not None)

    # --- Commands -------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """See that there is a warm lane; harmless when there is."""
        match self.state:
            case AttachmentState.IDLE:
                self._dial()
            case AttachmentState.DRAINING:
                self._cancel_timer()
                self._move(AttachmentState.WARM)
                if self._outdated:
                    self.renew()

    def renew(self, endpoint: Endpoint | None = None) -> None:
        """Replace the lane by a fresh one (to ``endpoint``), without a gap."""
        self._outdated = self.state in (AttachmentState.WARM, AttachmentState.DRAINING)
        if self.state is AttachmentState.WARM:
            self._cancel_timer()
            self._drop_next("renewed again")
            self._next = self._make_lane(endpoint)
        elif self.state is AttachmentState.OPENING and self.lane is not None:
            old, self.lane = self.lane, None
            self._let_go(old, "renewed")
            self._move(AttachmentState.IDLE)
            self._dial()
        elif self.state is AttachmentState.WAITING:
            self.refused = ""
            self._parked.reset()
            self._cancel_timer()
            self._dial()

    def drain(self) -> None:
        """The lane is not wanted any more: let open submits finish, then close it."""
        match self.state:
            case AttachmentState.WARM:
                self._cancel_timer()
                self._move(AttachmentState.DRAINING)
                self._drop_next("not wanted")
                since = self._clock.now()
                self._timer = self._clock.call_at(since + DRAIN_GRACE_S, lambda: self._drained(since))
            case AttachmentState.OPENING | AttachmentState.WAITING:
                self.close("not wanted")

    def close(self, reason: str) -> None:
        """End all lanes now."""
        self._end(reason, keep=set())

    def _end(self, reason: str, *, keep: set[DedicatedLane]) -> None:
        self._cancel_timer()
        if self.state is not AttachmentState.IDLE:
            self._move(AttachmentState.IDLE)
        self._drop_next(reason)
        lane, self.lane = self.lane, None
        for each in [lane, *self._leaving]:
            if each is not None and each not in keep:
                self._let_go(each, reason)

    def finish(self, reason: str) -> None:
        """The miner is gone: lanes with open submits wait for their verdicts, the others end now."""
        lanes = [lane for lane in (self.lane, *self._leaving) if lane is not None and lane.open_submits]
        for lane in lanes:
            self._see_off(lane)
        if self.lane in lanes:
            self.lane = None
        self._finishing = True
        for lane in lanes:
            self._close_later(lane, reason)
        self._end(reason, keep=set(lanes))

    def pool_gone(self, reason: str) -> None:
        """The pool is down: every lane ends, and the next one waits until it is back."""
        if self.state in (AttachmentState.WARM, AttachmentState.OPENING):
            self.close(reason)
            self.open()

    def pool_back(self) -> None:
        """The pool may be dialled again."""
        if self.state is AttachmentState.WAITING and not (self.refused and self._timer is not None):
            self._cancel_timer()
            self._dial()

    def trace(self, on: bool) -> None:
        """Let the raw traffic of all its lanes be heard, of those to come too, or no more."""
        self._traced = on
        for lane in (self.lane, self._next, *self._leaving):
            if lane is not None:
                lane.upstream.traced = on

    # --- LaneUser -------------------------------------------------------------------------------------------------

    def lane_job(self, lane: DedicatedLane, job: PoolJob) -> None:
        """Take work from the lane in use; a renewed lane takes over at its first job."""
        self.pool.job_heard(lane)
        if lane is self._next:
            old, self.lane, self._next = self.lane, lane, None
            self._outdated = False
            self.pool.lane_up(lane)
            self._owner.work_came(self, job, new_lane=True)
            if old is not None:
                self._let_go_gently(old)
        elif lane is self.lane:
            first = self.state is AttachmentState.OPENING
            if first:
                self._move(AttachmentState.WARM)
                self._parked.reset()
                self.refused = ""
                self.pool.lane_up(lane)
            self._owner.work_came(self, job, new_lane=first)

    def lane_answer(self, token: Any, answer: ShareAnswer) -> None:
        """Pass a verdict on, also from a lane that is leaving; the last one ends a lane whose miner is gone."""
        if not answer.lost:
            self.pool.answer_heard()
        self._owner.share_answered(token, answer)
        if self._finishing:
            for lane in [lane for lane in self._leaving if not lane.open_submits]:
                lane.close("miner left")

    def lane_lost(self, lane: DedicatedLane, reason: str) -> None:
        """Find out what was lost; the lane in use is replaced after its backoff."""
        if lane in self._leaving:
            self._leaving.remove(lane)
        if lane is self._next:
            self._next = None
            self.pool.lane_down(lane, reason)
            if self.state is AttachmentState.WARM:
                delay = (self._parked if lane.refused else self._retry).next()
                self._timer = self._clock.call_at(self._clock.now() + delay, self._renew_again)
        elif lane is self.lane:
            if lane.lived_s >= STEADY_S:
                self._retry.reset()
            self.loss = lane.refused or reason
            self.lane, self._next = self._next, None
            self._cancel_timer()
            self._move(self._after_loss())
            self.refused = lane.refused
            self.pool.lane_down(lane, reason)
            self._owner.work_lost(self)
            if self.state is AttachmentState.WAITING:
                self._wait()
        else:
            self.pool.lane_down(lane, reason)

    def lane_mask(self, lane: DedicatedLane, mask: int) -> None:
        """Let the pool know, for the miners to come."""
        self.pool.lane_mask(lane, mask)

    def lane_stale(self, lane: DedicatedLane) -> None:
        """Let the pool find out whether the lane is dead."""
        if lane is self.lane:
            self.pool.lane_stale(lane)

    def lane_redirected(self, lane: DedicatedLane, endpoint: Endpoint) -> None:
        """Follow, without a gap; before the first job after a backoff, for some pools send their clients in circles."""
        if lane is not self.lane:
            return
        if self.state is AttachmentState.OPENING:
            self._elsewhere, self.lane = endpoint, None
            self._let_go(lane, "redirected")
            self._move(AttachmentState.WAITING)
            self._wait()
        elif self._next is None:
            self.renew(endpoint)

    # --- Its own --------------------------------------------------------------------------------------------------

    def _dial(self) -> None:
        if not self.pool.may_dial:
            if self.state is not AttachmentState.WAITING:
                self._move(AttachmentState.WAITING)
            return
        self._move(AttachmentState.OPENING)
        elsewhere, self._elsewhere = self._elsewhere, None
        self._outdated = False
        self.lane = self._make_lane(elsewhere)

    def _make_lane(self, endpoint: Endpoint | None = None) -> DedicatedLane:
        lane = self.pool.make_lane(self._owner.id, self, endpoint, self.productive)
        lane.upstream.traced = self._traced
        return lane

    def _wait(self) -> None:
        delay = (self._parked if self.refused else self._retry).next()
        self._events.emit(PoolReconnectWait(pool=self.pool.key, delay_s=round(delay, 3), session=self._owner.id))
        self._timer = self._clock.call_at(self._clock.now() + delay, self._try_again)

    def _after_loss(self) -> AttachmentState:
        """What follows the loss of the lane in use: the one that was to replace it anyway, an end, or another try."""
        if self.lane is not None:
            return AttachmentState.OPENING
        return AttachmentState.IDLE if self.state is AttachmentState.DRAINING else AttachmentState.WAITING

    def _renew_again(self) -> None:
        self._timer = None
        if self.state is AttachmentState.WARM and self._next is None:
            self.renew()

    def _try_again(self) -> None:
        self._timer = None
        if self.state is AttachmentState.WAITING:
            self._dial()

    def _drained(self, since: float) -> None:
        self._timer = None
        lane = self.lane
        if self.state is not AttachmentState.DRAINING or lane is None:
            return
        now = self._clock.now()
        if now < since + DRAIN_MOST_S and (lane.open_submits or self._owner.is_working_on(self.pool.key)):
            self._timer = self._clock.call_at(since + DRAIN_MOST_S, lambda: self._drained(since))
            return
        if self._owner.is_working_on(self.pool.key):
            self._timer = self._clock.call_at(now + DRAIN_GRACE_S, lambda: self._drained(since))
            return
        self.close("drained")

    def _see_off(self, lane: DedicatedLane) -> None:
        if lane not in self._leaving:
            self._leaving.append(lane)

    def _let_go_gently(self, lane: DedicatedLane) -> None:
        """Close a lane that was replaced once its shares in flight had their chance."""
        self._see_off(lane)
        self._close_later(lane, "replaced")

    def _close_later(self, lane: DedicatedLane, reason: str) -> None:
        self._clock.call_at(self._clock.now() + DRAIN_GRACE_S, lambda: lane.close(reason))

    def _let_go(self, lane: DedicatedLane, reason: str) -> None:
        self._see_off(lane)
        lane.close(reason)

    def _drop_next(self, reason: str) -> None:
        coming, self._next = self._next, None
        if coming is not None:
            self._let_go(coming, reason)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _move(self, state: AttachmentState) -> None:
        if state not in _MOVES[self.state]:
            raise LocalProtocolError(f"attachment {self.state} -> {state}")
        self.state = state
