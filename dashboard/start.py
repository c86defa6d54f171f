"""The guided setup's form: one pool with its wallet and address, checked by the rules of the models."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from proxy.config.snapshot import Endpoint, Tls
from proxy.models import Allocation, Pool, PoolEndpoint, Schedule, Wallet
from proxy.models.labels import WalletKind, choices_of
from proxy.types import Chain

KEYS = ("A", "B")
_FIELD_OF = {"host": "address", "port": "address", "tls": "address", "label": "wallet", "user_format": "wallet"}


class PoolForm(forms.Form):
    """The minimum that a pool needs; everything else has good defaults and is edited in the configuration."""

    name = forms.CharField(label=_("Name"), max_length=80)
    chain = forms.ChoiceField(label=_("Coin"), choices=choices_of(Chain))
    address = forms.CharField(
        label=_("The pool's address"),
        max_length=270,
        help_text=_("As the pool shows it, for example stratum+tcp://solo.example.org:3333 or pool.example.org:3333."),
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false"}),
    )
    kind = forms.ChoiceField(
        label=_("Paid to"),
        choices=[(WalletKind.ADDRESS, _("my wallet address")), (WalletKind.ACCOUNT, _("my account at the pool"))],
    )
    wallet = forms.CharField(
        label=_("Wallet address or account"),
        max_length=128,
        help_text=_("An address is checked for typing errors before anything is sent to it."),
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false"}),
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=128,
        required=False,
        initial="x",
        help_text=_(
            "Most pools expect x. Leave empty to send the miner's own password. For MiningCore use x;d={difficulty}: "
            "each miner's difficulty is filled in."
        ),
    )
    solo = forms.BooleanField(required=False, label=_("This is a solo pool (check that every job pays my wallet)"))

    def endpoint_row(self) -> PoolEndpoint:
        """The address taken apart.

        Raises:
            ValidationError: it is none.
        """
        row = PoolEndpoint(host=self.cleaned_data["address"])
        row.check_rules()
        return row

    def endpoint(self) -> Endpoint:
        """The address for a connection test."""
        row = self.endpoint_row()
        return Endpoint(host=row.host, port=row.port, tls=Tls(row.tls))

    def clean(self) -> dict[str, Any]:
        """Address and wallet by the models' rules, so that the person sees what is wrong at the field."""
        cleaned = super().clean() or {}
        if "address" in cleaned:
            self._try(self.endpoint_row)
        if {"chain", "kind", "wallet"} <= cleaned.keys():
            self._try(lambda: self._wallet_row().check_rules())
        return cleaned

    def _try(self, check: Any) -> None:
        try:
            check()
        except ValidationError as error:
            for name, errors in error.update_error_dict({}).items():
                field = {"address": "wallet", **_FIELD_OF}.get(name, name)
                self.add_error(field if field in self.fields else None, [str(text) for one in errors for text in one])

    def _wallet_row(self) -> Wallet:
        said = self.cleaned_data
        label = f"{said.get('name', '')} {said['chain']}".strip()[:80]
        return Wallet(label=label, chain=said["chain"], kind=said["kind"], address=said["wallet"])

    def save(self, key: str) -> bool:
        """Save wallet, pool, address and its weight in the default schedule, all or nothing; returns whether that
        worked."""
        try:
            with transaction.atomic():
                self._save(key)
        except ValidationError as error:
            self.add_error(None, [str(text) for text in error.messages])
            return False
        return True

    def _save(self, key: str) -> None:
        wallet = self._wallet_row()
        wallet.check_rules()
        wallet = Wallet.objects.filter(chain=wallet.chain, kind=wallet.kind, address=wallet.address).first() or wallet
        if wallet.pk is None:
            while Wallet.objects.filter(label=wallet.label).exists():
                wallet.label = f"{wallet.label[:70]} {Wallet.objects.count() + 1}"
            wallet.save()
        said = self.cleaned_data
        pool = Pool(
            key=key, name=said["name"], chain=said["chain"], wallet=wallet, password=said["password"], solo=said["solo"]
        )
        pool.full_clean()
        pool.save()
        row = self.endpoint_row()
        row.pool = pool
        row.full_clean()
        row.save()
        _allocate(pool)


def _allocate(pool: Pool) -> None:
    """Half each in a default schedule, which is made where there is none."""
    schedule = Schedule.objects.filter(is_default=True).first()
    if schedule is None:
        schedule = Schedule(name=gettext("Always"), is_default=True)
        schedule.full_clean()
        schedule.save()
    Allocation(schedule=schedule, pool=pool, weight=50, position=schedule.allocations.count()).save()


def next_key() -> str | None:
    """The key of the pool that the guided setup asks for next; None when both exist."""
    if Pool.objects.count() >= len(KEYS):
        return None
    taken = set(Pool.objects.values_list("key", flat=True))
    return next((key for key in KEYS if key not in taken), None)
