"""django-allauth's OpenID Connect with a nonce, signatures that are always checked, bounded answers and no session.

allauth 65.22 writes a session row for whoever begins a login, believes an ID token that it fetched without looking at
the signature, sends no nonce, and reads answers of any size.
"""

import secrets
from typing import Any
from urllib.parse import quote

from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.models import SocialApp, SocialLogin, SocialToken
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.http import HttpRequest
from django.urls import reverse

from dashboard.login_models import IdentityProvider
from dpmp_site.oidc_client import ProviderError, ask, check_subject, claims_of, metadata_of, refused_if_malformed

CLAIMS_KEPT = ("email", "name", "preferred_username")
KEPT_CHARS = 200


class ProviderAdapter(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]
    """Asks the provider; ``state`` is that of the login under way, ``login`` what came of it."""

    state: dict[str, Any]
    login: SocialLogin

    @property
    def openid_config(self) -> dict[str, Any]:
        """The provider's addresses."""
        return metadata_of(self.get_provider().row)

    def get_callback_url(self, request: HttpRequest, app: SocialApp) -> str:
        """Where the provider sends people back to: the address by which this page was opened."""
        return request.build_absolute_uri(reverse("oidc-callback"))

    def get_access_token_data(
        self, request: HttpRequest, app: SocialApp, client: Any, pkce_code_verifier: str | None = None
    ) -> dict[str, Any]:
        """The provider's answer to the code."""
        row, metadata = self.get_provider().row, self.openid_config
        form = {
            "grant_type": "authorization_code",
            "code": request.GET["code"],
            "redirect_uri": client.callback_url,
            "code_verifier": pkce_code_verifier or "",
        }
        methods = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
        if row.client_secret and "client_secret_post" not in methods:
            auth = (quote(row.client_id, safe=""), quote(row.client_secret, safe=""))  # RFC 6749, 2.3.1
            return ask(row, metadata["token_endpoint"], form=form, auth=auth)
        form["client_id"] = row.client_id
        if row.client_secret:
            form["client_secret"] = row.client_secret
        return ask(row, metadata["token_endpoint"], form=form)

    def parse_token(self, data: dict[str, Any]) -> SocialToken:
        """A token that is used once and never kept."""
        token = data.get("access_token")
        if not isinstance(token, str) or not token.isascii() or not token.isprintable():
            raise ProviderError("There is no access token.")
        return SocialToken(token=token)

    def complete_login(self, request: HttpRequest, app: SocialApp, token: SocialToken, **more: Any) -> SocialLogin:
        """Who it is: what the ID token says, and beside it what the provider says of the same person."""
        row, metadata = self.get_provider().row, self.openid_config
        keys = ask(row, metadata["jwks_uri"])
        with refused_if_malformed():
            nonce = self.state["data"]["nonce"]
            claims = claims_of(more["response"].get("id_token"), metadata, keys, client_id=row.client_id, nonce=nonce)
            if "userinfo_endpoint" in metadata:
                said = ask(row, metadata["userinfo_endpoint"], bearer=token.token)
                check_subject(said.get("sub"))
                if said["sub"] != claims["sub"]:
                    raise ProviderError("The provider speaks of another person than its ID token.")
                claims = {**said, **claims}
            self.login = self.get_provider().sociallogin_from_response(request, claims)
        self.login.claims = claims
        return self.login


class Provider(OpenIDConnectProvider):  # type: ignore[misc]
    """The provider of the settings."""

    oauth2_adapter_class = ProviderAdapter
    row: IdentityProvider

    @classmethod
    def of(cls, request: HttpRequest, row: IdentityProvider) -> "Provider":
        """The provider as ``row`` has it."""
        app = SocialApp(
            provider=cls.id,
            provider_id=row.key,
            name=row.name,
            client_id=row.client_id,
            secret=row.client_secret,
            settings={"oauth_pkce_enabled": True},
        )
        provider = cls(request, app=app)
        provider.row = row
        return provider

    def get_default_scope(self) -> list[str]:
        """Who it is; the groups where one is demanded and the provider knows that scope."""
        groups = self.row.group and "groups" in (metadata_of(self.row).get("scopes_supported") or ())
        return ["openid", "profile", "email", *(["groups"] if groups else [])]

    def begin(
        self, request: HttpRequest, *, process: str, next_url: str, person: int | None
    ) -> tuple[str, dict[str, Any]]:
        """The address that the browser goes to, and what it has to bring back."""
        nonce = secrets.token_urlsafe(24)
        request.oidc_state = {}  # type: ignore[attr-defined]
        with refused_if_malformed():
            response = self.redirect(
                request,
                process,
                next_url=next_url or None,
                data={"nonce": nonce, "person": person},
                auth_params={"nonce": nonce},
            )
        return response["Location"], request.oidc_state  # type: ignore[attr-defined]

    def stash_redirect_state(
        self, request: HttpRequest, process: str, next_url: str | None = None, data: Any = None, **more: Any
    ) -> str:
        """Leave the state on the request: it goes into a cookie."""
        more.pop("state_id", None)
        state = {"process": process, "data": data, "next": next_url, **more}
        state_id: str = get_adapter().generate_state_param(state)
        request.oidc_state = {"id": state_id, "provider": self.row.key, **state}  # type: ignore[attr-defined]
        return state_id

    def extract_uid(self, data: dict[str, Any]) -> str:
        """The provider's own name for somebody, which never changes."""
        return str(data["sub"])

    def extract_extra_data(self, data: dict[str, Any]) -> dict[str, str]:
        """What the account page shows of a link; nothing else is kept."""
        said = {name: data[name] for name in CLAIMS_KEPT if isinstance(data.get(name), str)}
        return {name: "".join(filter(str.isprintable, text))[:KEPT_CHARS] for name, text in said.items()}
