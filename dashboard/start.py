"""The guided setup's form: one pool with its wallet and address, checked by the rules of the models."""

from copy import copy
from string import ascii_uppercase
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from proxy.config.snapshot import Connections, Endpoint, GroupBy, PayoutAction, Tls
from proxy.models import Allocation, Pool, PoolEndpoint, Schedule, Wallet
from proxy.models.labels import WalletKind, choices_of
from proxy.types import Chain

KEYS = ("A", "B")
_FIELD_OF = {"host": "address", "port": "address", "tls": "address", "label": "wallet", "user_format": "wallet"}


class PoolForm(forms.Form):
    """The minimum that a pool needs, in the order in which a person has it; a pool that there is, is edited."""

    address = forms.CharField(
        label=_("The pool's address"),
        max_length=270,
        help_text=_("As the pool shows it, for example stratum+tcp://solo.example.org:3333 or pool.example.org:3333."),
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false", "inputmode": "url"}),
    )
    chain = forms.ChoiceField(label=_("Coin"), choices=choices_of(Chain))
    kind = forms.ChoiceField(
        label=_("Paid to"),
        choices=[(WalletKind.ADDRESS, _("my wallet address")), (WalletKind.ACCOUNT, _("my account at the pool"))],
    )
    wallet = forms.CharField(
        label=_("Wallet address or account"),
        max_length=128,
        help_text=_("An address is checked for typing errors before anything is sent to it."),
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false", "list": "wallets"}),
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
    name = forms.CharField(label=_("Name"), max_length=80)
    solo = forms.BooleanField(required=False, label=_("This is a solo pool (check that every job pays my wallet)"))

    def __init__(self, *args: Any, pool: Pool | None = None, **kwargs: Any) -> None:
        self.pool = pool
        if pool is not None:
            kwargs["initial"] = {**self._of_pool(pool), **kwargs.get("initial", {})}
        super().__init__(*args, **kwargs)

    def _of_pool(self, pool: Pool) -> dict[str, Any]:
        row = pool.endpoints.first()
        return {
            "address": address_text(row) if row else "",
            "chain": pool.chain,
            "kind": pool.wallet.kind,
            "wallet": pool.wallet.address,
            "password": pool.password,
            "name": pool.name or pool.key,
            "solo": pool.solo,
        }

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
        said, new = self.cleaned_data, self.pool is None
        pool = self.pool or Pool(key=key)
        pool.wallet = self._saved_wallet()
        pool.name, pool.chain = said["name"], said["chain"]
        pool.password, pool.solo = said["password"], said["solo"]
        self._fill(pool)
        pool.full_clean()
        pool.save()
        self._save_endpoints(pool)
        if new:
            _allocate(pool)

    def _fill(self, pool: Pool) -> None:
        """What a longer form says of the pool."""

    def _saved_wallet(self) -> Wallet:
        wallet = self._wallet_row()
        wallet.check_rules()
        wallet = Wallet.objects.filter(chain=wallet.chain, kind=wallet.kind, address=wallet.address).first() or wallet
        if wallet.pk is None:
            while Wallet.objects.filter(label=wallet.label).exists():
                wallet.label = f"{wallet.label[:70]} {Wallet.objects.count() + 1}"
            wallet.save()
        return wallet

    def _endpoint_rows(self) -> list[PoolEndpoint]:
        """All addresses in order; this form asks for the first one alone."""
        first = self.endpoint_row()
        others = list(self.pool.endpoints.all()[1:]) if self.pool else []
        return [first, *(row for row in others if (row.host, row.port) != (first.host, first.port))]

    def _save_endpoints(self, pool: Pool) -> None:
        """An address that stays keeps its row, and whether its certificate is checked."""
        old = {(row.host, row.port): row for row in pool.endpoints.all()}
        rows = []
        for given in self._endpoint_rows():
            row = old.pop((given.host, given.port), None) or PoolEndpoint(pool=pool, host=given.host, port=given.port)
            if (row.tls == Tls.OFF) != (given.tls == Tls.OFF):
                row.tls = given.tls
            rows.append(row)
        for row in old.values():
            row.delete()
        for position, row in enumerate(rows):
            row.position = position
            row.full_clean()
            row.save()


class PoolEditForm(PoolForm):
    """All that a pool has, for its own page."""

    key = forms.CharField(
        label=_("Key"), max_length=8, required=False, help_text=_("A, B, ... or up to 8 capital letters and digits.")
    )
    more = forms.CharField(
        label=_("More addresses"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false", "autocapitalize": "none"}),
        help_text=_("One on each line; used in this order while those before do not answer."),
    )
    user_format = forms.CharField(
        label=_("User name at the pool"),
        max_length=128,
        help_text=_("{wallet} and {worker} are filled in; without {worker} the pool sees all miners as one."),
        widget=forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false"}),
    )
    min_difficulty = forms.FloatField(
        label=_("Minimum difficulty"), required=False, help_text=_("Empty: the pool decides.")
    )
    max_difficulty = forms.FloatField(label=_("Maximum difficulty"), required=False)
    payout_min_percent = forms.FloatField(
        label=_("Minimum payout"), help_text=_("Of the reward, to the wallet: solo pools keep a fee.")
    )
    payout_action = forms.ChoiceField(label=_("If the payout is wrong"), choices=choices_of(PayoutAction))
    connections = forms.ChoiceField(
        label=_("Connections"),
        required=False,
        choices=choices_of(Connections),
        help_text=_("One for each miner suits a home; shared ones are for many miners. A change loses no share."),
    )
    own_up_to = forms.IntegerField(
        label=_("Shared above"),
        required=False,
        help_text=_("Miners. For automatic: up to so many each has its own."),
    )
    most_miners = forms.IntegerField(label=_("Most miners on a connection"), required=False)
    most_connections = forms.IntegerField(label=_("Most shared connections"), required=False)
    group_by = forms.ChoiceField(
        label=_("Who shares a connection"),
        required=False,
        choices=choices_of(GroupBy),
        help_text=_("All miners are one user at the pool, without {worker}; groups have a user name each."),
    )
    shares_per_minute = forms.FloatField(
        label=_("Shares a minute"),
        required=False,
        help_text=_("On shared connections each miner gets a difficulty at which it finds about so many."),
    )
    note = forms.CharField(label=_("Note"), required=False, widget=forms.Textarea(attrs={"rows": 2}))

    SHARING = ("connections", "own_up_to", "most_miners", "most_connections", "group_by", "shares_per_minute")
    DIRECT = (
        "user_format",
        "min_difficulty",
        "max_difficulty",
        "payout_min_percent",
        "payout_action",
        "note",
        *SHARING,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        usual = Pool()
        for name in self.DIRECT:
            self.fields[name].initial = getattr(usual, name)
        if self.pool is not None:
            del self.fields["key"]

    def _of_pool(self, pool: Pool) -> dict[str, Any]:
        direct = {name: getattr(pool, name) for name in self.DIRECT}
        more = "\n".join(address_text(row) for row in pool.endpoints.all()[1:])
        return {**super()._of_pool(pool), **direct, "more": more}

    def clean(self) -> dict[str, Any]:
        """Each further address by the same rules as the first; the rest by those of the pool's own table."""
        said = super().clean()
        try:
            self._more_rows()
        except ValidationError as error:
            self.add_error("more", error.messages)
        if not self.errors:
            trial = copy(self.pool) if self.pool else Pool(key=said["key"].strip() or free_key())
            self._fill(trial)
            try:
                trial.full_clean(exclude=["wallet", "name", "chain", "password", "status"])
            except ValidationError as error:
                for name, texts in error.message_dict.items():
                    self.add_error(name if name in self.fields else None, texts)
        return said

    @property
    def sharing_errors(self) -> bool:
        """Whether anything is wrong with how miners are connected."""
        return any(name in self.errors for name in self.SHARING)

    def _more_rows(self) -> list[PoolEndpoint]:
        rows = []
        for line in self.cleaned_data.get("more", "").split():
            row = PoolEndpoint(host=line)
            row.check_rules()
            rows.append(row)
        return rows

    def _endpoint_rows(self) -> list[PoolEndpoint]:
        rows = {(row.host, row.port): row for row in reversed([self.endpoint_row(), *self._more_rows()])}
        return list(rows.values())[::-1]

    def _fill(self, pool: Pool) -> None:
        for name in self.DIRECT:
            value = self.cleaned_data[name]
            if name not in self.SHARING or value not in (None, ""):  # left out: as it was
                setattr(pool, name, value)


def _allocate(pool: Pool) -> None:
    """Half each in a default schedule, which is made where there is none."""
    schedule = Schedule.objects.filter(is_default=True).first()
    if schedule is None:
        schedule = Schedule(name=gettext("Always"), is_default=True)
        schedule.full_clean()
        schedule.save()
    Allocation(schedule=schedule, pool=pool, weight=50, position=schedule.allocations.count()).save()


def address_text(row: PoolEndpoint) -> str:
    """An address as a person would type it."""
    host = f"[{row.host}]" if ":" in row.host else row.host
    return f"{'' if row.tls == Tls.OFF else 'stratum+ssl://'}{host}:{row.port}"


def free_key() -> str:
    """The first letter that no pool has."""
    taken = set(Pool.objects.values_list("key", flat=True))
    return next((letter for letter in ascii_uppercase if letter not in taken), "")


def next_key() -> str | None:
    """The key of the pool that the guided setup asks for next; None when both exist."""
    if Pool.objects.count() >= len(KEYS):
        return None
    taken = set(Pool.objects.values_list("key", flat=True))
    return next((key for key in KEYS if key not in taken), None)
