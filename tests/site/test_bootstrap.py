"""First run: data directory, secret key, administrator, demo directory, and what is said when it cannot work."""

import gc
import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from dpmp_site import command as command_line
from dpmp_site.bootstrap import (
    DataDirectoryError,
    is_demo,
    prepare_data_dir,
    secret_key,
)
from proxy.ops.private_files import close_to_others, open_to_others

ROOT = Path(__file__).resolve().parent.parent.parent


def manage(*arguments, env):
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments], env=env, capture_output=True, text=True, timeout=300
    )


def test_secret_key_is_made_once_and_for_its_owner_only(tmp_path):
    first = secret_key(tmp_path)
    assert secret_key(tmp_path) == first and len(first) >= 64
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


def test_what_is_kept_is_closed_to_others_whatever_it_was_before(tmp_path):
    names = [
        "dpmp.sqlite3",
        "dpmp.sqlite3-wal",
        "blocks.jsonl",
        "unwritten.jsonl",
        "logs/dpmp.log",
        "logs/dpmp.log.1",
        "backups/old.sqlite3",
    ]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
        (tmp_path / name).chmod(0o666)
    for folder in ("logs", "backups", "."):
        (tmp_path / folder).chmod(0o755)
    assert len(close_to_others(tmp_path)) == len(names) + 3
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in names} == {0o600}
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("logs", "backups", ".")} == {0o700}
    assert open_to_others(tmp_path) == close_to_others(tmp_path) == []


def test_what_a_link_points_at_and_a_directory_for_everybody_are_left_alone(tmp_path):
    shared, data = tmp_path / "shared", tmp_path / "data"
    shared.write_text("x")
    shared.chmod(0o644)
    data.mkdir()
    data.chmod(0o1777)
    (data / "blocks.jsonl").symlink_to(shared)
    assert close_to_others(data) == []
    assert stat.S_IMODE(shared.stat().st_mode) == 0o644


def test_processes_that_start_together_agree_on_the_secret_key(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: secret_key(tmp_path), range(32)))) == 1


def test_damaged_secret_key_is_said_and_not_used(tmp_path):
    (tmp_path / "secret_key").write_text("short")
    with pytest.raises(DataDirectoryError, match="too short"):
        secret_key(tmp_path)


def test_data_directory_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataDirectoryError, match=r"data directory .*/file cannot be written.*DPMP_DATA_DIR"):
        prepare_data_dir(tmp_path / "file")


def test_only_runproxy_with_demo_is_the_demo():
    assert is_demo(["manage.py", "runproxy", "--no-web", "--demo"])
    assert not is_demo(["manage.py", "runproxy"])
    assert not is_demo(["manage.py", "check", "--demo"])
    assert not is_demo(["manage.py"])


def test_unusable_environment_is_one_line_and_exit_1(own_environment, tmp_path):
    (tmp_path / "file").write_text("")
    for wrong in (
        {"DPMP_DATA_DIR": str(tmp_path / "file")},
        {"DPMP_DEBUG": "maybe"},
        {"DPMP_DATABASE_URL": "mysql://x"},
        {"DPMP_REDIS_URL": "http://x"},
    ):
        result = manage("check", env=own_environment | wrong)
        assert result.returncode == 1
        assert result.stderr.startswith("dpmp: ") and result.stderr.count("\n") == 1
        assert next(iter(wrong)) in result.stderr


def test_unusable_database_is_one_line_and_exit_1(own_environment):
    folder = Path(own_environment["DPMP_DATA_DIR"])
    (folder / "dpmp.sqlite3").mkdir(parents=True)
    result = manage("migrate", env=own_environment)
    assert result.returncode == 1
    assert result.stderr == "dpmp: The database cannot be used: unable to open database file.\n"


def test_fresh_directory_works_at_once_and_the_key_stays(own_environment):
    assert manage("check", env=own_environment).returncode == 0
    key = Path(own_environment["DPMP_DATA_DIR"], "secret_key").read_text()
    assert manage("check", env=own_environment).returncode == 0
    assert Path(own_environment["DPMP_DATA_DIR"], "secret_key").read_text() == key


def test_demo_directory_is_its_own_and_gone_afterwards(own_environment):
    script = (
        "import os; from dpmp_site.bootstrap import demo_data_dir; path = demo_data_dir();"
        "from django.conf import settings; assert settings.DATA_DIR == path and 'DPMP_DATABASE_URL' not in os.environ;"
        "assert (path / 'secret_key').exists(); print(path)"
    )
    env = own_environment | {"DJANGO_SETTINGS_MODULE": "dpmp_site.settings", "DPMP_DATABASE_URL": "postgres://a/b"}
    result = subprocess.run([sys.executable, "-c", script], env=env, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert not os.path.exists(result.stdout.strip())
    assert not os.path.exists(own_environment["DPMP_DATA_DIR"])


def bootstrap():
    out = StringIO()
    call_command("bootstrap", stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_first_administrator_gets_a_random_password_that_is_printed_once(monkeypatch):
    monkeypatch.delenv("DPMP_ADMIN_PASSWORD", raising=False)
    printed = bootstrap()
    password = printed.split("Password: ")[1].split()[0]
    person = User.objects.get(username="admin")
    assert person.check_password(password) and person.is_superuser and person.is_staff
    assert bootstrap() == ""
    assert User.objects.count() == 1


@pytest.mark.django_db
def test_first_administrator_from_the_environment_is_not_printed(monkeypatch):
    monkeypatch.setenv("DPMP_ADMIN_USER", "anna")
    monkeypatch.setenv("DPMP_ADMIN_PASSWORD", "correct horse")
    assert "correct horse" not in bootstrap()
    assert User.objects.get().check_password("correct horse")


@pytest.mark.django_db
def test_name_that_belongs_to_somebody_else_is_refused():
    User.objects.create_user("admin")
    with pytest.raises(CommandError, match="DPMP_ADMIN_USER"):
        bootstrap()


@pytest.mark.parametrize(("command", "looks"), [("runproxy", False), ("check", True)])
def test_no_garbage_is_looked_for_while_modules_are_loaded(monkeypatch, command, looks):
    seen = []
    monkeypatch.setattr(sys, "argv", ["manage.py", command])
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", os.environ["DJANGO_SETTINGS_MODULE"])  # as it was, afterwards
    monkeypatch.setattr("dpmp_site.bootstrap.use_uvloop", lambda: None)
    monkeypatch.setattr("django.setup", lambda: seen.append(gc.isenabled()))
    monkeypatch.setattr("django.core.management.execute_from_command_line", lambda _: seen.append(gc.isenabled()))
    try:
        assert command_line.main() == 0
    finally:
        gc.enable()
    assert seen == [False, looks]
