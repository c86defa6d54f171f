"""A person's own browsers that alerts are pushed to: switched on, listed, removed; nobody else's."""

import json

import pytest

from dashboard.models import AuditEntry
from dashboard.views.browsers import browser_name
from proxy.models import AlertTarget, PushKey, PushSubscription
from tests.alerts.push_service import Browser, decoded

PIXEL = (
    "Mozilla/5.0 (Linux; Android 16; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0 Mobile Safari/537"
)
ENDPOINT = "https://fcm.googleapis.com/fcm/send/abc:def"


def switch_on(client, endpoint=ENDPOINT, agent=PIXEL, **changes):
    keys = Browser()
    said = {"endpoint": endpoint, "p256dh": keys.p256dh, "auth": keys.auth} | changes
    return client.post("/account/browsers/add/", said, HTTP_USER_AGENT=agent)


def test_browser_gets_the_public_half_of_a_key_that_stays(browser_of):
    client = browser_of("viewer")
    first = client.post("/account/browsers/key/").json()["key"]
    point = decoded(first)
    assert len(point) == 65 and point[0] == 4
    assert client.post("/account/browsers/key/").json()["key"] == first
    assert PushKey.objects.get().private not in first


def test_nothing_is_made_before_somebody_asks(browser_of):
    page = browser_of("viewer").get("/account/").content.decode()
    assert "Notify this browser" in page and not PushKey.objects.exists() and not AlertTarget.objects.exists()


def test_browser_that_is_switched_on_is_on_the_list_and_may_be_removed(browser_of):
    client = browser_of("viewer")
    handle = switch_on(client).json()["handle"]
    page = client.get("/account/").content.decode()
    assert "Chrome, Android" in page and "no message yet" in page and handle in page and ENDPOINT not in page
    row = PushSubscription.objects.get()
    assert client.post(f"/account/browsers/{row.pk}/remove/").status_code == 302
    assert not AlertTarget.objects.exists() and not PushSubscription.objects.exists()
    said = list(AuditEntry.objects.order_by("id").values_list("action", "subject"))
    assert said == [("notify browser", "Chrome, Android"), ("no longer notify browser", "Chrome, Android")]


def test_nobody_removes_the_browser_of_another(browser_of):
    switch_on(browser_of("viewer"))
    row = PushSubscription.objects.get()
    assert browser_of("administrator").post(f"/account/browsers/{row.pk}/remove/").status_code == 404
    assert PushSubscription.objects.count() == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"endpoint": "https://192.168.1.1/x"},
        {"endpoint": "http://push.example.org/x"},
        {"endpoint": ""},
        {"p256dh": "x"},
        {"auth": "\x00"},
    ],
)
def test_what_is_no_subscription_is_refused_with_a_reason_and_makes_nothing(browser_of, changes):
    answer = switch_on(browser_of("viewer"), **changes)
    assert answer.status_code == 422 and "cannot be used" in answer.json()["problem"]
    assert not AlertTarget.objects.exists() and not AuditEntry.objects.exists()


def test_one_browser_too_many_is_refused_with_a_reason(browser_of):
    client = browser_of("viewer")
    answers = [switch_on(client, f"{ENDPOINT}{number}") for number in range(PushSubscription.MOST + 1)]
    assert [answer.status_code for answer in answers] == [200] * PushSubscription.MOST + [422]
    assert "Too many" in json.loads(answers[-1].content)["problem"]


def test_new_password_ends_it_and_the_page_says_so(browser_of):
    client = browser_of("viewer")
    switch_on(client)
    PushSubscription.objects.update(password_mark="of another password")
    page = client.get("/account/").content.decode()
    assert "ended by a new password" in page and "data-handle" not in page


def test_page_says_what_a_browser_took_and_what_failed(browser_of):
    client = browser_of("viewer")
    switch_on(client)
    PushSubscription.objects.update(last_success_at="2026-01-01T00:00:00Z", failures=2)
    AlertTarget.objects.update(enabled=False)
    page = " ".join(client.get("/account/").content.decode().split())
    assert "last message taken" in page and "2 failures since" in page and ">disabled<" in page


def test_account_that_may_not_see_the_dashboard_has_no_such_card(browser_of):
    assert 'id="browsers"' not in browser_of("").get("/account/").content.decode()


def test_administrators_see_whose_browser_a_target_is_and_may_rename_disable_or_delete_it(browser_of):
    switch_on(browser_of("viewer"))
    target, client = AlertTarget.objects.get(), browser_of("administrator")
    assert "viewer: Chrome, Android" in client.get("/alerts/").content.decode()
    page = " ".join(client.get(f"/alerts/{target.pk}/?kind=telegram").content.decode().split())
    assert "A browser of viewer (Chrome, Android)" in page and "Token of the bot" not in page
    client.post(f"/alerts/{target.pk}/", {"kind": "telegram", "label": "her telephone", "token": "1:x", "chat": "2"})
    renamed = AlertTarget.objects.get()
    assert (renamed.label, renamed.url) == ("her telephone", target.url)
    client.post(f"/alerts/{target.pk}/", {"do": "disable"})
    assert not AlertTarget.objects.get().enabled
    client.post(f"/alerts/{target.pk}/", {"do": "delete"})
    assert not PushSubscription.objects.exists()


def test_nobody_makes_a_browser_among_the_targets(browser_of):
    client = browser_of("administrator")
    assert "Token of the bot" in client.get("/alerts/new/?kind=browser").content.decode()
    client.post("/alerts/new/", {"kind": "browser", "label": "x"})
    assert not AlertTarget.objects.exists()


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (PIXEL, "Chrome, Android"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/149.0.0.0 Safari/537.36 Edg/149.0.0.0", "Edge, Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/604.1", "Safari, iPhone"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0", "Firefox, Linux"),
        ("<script>", "Browser"),
    ],
)  # fmt: skip
def test_browsers_are_called_as_their_people_know_them(agent, name):
    assert browser_name(agent) == name
