"""Headers, static files and the login of the project itself."""

import warnings

import pytest
from django.contrib.auth.models import User
from django.test import AsyncClient

pytestmark = pytest.mark.no_cover


def test_answers_carry_the_strict_headers(client, db):
    headers = client.get("/login/").headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "script-src 'self'" in policy and "style-src 'self'" in policy
    assert "unsafe" not in policy
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"


def test_admin_pages_hold_nothing_that_the_policy_forbids(admin_client):
    page = admin_client.get("/admin/").content.decode()
    assert "<style" not in page and " style=" not in page and " onclick=" not in page
    assert all("src=" in tag.split(">")[0] for tag in page.split("<script")[1:])


def test_static_file_is_served_without_collectstatic_and_without_debug(client, settings):
    assert settings.DEBUG is False
    answer = client.get("/static/admin/css/base.css")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/css")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert len(answer.content) > 1000


def test_static_file_is_answered_304_and_in_parts(client):
    whole = client.get("/static/admin/css/base.css")
    again = client.get(
        "/static/admin/css/base.css",
        headers={"if-none-match": whole.headers.get("ETag", ""), "if-modified-since": whole.headers["Last-Modified"]},
    )
    part = client.get("/static/admin/css/base.css", headers={"range": "bytes=0-9"})
    assert (again.status_code, again.content) == (304, b"")
    assert (part.status_code, part.content) == (206, whole.content[:10])


@pytest.mark.parametrize("path", ["/static/../manage.py", "/static/%2e%2e/manage.py", "/static//etc/passwd"])
def test_static_files_stay_in_their_folder(client, path, db):
    assert b"execute_from_command_line" not in client.get(path).content


async def test_static_file_under_asgi_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answer = await AsyncClient().get("/static/admin/css/base.css")
    assert answer.status_code == 200


@pytest.mark.django_db
def test_login_and_logout(client):
    User.objects.create_user("anna", password="correct horse")
    answer = client.post("/login/", {"username": "anna", "password": "correct horse"})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    cookie = answer.cookies["dpmp_session"]
    assert cookie["httponly"] and cookie["samesite"] == "Lax"
    assert client.post("/logout/").headers["Location"] == "/login/"


@pytest.mark.django_db
def test_guessing_a_password_is_limited(client, settings):
    User.objects.create_user("anna", password="correct horse")
    for _ in range(settings.AXES_FAILURE_LIMIT):
        client.post("/login/", {"username": "anna", "password": "wrong"})
    answer = client.post("/login/", {"username": "anna", "password": "correct horse"})
    assert answer.status_code == 429
    elsewhere = client.post("/login/", {"username": "anna", "password": "correct horse"}, REMOTE_ADDR="10.0.0.9")
    assert elsewhere.status_code == 302
