"""The page of the MQTT broker: off by default, secrets are not shown, and a test before anything is saved."""

import pytest

from dashboard.models import AuditEntry
from proxy.config.export import export_config
from proxy.config.loader import load_snapshot
from proxy.models import MqttSettings

ENTERED = {
    "enabled": "on",
    "host": "broker.lan",
    "port": "1883",
    "username": "dpmp",
    "password": "hush hush",
    "base_topic": "dpmp",
    "discovery": "on",
    "discovery_prefix": "homeassistant",
    "max_workers": "100",
    "interval_s": "5",
}


def test_it_is_off_until_switched_on(pools):
    assert load_snapshot().mqtt is None


def test_what_is_saved_acts_and_is_in_the_audit_log_and_the_password_is_not_shown(browser_of, pools):
    browser = browser_of("administrator")
    assert browser.post("/mqtt/", ENTERED).status_code == 302
    config = load_snapshot().mqtt
    assert config is not None
    assert (config.host, config.password, config.commands, config.max_workers) == (
        "broker.lan",
        "hush hush",
        False,
        100,
    )
    assert "hush" not in repr(config)
    page = browser.get("/mqtt/").content.decode()
    assert "broker.lan" in page and "hush hush" not in page
    assert "hush hush" not in browser.get("/settings/").content.decode()
    entry = AuditEntry.objects.latest("pk")
    assert (entry.action, entry.subject, entry.new) == ("change MQTT", "broker.lan", "on")


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "changes, kept",
    [({}, "hush hush"), ({"interval_s": "9"}, "hush hush"), ({"host": "other.lan"}, ""), ({"username": "x"}, "")],
)
def test_a_password_stays_with_its_broker_and_user(browser_of, pools, changes, kept):
    browser = browser_of("administrator")
    browser.post("/mqtt/", ENTERED)
    assert browser.post("/mqtt/", ENTERED | {"password": ""} | changes).status_code == 302
    assert MqttSettings.load().password == kept


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"host": ""}, "MQTT needs a broker."),
        ({"host": "mqtt://broker"}, "neither a host name nor an IP address"),
        ({"base_topic": "a/#"}, "Letters, digits"),
        ({"discovery_prefix": ""}, "required"),
        ({"port": "0"}, "greater than or equal to 1"),
        ({"max_workers": "1001"}, "less than or equal to 1000"),
        ({"interval_s": "0.1"}, "greater than or equal to 1"),
    ],
)
def test_nonsense_is_refused_with_a_sentence(browser_of, pools, changes, said):
    answer = browser_of("administrator").post("/mqtt/", ENTERED | changes)
    assert answer.status_code == 422 and said in answer.content.decode()
    assert load_snapshot().mqtt is None


def test_test_asks_the_broker_that_stands_in_the_form_and_saves_nothing(browser_of, pools, monkeypatch):
    asked = []

    async def try_broker(config):
        asked.append(config)
        return "" if config.host == "broker.lan" else "no answer"

    monkeypatch.setattr("dashboard.views.mqtt.try_broker", try_broker)
    browser = browser_of("administrator")
    assert "The broker works" in browser.post("/mqtt/test/", ENTERED | {"enabled": ""}).content.decode()
    assert "no answer" in browser.post("/mqtt/test/", ENTERED | {"host": "other.lan"}).content.decode()
    assert "MQTT needs a broker." in browser.post("/mqtt/test/", ENTERED | {"host": ""}).content.decode()
    assert [config.host for config in asked] == ["broker.lan", "other.lan"]
    assert not MqttSettings.objects.exists()


def test_the_export_has_no_password_unless_asked_for(browser_of, pools):
    browser_of("administrator").post("/mqtt/", ENTERED)
    assert "broker.lan" in export_config() and "hush hush" not in export_config()
    assert "hush hush" in export_config(secrets=True)


def test_the_admin_has_the_same_form_and_no_password(browser_of, pools):
    MqttSettings(enabled=True, host="broker.lan", password="hush hush").save()
    page = browser_of("administrator").get("/admin/proxy/mqttsettings/1/change/").content.decode()
    assert "broker.lan" in page and "hush hush" not in page
