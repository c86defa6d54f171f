"""Whom an identity provider may log in: people whose account is linked, found by mail, or new, as the operator chose.

Never an administrator, unless that person linked the account while logged in here: else whoever runs the provider, or
gets an address there, would own the proxy.
"""

import re
import unicodedata
from typing import Any, NoReturn

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialLogin
from allauth.socialaccount.providers.base import AuthProcess
from allauth.socialaccount.providers.base.constants import AuthError
from django.contrib.auth.models import Group, User
from django.db import DatabaseError, transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from dashboard.login_models import IdentityProvider, LinkByHand
from dashboard.models import AuditEntry
from dashboard.second_factor import is_administrator
from dpmp_site.oidc_client import ProviderDown, ProviderError, log
from dpmp_site.oidc_provider import Provider

MOST_PEOPLE = 1000
"""With whom nobody new gets an account by logging in elsewhere."""
MOST_LINKS = 5
"""Of one person."""
NAME_CHARS = 100
SAME_NAMES = 100
MAIL_CHARS = 254


def problem_page(request: HttpRequest, row: IdentityProvider | None, problem: str, status: int = 403) -> HttpResponse:
    """What went wrong, in plain words; ``problem`` names one of them."""
    name = {"name": row.name if row else ""}
    texts = {
        "down": _("%(name)s does not answer now. Try again later, or log in with your password.") % name,
        "wrong": _("%(name)s gave no answer that can be believed, so nobody was logged in. The log says more.") % name,
        "cancelled": _("%(name)s did not log you in.") % name,
        "late": _("This login took too long, or began in another browser. Begin again."),
        "busy": _("Too many logins from your address. Try again in a minute."),
        "not allowed": _("Your account at %(name)s may not log in here. An administrator decides who may.") % name,
        "unknown": _(
            "No account here belongs to yours at %(name)s. Link it: log in with your password, then Your account."
        )
        % name,
        "administrator": _(
            "This account may administer, so %(name)s alone does not open it. Log in with your password, then link it "
            "under Your account."
        )
        % name,
        "too many": _("You have linked enough accounts. Remove one first."),
    }
    context = {"problem": texts[problem], "logged_in": request.user.is_authenticated}
    return render(request, "account/provider_problem.html", context, status=status)


class ProviderAccounts(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """The only provider is that of the settings, and nobody signs up by a form."""

    def get_provider(self, request: HttpRequest, provider: str, client_id: str | None = None) -> Provider:
        """That of the settings, by its key; allauth asks otherwise for that of a login that waits for a second factor.

        Raises:
            ValueError: such a login's is not in use any more, so that login is over.
        """
        row = IdentityProvider.in_use()
        if provider == Provider.id:
            if row is None or client_id != row.client_id:
                raise ValueError("It is not in use any more.")
        elif row is None or provider != row.key:
            raise SocialApp.DoesNotExist
        return Provider.of(request, row)

    def list_apps(self, request: HttpRequest, provider: Any = None, client_id: Any = None) -> list[SocialApp]:
        """None from allauth's own table."""
        return []

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Never: ``pre_social_login`` makes the accounts that may be made."""
        return False

    def get_connect_redirect_url(self, request: HttpRequest, socialaccount: SocialAccount) -> str:
        """The page that lists what is linked."""
        return reverse("account")

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Provider,
        error: Any = None,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> NoReturn:
        """Say what went wrong; what the provider sent is for the log."""
        if isinstance(exception, ProviderDown):
            _refuse(request, provider.row, "down", f"{exception}", 503)
        if isinstance(exception, ProviderError):
            _refuse(request, provider.row, "wrong", f"{exception}", 502)
        if exception is not None:
            raise exception
        said = request.GET.get("error", "")[:100]
        if error == AuthError.CANCELLED or said:
            _refuse(request, provider.row, "cancelled", f"It said {said!r}.")
        _refuse(request, provider.row, "late", "", 400)

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Find or make the person, or refuse."""
        row, claims = sociallogin.provider.row, sociallogin.claims
        if not may_log_in(row, claims):
            _refuse(request, row, "not allowed", f"{claims['sub']!r} is of no domain and group that may.")
        if sociallogin.state.get("process") == AuthProcess.CONNECT:
            of_person = SocialAccount.objects.filter(user=request.user.pk, provider=row.key)
            if not sociallogin.is_existing and of_person.count() >= MOST_LINKS:
                _refuse(request, row, "too many", "")
            return
        if sociallogin.is_existing:
            if is_administrator(sociallogin.user) and not LinkByHand.objects.filter(account=sociallogin.account):
                _refuse(request, row, "administrator", f"{sociallogin.user} did not link it by hand.")
            return
        try:
            with transaction.atomic():
                person = _person_by_mail(request, row, claims) or _new_person(row, claims)
                if person is not None:
                    sociallogin.connect(request, person)
        except DatabaseError as error:  # the same person came twice at once
            _refuse(request, row, "wrong", f"Two logins at once: {error}", 409)
        if person is None:
            _refuse(request, row, "unknown", f"{claims['sub']!r} is linked to nobody.")


def _refuse(request: HttpRequest, row: IdentityProvider, problem: str, why: str, status: int = 403) -> NoReturn:
    if why:
        log.warning("login by %s refused (%s): %s", row.name, problem, why[:500])
    raise ImmediateHttpResponse(problem_page(request, row, problem, status))


def may_log_in(row: IdentityProvider, claims: dict[str, Any]) -> bool:
    """Whether somebody is of the domains and the group that are demanded."""
    if row.domain_list and confirmed_mail(claims).rpartition("@")[2].lower() not in row.domain_list:
        return False
    held = claims.get(row.group_claim)
    return not row.group or row.group == held or (isinstance(held, list) and row.group in held)


def confirmed_mail(claims: dict[str, Any]) -> str:
    """The mail address, if the provider says that it is confirmed; "" else.

    ASCII only: databases that compare without regard to case take some letters for others.
    """
    mail = claims.get("email")
    confirmed = claims.get("email_verified")
    if not (confirmed is True or confirmed == "true") or not isinstance(mail, str):
        return ""
    return (
        mail if mail.isascii() and mail.isprintable() and 3 <= len(mail) <= MAIL_CHARS and mail.count("@") == 1 else ""
    )


def _person_by_mail(request: HttpRequest, row: IdentityProvider, claims: dict[str, Any]) -> User | None:
    mail = confirmed_mail(claims) if row.link_by_mail else ""
    found = list(User.objects.filter(email__iexact=mail)) if mail else []
    if any(is_administrator(person) for person in found):
        _refuse(request, row, "administrator", f"{claims['sub']!r} has the address of an administrator.")
    if len(found) != 1 or not found[0].is_active:
        return None
    if SocialAccount.objects.filter(user=found[0], provider=row.key).exists():  # the address went to somebody else
        return None
    return found[0]


def _new_person(row: IdentityProvider, claims: dict[str, Any]) -> User | None:
    if not row.new_people or User.objects.count() >= MOST_PEOPLE:
        return None
    mail = confirmed_mail(claims)
    if mail and User.objects.filter(email__iexact=mail).exists():
        return None  # somebody has it, and is to link it
    name = _free_name(claims)
    if not name:
        return None
    person = User(username=name, email=mail)
    person.set_unusable_password()
    person.save()
    person.groups.add(Group.objects.get(name=row.new_people))
    AuditEntry.write(by=row.name, action="add person", subject=name, new=row.new_people)
    return person


def _free_name(claims: dict[str, Any]) -> str:
    said = claims.get("preferred_username") or str(claims.get("email") or "").partition("@")[0] or claims.get("name")
    wanted = re.sub(r"[^\w.@+-]", "", unicodedata.normalize("NFKC", str(said or "")))[:NAME_CHARS] or "person"
    names = (wanted, *(f"{wanted}-{number}" for number in range(2, SAME_NAMES)))
    return next((name for name in names if not User.objects.filter(username__iexact=name).exists()), "")


def linked(request: HttpRequest, sociallogin: SocialLogin) -> None:
    """Remember that a person made this link by hand, where they have just done it."""
    account = SocialAccount.objects.filter(
        user=request.user.pk, provider=sociallogin.provider.sub_id, uid=sociallogin.account.uid
    ).first()
    if account is not None:
        LinkByHand.objects.get_or_create(account=account)


def unlink(account: SocialAccount) -> str:
    """Remove a link; the reason why not, where somebody could not log in any more."""
    person = account.user
    last = not SocialAccount.objects.filter(user=person, provider=account.provider).exclude(pk=account.pk).exists()
    if last and not person.has_usable_password():
        return _("You have no password here: without this link you could not log in.")
    account.delete()
    AuditEntry.write(by=person.get_username(), action="unlink identity provider", subject=account.uid)
    return ""
