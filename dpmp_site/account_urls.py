"""Addresses of logins, second factors and passkeys: django-allauth's views, each loaded with its first request.

Only these of its views have an address: nobody can sign up, change an e-mail address or ask for a password by mail.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.urls import path
from django.utils.module_loading import import_string
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_POST
from django.views.generic import RedirectView

View = Callable[..., HttpResponseBase]


def late(name: str, **initial: Any) -> View:
    """The view of that name; it and the libraries under it cost nothing until somebody opens its page."""

    @cache
    def made() -> View:
        found: Any = import_string(name)
        view: View = found.as_view(**initial) if hasattr(found, "as_view") else found
        return view

    @never_cache
    @sensitive_post_parameters()
    def view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return made()(request, *args, **kwargs)

    return view


ACCOUNT, MFA = "allauth.account.views", "allauth.mfa"

urlpatterns = [
    path("login/", late("dpmp_site.account_views.LoginView"), name="account_login"),
    path("login/second-factor/", late(f"{MFA}.base.views.AuthenticateView"), name="mfa_authenticate"),
    path("login/passkey/", late("dpmp_site.account_views.PasskeyLoginView"), name="mfa_login_webauthn"),
    path("login/provider/", require_POST(late("dpmp_site.oidc_views.start")), name="oidc-start"),
    path("login/provider/callback/", require_GET(late("dpmp_site.oidc_views.callback")), name="oidc-callback"),
    path("account/provider/link/", require_POST(late("dpmp_site.oidc_views.link")), name="oidc-link"),
    path("account/provider/<int:pk>/remove/", require_POST(late("dpmp_site.oidc_views.remove")), name="oidc-remove"),
    path("logout/", require_POST(late(f"{ACCOUNT}.LogoutView")), name="account_logout"),
    path("account/confirm/", late(f"{ACCOUNT}.ReauthenticateView"), name="account_reauthenticate"),
    path("account/confirm/code/", late(f"{MFA}.base.views.ReauthenticateView"), name="mfa_reauthenticate"),
    path(
        "account/confirm/passkey/",
        late(f"{MFA}.webauthn.views.ReauthenticateWebAuthnView"),
        name="mfa_reauthenticate_webauthn",
    ),
    path("account/second-factor/", late("dpmp_site.account_views.SecondFactorView"), name="mfa_index"),
    path("account/second-factor/app/", late(f"{MFA}.totp.views.ActivateTOTPView"), name="mfa_activate_totp"),
    path("account/second-factor/app/remove/", late(f"{MFA}.totp.views.DeactivateTOTPView"), name="mfa_deactivate_totp"),
    path(
        "account/second-factor/codes/",
        late(f"{MFA}.recovery_codes.views.ViewRecoveryCodesView"),
        name="mfa_view_recovery_codes",
    ),
    path(
        "account/second-factor/codes/new/",
        late(f"{MFA}.recovery_codes.views.GenerateRecoveryCodesView"),
        name="mfa_generate_recovery_codes",
    ),
    path("account/second-factor/passkeys/", RedirectView.as_view(pattern_name="mfa_index"), name="mfa_list_webauthn"),
    path("account/second-factor/passkeys/new/", late(f"{MFA}.webauthn.views.AddWebAuthnView"), name="mfa_add_webauthn"),
    path(
        "account/second-factor/passkeys/<int:pk>/remove/",
        late(f"{MFA}.webauthn.views.RemoveWebAuthnView"),
        name="mfa_remove_webauthn",
    ),
]
