"""The label of each enum's values on pages and in forms: name, meaning and CSS class."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from django.db import models
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from proxy.alerts.rules import AlertKind
from proxy.balance.balance_view import BalanceState
from proxy.config.snapshot import (
    BalanceStrategy,
    Connections,
    GroupBy,
    Mode,
    OverrideKind,
    PayoutAction,
    Policy,
    Tls,
)
from proxy.types import AdminStatus, Chain, PoolStatus

Text = str | Promise


class SourceKind(StrEnum):
    """Where auto-balance gets network data from."""

    OBSERVED = "observed"
    ORACLE = "oracle"
    NODE = "node"
    MEMPOOL = "mempool"


class Label(NamedTuple):
    """How one value is shown."""

    name: Text
    """On a page, and in a form before the meaning."""
    meaning: Text = ""
    """In a form, after the name; empty where the name says it all."""
    look: str = ""
    """CSS class of a chip with the name: ``ok``, ``warn``, ``bad`` or none."""


COUNTER_LABELS: Mapping[str, Label] = {
    "accepted": Label(_("accepted")),
    "rejected": Label(_("rejected")),
    "stale": Label(_("stale"), _("Part of the rejected.")),
    "duplicate": Label(_("duplicate"), _("Part of the rejected.")),
    "unanswered": Label(_("no reply")),
    "credited": Label(_("credited difficulty"), _("Sum of the pool's difficulty over accepted shares.")),
    "work": Label(_("work"), _("Sum of the assigned difficulty over shares that proved work.")),
    "work_squares": Label(_("sum of squares of work")),
    "work_shares": Label(_("shares that proved work")),
    "best": Label(_("best share")),
    "latency_s": Label(_("sum of the pool's answer times")),
    "latency_n": Label(_("answers timed")),
    "work_only": Label(
        _("counted as work alone"),
        _("On shared connections: below the pool's difficulty, so the pool was not asked."),
    ),
}
"""Labels of ``proxy.history.counters`` that have a column in the database, by name."""

LABELS: Mapping[type[StrEnum], Mapping[str, Label]] = {
    Chain: {
        Chain.BTC: Label("BTC", _("Bitcoin (BTC)")),
        Chain.BCH: Label("BCH", _("Bitcoin Cash (BCH)")),
        Chain.DGB: Label("DGB", _("DigiByte (DGB)")),
        Chain.OTHER: Label(_("other")),
    },
    PoolStatus: {
        PoolStatus.UP: Label(_("up"), look="ok"),
        PoolStatus.DOWN: Label(_("down"), look="bad"),
        PoolStatus.STARTING: Label(_("starting"), look="warn"),
    },
    AdminStatus: {
        AdminStatus.ENABLED: Label(_("enabled")),
        AdminStatus.DRAIN: Label(_("drain"), _("finish open work, take no new work"), look="warn"),
        AdminStatus.DISABLED: Label(_("disabled"), look="warn"),
    },
    PayoutAction: {
        PayoutAction.ALARM: Label(_("raise an alarm")),
        PayoutAction.EXCLUDE: Label(_("raise an alarm and stop using the pool")),
    },
    Connections: {
        Connections.OWN: Label(_("one for each miner")),
        Connections.SHARED: Label(_("shared by many miners")),
        Connections.AUTOMATIC: Label(_("automatic: shared above a number of miners")),
    },
    GroupBy: {
        GroupBy.NOTHING: Label(_("all miners")),
        GroupBy.ACCOUNT: Label(_("miners of one account: the first part of their user name")),
        GroupBy.WORKER: Label(_("miners with one worker name")),
    },
    Tls: {
        Tls.OFF: Label(_("no TLS")),
        Tls.VERIFY: Label(_("TLS, certificate checked")),
        Tls.INSECURE: Label(_("TLS, certificate not checked")),
    },
    Mode: {
        Mode.RATIO: Label(pgettext_lazy("mode of a schedule", "fixed split"), _("the parts that you set")),
        Mode.PRIORITY: Label(pgettext_lazy("mode of a schedule", "priority"), _("the first pool that is up")),
        Mode.AUTO_BALANCE: Label(_("auto-balance"), _("weights follow the network hash rates")),
    },
    Policy: {
        Policy.AUTOMATIC: Label(
            pgettext_lazy("policy of a schedule", "automatic"),
            _("one or two miners alternate; of three or more, each stays on one pool"),
        ),
        Policy.SLICING: Label(_("alternating"), _("every miner alternates between the pools")),
        Policy.PACKING: Label(_("whole miners"), _("each miner stays on one pool, only the remainder alternates")),
    },
    OverrideKind: {
        OverrideKind.WEIGHTS: Label(_("weights")),
        OverrideKind.AUTO_BALANCE: Label(_("auto-balance")),
    },
    BalanceStrategy: {
        BalanceStrategy.HASHRATE_RATIO: Label(_("hash rate ratio"), _("more to the chain whose hash rate fell")),
        BalanceStrategy.VALUE_PER_HASH: Label(_("value per hash"), _("reward (times price) divided by difficulty")),
    },
    BalanceState: {
        BalanceState.OFF: Label(_("nothing to balance")),
        BalanceState.WAITING: Label(_("waiting for the first poll")),
        BalanceState.HEALTHY: Label(_("healthy"), look="ok"),
        BalanceState.HOLDING: Label(_("holding the last weights"), look="warn"),
        BalanceState.FALLBACK: Label(_("fallback"), look="warn"),
    },
    SourceKind: {
        SourceKind.OBSERVED: Label(_("pool jobs"), _("what the pools send, nothing from outside")),
        SourceKind.ORACLE: Label(_("DPMP oracle"), _("JSON, for BTC and BCH")),
        SourceKind.NODE: Label(_("node"), _("JSON-RPC of Bitcoin Core or Knots, BCHN, DigiByte")),
        SourceKind.MEMPOOL: Label(_("mempool"), _("REST of mempool or Esplora, for BTC")),
    },
    AlertKind: {
        AlertKind.POOL_DOWN: Label(_("pool down or back up")),
        AlertKind.WORKER_OFFLINE: Label(_("worker offline or back")),
        AlertKind.NO_SHARES: Label(_("no shares from any worker")),
        AlertKind.WORKER_SILENT: Label(_("a connected worker sends no shares")),
        AlertKind.HASHRATE_DROP: Label(_("hash rate drop")),
        AlertKind.REJECT_RATE: Label(_("high reject rate")),
        AlertKind.DEVICE_HOT: Label(_("a miner is too hot")),
        AlertKind.FAN_STOPPED: Label(_("a fan of a miner stands still")),
        AlertKind.POWER_NO_HASH: Label(_("a miner takes power and hashes nothing")),
        AlertKind.PAYOUT: Label(_("payout check failed")),
        AlertKind.CHAIN: Label(_("pool behind or on another chain")),
        AlertKind.BEST_SHARE: Label(_("new best share")),
        AlertKind.BLOCK_FOUND: Label(_("block found")),
        AlertKind.DATABASE: Label(_("database trouble")),
        AlertKind.DAILY: Label(_("daily summary")),
        AlertKind.WEEKLY: Label(_("weekly summary, on Mondays")),
    },
}
"""Enum, value, label. ``dashboard.reject_reasons`` has those of ``Reason``, with advice."""


def label_of(kind: type[StrEnum], value: str) -> Label:
    """The label of ``value``; a value that is not listed is shown as it is."""
    return LABELS[kind].get(value) or Label(value)


def choices_of(members: Iterable[StrEnum]) -> list[tuple[str, Text]]:
    """Choices of a field: all of an enum (``choices_of(Mode)``) or some members."""
    return [(member.value, _in_form(type(member), LABELS[type(member)][member])) for member in members]


def _in_form(kind: type[StrEnum], label: Label) -> Text:
    if kind is Chain:
        return label.meaning or label.name
    return format_lazy("{}: {}", label.name, label.meaning) if label.meaning else label.name


def values_of(kind: Iterable[StrEnum]) -> list[str]:
    """The values, for a constraint."""
    return [member.value for member in kind]


class WalletKind(models.TextChoices):
    """What stands before the worker in a pool's user name."""

    ADDRESS = "address", _("address")
    ACCOUNT = "account", _("account name")


class LevelChoice(models.TextChoices):
    """How much is logged."""

    DEBUG = "DEBUG", _("DEBUG: everything, also each line and share")
    INFO = "INFO", _("INFO: what happens")
    WARNING = "WARNING", _("WARNING: what needs attention")
    ERROR = "ERROR", _("ERROR: only failures")
