"""The alerts' rows as the engine's configuration. Blocking."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from proxy.core.alerting import DEFAULT_RULES, AlertConfig, AlertRuleConfig, QuietHours
from proxy.models.alerts import AlertRule, AlertSettings, AlertTarget


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where one target is reached. The URL is a secret: it is in no ``repr``."""

    label: str
    url: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSetup:
    """The rules, and the addresses of those who are told."""

    config: AlertConfig = field(default_factory=AlertConfig)
    addresses: Mapping[int, Address] = field(default_factory=dict)


def load_alerts() -> AlertSetup:
    """What the rows say now; a rule without a row is as ``DEFAULT_RULES`` has it.

    Raises:
        django.db.Error: the database cannot be read.
    """
    rows = {row.kind: row for row in AlertRule.objects.prefetch_related("targets")}
    rules = [_rule(default, rows.get(default.kind.value)) for default in DEFAULT_RULES]
    addresses = {target.pk: Address(label=target.label, url=target.url)
                 for target in AlertTarget.objects.filter(enabled=True)}
    settings = AlertSettings.load()
    config = AlertConfig(
        rules=tuple(rule for rule in rules if rule is not None), targets=tuple(addresses),
        time_zone=settings.time_zone, summary_at=settings.summary_at, group_s=settings.group_s,
        max_per_hour=settings.max_per_hour, flaps=settings.flaps, calm_s=settings.calm_s)
    return AlertSetup(config=config, addresses=addresses)


def _rule(default: AlertRuleConfig, row: AlertRule | None) -> AlertRuleConfig | None:
    if row is None:
        return default
    if not row.enabled:
        return None
    quiet = QuietHours(start=row.quiet_from, end=row.quiet_until) if row.quiet_from and row.quiet_until else None
    return AlertRuleConfig(
        kind=default.kind, threshold=row.threshold, delay_s=row.delay_s, quiet=quiet, recovery=row.recovery,
        workers=row.workers, targets=tuple(target.pk for target in row.targets.all()))
