"""The core's enums as choices with words for people."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from proxy.core.config import Mode, OverrideKind, PayoutAction, Policy, Tls
from proxy.core.types import AdminStatus, Chain


class ChainChoice(models.TextChoices):
    """Which chain an address or a pool belongs to."""

    BTC = Chain.BTC.value, _("Bitcoin (BTC)")
    BCH = Chain.BCH.value, _("Bitcoin Cash (BCH)")
    DGB = Chain.DGB.value, _("DigiByte (DGB)")
    OTHER = Chain.OTHER.value, _("other")


class WalletKind(models.TextChoices):
    """What stands before the worker in a pool's user name."""

    ADDRESS = "address", _("address")
    ACCOUNT = "account", _("account name")


class StatusChoice(models.TextChoices):
    """What the operator wants of a pool."""

    ENABLED = AdminStatus.ENABLED.value, _("enabled")
    DRAIN = AdminStatus.DRAIN.value, _("drain (finish what is open, take nothing new)")
    DISABLED = AdminStatus.DISABLED.value, _("disabled")


class PayoutActionChoice(models.TextChoices):
    """What a failed payout check does."""

    ALARM = PayoutAction.ALARM.value, _("raise an alarm")
    TAKE_OUT = PayoutAction.TAKE_OUT.value, _("raise an alarm and take the pool out")


class TlsChoice(models.TextChoices):
    """How a connection to a pool is encrypted."""

    OFF = Tls.OFF.value, _("no TLS")
    VERIFY = Tls.VERIFY.value, _("TLS, certificate checked")
    INSECURE = Tls.INSECURE.value, _("TLS, certificate not checked")


class ModeChoice(models.TextChoices):
    """What decides the weights of a schedule."""

    RATIO = Mode.RATIO.value, _("ratio: the weights as given")
    PRIORITY = Mode.PRIORITY.value, _("priority: the first pool that is up")
    AUTO_BALANCE = Mode.AUTO_BALANCE.value, _("auto-balance: weights follow the network hash rates")


class PolicyChoice(models.TextChoices):
    """How weights become assignments."""

    AUTOMATIC = Policy.AUTOMATIC.value, _("automatic: slicing for one or two miners, packing from three")
    SLICING = Policy.SLICING.value, _("slicing: every miner shares its time out")
    PACKING = Policy.PACKING.value, _("packing: whole miners, only the rest is sliced")


class OverrideChoice(models.TextChoices):
    """What the operator set by hand."""

    WEIGHTS = OverrideKind.WEIGHTS.value, _("weights")
    AUTO_BALANCE = OverrideKind.AUTO_BALANCE.value, _("auto-balance")


class LevelChoice(models.TextChoices):
    """How much is logged."""

    DEBUG = "DEBUG", _("DEBUG: everything, also each line and share")
    INFO = "INFO", _("INFO: what happens")
    WARNING = "WARNING", _("WARNING: what needs attention")
    ERROR = "ERROR", _("ERROR: only failures")
