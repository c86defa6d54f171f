"""Tables of logins that people have elsewhere: the identity provider, and which links its owner made by hand."""

import hashlib
from datetime import timedelta
from urllib.parse import urlsplit

from allauth.socialaccount.models import SocialAccount
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from proxy.models.base import OneRow
from proxy.models.constraints import check, within

DISCOVERY_PATH = "/.well-known/openid-configuration"
SESSION_HOURS, MOST_SESSION_HOURS = 12, 336
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def is_trusted_address(url: object, *, plain: bool) -> bool:
    """Whether secrets may be sent there: https, or with ``plain`` also http on this machine."""
    if not isinstance(url, str) or not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or "@" in parts.netloc or parts.fragment:
        return False
    return parts.scheme == "https" or (plain and parts.scheme == "http" and host in LOOPBACK)


class NewPeople(models.TextChoices):
    """Whether somebody who logs in by the provider for the first time gets an account."""

    NOBODY = "", _("nobody: an administrator makes the account first")
    VIEWER = "viewer", _("as a viewer")
    OPERATOR = "operator", _("as an operator")


class IdentityProvider(OneRow):
    """An OpenID Connect provider, by which people may log in; a single row, off until switched on."""

    enabled = models.BooleanField(_("log in by an identity provider"), default=False)
    name = models.CharField(
        _("name"), max_length=40, blank=True, help_text=_('As people know it: the button says "Log in with" this.')
    )
    issuer = models.CharField(
        _("issuer"),
        max_length=300,
        blank=True,
        help_text=_("Its address, as in https://id.example.org/realms/home. Everything else is read from there."),
    )
    ca = models.CharField(
        _("authority"),
        max_length=500,
        blank=True,
        help_text=_(
            "Path of a PEM file on this machine, where the provider's certificate is signed by one of your own."
        ),
    )
    client_id = models.CharField(_("client ID"), max_length=200, blank=True)
    client_secret = models.CharField(_("client secret"), max_length=500, blank=True)
    domains = models.CharField(
        _("mail domains"),
        max_length=500,
        blank=True,
        help_text=_("Only people with a confirmed address there may log in; with commas between them. Empty: any."),
    )
    group_claim = models.CharField(_("claim with the groups"), max_length=60, default="groups")
    group = models.CharField(
        _("group"),
        max_length=200,
        blank=True,
        help_text=_("Only people of this group of the provider may log in. Empty: any."),
    )
    link_by_mail = models.BooleanField(
        _("find people by their mail address"),
        default=False,
        help_text=_(
            "Whoever has a confirmed address there gets the account with the same address here. Never an "
            "administrator's: those link their own account by hand."
        ),
    )
    new_people = models.CharField(
        _("accounts for new people"),
        max_length=8,
        choices=NewPeople.choices,
        default=NewPeople.NOBODY,
        blank=True,
        help_text=_("Where everybody can have an account at the provider, name domains or a group as well."),
    )
    session_hours = models.PositiveSmallIntegerField(
        _("hours until the provider is asked again"),
        default=SESSION_HOURS,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_SESSION_HOURS)],
        help_text=_("A login by the provider ends then: for so long at most somebody stays who is disabled there."),
    )

    class Meta:
        verbose_name, verbose_name_plural = _("identity provider"), _("identity provider")
        default_permissions = ("view", "change")
        constraints = [
            models.CheckConstraint(condition=Q(pk=1), name="identity_provider_one_row"),
            check(
                "identity_provider_complete",
                Q(enabled=False) | ~(Q(name="") | Q(issuer="") | Q(client_id="")),
                _("An identity provider needs a name, an issuer and a client ID."),
            ),
            check(
                "identity_provider_new_people",
                Q(new_people__in=NewPeople.values),
                _("New people become viewers or operators."),
            ),
            within(
                "identity_provider_session_hours",
                "session_hours",
                1,
                MOST_SESSION_HOURS,
                _("A login lasts from an hour to 336 (two weeks)."),
            ),
        ]

    def __str__(self) -> str:
        return self.name or gettext("identity provider")

    @classmethod
    def in_use(cls) -> "IdentityProvider | None":
        """The one row, if it is switched on."""
        return cls.objects.filter(pk=1, enabled=True).first()

    @property
    def key(self) -> str:
        """Under which its people are kept: another issuer's are others, whatever they call themselves."""
        return "oidc-" + hashlib.sha256(self.issuer.rstrip("/").encode()).hexdigest()[:24]

    @property
    def domain_list(self) -> list[str]:
        """The domains, lower case."""
        return [one for each in self.domains.lower().split(",") if (one := each.strip().removeprefix("@"))]

    def clean(self) -> None:
        """Check what a form cannot: the issuer's address, and that nothing is missing."""
        self.issuer = self.issuer.strip().removesuffix(DISCOVERY_PATH)
        if self.issuer and (not is_trusted_address(self.issuer, plain=True) or "?" in self.issuer):
            raise ValidationError({"issuer": gettext("An issuer is an address that begins with https://.")})
        if self.enabled and not (self.name and self.issuer and self.client_id):
            raise ValidationError(gettext("An identity provider needs a name, an issuer and a client ID."))
        if self.group and not self.group_claim:
            raise ValidationError({"group_claim": gettext("Where a group is demanded, say which claim names it.")})
        super().clean()


class LinkByHand(models.Model):
    """That a person, logged in here, linked an account of the provider: only such a link opens an administrator's."""

    account = models.OneToOneField(SocialAccount, models.CASCADE, related_name="by_hand")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return str(self.account.uid)


def bound_session(request: HttpRequest) -> None:
    """Let a login by the provider end at a time that nothing moves: who is disabled there is found out by then."""
    row = IdentityProvider.in_use()
    hours = row.session_hours if row is not None else SESSION_HOURS
    request.session.set_expiry(timezone.now() + timedelta(hours=hours))


def links_of(person_id: int) -> list[tuple[SocialAccount, str]]:
    """What a person has linked at the provider in use, each with what it is called there."""
    provider = IdentityProvider.in_use()
    found = SocialAccount.objects.filter(user=person_id, provider=provider.key) if provider else []
    return [(one, one.extra_data.get("email") or one.extra_data.get("preferred_username") or one.uid) for one in found]
