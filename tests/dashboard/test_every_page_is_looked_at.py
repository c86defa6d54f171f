"""Each page of the dashboard is among those that the browser tests and the pictures go through."""

from django.urls import resolve

from dashboard.urls import urlpatterns
from dpmp_site import account_urls
from tests.browser.pages import PAGES

LOOKED_AT_AS_ANOTHER = {"listener", "vardiff-rule", "wallet-new", "schedule-window-new"}
"""The same template as the page of one that there is."""
LOGINS = {
    "account_login", "account_logout", "mfa_add_webauthn", "mfa_authenticate", "mfa_list_webauthn",
    "mfa_login_webauthn", "mfa_remove_webauthn", "mfa_reauthenticate", "mfa_reauthenticate_webauthn",
    "mfa_activate_totp", "mfa_deactivate_totp", "mfa_view_recovery_codes", "mfa_generate_recovery_codes",
    "oidc-callback", "oidc-link", "oidc-remove", "oidc-start",
}  # fmt: skip
"""Pages on the way through a login or to a second factor: ``test_passkeys`` and ``test_identity_provider`` walk through
them."""
NO_PAGE = {
    "alert-test", "api-call", "api-schema", "blocks-close", "browser-add", "browser-key", "browser-remove",
    "chart-fleet", "chart-money", "chart-network", "chart-pool",
    "chart-split", "chart-whatif", "chart-worker", "devices-scan", "help-file", "here", "let-in", "link-open",
    "link-revoke", "logs-download", "node-drain",
    "logs-switches-save", "manifest", "money-csv", "mqtt-test", "offline", "offline-worker", "pins-set", "poll",
    "pool-test", "schedule-preview", "session-end", "split-auto", "split-reset",
    "split-set", "split-undo", "start-test", "theme", "token-make", "token-revoke", "worker-forget", "worker-note",
    "whatif-apply", "whatif-cancel", "whatif-run", "whatif-state", "worker-pin", "workers-csv", "widget", "api",
}  # fmt: skip
"""Answers that are no page of the dashboard: forms' targets, data, files, and the API's own description."""


def test_every_page_is_in_the_list_of_those_that_are_looked_at():
    patterns = [*urlpatterns, *account_urls.urlpatterns]
    names = {pattern.name for pattern in patterns} - NO_PAGE - LOOKED_AT_AS_ANOTHER - LOGINS
    looked_at = {resolve(path).view_name for path in PAGES}
    assert names - looked_at == set() and looked_at <= names
