"""The environment is read with types, defaults and clear messages."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from dpmp_site.env import Environment


def test_nothing_set_gives_the_defaults():
    environment = Environment({})
    assert environment.text("DPMP_LANGUAGE", "en") == "en"
    assert environment.switch("DPMP_DEBUG") is False
    assert environment.names("DPMP_ALLOWED_HOSTS") == []
    assert environment.path("DPMP_DATA_DIR", Path("/x")) == Path("/x")
    assert environment.url("DPMP_REDIS_URL", ("redis",)) == ""


@pytest.mark.parametrize(("word", "value"), [("1", True), (" Yes ", True), ("ON", True), ("0", False), ("off", False)])
def test_switch_reads_common_words(word, value):
    assert Environment({"DPMP_DEBUG": word}).switch("DPMP_DEBUG", default=not value) is value


def test_switch_names_the_variable_that_is_wrong():
    with pytest.raises(ImproperlyConfigured, match="DPMP_DEBUG is 'maybe'"):
        Environment({"DPMP_DEBUG": "maybe"}).switch("DPMP_DEBUG")


def test_url_of_another_scheme_is_refused_without_repeating_its_password():
    with pytest.raises(ImproperlyConfigured, match="DPMP_REDIS_URL has to start with redis://") as refused:
        Environment({"DPMP_REDIS_URL": "http://:hunter2@host"}).url("DPMP_REDIS_URL", ("redis", "rediss"))
    assert "hunter2" not in str(refused.value)


def test_list_is_split_at_commas():
    assert Environment({"DPMP_ALLOWED_HOSTS": "a.org, .b.org ,"}).names("DPMP_ALLOWED_HOSTS") == ["a.org", ".b.org"]


def test_mistyped_name_is_found():
    assert Environment({"DPMP_DEBUGG": "1", "PATH": "/bin", "DPMP_DEBUG": "1"}).unknown() == ["DPMP_DEBUGG"]


def test_variable_that_is_not_in_the_table_cannot_be_read():
    with pytest.raises(LookupError):
        Environment({}).text("DPMP_SECRET")
