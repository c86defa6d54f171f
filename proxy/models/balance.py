"""Auto-balance: its settings, its sources, and the blocks it has observed."""

from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from proxy.config.snapshot import BalanceConfig, BalanceStrategy
from proxy.models.base import ConfigModel, SingleRow
from proxy.models.constraints import check, single_row, within
from proxy.models.labels import SourceKind, choices_of, values_of
from proxy.types import Chain

_DEFAULT = BalanceConfig()
KNOWN_CHAINS = (Chain.BTC, Chain.BCH, Chain.DGB)
"""Chains that auto-balance can weigh."""
MIN_POLL_S = 600.0
MIN_OBSERVED_POLL_S = 60.0


class FailureChoice(models.TextChoices):
    """What applies after three failures of the sources."""

    EVEN = "even", _("even: 50/50 between two chains")
    SCHEDULE = "schedule", _("the schedule's own weights")


class BalanceSettings(SingleRow):
    """How auto-balance weighs chains and how far it may go; exactly one row."""

    strategy = models.CharField(
        _("strategy"),
        max_length=16,
        choices=choices_of(BalanceStrategy),
        default=_DEFAULT.strategy.value,
        help_text=_(
            "Hash rate ratio compares a chain's hash rate now with that of before and sends more to where it fell. It "
            "bets that the difficulty has not followed yet; what a hash earns on average depends on the difficulty "
            "alone, so it can spread the work by a rule, but not raise what a solo miner earns on average. Value per "
            "hash compares reward by difficulty, exactly; without prices it counts coins of different chains as if "
            "they were worth the same, so give prices. It knows nothing of a pool's fee, luck or payout rules."
        ),
    )
    short_window = models.PositiveSmallIntegerField(
        _("short window"),
        default=_DEFAULT.short_window,
        help_text=_(
            "Blocks. The hash rate over n blocks is known to about 1 in the square root of n: 6 blocks to +-40 %."
        ),
    )
    long_window = models.PositiveSmallIntegerField(
        _("long window"),
        default=_DEFAULT.long_window,
        help_text=_("Blocks. With the significance test on, up to four long windows are evaluated."),
    )
    max_deviation = models.FloatField(
        _("largest deviation"),
        default=_DEFAULT.max_deviation,
        help_text=_("Percentage points that hash rate ratio may move from an even split, 5 to 45."),
    )
    min_weight = models.FloatField(
        _("smallest weight"), default=_DEFAULT.min_weight, help_text=_("Percent that each chain gets at least.")
    )
    max_weight = models.FloatField(
        _("largest weight"), default=_DEFAULT.max_weight, help_text=_("Percent that one chain gets at most.")
    )
    max_step_per_hour = models.FloatField(
        _("largest step per hour"),
        default=_DEFAULT.max_step_per_hour,
        help_text=_("Percentage points that a weight may move within an hour."),
    )
    dead_band = models.FloatField(
        _("dead-band"), default=_DEFAULT.dead_band, help_text=_("Percentage points; a smaller change is not made.")
    )
    significance = models.FloatField(
        _("confidence"),
        default=_DEFAULT.significance,
        help_text=_(
            "Weights move only for a change that is more than noise, with this confidence over one long window (0.95: "
            "noise moves them in less than 1 of 100 polls; a hash rate that halves is then followed after about 24 "
            "blocks in half of all cases and after 72 in 19 of 20). Smaller is quicker and more restless; 0 switches "
            "the test off, as in DPMP v2: at constant hash rates the weights then wander by 12 points or more."
        ),
    )
    on_failure = models.CharField(
        _("after three failures"), max_length=8, choices=FailureChoice, default=_DEFAULT.on_failure
    )

    class Meta:
        verbose_name, verbose_name_plural = _("auto-balance"), _("auto-balance")
        constraints = [
            single_row("balance_single_row"),
            check(
                "balance_strategy_known", Q(strategy__in=values_of(BalanceStrategy)), _("That strategy is not known.")
            ),
            check(
                "balance_failure_known",
                Q(on_failure__in=FailureChoice.values),
                _("After failures: even, or the schedule's weights."),
            ),
            check(
                "balance_windows",
                Q(short_window__gte=2, long_window__lte=250, long_window__gte=2 * F("short_window")),
                _("The short window has 2 blocks at least, the long one twice as many at least and 250 at most."),
            ),
            within("balance_deviation", "max_deviation", 5, 45, _("The largest deviation is 5 to 45 points.")),
            check(
                "balance_weight_bounds",
                Q(min_weight__gte=0, min_weight__lte=50, max_weight__gte=50, max_weight__lte=100),
                _("The smallest weight is 0 to 50 percent, the largest 50 to 100."),
            ),
            within("balance_step", "max_step_per_hour", 1, 100, _("The largest step per hour is 1 to 100 points.")),
            within("balance_dead_band", "dead_band", 0, 50, _("The dead-band is 0 to 50 points.")),
            within("balance_significance", "significance", 0, 0.9999, _("The confidence is 0 to 0.9999.")),
        ]

    def __str__(self) -> str:
        return gettext("auto-balance")


class BalanceSource(ConfigModel):
    """A source that auto-balance asks; without any it observes the pools' jobs."""

    position = models.PositiveSmallIntegerField(_("order"), default=0, help_text=_("The smallest is asked first."))
    kind = models.CharField(_("kind"), max_length=8, choices=choices_of(SourceKind), default=SourceKind.OBSERVED.value)
    enabled = models.BooleanField(_("enabled"), default=True)
    url = models.CharField(
        _("address"),
        max_length=500,
        blank=True,
        help_text=_(
            "http:// or https://. A node's RPC port, for example http://127.0.0.1:8332; a mempool server's start page."
        ),
    )
    chain = models.CharField(
        _("chain"), max_length=8, choices=choices_of(KNOWN_CHAINS), blank=True, help_text=_("For a node only.")
    )
    user = models.CharField(_("user name"), max_length=128, blank=True, help_text=_("For a node's RPC."))
    password = models.CharField(_("password"), max_length=256, blank=True)
    poll_s = models.FloatField(
        _("time between polls"),
        default=600.0,
        validators=[MinValueValidator(MIN_OBSERVED_POLL_S), MaxValueValidator(86400)],
        help_text=_("Seconds; 600 or more where a server is asked, 60 or more for observed."),
    )

    class Meta:
        verbose_name, verbose_name_plural = _("source of auto-balance"), _("sources of auto-balance")
        ordering = ["position", "id"]
        constraints = [
            check(
                "balance_source_kind_known", Q(kind__in=values_of(SourceKind)), _("That kind of source is not known.")
            ),
            check(
                "balance_source_chain_known",
                Q(chain="") | Q(chain__in=values_of(KNOWN_CHAINS)),
                _("That chain is not known."),
            ),
            check("balance_source_node_chain", ~Q(kind="node") | ~Q(chain=""), _("Say which chain the node is on.")),
            check("balance_source_url_given", Q(kind="observed") | ~Q(url=""), _("Give the address of the source.")),
            check(
                "balance_source_poll",
                Q(poll_s__gte=MIN_POLL_S) | Q(kind="observed", poll_s__gte=MIN_OBSERVED_POLL_S),
                _("Poll a server at most every 600 seconds, pool jobs at most every 60."),
            ),
            models.UniqueConstraint(
                fields=["kind"],
                condition=Q(kind="observed"),
                name="balance_source_one_observed",
                violation_error_message=_("Observing once is enough."),
            ),
        ]

    def __str__(self) -> str:
        where = f" {self.chain}" if self.kind == SourceKind.NODE else ""
        return f"{self.kind}{where}"

    def check_rules(self) -> None:
        """The address must be one that can be asked, without a password in it."""
        self.url = (self.url or "").strip()
        if self.kind == SourceKind.OBSERVED or not self.url:
            return
        try:
            parts = urlsplit(self.url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            usable = False
        if not usable:
            raise ValidationError({"url": gettext("Give an address that starts with http:// or https://.")})
        if parts.username or parts.password:
            raise ValidationError({"url": gettext("User name and password have fields of their own.")})


class ChainPrice(ConfigModel):
    """The price of a coin, entered by hand; it takes precedence over a source's."""

    chain = models.CharField(_("chain"), max_length=8, choices=choices_of(KNOWN_CHAINS), unique=True)
    price = models.FloatField(
        _("price of a coin"),
        help_text=_(
            "In the same currency for all chains; in US dollars if a source gives prices too. Prices count only when "
            "every balanced chain has one."
        ),
    )
    set_at = models.DateTimeField(_("set"), auto_now=True)

    class Meta:
        verbose_name, verbose_name_plural = _("price"), _("prices")
        ordering = ["chain"]
        constraints = [
            check("balance_price_positive", Q(price__gt=0, price__lt=1e15), _("A price is a number above 0.")),
            check("balance_price_chain_known", Q(chain__in=values_of(KNOWN_CHAINS)), _("That chain is not known.")),
        ]

    def __str__(self) -> str:
        return f"{self.chain} {self.price:g}"


class ChainBlock(models.Model):
    """A height as the pools' jobs first announced it; written by the proxy, so that a restart keeps its windows."""

    chain = models.CharField(_("chain"), max_length=8, choices=choices_of(KNOWN_CHAINS))
    height = models.PositiveIntegerField(_("height"))
    announced_at = models.FloatField(_("announced"), help_text=_("Unix seconds."))
    difficulty = models.FloatField(_("difficulty"))
    prevhash = models.CharField(_("previous block"), max_length=64)
    reward = models.BigIntegerField(_("reward"), null=True, help_text=_("Satoshis in the coinbase's outputs."))

    class Meta:
        verbose_name, verbose_name_plural = _("observed block"), _("observed blocks")
        ordering = ["chain", "height"]
        constraints = [
            models.UniqueConstraint(fields=["chain", "height"], name="balance_block_once"),
            models.CheckConstraint(condition=Q(difficulty__gt=0), name="balance_block_difficulty_positive"),
            models.CheckConstraint(
                condition=Q(chain__in=[Chain.BTC.value, Chain.BCH.value, Chain.DGB.value]),
                name="balance_block_chain_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.chain} {self.height}"


class BalanceMemory(models.Model):
    """The last weights by chain, kept for a restart; written by the proxy, so no configuration."""

    parts = models.JSONField(_("parts"), help_text=_("Chain and percent."))
    at = models.FloatField(_("at"), help_text=_("Unix seconds."))

    class Meta:
        verbose_name, verbose_name_plural = _("state of auto-balance"), _("state of auto-balance")
        constraints = [models.CheckConstraint(condition=Q(id=1), name="balance_memory_single_row")]

    def __str__(self) -> str:
        return gettext("state of auto-balance")
