"""The doctor finds what is wrong and says how to fix it."""

import io
import json
import socket

import pytest
from django.core.management import CommandError, call_command

from proxy.models import Listener, ProxySettings
from proxy.ops import doctor
from proxy.ops.doctor import Level, examine
from tests.config.rows import make_pool
from tests.support.ports import steady_port
from tests.support.tls import CERTIFICATE, KEY, write_certificate

pytestmark = pytest.mark.django_db


@pytest.fixture
def free():
    """Settings with ports that nobody uses."""
    ports = [steady_port() for _ in range(3)]
    row = ProxySettings(
        stratum_host="127.0.0.1",
        web_host="127.0.0.1",
        metrics_host="127.0.0.1",
        stratum_port=ports[0],
        web_port=ports[1],
        metrics_port=ports[2],
    )
    row.save()
    return row


def of(topic, findings=None, **options):
    return [finding for finding in findings or examine(network=False, **options) if finding.topic == topic]


@pytest.mark.no_cover
def test_sound_installation_has_nothing_bad(free):
    assert [finding for finding in examine(network=False) if finding.level is Level.BAD] == []
    assert {finding.topic for finding in examine(network=False)} >= {
        "versions",
        "files",
        "database",
        "configuration",
        "ports",
        "open files",
        "clock",
    }


@pytest.mark.no_cover
def test_port_of_another_program_is_found_with_the_way_out(free):
    with socket.create_server(("127.0.0.1", free.stratum_port)):
        bad = [finding for finding in of("ports") if finding.level is Level.BAD]
    assert len(bad) == 1 and f"another program listens on port {free.stratum_port}" in bad[0].text
    assert "ss -ltnp" in bad[0].mend


def test_address_of_another_machine_is_found(free):
    free.web_host = "192.0.2.1"
    free.save()
    assert any("cannot be listened on" in finding.text for finding in of("ports"))


def test_no_pool_is_a_warning_and_a_broken_row_is_bad(free):
    assert of("configuration")[0].level is Level.WARN
    pool = make_pool("A")
    assert of("configuration")[0].level is Level.OK
    type(pool).objects.filter(pk=pool.pk).update(chain="BCH")
    [finding] = of("configuration")
    assert finding.level is Level.BAD and "mines BCH" in finding.text


def test_too_few_open_files_are_told_with_the_number_needed(free, monkeypatch):
    monkeypatch.setattr(doctor, "raise_open_files", lambda: 4096)
    [finding] = of("open files")
    assert finding.level is Level.OK and "room for 1109 miners" in finding.text
    ProxySettings(max_sessions=2000).save()
    [finding] = of("open files")
    assert finding.level is Level.WARN and "LimitNOFILE=6768" in finding.mend
    ProxySettings(max_sessions=1000).save()
    assert of("open files")[0].level is Level.OK


def test_wrong_clock_is_bad(free, monkeypatch):
    monkeypatch.setattr(doctor.time, "time", lambda: 86400.0)
    assert of("clock")[0].level is Level.BAD


@pytest.mark.parametrize(("answer", "level"), [(True, Level.OK), (False, Level.WARN), (None, Level.OK)])
def test_clock_without_a_time_server_is_told(free, monkeypatch, answer, level):
    monkeypatch.setattr(doctor, "_synchronised", lambda: answer)
    assert of("clock")[0].level is level


def test_low_disk_is_told(free, monkeypatch):
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1024})())
    assert of("files")[0].level is Level.WARN


def test_missing_package_is_named(free, settings, tmp_path):
    (tmp_path / "requirements.txt").write_text("django>=5\nno-such-package>=1  # for nothing\n# a remark\n")
    settings.BASE_DIR = tmp_path
    [finding] = of("versions")
    assert finding.level is Level.BAD and "no-such-package" in finding.text


def test_running_proxy_that_is_not_ready_says_what_is_missing(free, monkeypatch):
    answers = {"/healthz": "ok", "/readyz": json.dumps({"listening": True, "pool": False, "database": True})}
    monkeypatch.setattr(doctor, "_ask", lambda row, path: answers[path])
    [finding] = of("running")
    assert finding.level is Level.WARN and "Missing: pool." in finding.text


def test_pool_that_nobody_answers_at_is_bad(free, monkeypatch):
    pool = make_pool("A")
    endpoint = pool.endpoints.get()
    endpoint.host, endpoint.port = "127.0.0.1", free.stratum_port
    endpoint.save()
    [finding] = of("pools", [*doctor.pools()])
    assert finding.level is Level.BAD and "checkpool A" in finding.mend


def test_command_ends_badly_if_something_is_bad(free):
    out = io.StringIO()
    call_command("doctor", "--no-network", stdout=out)
    assert "is free." in out.getvalue()
    with socket.create_server(("127.0.0.1", free.stratum_port)), pytest.raises(CommandError, match="One thing is"):
        call_command("doctor", "--no-network", "--json", stdout=out)


def test_waiting_for_a_listening_proxy_does_not_need_a_pool(free, monkeypatch):
    answers = iter(
        [
            "",
            '{"listening": false, "pool": false, "database": true}',
            '{"listening": true, "pool": false, "database": true}',
        ]
    )
    monkeypatch.setattr(doctor, "_ask", lambda row, path: next(answers))
    slept = []
    assert doctor.wait_until_listening(60, sleep=slept.append, now=lambda: 0.0) == ""
    assert len(slept) == 2


def test_waiting_ends_with_what_is_missing(free):
    times = iter([0.0, 100.0])
    assert doctor.wait_until_listening(60, now=lambda: next(times)) == "an answer from the dashboard's port"


def test_files_that_others_can_read_are_told_also_when_this_start_closed_them(free, settings, tmp_path):
    settings.DATA_DIR, settings.CLOSED_TO_OTHERS = tmp_path, []
    tmp_path.chmod(0o700)
    assert any("Only this user" in finding.text for finding in of("files"))
    settings.CLOSED_TO_OTHERS = [tmp_path / "blocks.jsonl"]
    assert any("blocks.jsonl until now" in finding.text for finding in of("files"))
    (tmp_path / "dpmp.sqlite3").touch(0o600)
    (tmp_path / "dpmp.sqlite3").chmod(0o644)
    [told] = [finding for finding in of("files") if finding.level is Level.WARN and "Other users" in finding.text]
    assert "dpmp.sqlite3" in told.text and "chmod" in told.mend


def test_certificate_for_miners_is_looked_at_where_tls_is_on(free, tmp_path):
    assert not of("TLS for miners")
    free.tls_port = steady_port()
    free.tls_certificate, free.tls_key = str(tmp_path / CERTIFICATE), str(tmp_path / KEY)
    free.save()
    (finding,) = of("TLS for miners")
    assert finding.level is Level.BAD and "cannot be read" in finding.text
    write_certificate(tmp_path, "localhost")
    (finding,) = of("TLS for miners")
    assert finding.level is Level.WARN and "expires in 2 days" in finding.text
    assert any(f"127.0.0.1:{free.tls_port} is free" in found.text for found in of("ports"))


def test_certificate_that_is_valid_for_long_is_fine(free, tmp_path, monkeypatch):
    write_certificate(tmp_path, "localhost")
    free.tls_port, free.tls_certificate, free.tls_key = 3352, str(tmp_path / CERTIFICATE), str(tmp_path / KEY)
    free.save()
    monkeypatch.setattr(doctor, "EXPIRES_SOON_DAYS", 1.0)
    (finding,) = of("TLS for miners")
    assert finding.level is Level.OK


def test_ports_of_listeners_are_looked_at_too(free):
    Listener.objects.create(name="Rack", host="127.0.0.1", port=steady_port())
    Listener.objects.create(name="Home", host="127.0.0.1", port=free.stratum_port)
    Listener.objects.create(name="Off", host="127.0.0.1", port=steady_port(), enabled=False)
    found = [finding.text for finding in of("ports") if finding.text.startswith("Listener ")]
    assert len(found) == 1 and found[0].startswith("Listener Rack: 127.0.0.1:") and found[0].endswith("is free.")
