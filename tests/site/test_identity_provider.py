"""Logins by an identity provider: a real one, people who are linked, found or new, and what nobody gets by it."""

import re
import time
from datetime import timedelta
from urllib.parse import urlencode, urlsplit

import pytest
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from dashboard.models import AuditEntry, IdentityProvider, LinkByHand, LoginRules
from dpmp_site import oidc_client
from tests.support.identity_provider import (
    DISCOVERY,
    KEYS,
    TOKEN,
    USERINFO,
    IdentityProviderServer,
    address_in,
    query_of,
)

pytestmark = pytest.mark.no_cover

PASSWORD = "a long pass phrase"
SECRET = "JBSWY3DPEHPK3PXP"
BACK = "/login/provider/callback/"


@pytest.fixture(scope="module")
def running():
    with IdentityProviderServer().running() as made:
        yield made


@pytest.fixture
def server(running):
    running.asked.clear()
    running.answers.clear()
    oidc_client._known = None
    return running


@pytest.fixture
def provider(db, server):
    row = IdentityProvider(pk=1, enabled=True, name="Keykeeper", issuer=server.issuer, client_id="dpmp")
    row.client_secret = "hush hush"
    row.save()
    return row


def person(name, role, **more):
    user = User.objects.create_user(name, password=PASSWORD, **more)
    user.groups.add(Group.objects.get(name=role))
    return User.objects.get(pk=user.pk)


def change(row, **fields):
    for name, value in fields.items():
        setattr(row, name, value)
    row.save()


def begin(client, **more):
    page = client.post("/login/provider/", more)
    assert page.status_code == 200, page.content.decode()
    return address_in(page)


def come_back(client, location, **changed):
    """Follow the provider's redirect, with other parameters where the test says so."""
    said = {**query_of(location), **changed}
    return client.get(BACK, {name: value for name, value in said.items() if value is not None})


def log_in(client, server, sub, **more):
    return come_back(client, server.log_in(begin(client, **more), sub))


def who(client):
    found = re.search(r"_auth_user_id.: .(\d+)", str(dict(client.session)))
    return User.objects.get(pk=found[1]).username if found else None


def link_by_hand(client, server, user, sub):
    client.post("/login/", {"username": user.username, "password": PASSWORD})
    client.post("/account/confirm/", {"password": PASSWORD})
    return come_back(client, server.log_in(address_in(client.post("/account/provider/link/")), sub))


def code():
    return {"code": format_hotp_value(hotp_value(SECRET, int(time.time()) // 30))}


def says(answer, text, status):
    page = answer.content.decode()
    assert (answer.status_code, text in page) == (status, True), page
    return True


def test_nothing_is_there_until_it_is_switched_on(client, db):
    assert client.post("/login/provider/").status_code == client.get(BACK).status_code == 404
    assert "provider" not in client.get("/login/").content.decode()
    person("ada", "administrator")
    client.post("/login/", {"username": "ada", "password": PASSWORD})
    assert "provider" not in client.get("/account/").content.decode()


def test_page_sends_the_browser_on_with_state_nonce_and_pkce(client, provider, server):
    address = begin(client, next="/workers/")
    said = query_of(address)
    assert address.startswith(f"{server.issuer}/oauth2/authorize?")
    assert said["redirect_uri"] == f"http://testserver{BACK}" and said["code_challenge_method"] == "S256"
    assert min(map(len, (said["state"], said["nonce"], said["code_challenge"]))) >= 16
    assert "form-action 'self';" in client.get("/login/").headers["Content-Security-Policy"]


def test_redirect_uri_is_the_address_outside_behind_a_web_server(client, provider, settings):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    settings.CONFIGURED_HOSTS = ["dpmp.example.org"]
    page = client.post("/login/provider/", headers={"host": "dpmp.example.org", "x-forwarded-proto": "https"})
    assert query_of(address_in(page))["redirect_uri"] == f"https://dpmp.example.org{BACK}"
    assert page.cookies["dpmp_oidc"]["secure"]


def test_person_who_linked_the_account_logs_in_with_it(provider, server):
    own, user = Client(), person("vera", "viewer")
    assert link_by_hand(own, server, user, "v-17")["Location"] == "/account/"
    assert "v-17" in own.get("/account/").content.decode()
    browser = Client()
    assert log_in(browser, server, "v-17", next="/workers/")["Location"] == "/workers/"
    assert who(browser) == "vera" and browser.get("/workers/").status_code == 200
    assert AuditEntry.objects.filter(who="vera", action="link identity provider", subject="v-17").exists()


def test_login_leads_to_no_other_host(client, provider, server):
    link_by_hand(Client(), server, person("vera", "viewer"), "v-17")
    assert log_in(client, server, "v-17", next="https://evil.example/")["Location"] == "/"


def test_stranger_gets_nothing_and_makes_no_rows(client, provider, server):
    for _ in range(3):
        assert says(log_in(client, server, "nobody"), "No account here belongs to yours", 403)
        begin(client)
    assert not Session.objects.exists() and not User.objects.exists() and not SocialAccount.objects.exists()
    assert client.get("/").status_code == 302


@pytest.mark.parametrize("changed", [{"state": None}, {"state": "another"}, {"state": ""}, {"state": "ä" * 5000}])
def test_answer_without_the_state_of_this_browser_is_none(client, provider, server, changed):
    location = server.log_in(begin(client), "v-17")
    assert says(come_back(client, location, **changed), "took too long, or began in another browser", 400)
    assert TOKEN not in server.asked


def test_answer_in_another_browser_is_none(client, provider, server):
    location = server.log_in(begin(client), "v-17")
    assert says(come_back(Client(), location), "took too long, or began in another browser", 400)
    assert TOKEN not in server.asked


def test_answer_that_was_used_is_none(client, provider, server):
    person("vera", "viewer", email="vera@example.org")
    change(provider, link_by_mail=True)
    server.knows("v-17", email="vera@example.org", email_verified=True)
    location = server.log_in(begin(client), "v-17")
    kept = client.cookies["dpmp_oidc"].value
    assert come_back(client, location).status_code == 302
    assert says(come_back(Client(), location), "took too long", 400)
    thief = Client()
    thief.cookies["dpmp_oidc"] = kept
    assert thief.get(f"{BACK}?{urlsplit(location).query}").status_code in (502, 503), "the provider takes no code twice"
    assert who(thief) is None


def test_forged_state_is_none(client, provider, server):
    client.cookies["dpmp_oidc"] = "eyJpZCI6ImEifQ:1vABCD:forged"
    assert says(client.get(BACK, {"state": "a", "code": "b"}), "took too long", 400)


def test_link_that_another_person_began_is_none(provider, server):
    """Else somebody could make another's browser link the wrong account."""
    client, vera = Client(), person("vera", "viewer")
    client.post("/login/", {"username": "vera", "password": PASSWORD})
    client.post("/account/confirm/", {"password": PASSWORD})
    location = server.log_in(address_in(client.post("/account/provider/link/")), "v-17")
    kept = client.cookies["dpmp_oidc"].value
    other = Client()
    person("otto", "operator")
    other.post("/login/", {"username": "otto", "password": PASSWORD})
    other.cookies["dpmp_oidc"] = kept
    assert says(come_back(other, location), "took too long", 400)
    assert not SocialAccount.objects.exists() and vera.is_active


def test_linking_asks_again_who_it_is(client, provider, server):
    person("vera", "viewer")
    client.post("/login/", {"username": "vera", "password": PASSWORD})
    assert client.post("/account/provider/link/")["Location"].startswith("/account/confirm/")
    assert Client().post("/account/provider/link/")["Location"].startswith("/login/")


def test_account_of_one_person_cannot_be_linked_by_another(provider, server):
    link_by_hand(Client(), server, person("vera", "viewer"), "v-17")
    other = Client()
    link_by_hand(other, server, person("otto", "operator"), "v-17")
    assert [account.user.username for account in SocialAccount.objects.all()] == ["vera"]


def test_person_is_found_by_a_confirmed_address_and_keeps_the_password(client, provider, server):
    user = person("vera", "viewer", email="Vera@Example.org")
    change(provider, link_by_mail=True)
    server.knows("v-17", email="vera@example.org", email_verified=True)
    assert log_in(client, server, "v-17").status_code == 302 and who(client) == "vera"
    assert User.objects.get(pk=user.pk).check_password(PASSWORD)


@pytest.mark.parametrize(
    "claims",
    [
        {"email": "vera@example.org"},
        {"email": "vera@example.org", "email_verified": False},
        {"email": "vera@example.org", "email_verified": "no"},
        {"email": "vera@example.org", "email_verified": 1},
        {"email": ["vera@example.org"], "email_verified": True},
        {"email": "vera@examp\u0131e.org", "email_verified": True},
        {"email": "", "email_verified": True},
    ],
)
def test_address_that_is_not_confirmed_finds_nobody(client, provider, server, claims):
    person("vera", "viewer", email="vera@example.org")
    change(provider, link_by_mail=True)
    server.knows("v-17", **claims)
    assert log_in(client, server, "v-17").status_code == 403
    assert who(client) is None and not SocialAccount.objects.exists()


def test_address_finds_nobody_where_that_is_off(client, provider, server):
    person("vera", "viewer", email="vera@example.org")
    server.knows("v-17", email="vera@example.org", email_verified=True)
    assert says(log_in(client, server, "v-17"), "No account here belongs", 403)


def test_address_that_went_to_somebody_else_finds_nobody(client, provider, server):
    person("vera", "viewer", email="vera@example.org")
    change(provider, link_by_mail=True)
    for sub in ("v-17", "v-18"):
        server.knows(sub, email="vera@example.org", email_verified=True)
    assert log_in(Client(), server, "v-17").status_code == 302
    assert says(log_in(client, server, "v-18"), "No account here belongs", 403)


def test_provider_does_not_become_the_administrator_by_an_address(client, provider, server):
    ada = person("ada", "administrator", email="ada@example.org")
    change(provider, link_by_mail=True, new_people="operator")
    server.knows("evil", email="ada@example.org", email_verified=True)
    assert says(log_in(client, server, "evil"), "link it under Your account", 403)
    assert who(client) is None and not SocialAccount.objects.exists() and User.objects.count() == 1
    assert User.objects.get(pk=ada.pk).check_password(PASSWORD)


def test_viewer_who_was_found_by_mail_and_became_administrator_has_to_link_by_hand(client, provider, server):
    vera = person("vera", "viewer", email="vera@example.org")
    change(provider, link_by_mail=True)
    server.knows("v-17", email="vera@example.org", email_verified=True)
    assert log_in(Client(), server, "v-17").status_code == 302
    vera.groups.set([Group.objects.get(name="administrator")])
    assert says(log_in(client, server, "v-17"), "link it under Your account", 403)
    link_by_hand(Client(), server, vera, "v-17")
    assert LinkByHand.objects.count() == 1
    assert log_in(client, server, "v-17").status_code == 302 and who(client) == "vera"


def test_administrator_who_linked_it_still_needs_the_second_factor(client, provider, server):
    link_by_hand(Client(), server, person("ada", "administrator"), "a-1")
    LoginRules(pk=1, administrators_need_second_factor=True).save()
    assert log_in(client, server, "a-1")["Location"] == "/"
    assert client.get("/people/")["Location"] == "/account/second-factor/"


def test_login_by_the_provider_is_no_second_factor(client, provider, server):
    ada = person("ada", "administrator")
    link_by_hand(Client(), server, ada, "a-1")
    TOTP.activate(ada, SECRET)
    assert log_in(client, server, "a-1")["Location"] == "/login/second-factor/"
    assert who(client) is None


def test_new_people_get_an_account_only_where_the_operator_said_so(client, provider, server):
    server.knows("n-1", email="nora@example.org", email_verified=True, preferred_username="nora <b>")
    assert log_in(client, server, "n-1").status_code == 403
    change(provider, new_people="viewer")
    assert log_in(client, server, "n-1").status_code == 302
    made = User.objects.get()
    assert (made.username, made.email, made.is_staff) == ("norab", "nora@example.org", False)
    assert [group.name for group in made.groups.all()] == ["viewer"] and not made.has_usable_password()
    assert client.get("/workers/").status_code == 200
    account = client.get("/account/").content.decode()
    assert "Change your password" not in account
    client.post(f"/account/provider/{SocialAccount.objects.get().pk}/remove/")
    assert SocialAccount.objects.exists(), "or nobody could log in to it any more"


def test_new_person_takes_nobodys_name(client, provider, server):
    person("ada", "administrator")
    change(provider, new_people="viewer")
    server.knows("n-1", preferred_username="ADA")
    log_in(client, server, "n-1")
    assert who(client) == "ADA-2"


def test_only_people_of_the_domains_and_the_group_may_log_in(client, provider, server):
    change(provider, new_people="viewer", domains="example.org, example.net", group="miners")
    server.knows("n-1", email="n@evil.example", email_verified=True, groups=["miners"])
    server.knows("n-2", email="n@example.org", email_verified=False, groups=["miners"])
    server.knows("n-3", email="n@example.org", email_verified=True, groups=["guests"])
    server.knows("n-4", email="n@example.org", email_verified=True)
    for sub in ("n-1", "n-2", "n-3", "n-4"):
        assert says(log_in(client, server, sub), "may not log in here", 403)
    server.knows("n-5", email="n@example.net", email_verified=True, groups=["miners", "guests"])
    assert log_in(client, server, "n-5").status_code == 302


def test_person_who_left_the_group_is_kept_out(client, provider, server):
    link_by_hand(Client(), server, person("vera", "viewer"), "v-17")
    change(provider, group="miners")
    assert says(log_in(client, server, "v-17"), "may not log in here", 403)


def test_disabled_person_is_kept_out(client, provider, server):
    vera = person("vera", "viewer")
    link_by_hand(Client(), server, vera, "v-17")
    User.objects.filter(pk=vera.pk).update(is_active=False)
    assert log_in(client, server, "v-17")["Location"] == "/login/"
    assert who(client) is None


def ends(client):
    """When the session that this client has ends: as the table says, as the browser was told."""
    row = Session.objects.get(session_key=client.session.session_key)
    return row.expire_date, client.cookies["dpmp_session"]["max-age"]


def test_login_by_the_provider_ends_after_some_hours_whatever_is_done_until_then(client, provider, server):
    vera = person("vera", "viewer")
    link_by_hand(Client(), server, vera, "v-17")
    log_in(client, server, "v-17")
    until, told = ends(client)
    assert abs(until - timezone.now() - timedelta(hours=12)) < timedelta(minutes=1)
    assert 12 * 3600 - 60 < told <= 12 * 3600
    session = client.session
    session["seen"] = "a page that keeps something"
    session.save()
    assert ends(client)[0] == until
    Session.objects.update(expire_date=timezone.now())
    assert client.get("/account/").status_code == 302


def test_hours_of_a_login_are_those_of_the_settings_and_count_with_a_second_factor_too(client, provider, server):
    vera = person("vera", "viewer")
    link_by_hand(Client(), server, vera, "v-17")
    change(provider, session_hours=1)
    TOTP.activate(vera, SECRET)
    assert log_in(client, server, "v-17")["Location"] == "/login/second-factor/"
    answer = client.post("/login/second-factor/", code())
    assert answer.status_code == 302 and who(client) == "vera", answer.content.decode()
    assert abs(ends(client)[0] - timezone.now() - timedelta(hours=1)) < timedelta(minutes=1)


@pytest.mark.parametrize("fields", [{"enabled": False}, {"client_id": "another"}], ids=["off", "another client"])
def test_login_that_waits_for_a_second_factor_is_over_where_its_provider_is_gone(client, provider, server, fields):
    vera = person("vera", "viewer")
    link_by_hand(Client(), server, vera, "v-17")
    TOTP.activate(vera, SECRET)
    assert log_in(client, server, "v-17")["Location"] == "/login/second-factor/"
    change(provider, **fields)
    assert client.post("/login/second-factor/", code())["Location"] == "/login/"
    assert who(client) is None


def test_login_by_password_lasts_as_before(client, provider, server):
    vera = person("vera", "viewer")
    link_by_hand(client, server, vera, "v-17")
    assert ends(client)[0] - timezone.now() > timedelta(days=13)


def test_people_of_another_issuer_are_others(client, provider, server):
    link_by_hand(Client(), server, person("vera", "viewer"), "v-17")
    SocialAccount.objects.update(provider=IdentityProvider(issuer="https://id.example.org").key)
    assert says(log_in(client, server, "v-17"), "No account here belongs", 403)


def test_somebody_who_says_no_there_is_not_logged_in(client, provider, server):
    address = begin(client)
    location = server.log_in(address, "v-17", action="deny")
    answer = come_back(client, location, state=query_of(address)["state"])  # this provider leaves it out
    assert says(answer, "Keykeeper did not log you in", 403)


def test_provider_that_is_down_is_said_at_once_and_the_password_works(client, provider, server):
    change(provider, issuer="http://localhost:9")
    assert says(client.post("/login/provider/"), "does not answer now", 503)
    assert says(client.post("/login/provider/"), "does not answer now", 503)
    person("vera", "viewer")
    assert client.post("/login/", {"username": "vera", "password": PASSWORD})["Location"] == "/"


def test_provider_that_never_answers_holds_nobody(client, provider, server, monkeypatch):
    from threading import Event

    released = Event()
    monkeypatch.setattr(oidc_client, "LIMITS", oidc_client.HttpLimits(timeout_s=0.2, max_bytes=1000))
    server.answers[DISCOVERY] = lambda found: released.wait(20) and found
    try:
        assert says(client.post("/login/provider/"), "does not answer now", 503)
    finally:
        released.set()
    assert server.asked == [DISCOVERY]
    assert says(client.post("/login/provider/"), "does not answer now", 503)
    assert server.asked == [DISCOVERY], "one that is down is not asked at each click"


def replaced(**fields):
    return lambda found: {name: value for name, value in {**found, **fields}.items() if value is not None}


@pytest.mark.parametrize(
    "answer",
    [
        replaced(issuer="https://evil.example"),
        replaced(issuer=None),
        replaced(authorization_endpoint="javascript:alert(1)"),
        replaced(token_endpoint="http://10.0.0.1/token"),
        replaced(jwks_uri=None),
        replaced(userinfo_endpoint=["x"]),
        lambda _: [],
        lambda _: b"<html>",
        lambda _: b'"' + b"x" * 300_000 + b'"',
        lambda _: b"[" * 100_000,
    ],
)
def test_provider_whose_addresses_cannot_be_right_is_not_used(client, provider, server, answer):
    server.answers[DISCOVERY] = answer
    assert client.post("/login/provider/").status_code in (502, 503)
    assert "dpmp_oidc" not in client.cookies


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        (TOKEN, replaced(id_token=None)),
        (TOKEN, replaced(id_token="a.b.c")),
        (TOKEN, replaced(id_token=["x"])),
        (TOKEN, replaced(access_token=None)),
        (TOKEN, replaced(access_token="a\r\nHost: evil")),
        (TOKEN, lambda _: []),
        (KEYS, lambda _: {}),
        (KEYS, lambda _: {"keys": []}),
        (KEYS, lambda _: {"keys": [1, None, "x"]}),
        (KEYS, lambda _: {"keys": [{"kty": "oct", "k": "AA"}]}),
        (KEYS, lambda found: {"keys": [{**found["keys"][0], "n": "AQAB"}]}),
        (USERINFO, replaced(sub="somebody else")),
        (USERINFO, replaced(sub=None)),
        (USERINFO, lambda _: b"null"),
    ],
)
def test_answer_that_cannot_be_right_logs_nobody_in(client, provider, server, path, answer):
    change(provider, new_people="viewer")
    location = server.log_in(begin(client), "v-17")
    server.answers[path] = answer
    assert come_back(client, location).status_code in (502, 503)
    assert not User.objects.exists() and who(client) is None


def test_issuer_that_the_answer_names_has_to_be_the_one_that_was_asked(client, provider, server):
    location = server.log_in(begin(client), "v-17")
    assert come_back(client, location, iss="https://evil.example").status_code == 502
    assert TOKEN not in server.asked


def test_one_address_cannot_make_the_proxy_ask_the_provider_without_end(client, provider, server):
    said = {"state": query_of(begin(client))["state"], "code": "made up"}
    kept = client.cookies["dpmp_oidc"].value
    for _ in range(30):
        client.cookies["dpmp_oidc"] = kept
        assert client.get(BACK, said).status_code == 502
    server.asked.clear()
    client.cookies["dpmp_oidc"] = kept
    assert says(client.get(BACK, said), "Too many logins", 429)
    assert server.asked == []


def test_admin_never_shows_the_secret_and_keeps_it(client, provider, server):
    person("ada", "administrator")
    client.post("/login/", {"username": "ada", "password": PASSWORD})
    path = "/admin/dashboard/identityprovider/1/change/"
    page = client.get(path).content.decode()
    assert "hush hush" not in page and f"http://testserver{BACK}" in page
    fields = {
        "enabled": "on",
        "name": "Home",
        "issuer": server.issuer,
        "client_id": "dpmp",
        "group_claim": "groups",
        "session_hours": "12",
    }
    assert client.post(path, fields)["Location"].startswith("/admin/dashboard/identityprovider/")
    assert IdentityProvider.load().client_secret == "hush hush"
    client.post(path, {**fields, "issuer": "https://evil.example"})
    assert IdentityProvider.load().client_secret == "", "a secret goes to no other issuer"


@pytest.mark.parametrize(
    "issuer",
    [
        "http://id.example.org",
        "ftp://x",
        "javascript:alert(1)",
        "https://",
        "https://a@b",
        "https://x/?y",
        "https://[1",
    ],
)
def test_issuer_has_to_be_an_https_address(client, provider, issuer):
    person("ada", "administrator")
    client.post("/login/", {"username": "ada", "password": PASSWORD})
    fields = {
        "enabled": "on",
        "name": "Home",
        "issuer": issuer,
        "client_id": "dpmp",
        "group_claim": "groups",
        "session_hours": "12",
    }
    page = client.post("/admin/dashboard/identityprovider/1/change/", fields)
    assert page.status_code == 200 and "begins with https://" in page.content.decode()


def test_parameters_of_strangers_do_not_reach_the_provider(client, provider, server):
    page = client.post(
        "/login/provider/?" + urlencode({"auth_params": "prompt=none", "scope": "admin", "process": "x"})
    )
    assert "prompt" not in address_in(page) and "admin" not in query_of(address_in(page))["scope"]
