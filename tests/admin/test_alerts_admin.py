"""Alerts in the admin: secrets are not shown again, tests are sent, rules are edited, the list is read only."""

import re

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from proxy.models import AlertDelivery, AlertRule, AlertSettings, AlertTarget
from tests.alerts.alert_receivers import Webhook

pytestmark = pytest.mark.django_db

SECRET = "json://me:hunter22@127.0.0.1:9/x"


def client_of(user):
    client = Client(headers={"host": "localhost"})
    client.force_login(user)
    return client


@pytest.fixture
def admin(admin_user):
    return client_of(admin_user)


@pytest.fixture
def target():
    row = AlertTarget(label="hook", url=SECRET)
    row.save()
    return row


def text_of(response):
    return re.sub(r"\s+", " ", response.content.decode().replace("&#x27;", "'"))


@pytest.mark.no_cover
def test_target_is_saved(admin):
    fields = {"label": "chat", "url": "ntfy://some-topic", "enabled": "on"}
    assert admin.post("/admin/proxy/alerttarget/add/", fields).status_code == 302
    assert AlertTarget.objects.get().url == "ntfy://some-topic"


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("nonsense", "Apprise does not understand this address."),
        ("", "Apprise does not understand this address."),
        ("dbus://", "on the screen of this machine only"),
    ],
)
def test_address_that_cannot_be_used_is_explained(admin, url, sentence):
    response = admin.post("/admin/proxy/alerttarget/add/", {"label": "x", "url": url})
    assert sentence in text_of(response)


@pytest.mark.no_cover
def test_address_is_not_shown_again_and_kept_when_left_empty(admin, target):
    address = f"/admin/proxy/alerttarget/{target.pk}/change/"
    for page in (address, "/admin/proxy/alerttarget/"):
        assert "hunter22" not in text_of(admin.get(page))
    assert admin.post(address, {"label": "renamed", "url": "", "enabled": "on"}).status_code == 302
    target.refresh_from_db()
    assert (target.label, target.url) == ("renamed", SECRET)


def test_who_may_only_look_sees_no_address(target, django_user_model):
    viewer = django_user_model.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_alerttarget"))
    page = text_of(client_of(viewer).get(f"/admin/proxy/alerttarget/{target.pk}/change/"))
    assert "hook" in page and "hunter22" not in page and 'name="url"' not in page


def test_test_is_sent_and_its_outcome_told(admin, target):
    with Webhook() as webhook:
        AlertTarget(label="Good", url=webhook.url).save()
        response = admin.post(
            "/admin/proxy/alerttarget/",
            {"action": "send_a_test", "_selected_action": [row.pk for row in AlertTarget.objects.all()]},
            follow=True,
        )
    page = text_of(response)
    assert "Good: sent. Look whether it has arrived." in page and "Hook: not sent." in page and "hunter22" not in page
    assert len(webhook.received) == 1


@pytest.mark.no_cover
def test_all_rules_are_there_with_their_defaults(admin):
    page = text_of(admin.get("/admin/proxy/alertrule/"))
    assert "pool down or back up" in page and AlertRule.objects.count() == 16
    admin.get("/admin/proxy/alertrule/")
    assert AlertRule.objects.count() == 16


def rule_form(**fields):
    return {"enabled": "on", "threshold": "5", "delay_s": "60", "workers": "*", "recovery": "on", **fields}


def test_rule_is_changed(admin, target):
    AlertRule.ensure()
    rule = AlertRule.objects.get(kind="reject_rate")
    fields = rule_form(threshold="8", quiet_from="22:00", quiet_until="07:00", targets=[target.pk])
    assert admin.post(f"/admin/proxy/alertrule/{rule.pk}/change/", fields).status_code == 302
    rule.refresh_from_db()
    assert rule.threshold == 8 and list(rule.targets.all()) == [target]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"threshold": "100"}, "This is a percentage above 0 and below 100."),
        ({"quiet_from": "22:00"}, "Quiet hours need both times, or none."),
        ({"workers": "a,,b"}, "A pattern between the commas is empty"),
    ],
)
def test_rule_that_makes_no_sense_is_explained(admin, fields, sentence):
    AlertRule.ensure()
    rule = AlertRule.objects.get(kind="reject_rate")
    assert sentence in text_of(admin.post(f"/admin/proxy/alertrule/{rule.pk}/change/", rule_form(**fields)))


def test_settings_are_one_form(admin):
    page = admin.get("/admin/proxy/alertsettings/", follow=True)
    assert "time of summaries" in text_of(page).lower()
    fields = {
        "time_zone": "Mars/Base",
        "summary_at": "08:00",
        "group_s": 20,
        "max_per_hour": 20,
        "flaps": 5,
        "calm_s": 900,
    }
    assert "is no time zone" in text_of(admin.post("/admin/proxy/alertsettings/1/change/", fields))
    fields["time_zone"] = "Europe/Berlin"
    assert admin.post("/admin/proxy/alertsettings/1/change/", fields).status_code == 302
    assert AlertSettings.load().time_zone == "Europe/Berlin"


def test_list_of_what_was_sent_can_only_be_read(admin, target):
    row = AlertDelivery.objects.create(target=target, target_label="hook", title="DPMP: test", at=timezone.now())
    assert "DPMP: test" in text_of(admin.get("/admin/proxy/alertdelivery/"))
    assert admin.get("/admin/proxy/alertdelivery/add/").status_code == 403
    assert admin.post(f"/admin/proxy/alertdelivery/{row.pk}/change/", {"title": "x"}).status_code == 403
