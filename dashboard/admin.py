"""The dashboard's tables in the admin: tokens of the API, second factors, rules for logins, the identity provider."""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from dashboard.access import of_request
from dashboard.forms import TokenForm
from dashboard.models import ApiToken, IdentityProvider, LoginRules
from proxy.admin.base import NotEdited, OneRowPages
from proxy.admin.secret_field import SecretField, SecretForm

admin.site.unregister([Authenticator, EmailAddress])  # shows secrets; has no use without mail
admin.site.unregister([SocialAccount, SocialApp, SocialToken])  # the provider is one row of ours; tokens are not kept


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Everybody's tokens, to revoke them; one that is made here is one's own."""

    list_display = ["label", "user", "role", "in_force", "created_at", "expires_at", "last_used_at", "last_used_from"]
    list_filter = ["role"]
    search_fields = ["label", "user__username"]
    list_select_related = ["user"]
    actions = ["revoke"]

    @admin.display(boolean=True, description=_("works"))
    def in_force(self, token: ApiToken) -> bool:
        """Whether it is neither revoked nor over."""
        return token.state == "live"

    @admin.action(description=_("Revoke the chosen tokens"), permissions=["change"])
    def revoke(self, request: HttpRequest, chosen: QuerySet[ApiToken]) -> None:
        """End them now."""
        for token in chosen.select_related("user"):
            token.revoke(request.user.get_username())

    def get_form(self, request: HttpRequest, obj: ApiToken | None = None, change: bool = False, **kwargs: Any) -> Any:
        """A new token's form knows what its maker may."""
        if change:
            return super().get_form(request, obj, change, **kwargs)
        access = of_request(request)

        class OwnTokenForm(TokenForm):
            def __init__(self, *args: Any, **more: Any) -> None:
                super().__init__(*args, access=access, **more)

        return OwnTokenForm

    def get_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> Any:
        """A token is made once and never edited."""
        return ["label", "role", "days"] if obj is None else self._all()

    def get_readonly_fields(self, request: HttpRequest, obj: ApiToken | None = None) -> list[str]:
        """All of one that exists."""
        return [] if obj is None else self._all()

    @staticmethod
    def _all() -> list[str]:
        return ["label", "user", "role", "created_at", "expires_at", "last_used_at", "last_used_from", "revoked_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Not beyond what one person may have."""
        mine = ApiToken.objects.filter(ApiToken.lives(), user__username=request.user.get_username())
        return super().has_add_permission(request) and mine.count() < ApiToken.MOST

    def save_model(self, request: HttpRequest, obj: ApiToken, form: Any, change: bool) -> None:
        """Make it; the secret waits for the answer."""
        chosen = form.cleaned_data
        made, request.token_secret = ApiToken.make(  # type: ignore[attr-defined]
            request.user,  # type: ignore[arg-type]
            chosen["label"],
            role=chosen["role"],
            days=chosen["days"],
        )
        obj.__dict__.update(made.__dict__)

    def response_add(self, request: HttpRequest, obj: ApiToken, post_url_continue: str | None = None) -> HttpResponse:
        """The secret, shown once."""
        response = render(
            request,
            "admin/token_made.html",
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": obj.label,
                "secret": request.token_secret,  # type: ignore[attr-defined]
            },
        )
        response["Cache-Control"] = "no-store"
        return response


@admin.register(Authenticator)
class AuthenticatorAdmin(NotEdited, admin.ModelAdmin):  # type: ignore[type-arg]
    """Everybody's second factors without their secrets, to remove those that somebody has lost."""

    list_display = ["user", "type", "created_at", "last_used_at"]
    list_filter = ["type"]
    search_fields = ["user__username"]
    list_select_related = ["user"]
    fields = ["user", "type", "created_at", "last_used_at"]
    readonly_fields = ["user", "type", "created_at", "last_used_at"]


@admin.register(LoginRules)
class LoginRulesAdmin(OneRowPages, admin.ModelAdmin):  # type: ignore[type-arg]
    """What logins take."""


class IdentityProviderForm(SecretForm):
    """The provider; a secret goes with its issuer and client ID only."""

    client_secret = SecretField(label=_("Client secret"), max_length=500, sent_to=("issuer", "client_id"))

    class Meta:
        model = IdentityProvider
        fields = (
            "enabled",
            "name",
            "issuer",
            "client_id",
            "client_secret",
            "ca",
            "domains",
            "group",
            "group_claim",
            "link_by_mail",
            "new_people",
            "session_hours",
        )


@admin.register(IdentityProvider)
class IdentityProviderAdmin(OneRowPages, admin.ModelAdmin):  # type: ignore[type-arg]
    """Where people may log in elsewhere."""

    form = IdentityProviderForm

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """The fields, and what the provider has to know of this installation."""
        back = request.build_absolute_uri(reverse("oidc-callback"))
        asked = _("Make a client there (confidential, authorization code) with this redirect URI:")
        first = ["enabled", "name", "issuer", "client_id", "client_secret", "ca"]
        who = ["domains", "group", "group_claim", "link_by_mail", "new_people", "session_hours"]
        return [
            (None, {"fields": first, "description": format_html("{} <code>{}</code>", asked, back)}),
            (_("Who may log in"), {"fields": who}),
        ]

    def save_model(self, request: HttpRequest, obj: IdentityProvider, form: Any, change: bool) -> None:
        """Save it, and say whether the provider answers."""
        from dpmp_site.oidc_client import ProviderError, metadata_of

        super().save_model(request, obj, form, change)
        if not obj.enabled:
            return
        try:
            metadata_of(obj, anew=True)
        except ProviderError as error:
            messages.warning(request, _("The identity provider cannot be used yet: %s") % str(error)[:300])
