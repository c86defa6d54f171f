"""Reads the alerts' tables into an ``AlertSetup``. Blocking."""

from proxy.alerts.rules import DEFAULT_RULES, AlertAddress, AlertConfig, AlertRuleConfig, AlertSetup, QuietHours
from proxy.models.alerts import AlertRule, AlertSettings, AlertTarget


def load_alerts() -> AlertSetup:
    """The rules, targets and limits; a rule without a row is as in ``DEFAULT_RULES``.

    Raises:
        django.db.Error: the database cannot be read.
    """
    rows = {row.kind: row for row in AlertRule.objects.prefetch_related("targets")}
    rules = [_rule(default, rows.get(default.kind.value)) for default in DEFAULT_RULES]
    addresses = {
        target.pk: AlertAddress(label=target.label, url=target.url)
        for target in AlertTarget.objects.filter(enabled=True)
    }
    settings = AlertSettings.load()
    config = AlertConfig(
        rules=tuple(rule for rule in rules if rule is not None),
        targets=tuple(addresses),
        time_zone=settings.time_zone,
        summary_at=settings.summary_at,
        group_s=settings.group_s,
        max_per_hour=settings.max_per_hour,
        flaps=settings.flaps,
        calm_s=settings.calm_s,
    )
    return AlertSetup(config=config, addresses=addresses)


def _rule(default: AlertRuleConfig, row: AlertRule | None) -> AlertRuleConfig | None:
    if row is None:
        return default
    if not row.enabled:
        return None
    quiet = QuietHours(start=row.quiet_from, end=row.quiet_until) if row.quiet_from and row.quiet_until else None
    return AlertRuleConfig(
        kind=default.kind,
        threshold=row.threshold,
        delay_s=row.delay_s,
        quiet=quiet,
        recovery=row.recovery,
        workers=row.workers,
        targets=tuple(target.pk for target in row.targets.all()),
    )
