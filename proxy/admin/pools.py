"""Wallets and pools in the admin."""

from collections.abc import Iterable
from typing import Any

from asgiref.sync import async_to_sync
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from proxy.admin.base import ConfigAdmin, LabelledInlineFormSet, link_to
from proxy.config.loader import load_snapshot
from proxy.errors import ConfigError
from proxy.models import Pool, PoolEndpoint, Wallet, WeightOverride
from proxy.observe.live.views import store
from proxy.ops.check_pool import CheckReport, check_all
from proxy.types import PoolKey, PoolStatus

MAX_TESTED = 5
_STATES = {PoolStatus.UP: _("up"), PoolStatus.DOWN: _("down"), PoolStatus.STARTING: _("starting")}
_MARKS = {True: "✓", False: "✗", None: "·"}


@admin.register(Wallet)
class WalletAdmin(ConfigAdmin):
    """Admin of wallets."""

    list_display = ["label", "chain", "kind", "address", "used_by"]
    list_filter = ["chain", "kind"]
    search_fields = ["label", "address"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Wallet]:
        """Load the pools too, with one more query."""
        return super().get_queryset(request).prefetch_related("pools")

    @admin.display(description=_("pools"))
    def used_by(self, wallet: Wallet) -> str:
        """Keys of the pools that pay to this wallet."""
        return ", ".join(pool.key for pool in wallet.pools.all()) or "-"


class EndpointFormSet(LabelledInlineFormSet):
    """Validates a pool's addresses."""

    def clean(self) -> None:
        """Check that the pool keeps at least one address."""
        super().clean()
        kept = [form for form in self.forms if form.has_changed() or form.instance.pk]
        if not any(self.errors) and not any(not form.cleaned_data.get("DELETE") for form in kept):
            raise ValidationError(gettext("A pool needs at least one address to connect to."))


class EndpointInline(admin.TabularInline):  # type: ignore[type-arg]
    """A pool's addresses, in order of preference."""

    model = PoolEndpoint
    fields = ["position", "host", "port", "tls"]
    formset = EndpointFormSet
    extra = 0
    min_num = 1


@admin.register(Pool)
class PoolAdmin(ConfigAdmin):
    """Admin of pools, with a connection test."""

    list_display = ["key", "name", "chain", "wallet_link", "addresses", "status", "state", "solo", "extranonce2"]
    list_filter = ["status", "chain", "solo"]
    search_fields = ["key", "name", "endpoints__host"]
    inlines = [EndpointInline]
    actions = ["test_connection"]
    fieldsets = [
        (None, {"fields": ["key", "name", "status", "chain"]}),
        (_("Who is paid"), {"fields": ["wallet", "user_format", "password", "fee_percent"]}),
        (_("Difficulty"), {"fields": ["min_difficulty", "max_difficulty"]}),
        (
            _("Connections to the pool"),
            {
                "fields": [
                    "connections",
                    "own_up_to",
                    "most_miners",
                    "most_connections",
                    "group_by",
                    "shares_per_minute",
                ],
            },
        ),
        (
            _("Payout check"),
            {
                "fields": ["solo", "payout_min_percent", "payout_action"],
                "description": _(
                    "For solo pools: whether the block reward of each job would really be paid to the wallet."
                ),
            },
        ),
        (_("Note"), {"fields": ["note"], "classes": ["collapse"]}),
    ]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Pool]:
        """Load wallet, addresses and facts with few queries."""
        return super().get_queryset(request).select_related("wallet", "fact").prefetch_related("endpoints")

    def view_on_site(self, pool: Pool) -> str:
        """The pool's page on the dashboard."""
        return reverse("pool", args=[pool.key])

    @admin.display(description=_("now"))
    def state(self, pool: Pool) -> str:
        """The pool's present state; why, where it is down."""
        snap = store.current()
        view = snap.pool(pool.key) if snap else None
        if view is None:
            return "-"
        return format_html(
            '<span class="state-{}" title="{}">{}</span>', view.status.value, view.reason, _STATES[view.status]
        )

    @admin.display(description=_("wallet"), ordering="wallet__label")
    def wallet_link(self, pool: Pool) -> str:
        """Link to the pool's wallet."""
        return link_to(pool.wallet)

    @admin.display(description=_("addresses"))
    def addresses(self, pool: Pool) -> str:
        """The pool's addresses, in order of preference."""
        return ", ".join(f"{entry}{'' if entry.tls == 'off' else ' TLS'}" for entry in pool.endpoints.all()) or "-"

    @admin.display(description=_("extranonce2"))
    def extranonce2(self, pool: Pool) -> str:
        """Size of extranonce2 that the pool last gave, in bytes."""
        fact = getattr(pool, "fact", None)
        return str(fact.extranonce2_size) if fact else "-"

    @admin.action(description=_("Test connection"), permissions=["change"])
    def test_connection(self, request: HttpRequest, queryset: QuerySet[Pool]) -> None:
        """Test the connection to the selected pools and report each step."""
        keys = [PoolKey(pool.key) for pool in queryset[: MAX_TESTED + 1]]
        if len(keys) > MAX_TESTED:
            self.message_user(request, gettext("Test at most %d pools at once.") % MAX_TESTED, messages.ERROR)
            return
        try:
            known = load_snapshot().pools
            pools = [known[key] for key in keys if key in known]
            reports = async_to_sync(check_all)(pools)
        except ConfigError as error:
            self.message_user(request, str(error), messages.ERROR)
            return
        for pool, report in zip(pools, reports, strict=True):
            self.message_user(
                request, _describe_report(pool.label, report), messages.SUCCESS if report.ok else messages.ERROR
            )

    def get_deleted_objects(self, objs: Iterable[Pool], request: HttpRequest) -> tuple[Any, Any, Any, Any]:
        """List the override in force as well: it refers to pools by key."""
        objs = list(objs)
        deleted, counts, missing, protected = super().get_deleted_objects(objs, request)
        override = WeightOverride.objects.filter(cleared_at__isnull=True).first()
        if override is not None and any(pool.key in override.weights for pool in objs):
            protected = [*protected, gettext("the override in force (%s): clear it first") % override]
        return deleted, counts, missing, protected


def _describe_report(pool: str, report: CheckReport) -> str:
    """A report as one message; what a pool said is escaped."""
    verdict = gettext("The connection works.") if report.ok else gettext("The connection does not work as it should.")
    lines = format_html_join("", "<br>{} {}: {}", ((_MARKS[ok], label, text) for label, text, ok in report.lines))
    return format_html("<strong>{}</strong> {}{}", pool, verdict, lines)
