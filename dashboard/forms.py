"""Forms of the pages. The rules of pools and wallets live in their models; these add what a person types."""

from typing import Any

from django import forms
from django.contrib.auth.models import Group, User
from django.contrib.auth.password_validation import validate_password
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from dashboard.access import Access, roles_for
from dashboard.groups import ADMINISTRATOR, OPERATOR, VIEWER
from dashboard.live import snapshot
from dashboard.models import ApiToken, ReadOnlyLink, WorkerNote
from dashboard.sentences import kinds
from proxy.alerts.rules import AlertKind
from proxy.devices.facts import PORTS, Api
from proxy.devices.networks import NetworkError, address_of
from proxy.models import Device, Listener, Pool, VardiffRule, Wallet
from proxy.models.alerts import AlertRule
from proxy.models.pools import is_host

MAX_HOURS = 24 * 365


class SplitForm(forms.Form):
    """A number from 0 to 100 for each pool; with two pools the second may be left out."""

    hours = forms.IntegerField(required=False, min_value=1, max_value=MAX_HOURS)

    def __init__(self, *args: Any, keys: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._keys = keys
        for key in keys:
            self.fields[key] = forms.FloatField(required=False, min_value=0, max_value=100, label=key)

    def clean(self) -> dict[str, Any]:
        """At least one pool must get work."""
        cleaned = super().clean() or {}
        given = [key for key in self._keys if cleaned.get(key) is not None]
        if not self.errors and not given:
            raise forms.ValidationError(_("Enter how much each pool gets."))
        if not self.errors and not any(self.weights().values()):
            raise forms.ValidationError(_("At least one pool must get work."))
        return cleaned

    def weights(self) -> dict[str, float]:
        """Pool key -> percent; with two pools the one left out gets the rest of 100."""
        given = {key: self.cleaned_data[key] for key in self._keys if self.cleaned_data.get(key) is not None}
        if len(self._keys) == 2 and len(given) == 1:
            rest = next(key for key in self._keys if key not in given)
            given[rest] = 100.0 - next(iter(given.values()))
        return {key: given.get(key, 0.0) for key in self._keys}


class PinForm(forms.Form):
    """The pool that a worker is pinned to; none removes the pin."""

    pool = forms.ModelChoiceField(
        Pool.objects.all(), to_field_name="key", required=False, empty_label=_("not pinned"), label=_("Pin to pool")
    )


class NoteForm(forms.ModelForm):
    """What a person says of a worker."""

    class Meta:
        model = WorkerNote
        fields = ["name", "groups", "text"]


class LinkForm(forms.ModelForm):
    """Who gets a read-only link."""

    class Meta:
        model = ReadOnlyLink
        fields = ["label"]


class TokenForm(forms.ModelForm):
    """A new token of the API."""

    LIFE_DAYS = ((7, _("a week")), (30, _("30 days")), (90, _("90 days")), (366, _("a year")))
    days = forms.TypedChoiceField(label=_("Works for"), coerce=int, choices=LIFE_DAYS, initial=90)

    class Meta:
        model = ApiToken
        fields = ["label", "role"]

    def __init__(self, *args: Any, access: Access, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"] = forms.ChoiceField(label=_("May"), choices=roles_for(access))


class WalletForm(forms.ModelForm):
    """A wallet by the rules of its model."""

    class Meta:
        model = Wallet
        fields = ["chain", "kind", "address", "label"]
        labels = {"chain": _("Coin")}
        widgets = {"address": forms.TextInput(attrs={"autocapitalize": "none", "spellcheck": "false"})}


class ListenerForm(forms.ModelForm):
    """A listener by the rules of its model."""

    class Meta:
        model = Listener
        fields = [
            "name", "port", "host", "tls", "tls_certificate", "tls_key", "allow", "password", "proxy_networks",
            "default_difficulty", "least_difficulty", "difficulty_directive", "most_difficulty", "pin_directive",
            "directive_pools", "split_directive", "split_least",
        ]  # fmt: skip
        widgets = {
            "allow": forms.Textarea(attrs={"rows": 2}),
            "proxy_networks": forms.Textarea(attrs={"rows": 2}),
            "password": forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("difficulty_directive", "pin_directive", "split_directive"):  # "D=" is not what a miner types
            self.fields[name].label = Listener._meta.get_field(name).verbose_name  # type: ignore[union-attr]


class VardiffRuleForm(forms.ModelForm):
    """A vardiff rule by the rules of its model."""

    class Meta:
        model = VardiffRule
        fields = ["name", "listener", "profile", "shares_per_minute", "least_difficulty", "most_difficulty"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        listener, profile = self.fields["listener"], self.fields["profile"]
        listener.empty_label = _("any")  # type: ignore[attr-defined]
        profile.choices = [("", _("any")), *((key, label) for key, label in profile.choices if key)]  # type: ignore[attr-defined]


class RuleForm(forms.ModelForm):
    """An alert rule: only the fields that mean something for its kind, with their units."""

    UNITS = {
        AlertKind.NO_SHARES: _("minutes without shares"),
        AlertKind.WORKER_SILENT: _("minutes without shares"),
        AlertKind.HASHRATE_DROP: _("percent below the usual hash rate"),
        AlertKind.REJECT_RATE: _("percent refused"),
        AlertKind.DEVICE_HOT: _("degrees Celsius"),
        AlertKind.BEST_SHARE: _("difficulty at least; 0: each new best"),
    }
    """Kind -> what its threshold counts; the others have none."""
    ABOUT_WORKERS = (
        AlertKind.WORKER_OFFLINE,
        AlertKind.WORKER_SILENT,
        AlertKind.DEVICE_HOT,
        AlertKind.FAN_STOPPED,
        AlertKind.POWER_NO_HASH,
    )
    MOMENTS = (AlertKind.DAILY, AlertKind.WEEKLY, AlertKind.BEST_SHARE, AlertKind.BLOCK_FOUND)
    """Kinds that neither last nor end."""

    class Meta:
        model = AlertRule
        fields = ["enabled", "threshold", "delay_s", "workers", "recovery", "quiet_from", "quiet_until", "targets"]
        widgets = {
            "targets": forms.CheckboxSelectMultiple,
            "quiet_from": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
            "quiet_until": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kind = AlertKind(self.instance.kind)
        unused = [] if kind in self.UNITS else ["threshold"]
        unused += [] if kind in self.ABOUT_WORKERS else ["workers"]
        unused += ["delay_s", "recovery"] if kind in self.MOMENTS else []
        for name in unused:
            del self.fields[name]
        if "threshold" in self.fields:
            self.fields["threshold"].help_text = self.UNITS[kind]


ROLES = [
    (VIEWER, _("viewer: sees the pages")),
    (OPERATOR, _("operator: also moves the split, edits the week and pins workers")),
    (ADMINISTRATOR, _("administrator: everything")),
]


class PersonEditForm(forms.Form):
    """A person's role, and a new password where one is entered."""

    role = forms.ChoiceField(label=_("Role"), choices=ROLES)
    password = forms.CharField(
        label=_("New password"),
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("Empty: stays as it is. A new one logs out all of the person's browsers."),
    )

    def __init__(self, *args: Any, person: User, itself: bool, **kwargs: Any) -> None:
        self.person = person
        group = person.groups.first()
        kwargs["initial"] = {"role": group.name if group else VIEWER}
        super().__init__(*args, **kwargs)
        if itself or person.is_superuser:
            del self.fields["role"]

    def clean_password(self) -> str:
        """Check it with Django's password validators."""
        password: str = self.cleaned_data["password"]
        if password:
            validate_password(password, self.person)
        return password

    def save(self) -> None:
        """Write what was entered."""
        with transaction.atomic():
            if self.cleaned_data["password"]:
                self.person.set_password(self.cleaned_data["password"])
                self.person.save()
            if role := self.cleaned_data.get("role"):
                self.person.groups.set([Group.objects.get(name=role)])


class PersonForm(forms.ModelForm):
    """A new login in one of the three groups."""

    role = forms.ChoiceField(
        label=_("Role"),
        choices=ROLES,
    )
    password = forms.CharField(
        label=_("First password"),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("They can change it on their account page."),
    )

    class Meta:
        model = User
        fields = ["username"]

    def clean_password(self) -> str:
        """Check it with Django's password validators."""
        password: str = self.cleaned_data["password"]
        validate_password(password, User(username=self.cleaned_data.get("username", "")))
        return password

    def save(self, commit: bool = True) -> User:
        """Make the person and put it into its group."""
        person: User = super().save(commit=False)
        person.set_password(self.cleaned_data["password"])
        person.save()
        person.groups.add(Group.objects.get(name=self.cleaned_data["role"]))
        return person


class LogFilter(forms.Form):
    """What the log page shows."""

    text = forms.CharField(required=False, max_length=100, label=_("Text"))
    event = forms.CharField(required=False, max_length=80, label=_("Event"))
    level = forms.TypedChoiceField(
        required=False,
        coerce=int,
        empty_value=None,
        label=_("Level"),
        choices=[("", _("all")), ("20", _("INFO and above")), ("30", _("WARNING and above")), ("40", _("ERROR"))],
    )
    worker = forms.CharField(required=False, max_length=128, label=_("Worker"))
    pool = forms.CharField(required=False, max_length=8, label=_("Pool"))
    kind = forms.ChoiceField(required=False, label=_("About"), choices=[("", _("all")), *kinds()])
    span = forms.TypedChoiceField(
        required=False,
        coerce=int,
        empty_value=None,
        label=_("Time"),
        choices=[
            ("", _("all that is kept")),
            ("600", _("last 10 minutes")),
            ("3600", _("last hour")),
            ("86400", _("last 24 hours")),
        ],
    )
    until = forms.FloatField(required=False, min_value=0, widget=forms.HiddenInput)
    """Unix seconds: the address of a line."""


class DeviceForm(forms.ModelForm):  # type: ignore[type-arg]
    """A miner that is asked."""

    api = forms.ChoiceField(
        label=_("Kind"),
        choices=[
            (Api.AXEOS.value, _("AxeOS (Bitaxe, NerdQAxe)")),
            (Api.CGMINER.value, _("cgminer's API (Avalon, Antminer, Braiins OS, Whatsminer)")),
        ],
    )
    port = forms.IntegerField(
        label=_("Port"),
        required=False,
        min_value=1,
        max_value=65535,
        help_text=_("Empty: 80 for AxeOS, 4028 for cgminer's API."),
    )

    class Meta:
        model = Device
        fields = ("address", "api", "port", "name", "worker")

    def clean_address(self) -> str:
        """Only private addresses are asked."""
        try:
            return str(address_of(self.cleaned_data["address"], loopback=snapshot().demo))
        except NetworkError:
            raise forms.ValidationError(_("Give the IP address that the miner has in your own network.")) from None

    def clean(self) -> dict[str, Any]:
        """A port that was left out is the usual one."""
        cleaned = super().clean() or {}
        if not cleaned.get("port") and not self.errors:
            cleaned["port"] = PORTS[Api(cleaned["api"])]
        return cleaned


class UseProxyForm(forms.Form):
    """Where a miner is to find this proxy."""

    host = forms.CharField(label=_("This proxy's address"), max_length=253)
    port = forms.IntegerField(label=_("Port"), min_value=1, max_value=65535)

    def clean_host(self) -> str:
        """It is written into the miner, so it is nothing but a name or an address."""
        host = str(self.cleaned_data["host"])
        if not is_host(host):
            raise forms.ValidationError(_("This is neither a host name nor an IP address."))
        return host
