"""History: shares by time, totals, best shares, blocks, tips of the chains, payouts.

Rows of shares hold each share exactly once: a row moves to a coarser ``step`` when it gets old, it is never copied. The
writer (``proxy.history.writer``) adds to rows with plain SQL; nothing here has behaviour on save.
"""

from datetime import UTC, datetime
from typing import Any

from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from proxy.history.counters import STORED
from proxy.models.base import OneRow
from proxy.models.constraints import check
from proxy.models.labels import COUNTER_LABELS
from proxy.types import BlockFate, Chain, DecidedBy, Reason, Verdict

WORKER_CHARS = 128
POOL_CHARS = 8


class Step(models.IntegerChoices):
    """Width of a bucket, seconds."""

    MINUTE = 60, _("minute")
    TEN_MINUTES = 600, _("10 minutes")
    HOUR = 3600, _("hour")
    DAY = 86400, _("day")


class BlockVerdict(models.TextChoices):
    """Fate of a block found."""

    PENDING = "pending", _("no answer known")
    ACCEPTED = Verdict.ACCEPTED.value, _("accepted by the pool")
    REJECTED = Verdict.REJECTED.value, _("refused by the pool")
    UNANSWERED = Verdict.UNANSWERED.value, _("the pool did not answer")


_FATES = [
    (BlockFate.WAITING.value, _("waiting to be sent when the connection is back")),
    (BlockFate.SENT.value, _("sent after reconnecting, no answer yet")),
    (BlockFate.ACCEPTED.value, _("sent after reconnecting, accepted")),
    (BlockFate.ARRIVED.value, _("it had reached the pool before the connection broke")),
    (BlockFate.REJECTED.value, _("sent after reconnecting, refused by the pool")),
    (BlockFate.NO_ANSWER.value, _("sent after reconnecting, the pool did not answer")),
    (BlockFate.NO_SESSION.value, _("could not be sent (again): this pool cannot resume a broken session")),
    (BlockFate.NEW_SESSION.value, _("could not be sent (again): the pool gave a new session")),
    (BlockFate.LOGIN_REFUSED.value, _("could not be sent (again): the pool refused the login")),
    (BlockFate.EXPIRED.value, _("could not be sent (again) in time")),
    (BlockFate.POOL_REMOVED.value, _("could not be sent (again): the pool was removed, changed or switched off")),
    (BlockFate.TOO_MANY.value, _("could not be sent (again): too many were waiting")),
]
_CHAINS = [(chain.value, chain.value) for chain in Chain]
_REASONS = [(reason.value, reason.value) for reason in Reason]
_DECIDERS = [(who.value, who.value) for who in DecidedBy]


class ShareSums(models.Model):
    """Sums over shares: a column for each counter of the schema that is stored."""

    worker = models.CharField(_("worker"), max_length=WORKER_CHARS)
    pool = models.CharField(
        _("pool"), max_length=POOL_CHARS, blank=True, help_text=_("Empty for shares that named no known job.")
    )

    class Meta:
        abstract = True


for _counter in STORED:
    _kind = models.BigIntegerField if _counter.unit.is_whole else models.FloatField
    _options: dict[str, Any] = {"default": 0 if _counter.unit.is_whole else 0.0}
    _options["verbose_name"], _options["help_text"] = COUNTER_LABELS[_counter.name][:2]
    ShareSums.add_to_class(_counter.name, _kind(**_options))


class ShareBucket(ShareSums):
    """Shares of one worker on one pool in one stretch of time."""

    step = models.IntegerField(_("width"), choices=Step.choices)
    start = models.BigIntegerField(_("start"), help_text=_("Unix seconds."))

    class Meta:
        verbose_name = _("share history")
        verbose_name_plural = _("share history")
        constraints = [models.UniqueConstraint(fields=["step", "start", "worker", "pool"], name="share_bucket_once")]
        indexes = [
            models.Index(fields=["start"], name="share_bucket_start"),
            models.Index(fields=["worker", "start"], name="share_bucket_worker"),
        ]

    def __str__(self) -> str:
        return f"{self.worker} / {self.pool or '-'} {self.begins:%Y-%m-%d %H:%M}"

    @property
    def begins(self) -> datetime:
        """``start`` as a datetime."""
        return datetime.fromtimestamp(self.start, UTC)


class RejectSums(models.Model):
    """How many shares of one worker were refused on one pool, for one reason."""

    worker = models.CharField(_("worker"), max_length=WORKER_CHARS)
    pool = models.CharField(_("pool"), max_length=POOL_CHARS, blank=True)
    reason = models.CharField(_("reason"), max_length=20, choices=_REASONS)
    decided_by = models.CharField(_("decided by"), max_length=8, choices=_DECIDERS)
    count = models.BigIntegerField(_("shares"), default=0)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.worker} / {self.pool or '-'} {self.reason}: {self.count}"


class RejectBucket(RejectSums):
    """Refused shares by reason, beside a ``ShareBucket``."""

    step = models.IntegerField(_("width"), choices=Step.choices)
    start = models.BigIntegerField(_("start"), help_text=_("Unix seconds."))

    class Meta:
        verbose_name = _("refused shares")
        verbose_name_plural = _("refused shares")
        constraints = [
            models.UniqueConstraint(
                fields=["step", "start", "worker", "pool", "reason", "decided_by"], name="reject_bucket_once"
            )
        ]
        indexes = [models.Index(fields=["start"], name="reject_bucket_start")]


class ShareTotal(ShareSums):
    """All shares ever of one worker on one pool."""

    last_share_at = models.FloatField(_("last share"), null=True, blank=True, help_text=_("Unix seconds."))

    class Meta:
        verbose_name = _("total of a worker")
        verbose_name_plural = _("totals of workers")
        constraints = [models.UniqueConstraint(fields=["worker", "pool"], name="share_total_once")]

    def __str__(self) -> str:
        return f"{self.worker} / {self.pool or '-'}"


class RejectTotal(RejectSums):
    """All refused shares ever of one worker on one pool, by reason."""

    class Meta:
        verbose_name = _("total of refused shares")
        verbose_name_plural = _("totals of refused shares")
        constraints = [
            models.UniqueConstraint(fields=["worker", "pool", "reason", "decided_by"], name="reject_total_once")
        ]


class BestShare(models.Model):
    """A share worth remembering: a worker's own best on a chain, or one of the chain's best."""

    worker = models.CharField(_("worker"), max_length=WORKER_CHARS)
    chain = models.CharField(_("chain"), max_length=8, choices=_CHAINS)
    pool = models.CharField(_("pool"), max_length=POOL_CHARS)
    true_difficulty = models.FloatField(_("true difficulty"))
    at = models.DateTimeField(_("time"))
    header_hash = models.CharField(_("header hash"), max_length=64, blank=True)

    class Meta:
        verbose_name = _("best share")
        verbose_name_plural = _("best shares")
        ordering = ["-true_difficulty"]
        constraints = [
            models.UniqueConstraint(
                fields=["worker", "chain", "true_difficulty", "header_hash"], name="best_share_once"
            )
        ]
        indexes = [models.Index(fields=["chain", "-true_difficulty"], name="best_share_top")]

    def __str__(self) -> str:
        return f"{self.worker} {self.chain} {self.true_difficulty:.6g}"


class V2BestShare(models.Model):
    """What DPMP v2 kept as a worker's best share: the difficulty it was assigned, not what its hash achieved."""

    worker = models.CharField(_("worker"), max_length=WORKER_CHARS, unique=True)
    assigned_difficulty = models.FloatField(_("assigned difficulty"))
    imported_at = models.DateTimeField(_("imported"), auto_now=True)

    class Meta:
        verbose_name = _("best share of v2")
        verbose_name_plural = _("best shares of v2")
        ordering = ["-assigned_difficulty", "worker"]

    def __str__(self) -> str:
        return f"{self.worker} {self.assigned_difficulty:.6g}"


class Block(models.Model):
    """A share whose hash met the network target."""

    header_hash = models.CharField(_("block hash"), max_length=64, unique=True)
    worker = models.CharField(_("worker"), max_length=WORKER_CHARS)
    pool = models.CharField(_("pool"), max_length=POOL_CHARS)
    chain = models.CharField(_("chain"), max_length=8, choices=_CHAINS)
    height = models.BigIntegerField(_("height"), null=True, blank=True)
    at = models.DateTimeField(_("time"))
    header = models.CharField(_("header"), max_length=160)
    coinbase = models.TextField(_("coinbase"))
    merkle_branches = models.JSONField(_("merkle branches"), default=list)
    nbits = models.BigIntegerField(_("nbits"))
    true_difficulty = models.FloatField(_("true difficulty"))
    network_difficulty = models.FloatField(_("network difficulty"))
    verdict = models.CharField(_("verdict"), max_length=10, choices=BlockVerdict.choices, default=BlockVerdict.PENDING)
    message = models.CharField(_("message of the pool"), max_length=200, blank=True)
    fate = models.CharField(
        _("after a lost connection"),
        max_length=16,
        blank=True,
        choices=_FATES,
        help_text=_("What became of the block if the connection broke before the pool had answered; else empty."),
    )
    confirmations = models.IntegerField(
        _("confirmations"),
        null=True,
        blank=True,
        help_text=_("As the node or server said last; -1: not part of the chain (orphaned), empty: not known."),
    )

    class Meta:
        verbose_name = _("block")
        verbose_name_plural = _("blocks")
        ordering = ["-at"]

    def __str__(self) -> str:
        return f"{self.chain} {self.height or '?'} {self.header_hash[:20]}"


class BlockMark(models.Model):
    """How much work had been done on a pool or a chain when its last block was found."""

    scope = models.CharField(_("scope"), max_length=20, unique=True, help_text=_("pool:A or chain:BTC."))
    work = models.FloatField(_("work until then"))
    at = models.DateTimeField(_("time"))
    blocks = models.BigIntegerField(_("blocks so far"), default=0)

    class Meta:
        verbose_name = _("mark of the last block")
        verbose_name_plural = _("marks of the last blocks")

    def __str__(self) -> str:
        return self.scope


class ChainTip(models.Model):
    """A block of the network, and when a pool announced it."""

    chain = models.CharField(_("chain"), max_length=8, choices=_CHAINS)
    pool = models.CharField(_("pool"), max_length=POOL_CHARS)
    height = models.BigIntegerField(_("height"), null=True, blank=True)
    prevhash = models.CharField(_("block hash"), max_length=64)
    nbits = models.BigIntegerField(_("nbits of the next block"))
    seen_at = models.DateTimeField(_("announced"))
    behind_ms = models.FloatField(_("behind the first pool, ms"))

    class Meta:
        verbose_name = _("block of the network")
        verbose_name_plural = _("blocks of the network")
        ordering = ["-seen_at"]
        constraints = [models.UniqueConstraint(fields=["chain", "pool", "prevhash"], name="chain_tip_once")]
        indexes = [models.Index(fields=["seen_at"], name="chain_tip_seen")]

    def __str__(self) -> str:
        return f"{self.chain} {self.height or '?'} ({self.pool})"


class PayoutRecord(models.Model):
    """Whom a pool's coinbase pays; a row for each change."""

    pool = models.CharField(_("pool"), max_length=POOL_CHARS)
    at = models.DateTimeField(_("time"))
    percent = models.FloatField(_("paid to the wallet, percent"))
    ok = models.BooleanField(_("OK"))
    outputs = models.JSONField(_("outputs"), default=list)

    class Meta:
        verbose_name = _("payout check")
        verbose_name_plural = _("payout checks")
        ordering = ["-at"]
        indexes = [models.Index(fields=["pool", "-at"], name="payout_pool_at")]

    def __str__(self) -> str:
        return f"{self.pool} {self.percent:.1f} %"


class WriterMark(models.Model):
    """The last batch that a writer has written: a batch whose outcome is not known is never added twice."""

    writer = models.CharField(_("writer"), max_length=80, unique=True)
    batch = models.BigIntegerField(_("last batch"))
    at = models.FloatField(_("time"), help_text=_("Unix seconds."))

    class Meta:
        verbose_name = _("mark of a writer")
        verbose_name_plural = _("marks of writers")

    def __str__(self) -> str:
        return self.writer


_DAYS = [MaxValueValidator(36500)]


class Retention(OneRow):
    """How long history is kept, and how finely; one row."""

    minutes_days = models.PositiveIntegerField(
        _("minutes"),
        default=3,
        validators=_DAYS,
        help_text=_("Days in which history is kept by the minute; then it is rolled up to 10 minutes."),
    )
    ten_minutes_days = models.PositiveIntegerField(
        _("10 minutes"),
        default=30,
        validators=_DAYS,
        help_text=_("Days after which 10 minutes are rolled up to hours."),
    )
    hours_days = models.PositiveIntegerField(
        _("hours"), default=366, validators=_DAYS, help_text=_("Days after which hours are rolled up to days (in UTC).")
    )
    days_days = models.PositiveIntegerField(
        _("days"),
        default=0,
        validators=_DAYS,
        help_text=_("Days after which history is deleted; 0 keeps it for ever. Totals stay in any case."),
    )
    tips_days = models.PositiveIntegerField(
        _("blocks of the network"), default=90, validators=_DAYS, help_text=_("Days; 0 keeps them for ever.")
    )
    payouts_days = models.PositiveIntegerField(
        _("payout checks"), default=366, validators=_DAYS, help_text=_("Days; 0 keeps them for ever.")
    )

    class Meta:
        verbose_name = _("retention")
        verbose_name_plural = _("retention")
        constraints = [check("retention_single_row", Q(id=1), _("There is one row of retention settings."))]

    def __str__(self) -> str:
        return str(_("Retention"))
