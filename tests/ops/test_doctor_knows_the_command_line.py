"""``doctor`` looks at the addresses that the running proxy was started with."""

import stat

import pytest

from proxy.models import ProxySettings
from proxy.ops import doctor
from proxy.ops.running import FILE, read_running, remove_running, replaced, write_running
from tests.support.ports import steady_port

GIVEN = {"stratum_host": "127.0.0.1", "stratum_port": 4444, "web_host": "127.0.0.1", "web_port": 8866}


def test_what_was_replaced_is_written_for_its_owner_alone_and_gone_at_the_end(tmp_path):
    values = replaced({"stratum": ("127.0.0.1", 4444), "web": ("127.0.0.1", 8866)})
    assert values == GIVEN
    write_running(tmp_path, values)
    assert read_running(tmp_path) == GIVEN
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    remove_running(tmp_path)
    assert list(tmp_path.iterdir()) == [] and read_running(tmp_path) == {}
    remove_running(tmp_path)


def test_start_without_options_removes_what_a_killed_run_left(tmp_path):
    write_running(tmp_path, GIVEN)
    write_running(tmp_path, {})
    assert read_running(tmp_path) == {}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"stratum_port": "4444", "web_host": 7, "other": 1}', "\x00"])
def test_file_that_is_none_says_nothing(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    assert read_running(tmp_path) == {}


@pytest.fixture
def ports(db, settings, tmp_path, monkeypatch):
    """The findings about ports where a proxy answers at ``answers``."""
    settings.DATA_DIR = tmp_path
    ProxySettings(stratum_port=steady_port(), web_port=steady_port(), metrics_enabled=False).save()

    def found(answers):
        def ask(url):
            return "ok" if url.startswith(answers) and url.endswith("/healthz") else ""

        monkeypatch.setattr(doctor, "ask", ask)
        return [finding.text for finding in doctor.ports()]

    return found


def test_doctor_looks_where_the_command_line_said(ports, tmp_path):
    write_running(tmp_path, {**GIVEN, "stratum_port": steady_port()})
    said = ports("http://127.0.0.1:8866/")
    assert said[0].startswith("The running DPMP was started with --listen 127.0.0.1:")
    assert "--web 127.0.0.1:8866." in said[0]
    assert any("Dashboard: nothing listens on 127.0.0.1:8866" in text for text in said)


def test_doctor_keeps_to_the_settings_where_nobody_answers_there(ports, tmp_path):
    write_running(tmp_path, GIVEN)
    said = ports("http://nowhere/")
    assert not any("started with" in text or "8866" in text for text in said)
