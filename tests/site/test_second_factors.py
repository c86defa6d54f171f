"""Second factors: the app's codes, recovery codes, what is demanded of administrators, and the way back in."""

import re
import time

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.core.cache import caches
from django.core.cache.backends import locmem
from django.core.management import CommandError, call_command
from django.test import Client

from dashboard.models import ApiToken, AuditEntry, LoginRules

pytestmark = pytest.mark.no_cover

PASSWORD = "a long pass phrase"
PAGE = "/account/second-factor/"
NO_PASSKEY = """{"id": "AA", "rawId": "AA", "type": "public-key", "response":
    {"clientDataJSON": "e30", "authenticatorData": "AA", "signature": "AA", "userHandle": "Mg"}}"""


@pytest.fixture
def ada(db):
    user = User.objects.create_user("ada", password=PASSWORD)
    user.groups.add(Group.objects.get(name="administrator"))
    return User.objects.get(pk=user.pk)


def log_in(client, password=PASSWORD, **more):
    return client.post("/login/", {"username": "ada", "password": password, "next": "/people/"}, **more)


def code_of(secret, steps=0):
    """What the app shows now, or some half minutes later."""
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30 + steps))


def set_up_an_app(client):
    """Its secret and the recovery codes, as a person would read them from the pages."""
    assert client.get(f"{PAGE}app/")["Location"].startswith("/account/confirm/")
    assert client.post(f"/account/confirm/?next={PAGE}app/", {"password": PASSWORD})["Location"] == f"{PAGE}app/"
    page = client.get(f"{PAGE}app/").content.decode()
    secret = re.search(r'id="secret">(\w+)<', page)[1]
    answer = client.post(f"{PAGE}app/", {"code": code_of(secret)})
    assert answer["Location"] == f"{PAGE}codes/", answer.content.decode()
    codes = re.findall(r"<code>(\w+)</code>", client.get(f"{PAGE}codes/").content.decode())
    assert len(codes) == 10
    return secret, codes


@pytest.fixture
def app(ada):
    """Ada's app: (secret, recovery codes)."""
    client = Client()
    log_in(client)
    return set_up_an_app(client)


def test_login_without_a_second_factor_is_as_before(client, ada):
    assert log_in(client)["Location"] == "/people/"
    assert client.get("/people/").status_code == 200


def test_password_alone_opens_nothing_once_an_app_is_set_up(client, app):
    assert log_in(client)["Location"] == "/login/second-factor/"
    assert client.get("/people/")["Location"].startswith("/login/")
    assert client.get("/admin/")["Location"].startswith("/admin/login/")


def test_code_of_the_app_completes_the_login_and_leads_where_it_was_meant_to(client, app):
    log_in(client)
    assert client.post("/login/second-factor/", {"code": code_of(app[0], 1)})["Location"] == "/people/"
    assert client.get("/people/").status_code == 200


def test_code_of_the_app_is_good_once(app):
    code, first, second = code_of(app[0], 1), Client(), Client()
    log_in(first)
    log_in(second)
    assert first.post("/login/second-factor/", {"code": code}).status_code == 302
    assert second.post("/login/second-factor/", {"code": code}).status_code == 200


def test_code_that_one_process_has_taken_is_used_up_in_all(app):
    code, first, second = code_of(app[0], 1), Client(), Client()
    log_in(first)
    log_in(second)
    assert first.post("/login/second-factor/", {"code": code}).status_code == 302
    forget_what_one_process_knows()
    assert second.post("/login/second-factor/", {"code": code}).status_code == 200


def test_wrong_codes_are_counted_over_all_processes(client, app):
    log_in(client)
    for _ in range(5):
        client.post("/login/second-factor/", {"code": "000000"})
        forget_what_one_process_knows()
    assert "Too many" in client.post("/login/second-factor/", {"code": code_of(app[0], 1)}).content.decode()


def forget_what_one_process_knows():
    """As another process would be, which shares nothing but the database."""
    locmem._caches.clear()
    del caches["default"]


def test_recovery_code_is_good_once(app):
    for status in (302, 200):
        client = Client()
        log_in(client)
        assert client.post("/login/second-factor/", {"code": app[1][0]}).status_code == status


def test_codes_cannot_be_tried_one_after_the_other(client, app):
    log_in(client)
    for _ in range(5):
        assert "Incorrect code" in client.post("/login/second-factor/", {"code": "000000"}).content.decode()
    assert "Too many" in client.post("/login/second-factor/", {"code": code_of(app[0], 1)}).content.decode()
    assert client.get("/people/").status_code == 302
    assert AuditEntry.objects.filter(action="wrong second factor", who="ada").count() == 5


def test_stranger_with_the_password_does_not_keep_the_owner_from_entering_a_code(app):
    own, stranger = Client(), Client()
    log_in(own)
    own.post("/login/second-factor/", {"code": app[1][0]})
    own.post("/logout/")
    log_in(stranger, REMOTE_ADDR="10.0.0.9")
    for _ in range(6):
        stranger.post("/login/second-factor/", {"code": "000000"}, REMOTE_ADDR="10.0.0.9")
    log_in(own)
    assert own.post("/login/second-factor/", {"code": app[1][1]}).status_code == 302


def test_changes_ask_again_who_it_is(client, app):
    log_in(client)
    client.post("/login/second-factor/", {"code": app[1][0]})
    assert client.get(f"{PAGE}app/remove/")["Location"].startswith("/account/confirm/")
    assert client.post(f"{PAGE}app/remove/")["Location"].startswith("/account/confirm/")
    assert Authenticator.objects.filter(type="totp").exists()
    assert "ncorrect" in client.post("/account/confirm/", {"password": "wrong"}).content.decode()
    client.post(f"/account/confirm/?next={PAGE}", {"password": PASSWORD})
    assert client.post(f"{PAGE}app/remove/").status_code == 302
    assert not Authenticator.objects.exists()


def test_what_happens_to_second_factors_is_in_the_audit_log(client, ada, django_capture_on_commit_callbacks):
    log_in(client)
    with django_capture_on_commit_callbacks(execute=True):
        set_up_an_app(client)
        client.post(f"{PAGE}codes/new/")
        client.post(f"{PAGE}app/remove/")
    actions = AuditEntry.objects.filter(who="ada").values_list("action", "subject")
    assert {
        ("add second factor", "Recovery codes"),
        ("add second factor", "TOTP Authenticator"),
        ("renew second factor", "Recovery codes"),
        ("remove second factor", "TOTP Authenticator"),
    } <= set(actions)


def test_administrators_without_one_can_only_set_it_up_where_it_is_demanded(client, ada):
    log_in(client)
    _token, secret = ApiToken.make(ada, "wall", role="administrator", days=1)
    LoginRules(pk=1, administrators_need_second_factor=True).save()
    for path in ("/", "/people/", "/admin/", "/settings/"):
        assert client.get(path, follow=True).redirect_chain[-1][0] == PAGE, path
    assert client.post("/split/set/", {}, headers={"hx-request": "true"})["HX-Redirect"] == PAGE
    assert client.post("/account/tokens/make/", {"token-label": "x"}).status_code == 302
    assert "Administrators need a second factor" in client.get(PAGE).content.decode()
    assert client.get("/account/").status_code == 200
    called = client.get("/api/v1/pools", headers={"authorization": f"Bearer {secret}"})
    assert called.status_code == 200, "the programs of a household go on"
    set_up_an_app(client)
    assert client.get("/people/").status_code == client.get("/admin/").status_code == 200


def test_viewers_need_none_where_administrators_do(client, db):
    LoginRules(pk=1, administrators_need_second_factor=True).save()
    vera = User.objects.create_user("ada", password=PASSWORD)
    vera.groups.add(Group.objects.get(name="viewer"))
    log_in(client)
    assert client.get("/").status_code == 200


def test_administrator_demands_it_in_the_admin(client, ada):
    log_in(client)
    assert client.get("/admin/dashboard/loginrules/")["Location"] == "/admin/dashboard/loginrules/1/change/"
    client.post("/admin/dashboard/loginrules/1/change/", {"administrators_need_second_factor": "on"})
    assert LoginRules.load().administrators_need_second_factor
    assert client.get("/people/").status_code == 302


def test_admin_shows_nobodys_secrets(client, app):
    log_in(client)
    client.post("/login/second-factor/", {"code": app[1][0]})
    row = Authenticator.objects.get(type="totp")
    for path in ("/admin/mfa/authenticator/", f"/admin/mfa/authenticator/{row.pk}/change/"):
        page = client.get(path)
        assert page.status_code == 200 and app[0] not in page.content.decode()
    assert client.get("/admin/mfa/authenticator/add/").status_code == 403


def test_command_lets_somebody_in_again_who_has_lost_everything(client, app, capsys):
    call_command("removesecondfactor", "ada")
    assert "2 entries removed" in capsys.readouterr().out
    assert AuditEntry.objects.filter(who="manage.py", action="remove second factors", subject="ada").exists()
    assert log_in(client)["Location"] == "/people/"
    with pytest.raises(CommandError):
        call_command("removesecondfactor", "nobody")


def test_login_leads_to_no_other_host(client, ada):
    answer = client.post("/login/", {"username": "ada", "password": PASSWORD, "next": "https://evil.example/"})
    assert answer["Location"] == "/"


def test_passkey_challenges_of_strangers_fill_no_table(client, ada):
    for _ in range(3):
        answer = client.get("/login/passkey/", headers={"accept": "application/json", "host": "localhost"})
        assert answer.json()["request_options"]["publicKey"]["challenge"]
    assert not Session.objects.exists()
    assert settings.SESSION_COOKIE_NAME not in client.cookies


@pytest.mark.parametrize(
    "credential", ["", "{}", "[]", "null", '{"id": 1}', '{"response": {"userHandle": "x"}}', "x" * 999, NO_PASSKEY]
)
def test_passkey_that_is_none_leads_back_to_the_login(client, ada, credential):
    client.get("/login/passkey/", headers={"accept": "application/json", "host": "localhost"})
    answer = client.post("/login/passkey/", {"credential": credential}, headers={"host": "localhost"})
    assert answer["Location"] == "/login/"
    assert not Session.objects.exists()


@pytest.mark.parametrize(
    ("host", "secure", "works"),
    [
        ("localhost:8855", False, True),
        ("dpmp.lan", False, False),
        ("dpmp.lan", True, True),
        ("192.168.1.5", True, False),
        ("127.0.0.1", False, False),
    ],
)
def test_page_says_where_no_passkey_can_be_made(client, ada, host, secure, works):
    log_in(client)
    page = client.get(PAGE, headers={"host": host}, secure=secure).content.decode()
    assert ("Add a passkey" in page) == works
    assert ("only at a name with https" in page) != works


def test_nobody_can_sign_up_or_ask_for_a_password_by_mail(client, db):
    for path in ("/signup/", "/accounts/signup/", "/login/code/", "/password/reset/", "/account/email/"):
        assert client.get(path).status_code == 404
