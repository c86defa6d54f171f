"""Who a viewer is and what they may see and do: the same answer for pages, partials and WebSockets."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser, AnonymousUser
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render, resolve_url
from django.utils.translation import gettext as _

from dashboard.models import ApiToken, ReadOnlyLink, TokenRole
from dashboard.redacting import account_names, hide_wallets
from dashboard.second_factor import lacks_second_factor

SEE, LOGS, STEER, ADMINISTER, WALLETS = "see", "view_logs", "steer", "administer", "wallets"
TEXTS = ("text/html", "text/csv", "application/json")
LINK_KEY = "read_only_link"
"""Session key of the read-only link's id."""


@dataclass(frozen=True, slots=True)
class Access:
    """What one viewer may; equal for all viewers who get the same pages, so renderings are shared by it."""

    may: frozenset[str] = frozenset()

    @property
    def see(self) -> bool:
        """May see the dashboard."""
        return SEE in self.may

    @property
    def logs(self) -> bool:
        """The log page and its download."""
        return LOGS in self.may

    @property
    def steer(self) -> bool:
        """May change the split, switch modes and pin workers."""
        return STEER in self.may

    @property
    def administer(self) -> bool:
        """Guided setup, people, links, audit log, Django admin."""
        return ADMINISTER in self.may

    @property
    def wallets(self) -> bool:
        """May see wallet addresses."""
        return WALLETS in self.may


NOBODY = Access()
BY_LINK = Access(frozenset({SEE}))


def of_user(user: AbstractUser | AnonymousUser) -> Access:
    """What a logged-in person may now: nothing yet, where a second factor is demanded and not set up."""
    return NOBODY if lacks_second_factor(user) else of_person(user)


def of_person(user: AbstractUser | AnonymousUser) -> Access:
    """What a person may by Django's permissions."""
    if not user.is_authenticated or not user.is_active:
        return NOBODY
    held = {name for name in (SEE, LOGS, STEER, ADMINISTER) if user.has_perm(f"dashboard.{name}")}
    return Access(frozenset({*held, WALLETS})) if SEE in held else NOBODY


def of_link(link_id: int | None) -> Access:
    """What a read-only link may, unless it was revoked."""
    if link_id is None or not ReadOnlyLink.objects.filter(pk=link_id, revoked_at__isnull=True).exists():
        return NOBODY
    return BY_LINK


OF_ROLE: Mapping[str, frozenset[str]] = {
    TokenRole.READ_ONLY: BY_LINK.may,
    TokenRole.VIEWER: frozenset({SEE, WALLETS}),
    TokenRole.OPERATOR: frozenset({SEE, WALLETS, LOGS, STEER}),
    TokenRole.ADMINISTRATOR: frozenset({SEE, WALLETS, LOGS, STEER, ADMINISTER}),
}
"""Role of a token -> what it may at most."""


def of_token(token: ApiToken) -> Access:
    """What a token of the API may: what its role says, as far as its person may that now."""
    own = of_person(token.user)
    return Access(own.may & OF_ROLE.get(token.role, NOBODY.may)) if token.state == "live" else NOBODY


def roles_for(access: Access) -> list[tuple[str, str]]:
    """The roles that a person may give to a token, least first."""
    return [(role.value, str(role.label)) for role in TokenRole if OF_ROLE[role] <= access.may]


def of_request(request: HttpRequest) -> Access:
    """The access of the person or link behind a request; kept on the request."""
    known = getattr(request, "dashboard_access", None)
    if known is None:
        known = of_user(request.user) if request.user.is_authenticated else of_link(request.session.get(LINK_KEY))
        request.dashboard_access = known  # type: ignore[attr-defined]
    return known


def no_account_yet() -> bool:
    """Whether nobody can log in, because nobody has made the first account."""
    return not get_user_model().objects.filter(is_active=True).exists()


View = Callable[..., HttpResponseBase]


def needs(*names: str) -> Callable[[View], View]:
    """Let a view run only for those who may all of ``names``; others log in, or are told that they may not."""

    def wrap(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            access = of_request(request)
            if access.may.issuperset(names):
                response = view(request, *args, **kwargs)
                return response if access.wallets else without_wallets(response)
            return refuse(request, names)

        return guarded

    return wrap


def without_wallets(response: HttpResponseBase) -> HttpResponseBase:
    """The page without wallet addresses and account names; a miner without a worker name is shown by its wallet."""
    kind = response.headers.get("Content-Type", "")
    if isinstance(response, HttpResponse) and kind.startswith(TEXTS):
        shown = hide_wallets(response.content.decode(), account_names(), html=kind.startswith("text/html"))
        response.content = shown.encode()
    return response


def refuse(request: HttpRequest, names: Iterable[str]) -> HttpResponseBase:
    """The answer where a permission is missing: the login page for strangers, an explanation for others."""
    if of_request(request) == NOBODY and not request.user.is_authenticated:
        if _by_htmx(request):
            return HttpResponse(status=401, headers={"HX-Redirect": resolve_url(settings.LOGIN_URL)})
        return redirect_to_login(request.get_full_path())
    if lacks_second_factor(request.user):
        page = resolve_url("mfa_index")
        return HttpResponse(status=403, headers={"HX-Redirect": page}) if _by_htmx(request) else redirect(page)
    message = _("Your account may not do this. An administrator can add you to a group that may.")
    if not request.user.is_authenticated:
        message = _("A read-only link cannot do this.")
    return render(request, "dashboard/refused.html", {"message": message, "needs": sorted(names)}, status=403)


def _by_htmx(request: HttpRequest) -> bool:
    return bool(request.headers.get("HX-Request"))
