"""Each system check of an installation, with its id and hint."""

import pytest

from proxy import checks
from proxy.models import ProxySettings


@pytest.fixture
def data_dir(settings, tmp_path):
    tmp_path.chmod(0o700)
    key = tmp_path / "secret_key"
    key.write_text("x")
    key.chmod(0o600)
    settings.DATA_DIR = tmp_path
    return tmp_path


def only(messages, identity):
    [message] = messages
    assert message.id == identity and message.hint
    return message


def test_well_kept_files_are_fine(data_dir):
    assert checks.check_data_dir() == checks.check_secret_key() == []


def test_data_directory_that_others_can_write_is_warned_of(data_dir):
    data_dir.chmod(0o777)
    assert str(data_dir) in only(checks.check_data_dir(), "dpmp.W001").msg


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_secret_key_that_others_can_read_is_an_error(data_dir, mode):
    (data_dir / "secret_key").chmod(mode)
    assert only(checks.check_secret_key(), "dpmp.E001").is_serious()


@pytest.mark.django_db
def test_debug_pages_for_the_whole_network_are_warned_of(settings):
    assert checks.check_debug() == []
    settings.DEBUG = True
    only(checks.check_debug(), "dpmp.W002")
    row = ProxySettings.load()
    for host, count in (("127.0.0.1", 0), ("::1", 0), ("192.168.1.2", 1)):
        row.web_host = host
        row.save()
        assert len(checks.check_debug()) == count


def test_mistyped_variable_is_warned_of(monkeypatch):
    assert checks.check_environment() == []
    monkeypatch.setenv("DPMP_ALOWED_HOSTS", "x")
    assert "DPMP_ALOWED_HOSTS" in only(checks.check_environment(), "dpmp.W003").msg
