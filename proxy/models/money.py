"""Money: its settings, exactly one row, off until switched on; and what was to be expected, day by day."""

import re

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from proxy.models.base import SingleRow
from proxy.models.constraints import check, single_row, within

MOST_WATTS = 1e9
MOST_PRICE = 1e6
_CURRENCY = re.compile(r"[A-Z]{3,5}")


class MoneySettings(SingleRow):
    """Whether income and cost are shown, and what they are worked out from."""

    enabled = models.BooleanField(_("show money"), default=False)
    currency = models.CharField(
        _("currency"),
        max_length=5,
        default="USD",
        help_text=_(
            "Of all prices, as in USD or EUR. Prices that auto-balance's sources give are in US dollars and count with "
            "USD alone; prices by hand are taken to be in this one."
        ),
    )
    price_days = models.PositiveSmallIntegerField(
        _("days that a price counts"),
        default=7,
        validators=[MinValueValidator(1), MaxValueValidator(366)],
        help_text=_("After that, coins are shown and no money, until the price is set again."),
    )
    electricity_price = models.FloatField(
        _("price of electricity"), null=True, blank=True, help_text=_("For a kWh. Empty: not known, no cost is shown.")
    )
    watts = models.FloatField(
        _("power of all miners"), null=True, blank=True, help_text=_("Watts, at the wall. Empty: not known.")
    )

    class Meta:
        verbose_name, verbose_name_plural = _("money"), _("money")
        constraints = [
            single_row("money_single_row"),
            within("money_price_days", "price_days", 1, 366, _("A price counts for 1 to 366 days.")),
            check(
                "money_electricity_price",
                Q(electricity_price__isnull=True) | Q(electricity_price__gte=0, electricity_price__lte=MOST_PRICE),
                _("The price of electricity is a number from 0."),
            ),
            check(
                "money_watts",
                Q(watts__isnull=True) | Q(watts__gte=0, watts__lte=MOST_WATTS),
                _("The power is a number of watts from 0."),
            ),
        ]

    def __str__(self) -> str:
        return gettext("money")

    def check_rules(self) -> None:
        """A currency is written in capital letters."""
        self.currency = (self.currency or "").strip().upper()
        if not _CURRENCY.fullmatch(self.currency):
            raise ValidationError({"currency": gettext("Give a currency by its letters, as in USD or EUR.")})

    @classmethod
    def is_on(cls) -> bool:
        """Whether the operator wants to see money."""
        return cls._default_manager.filter(pk=1, enabled=True).exists()


class IncomeDay(models.Model):
    """What the shares of a day (UTC) on one pool earned on average, at that day's difficulty."""

    day = models.DateField(_("day"))
    pool = models.CharField(_("pool"), max_length=8)
    chain = models.CharField(_("chain"), max_length=8)
    work = models.FloatField(_("work"), help_text=_("Difficulty credited for the accepted shares of the day."))
    expected_blocks = models.FloatField(_("expected blocks"))
    expected_coins = models.FloatField(_("expected coins"), help_text=_("After the pool's fee."))
    network_difficulty = models.FloatField(_("network difficulty"), help_text=_("The last one of the day."))
    price = models.FloatField(_("price of a coin"), null=True, help_text=_("The last one known that day."))
    currency = models.CharField(_("currency"), max_length=5, blank=True)

    class Meta:
        verbose_name, verbose_name_plural = _("expected income of a day"), _("expected income by day")
        ordering = ["-day", "pool"]
        constraints = [models.UniqueConstraint(fields=["day", "pool"], name="income_day_once")]

    def __str__(self) -> str:
        return f"{self.day} {self.pool}"

    @property
    def expected_amount(self) -> float | None:
        """In the currency; None where no price was known."""
        return None if self.price is None else self.expected_coins * self.price


class PowerDay(models.Model):
    """The energy of a day (UTC) and its cost."""

    day = models.DateField(_("day"), unique=True)
    energy_kwh = models.FloatField(_("energy"), help_text=_("kWh, for the time in which the proxy ran."))
    cost = models.FloatField(_("cost"), null=True, help_text=_("By the prices of electricity of that day."))
    currency = models.CharField(_("currency"), max_length=5, blank=True)
    recorded_at = models.FloatField(_("recorded"), help_text=_("Unix seconds."))

    class Meta:
        verbose_name, verbose_name_plural = _("energy of a day"), _("energy by day")
        ordering = ["-day"]

    def __str__(self) -> str:
        return str(self.day)
