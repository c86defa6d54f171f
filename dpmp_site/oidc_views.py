"""Logins by an identity provider: the way there, the way back, and links that people make by hand.

What has to come back waits in a signed cookie, not in a session: a stranger who begins logins makes no rows.
"""

import hmac
from typing import Any

from allauth.account.decorators import reauthentication_required
from allauth.core.internal import ratelimit
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.base import AuthProcess
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core import signing
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from dashboard.login_models import IdentityProvider
from dpmp_site.oidc_accounts import linked, problem_page, unlink
from dpmp_site.oidc_client import ProviderDown, ProviderError, log
from dpmp_site.oidc_provider import Provider, ProviderAdapter

STATE_COOKIE = "dpmp_oidc"
STATE_SALT = "dpmp.oidc"
STATE_S = 600
NEXT_CHARS = 500
"""Of the page that somebody wanted; a cookie has little room."""


def _in_use() -> IdentityProvider:
    row = IdentityProvider.in_use()
    if row is None:
        raise Http404
    return row


def start(request: HttpRequest) -> HttpResponse:
    """Send the browser to the provider, to log in."""
    wanted = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
    return _go(request, _in_use(), AuthProcess.LOGIN, wanted if safe and len(wanted) <= NEXT_CHARS else "")


@login_required
@reauthentication_required  # type: ignore[untyped-decorator]
def link(request: HttpRequest) -> HttpResponse:
    """Send the browser there, to link that account with the one that is logged in here."""
    return _go(request, _in_use(), AuthProcess.CONNECT, "")


def _go(request: HttpRequest, row: IdentityProvider, process: str, wanted: str) -> HttpResponse:
    person = request.user.pk if process == AuthProcess.CONNECT else None
    try:
        address, state = Provider.of(request, row).begin(request, process=process, next_url=wanted, person=person)
    except ProviderError as error:
        log.warning("login by %s: %s", row.name, str(error)[:500])
        down = isinstance(error, ProviderDown)
        return problem_page(request, row, "down" if down else "wrong", 503 if down else 502)
    # A page that goes on, and no redirect: browsers hold redirects of a form to the policy's form-action, which would
    # have to name each host that a provider sends people on to.
    response = render(request, "account/provider_go.html", {"address": address, "name": row.name})
    response.set_cookie(
        STATE_COOKIE,
        signing.dumps(state, salt=STATE_SALT),
        max_age=STATE_S,
        path=reverse("oidc-callback"),
        secure=request.is_secure(),
        httponly=True,
        samesite="Lax",
    )
    return response


class Callback(OAuth2CallbackView):  # type: ignore[misc]
    """The way back from the provider."""

    adapter: ProviderAdapter

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Log in or link, or say why not."""
        row = _in_use()
        try:
            response: HttpResponseBase = super().dispatch(request, *args, **kwargs)
        except ProviderError as error:
            log.warning("login by %s: %s", row.name, str(error)[:500])
            down = isinstance(error, ProviderDown)
            return problem_page(request, row, "down" if down else "wrong", 503 if down else 502)
        login = getattr(self.adapter, "login", None)
        if login is not None and self.adapter.state["process"] == AuthProcess.CONNECT:
            linked(request, login)
        return response

    def _get_state(self, request: HttpRequest, provider: Provider) -> tuple[dict[str, Any] | None, HttpResponse | None]:
        """What this browser was given on its way there."""
        try:
            state = signing.loads(request.COOKIES.get(STATE_COOKIE, ""), salt=STATE_SALT, max_age=STATE_S)
        except signing.BadSignature:
            return None, problem_page(request, provider.row, "late", 400)
        brought = request.GET.get("state", "")
        if not hmac.compare_digest(state["id"].encode(), brought.encode()) or state["provider"] != provider.row.key:
            return None, problem_page(request, provider.row, "late", 400)
        if state["process"] == AuthProcess.CONNECT and state["data"]["person"] != request.user.pk:
            return None, problem_page(request, provider.row, "late", 400)
        if not ratelimit.consume(request, app="allauth.account", action="provider_login", limit_get=True):
            return None, problem_page(request, provider.row, "busy", 429)
        issuer = request.GET.get("iss")
        if issuer is not None and issuer != self.adapter.openid_config["issuer"]:  # RFC 9207
            return None, problem_page(request, provider.row, "wrong", 502)
        self.adapter.state = state
        return state, None


def callback(request: HttpRequest) -> HttpResponseBase:
    """Where the provider sends people back to."""
    view = Callback.adapter_view(ProviderAdapter(request, _in_use().key))
    response: HttpResponse = view(request)
    response.delete_cookie(STATE_COOKIE, path=reverse("oidc-callback"), samesite="Lax")
    return response


@login_required
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Remove one of one's own links."""
    problem = unlink(get_object_or_404(SocialAccount, pk=pk, user=request.user.pk))
    if problem:
        messages.error(request, problem)
    else:
        messages.success(request, _("The link is removed."))
    return redirect("account")
