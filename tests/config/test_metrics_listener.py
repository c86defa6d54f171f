"""Metrics are for this machine alone, unless somebody has said otherwise or always had it so."""

from importlib import import_module

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError

from proxy.config.importers.v2_format import parse_config
from proxy.config.loader import load_snapshot
from proxy.models import ProxySettings
from proxy.models.settings import networks_of
from tests.config.test_import_v2 import v2

pytestmark = pytest.mark.django_db
keep_open = import_module("proxy.migrations.0012_metrics_stay_at_home").keep_open


def test_new_installation_listens_on_this_machine_alone():
    keep_open(apps, None)
    assert not ProxySettings.objects.exists()
    assert load_snapshot().listeners.metrics_host == "127.0.0.1"


def test_installation_at_work_keeps_the_open_port_though_its_settings_were_never_saved(django_user_model):
    django_user_model.objects.create_user("ada")
    keep_open(apps, None)
    assert load_snapshot().listeners.metrics_host == "0.0.0.0"


def test_saved_address_stays(django_user_model):
    django_user_model.objects.create_user("ada")
    ProxySettings(metrics_host="192.168.1.5").save()
    keep_open(apps, None)
    assert load_snapshot().listeners.metrics_host == "192.168.1.5"


def test_import_from_v2_keeps_its_open_port():
    config = {key: value for key, value in v2().items() if key != "metrics"}
    assert parse_config(config).settings["metrics_host"] == "0.0.0.0"
    assert parse_config(v2()).settings["metrics_host"] == "127.0.0.1"


def test_networks_are_read_in_any_layout():
    found = networks_of("192.168.1.0/24, 10.0.0.7\nfd00::/8")
    assert [str(network) for network in found] == ["192.168.1.0/24", "10.0.0.7/32", "fd00::/8"]
    assert networks_of("  ") == []


@pytest.mark.parametrize("text", ["192.168.1.7/24", "prometheus", "10.0.0.0/33"])
def test_what_is_no_network_is_refused_with_the_word(text):
    with pytest.raises(ValidationError) as raised:
        ProxySettings(metrics_allow=text).save()
    assert text in str(raised.value)
