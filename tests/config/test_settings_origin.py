"""Each setting says where it comes from, and no secret is told."""

import pytest

from dpmp_site.env import VARIABLES
from proxy.config.origin import HIDDEN, Origin, settings_in_force
from proxy.models import ProxySettings

pytestmark = pytest.mark.django_db


def line(name, environ=None):
    [found] = [line for line in settings_in_force(VARIABLES, environ or {}) if line.name == name]
    return found


def test_value_of_nobody_is_the_default():
    assert (line("Miners: port").value, line("Miners: port").origin) == ("3351", Origin.DEFAULT)


def test_value_of_the_admin_says_what_the_default_would_be():
    ProxySettings(stratum_port=4444).save()
    found = line("Miners: port")
    assert (found.value, found.origin, found.detail) == ("4444", Origin.ADMIN, "3351")


def test_environment_wins_over_the_admin():
    ProxySettings(log_level="ERROR").save()
    found = line("Log level", {"DPMP_LOG_LEVEL": "DEBUG"})
    assert (found.value, found.origin, found.detail) == ("DEBUG", Origin.ENVIRONMENT, "DPMP_LOG_LEVEL")
    assert line("Log level", {"DPMP_LOG_LEVEL": " "}).value == "ERROR"


@pytest.mark.parametrize("name", ["DPMP_ADMIN_PASSWORD", "DPMP_DATABASE_URL", "DPMP_REDIS_URL"])
def test_secret_of_the_environment_is_not_told(name):
    assert line(name, {name: "redis://:hunter2@host"}).value == HIDDEN


def test_password_of_the_miners_is_not_told():
    ProxySettings(miner_password="hunter2").save()
    assert line("Miners: password").value == HIDDEN


def test_each_variable_has_its_meaning():
    assert {found.name for found in settings_in_force(VARIABLES, {}) if found.group == "environment"} == set(VARIABLES)
