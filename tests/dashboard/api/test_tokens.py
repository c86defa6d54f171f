"""Tokens of the API: made and revoked by their people, shown once, bounded, ended by time and by a new password."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from dashboard import access
from dashboard.models import ApiToken, AuditEntry, TokenRole, hash_of
from tests.dashboard.conftest import PASSWORD

pytestmark = pytest.mark.django_db
SECRET = re.compile(r"dpmp_[\w-]{43}")


def make(person, role=TokenRole.VIEWER, days=30, label="home"):
    return ApiToken.make(person, label, role=role, days=days)


def ask_for(client: Client, role="viewer", **more):
    return client.post("/account/tokens/make/", {"token-label": "home", "token-role": role, "token-days": "30", **more})


@pytest.mark.no_cover
def test_a_token_is_made_on_the_account_page_and_shown_once(browser_of):
    client = browser_of("viewer")
    page = ask_for(client)
    secret = SECRET.search(page.content.decode())[0]
    assert "no-store" in page["Cache-Control"]
    token = ApiToken.objects.get()
    assert token.token_hash == hash_of(secret)
    assert len(secret) == ApiToken.SECRET_CHARS
    assert not any(secret in str(value) for value in vars(token).values())
    after = client.get("/account/").content.decode()
    assert "home" in after and "never used" in after
    assert not SECRET.search(after)


def test_what_is_made_and_revoked_is_in_the_audit_log_without_the_secret(browser_of):
    client = browser_of("operator")
    secret = SECRET.search(ask_for(client).content.decode())[0]
    client.post(f"/account/tokens/{ApiToken.objects.get().pk}/revoke/")
    made, revoked = AuditEntry.objects.order_by("pk")
    assert (made.who, made.action, made.subject) == ("operator", "make token", "home")
    assert (revoked.who, revoked.action) == ("operator", "revoke token")
    assert not any(secret in str(vars(entry)) for entry in (made, revoked))
    assert ApiToken.objects.get().state == "revoked"


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("group", "roles"),
    [
        ("viewer", {"read-only", "viewer"}),
        ("operator", {"read-only", "viewer", "operator"}),
        ("administrator", {"read-only", "viewer", "operator", "administrator"}),
    ],
)
def test_a_person_can_give_a_token_no_more_than_their_own_role(browser_of, group, roles):
    client = browser_of(group)
    for role in TokenRole.values:
        assert ask_for(client, role).status_code == (200 if role in roles else 422)
    assert set(ApiToken.objects.values_list("role", flat=True)) == roles


def test_a_token_may_what_its_role_says_as_far_as_its_person_may_now(person):
    ada = person("administrator")
    token, _ = make(ada, TokenRole.OPERATOR)
    assert access.of_token(token).steer
    assert not access.of_token(token).administer
    ada.groups.set([Group.objects.get(name="viewer")])
    token = ApiToken.objects.get()
    assert access.of_token(token).see
    assert not access.of_token(token).steer


def test_a_read_only_token_sees_what_a_read_only_link_sees(person):
    token, _ = make(person("administrator"), TokenRole.READ_ONLY)
    assert access.of_token(token) == access.BY_LINK


def test_revoked_expired_and_those_of_nobody_or_of_an_old_password_may_nothing(person):
    ada = person("operator")
    for change in (
        {"revoked_at": timezone.now()},
        {"expires_at": timezone.now() - timedelta(seconds=1)},
        {"password_mark": "of another password"},
        {"role": "emperor"},
    ):
        token, _ = make(ada)
        ApiToken.objects.filter(pk=token.pk).update(**change)
        assert access.of_token(ApiToken.objects.get(pk=token.pk)) == access.NOBODY, change
    token, _ = make(ada)
    ada.is_active = False
    ada.save()
    assert access.of_token(ApiToken.objects.get(pk=token.pk)) == access.NOBODY


def test_a_new_password_ends_the_tokens(browser_of):
    client = browser_of("viewer")
    ask_for(client)
    fresh = "quite another pass phrase"
    client.post("/account/", {"old_password": PASSWORD, "new_password1": fresh, "new_password2": fresh})
    assert ApiToken.objects.get().state == "password"
    assert "ended by a new password" in client.get("/account/").content.decode()


def test_the_number_of_tokens_is_bounded(browser_of, monkeypatch):
    monkeypatch.setattr(ApiToken, "MOST", 2)
    monkeypatch.setattr(ApiToken, "OVER_KEPT", 1)
    client = browser_of("viewer")
    assert [ask_for(client).status_code for _ in range(3)] == [200, 200, 422]
    for _ in range(4):
        ApiToken.objects.filter(ApiToken.lives()).first().revoke("viewer")
        assert ask_for(client).status_code == 200
    assert ApiToken.objects.count() <= 2 + 1 + 1


def test_nobody_revokes_the_token_of_somebody_else(browser_of, person):
    token, _ = make(person("administrator"))
    client = browser_of("viewer")
    assert client.post(f"/account/tokens/{token.pk}/revoke/").status_code == 404
    assert ApiToken.objects.get().state == "live"


def test_an_administrator_makes_a_token_in_the_admin_and_revokes_that_of_another(browser_of, person):
    other, _ = make(person("viewer"), label="other")
    client = browser_of("administrator")
    page = client.post(
        "/admin/dashboard/apitoken/add/", {"label": "mine", "role": "operator", "days": "7"}
    ).content.decode()
    assert SECRET.search(page)
    mine = ApiToken.objects.get(label="mine")
    assert (mine.user.username, mine.role) == ("administrator", "operator")
    assert ApiToken.objects.count() == 2
    client.post("/admin/dashboard/apitoken/", {"action": "revoke", "_selected_action": [other.pk]})
    assert ApiToken.objects.get(label="other").state == "revoked"
    assert AuditEntry.objects.filter(who="administrator", action="revoke token", old="viewer").exists()
    assert client.get(f"/admin/dashboard/apitoken/{mine.pk}/change/").status_code == 200
