"""What of django-allauth's pages is different here."""

from typing import Any

from allauth.account import views as account
from allauth.mfa.base.views import IndexView
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.internal.auth import STATE_SESSION_KEY
from allauth.mfa.webauthn.views import LoginWebAuthnView
from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from dashboard.access import no_account_yet
from dashboard.models import IdentityProvider
from dashboard.second_factor import lacks_second_factor
from dpmp_site.hosts import passkeys_work

CHALLENGE_COOKIE = "dpmp_passkey"
CHALLENGE_SALT = "dpmp.passkey"
CHALLENGE_S = 300


class LoginView(account.LoginView):  # type: ignore[misc]
    """Name and password; a passkey where somebody has one."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Beside the form: whether there is an account at all, whether a passkey can be used, and another login."""
        passkeys = passkeys_work(self.request) and Authenticator.objects.filter(type=Authenticator.Type.WEBAUTHN)
        more = {
            "no_account_yet": no_account_yet,
            "passkeys": bool(passkeys and passkeys.exists()),
            "provider": IdentityProvider.in_use(),
        }
        return super().get_context_data(**kwargs) | more  # type: ignore[no-any-return]


class PasskeyLoginView(LoginWebAuthnView):  # type: ignore[misc]
    """A login with a passkey alone.

    The challenge waits in a signed cookie, not in a session: else each visitor could fill the database with sessions.
    """

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """A challenge for the browser's passkey."""
        response: HttpResponse = super().get(request, *args, **kwargs)
        state = request.session.pop(STATE_SESSION_KEY, None)
        if state:
            value = signing.dumps(state, salt=CHALLENGE_SALT)
            response.set_cookie(
                CHALLENGE_COOKIE,
                value,
                max_age=CHALLENGE_S,
                path=request.path,
                secure=request.is_secure(),
                httponly=True,
                samesite="Strict",
            )
        return response

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """The passkey's answer."""
        try:
            state = signing.loads(request.COOKIES.get(CHALLENGE_COOKIE, ""), salt=CHALLENGE_SALT, max_age=CHALLENGE_S)
        except signing.BadSignature:
            state = None
        if state:
            request.session[STATE_SESSION_KEY] = state
        response: HttpResponseBase = super().post(request, *args, **kwargs)
        request.session.pop(STATE_SESSION_KEY, None)
        if isinstance(response, HttpResponse):
            response.delete_cookie(CHALLENGE_COOKIE, path=request.path, samesite="Strict")
        return response


class SecondFactorView(IndexView):  # type: ignore[misc]
    """The person's authenticator app, passkeys and recovery codes."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Beside them: whether one is demanded."""
        return super().get_context_data(**kwargs) | {"lacking": lacks_second_factor(self.request.user)}  # type: ignore[no-any-return]
