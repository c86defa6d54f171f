"""People: one's own account, sessions and tokens, the others and their groups, read-only links, the audit log."""

from dataclasses import dataclass
from datetime import datetime

from django.contrib import messages
from django.contrib.auth import SESSION_KEY, update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from dashboard.access import ADMINISTER, LINK_KEY, SEE, STEER, needs, of_request, refuse
from dashboard.forms import LinkForm, PersonForm, TokenForm
from dashboard.login_models import IdentityProvider, links_of
from dashboard.models import ApiToken, AuditEntry, ReadOnlyLink
from dashboard.second_factor import has_second_factor
from dashboard.views.editing import noted
from proxy.models.push import PushSubscription

AUDIT_PAGE = 50
MAX_SESSIONS = 2000


@dataclass(frozen=True, slots=True)
class OpenSession:
    """One browser that is logged in."""

    handle: str
    """The end of its key: enough to name it, not enough to use it."""
    user_id: int
    address: str
    browser: str
    expires: datetime
    current: bool


def open_sessions(current_key: str | None, user_id: int | None = None) -> list[OpenSession]:
    """Sessions of one person, or of all, newest first."""
    found = []
    for row in Session.objects.filter(expire_date__gt=timezone.now()).order_by("-expire_date")[:MAX_SESSIONS]:
        said = row.get_decoded()
        if said.get(SESSION_KEY) and user_id in (None, int(said[SESSION_KEY])):
            found.append(
                OpenSession(
                    row.session_key[-12:],
                    int(said[SESSION_KEY]),
                    said.get("address", ""),
                    said.get("browser", ""),
                    row.expire_date,
                    row.session_key == current_key,
                )
            )
    return found


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
@login_required
def account(request: HttpRequest) -> HttpResponseBase:
    """One's own password, sessions and tokens of the API."""
    person = _self(request)
    form = PasswordChangeForm(person, request.POST or None)
    if request.method == "POST" and form.is_valid():
        update_session_auth_hash(request, form.save())
        messages.success(
            request, _("Your password has been changed. Other browsers are logged out, API tokens no longer work.")
        )
        return redirect("account")
    return _account(request, person, form, status=422 if request.method == "POST" else 200)


def _self(request: HttpRequest) -> User:
    return get_object_or_404(User, username=request.user.get_username())


def _account(
    request: HttpRequest,
    person: User,
    form: PasswordChangeForm,
    token_form: TokenForm | None = None,
    *,
    secret: str = "",
    status: int = 200,
) -> HttpResponseBase:
    access = of_request(request)
    return render(
        request,
        "dashboard/account.html",
        {
            "form": form,
            "sessions": open_sessions(request.session.session_key, request.user.pk),
            "tokens": ApiToken.objects.filter(user=person).select_related("user"),
            "token_form": token_form or (TokenForm(access=access, prefix="token") if access.see else None),
            "secret": secret,
            "has_second_factor": has_second_factor(person),
            "may_notify": access.see,
            "browsers": PushSubscription.objects.filter(user=person).select_related("user", "target"),
            "provider": IdentityProvider.in_use(),
            "links": links_of(person.pk),
        },
        status=status,
    )


@never_cache
@require_POST
@login_required
def make_token(request: HttpRequest) -> HttpResponseBase:
    """Make a token of the API and show its secret, once."""
    access, person = of_request(request), _self(request)
    if not access.see:
        return refuse(request, [SEE])
    form, secret = TokenForm(request.POST, access=access, prefix="token"), ""
    if form.is_valid():
        chosen = form.cleaned_data
        try:
            _token, secret = ApiToken.make(person, chosen["label"], role=chosen["role"], days=chosen["days"])
        except ValidationError as error:
            form.add_error(None, error)
    return _account(
        request,
        person,
        PasswordChangeForm(person),
        None if secret else form,
        secret=secret,
        status=200 if secret else 422,
    )


@require_POST
@login_required
def revoke_token(request: HttpRequest, pk: int) -> HttpResponseBase:
    """End one of one's own tokens."""
    get_object_or_404(ApiToken, pk=pk, user=_self(request)).revoke(request.user.get_username())
    messages.success(request, _("The token no longer works."))
    return redirect("account")


@require_POST
@login_required
def end_session(request: HttpRequest) -> HttpResponseBase:
    """Log out one of one's own other browsers; its pages close at the next tick."""
    mine = {one.handle for one in open_sessions(request.session.session_key, request.user.pk)}
    handle = request.POST.get("session", "")
    if handle in mine and len(handle) == 12:
        Session.objects.filter(session_key__endswith=handle).delete()
        messages.success(request, _("That browser has been logged out."))
    return redirect("account")


@sensitive_post_parameters()
@require_http_methods(["GET", "POST"])
@needs(SEE, ADMINISTER)
def people(request: HttpRequest) -> HttpResponseBase:
    """Everybody with a login, their sessions, and the read-only links."""
    sent = request.POST.get("form")
    person_form = PersonForm(request.POST if sent == "person" else None, prefix="person")
    link_form = LinkForm(request.POST if sent == "link" else None, prefix="link")
    shown_link = ""
    if person_form.is_valid():
        person = person_form.save()
        noted(request, person, action="add person", new=person_form.cleaned_data["role"])
        messages.success(request, _("%(name)s can log in now.") % {"name": person.get_username()})
        return redirect("people")
    if link_form.is_valid():
        shown_link = _make_link(request, link_form.cleaned_data["label"])
        link_form = LinkForm(prefix="link")
    members = User.objects.prefetch_related("groups").order_by("username")
    by_person: dict[int, int] = {}
    for one in open_sessions(request.session.session_key):
        by_person[one.user_id] = by_person.get(one.user_id, 0) + 1
    return render(
        request,
        "dashboard/people.html",
        {
            "members": [(member, by_person.get(member.pk, 0)) for member in members],
            "person_form": person_form,
            "link_form": link_form,
            "links": ReadOnlyLink.objects.all(),
            "shown_link": shown_link,
        },
    )


def _make_link(request: HttpRequest, label: str) -> str:
    link, secret = ReadOnlyLink.make(label=label, by=request.user.get_username())
    noted(request, link, action="make link")
    return request.build_absolute_uri(reverse("link-open", args=[secret]))


@require_POST
@needs(SEE, ADMINISTER)
def revoke_link(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Revoke a read-only link; pages opened with it close at the next tick."""
    link = get_object_or_404(ReadOnlyLink, pk=pk, revoked_at__isnull=True)
    link.revoked_at = timezone.now()
    link.save(update_fields=["revoked_at"])
    noted(request, link, action="revoke link")
    messages.success(request, _("The link no longer works."))
    return redirect("people")


@never_cache
@require_GET
def open_link(request: HttpRequest, secret: str) -> HttpResponseBase:
    """Open a read-only link: the session remembers which; a redirect removes the secret from the address bar."""
    link = ReadOnlyLink.find(secret)
    if link is None:
        return render(request, "dashboard/refused.html", {"message": _("This link no longer works.")}, status=404)
    link.last_used_at = timezone.now()
    link.save(update_fields=["last_used_at"])
    if not request.user.is_authenticated:
        request.session.cycle_key()
        request.session[LINK_KEY] = link.pk
    return redirect("home")


@require_GET
@needs(SEE, STEER)
def audit(request: HttpRequest) -> HttpResponseBase:
    """Who changed what, newest first."""
    page = Paginator(AuditEntry.objects.all(), AUDIT_PAGE).get_page(request.GET.get("page"))
    return render(request, "dashboard/audit.html", {"page": page})
