"""How django-allauth behaves here: no sign-up, no mail, Axes counts the wrong passwords."""

import io
from typing import Any

import segno
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from dashboard.login_models import bound_session
from dpmp_site.hosts import client_address
from dpmp_site.known_browsers import remember_browser

SESSION_BACKEND = "django.contrib.auth.backends.ModelBackend"


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Logins of people whom an administrator has made."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Never: accounts are made by administrators."""
        return False

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Nothing: what allauth counts here is counted for a name alone, and would lock its owner out."""

    def get_client_ip(self, request: HttpRequest) -> str:
        """The address that Axes counts by too, also behind a web server."""
        return client_address(request)

    def login(self, request: HttpRequest, user: AbstractBaseUser) -> None:
        """Log in by the backend that knows permissions, however the person has shown who it is."""
        user.backend = SESSION_BACKEND  # type: ignore[attr-defined]
        super().login(request, user)
        if any(record["method"] == "socialaccount" for record in get_authentication_records(request, user)):
            bound_session(request)

    def post_login(self, request: HttpRequest, user: AbstractBaseUser, **more: Any) -> HttpResponse:
        """Go on, and know this browser again."""
        response: HttpResponse = super().post_login(request, user, **more)
        remember_browser(request, response, user.get_username())
        return response

    def respond_user_inactive(self, request: HttpRequest, user: AbstractBaseUser) -> HttpResponse:
        """Back to the login page, as for a wrong password."""
        return redirect("account_login")

    def add_message(
        self, request: HttpRequest, level: int, message_template: str | None = None, *args: Any, **more: Any
    ) -> None:
        """A message for the next page; that somebody is logged in or out now is seen anyway."""
        if not (message_template or "").startswith("account/messages/logged_"):
            super().add_message(request, level, message_template, *args, **more)


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """What an authenticator app and a passkey show of this installation."""

    def get_totp_label(self, user: AbstractBaseUser) -> str:
        """The person and this installation's name: one may have several."""
        return f"{user.get_username()}@{context.request.get_host()}"

    def build_totp_svg(self, url: str) -> str:
        """The QR code, dark on light in both themes."""
        drawn = io.BytesIO()
        segno.make(url, micro=False).save(drawn, kind="svg", scale=5, border=4, light="white", xmldecl=False)
        return drawn.getvalue().decode()

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """A passkey belongs to the name by which the dashboard is opened."""
        return {**super().get_public_key_credential_rp_entity(), "name": "DPMP"}

    def generate_authenticator_name(self, user: AbstractBaseUser, type: Authenticator.Type) -> str:
        """What a new passkey is called unless the person says otherwise."""
        number = Authenticator.objects.filter(user_id=user.pk, type=type).count() + 1
        return _("Passkey %(number)s") % {"number": number}
