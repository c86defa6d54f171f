"""Builds the address of an alert target from plain fields: nobody has to know how Apprise writes it."""

import re
from typing import Any
from urllib.parse import quote, urlencode

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from proxy.admin.alerts import AlertTargetForm
from proxy.models.alerts import BROWSER_SCHEME, AlertTarget

KINDS = (
    ("telegram", "Telegram"),
    ("ntfy", "ntfy"),
    ("discord", "Discord"),
    ("mail", _("Mail")),
    ("other", _("Other")),
)
KIND_OF_SCHEME = {
    "tgram": "telegram",
    "ntfy": "ntfy",
    "ntfys": "ntfy",
    "discord": "discord",
    "mailto": "mail",
    "mailtos": "mail",
    BROWSER_SCHEME: "browser",
}
_WEBHOOK = re.compile(r"https://(?:\w+\.)?discord(?:app)?\.com/api/webhooks/(?P<id>\d+)/(?P<token>[\w-]+)/?")
_SECRET = {"autocomplete": "off", "spellcheck": "false"}


def _q(text: str) -> str:
    return quote(text.strip(), safe="")


class TargetForm(forms.Form):
    """What all kinds have; without any of a kind's own fields the saved address stays."""

    label = AlertTargetForm.base_fields["label"]
    OWN: tuple[str, ...] = ()
    NEEDED: tuple[str, ...] = ()
    """Of its own fields, once one of them is entered, and for a new target."""

    def __init__(self, *args: Any, target: AlertTarget | None = None, **kwargs: Any) -> None:
        self.target = target
        if target is not None:
            kwargs["initial"] = {"label": target.label, **kwargs.get("initial", {})}
        super().__init__(*args, **kwargs)
        self.order_fields([name for name in self.fields if name != "label"])  # the address first, its name last

    def address(self) -> str:
        """What Apprise is given; empty where nothing was entered."""
        raise NotImplementedError

    def url(self) -> str:
        """The address that was entered, else the saved one."""
        return self.target.url if self.target is not None and not self._is_entered() else self.address()

    def clean(self) -> dict[str, Any]:
        """The address by the target's own rules."""
        said = super().clean() or {}
        if self.target is None or self._is_entered():
            for name in self.NEEDED:
                if not self.cleaned_data.get(name) and name not in self.errors:
                    self.add_error(name, _("This is needed."))
        if not self.errors:
            trial = AlertTarget(url=self.url())
            trial.label = said["label"]
            trial.pk = self.target.pk if self.target else None
            trial._state.adding = self.target is None
            try:
                trial.full_clean()
            except ValidationError as error:
                for name, texts in error.message_dict.items():
                    self.add_error(name if name in self.fields else None, texts)
        return said

    def save(self) -> AlertTarget:
        """Write the target."""
        row = self.target or AlertTarget()
        row.label, row.url = self.cleaned_data["label"], self.url()
        row.full_clean()
        row.save()
        return row

    def _is_entered(self) -> bool:
        return any(self.cleaned_data.get(name) for name in self.OWN)


class TelegramForm(TargetForm):
    """A bot that writes to a chat."""

    token = forms.CharField(
        label=_("Token of the bot"),
        required=False,
        max_length=200,
        widget=forms.TextInput(_SECRET),
        help_text=_("@BotFather gives it to you, for example 123456789:AAF..."),
    )
    chat = forms.CharField(
        label=_("Chat"),
        required=False,
        max_length=100,
        help_text=_("The number of the chat; @userinfobot tells yours."),
    )
    OWN = ("token", "chat")
    NEEDED = ("token", "chat")

    def address(self) -> str:
        """``tgram://token/chat``."""
        return f"tgram://{quote(self.cleaned_data['token'].strip(), safe=':')}/{_q(self.cleaned_data['chat'])}/"


class NtfyForm(TargetForm):
    """A topic of ntfy.sh or of an own server."""

    topic = forms.CharField(
        label=_("Topic"), required=False, max_length=100, help_text=_("Hard to guess: it is all that protects it.")
    )
    server = forms.CharField(
        label=_("Server"),
        required=False,
        max_length=200,
        help_text=_("Empty: ntfy.sh. Else for example ntfy.example.org or http://192.168.1.5:8080."),
    )
    token = forms.CharField(
        label=_("Access token"),
        required=False,
        max_length=200,
        widget=forms.TextInput(_SECRET),
        help_text=_("Only where the server wants one."),
    )
    OWN = ("topic", "server", "token")
    NEEDED = ("topic",)

    def address(self) -> str:
        """``ntfy://topic``, or ``ntfys://token@host/topic``."""
        said = self.cleaned_data
        topic, token = _q(said["topic"]), _q(said["token"])
        scheme, _colon, host = said["server"].strip().rstrip("/").rpartition("://")
        if not host and not token:
            return f"ntfy://{topic}"
        who = f"{token}@" if token else ""
        return f"{'ntfy' if scheme == 'http' else 'ntfys'}://{who}{quote(host or 'ntfy.sh', safe=':[]')}/{topic}"


class DiscordForm(TargetForm):
    """A channel's webhook."""

    webhook = forms.CharField(
        label=_("Address of the webhook"),
        required=False,
        max_length=300,
        widget=forms.TextInput(_SECRET),
        help_text=_("Channel settings, Integrations, Webhooks, Copy URL: https://discord.com/api/webhooks/..."),
    )
    OWN = ("webhook",)

    def address(self) -> str:
        """``discord://id/token``."""
        found = _WEBHOOK.fullmatch(self.cleaned_data["webhook"].strip())
        return f"discord://{found['id']}/{found['token']}" if found else ""

    def clean(self) -> dict[str, Any]:
        """A webhook of Discord."""
        entered = self.cleaned_data.get("webhook", "")
        if (entered or self.target is None) and not _WEBHOOK.fullmatch(entered.strip()):
            self.add_error("webhook", _("It begins with https://discord.com/api/webhooks/."))
        return super().clean()


class MailForm(TargetForm):
    """A mail server that takes messages for somebody."""

    to = forms.EmailField(label=_("To"), required=False)
    server = forms.CharField(
        label=_("Mail server"), required=False, max_length=200, help_text=_("For example smtp.example.org.")
    )
    port = forms.IntegerField(
        label=_("Port"), required=False, min_value=1, max_value=65535, help_text=_("Empty: the usual one, 587.")
    )
    user = forms.CharField(label=_("User"), required=False, max_length=200, widget=forms.TextInput(_SECRET))
    password = forms.CharField(
        label=_("Password"),
        required=False,
        max_length=200,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
    )
    sender = forms.EmailField(label=_("From"), required=False, help_text=_("Empty: the same as To."))
    OWN = ("to", "server", "port", "user", "password", "sender")
    NEEDED = ("to", "server")

    def address(self) -> str:
        """``mailtos://user:password@server:port?from=..&to=..``."""
        said = self.cleaned_data
        who = f"{_q(said['user'])}:{said['password'] and quote(said['password'], safe='')}@" if said["user"] else ""
        port = f":{said['port']}" if said["port"] else ""
        server = _q(said["server"])
        query = urlencode({"from": said["sender"] or said["to"], "to": said["to"], "smtp": said["server"].strip()})
        scheme = "mailto" if said["port"] == 25 else "mailtos"
        return f"{scheme}://{who}{server}{port}?{query}"


class OtherForm(TargetForm):
    """Any other service, as Apprise writes it."""

    entered = forms.CharField(
        label=_("Address"),
        required=False,
        max_length=1000,
        widget=forms.TextInput(_SECRET),
        help_text=_("As Apprise writes it, for example json://host/path or gotify://host/token."),
    )
    OWN = NEEDED = ("entered",)

    def address(self) -> str:
        """As it was entered."""
        return str(self.cleaned_data["entered"].strip())


class BrowserForm(TargetForm):
    """A person's browser, which was switched on there: only its name can be changed here."""

    def address(self) -> str:
        """None: a browser gives its own."""
        return ""


FORMS: dict[str, type[TargetForm]] = {
    "telegram": TelegramForm,
    "ntfy": NtfyForm,
    "discord": DiscordForm,
    "mail": MailForm,
    "other": OtherForm,
    "browser": BrowserForm,
}


def kind_of(target: AlertTarget | None, asked: str) -> str:
    """Which form to show: the one asked for, else that of the saved address, else the first."""
    if target is not None and target.is_browser:
        return "browser"
    if asked in FORMS and asked != "browser":
        return asked
    return KIND_OF_SCHEME.get(target.scheme.lower(), "other") if target else KINDS[0][0]
