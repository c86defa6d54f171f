"""What the make targets and the test run promise: clear messages, and no test left out unnoticed."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def make(folder, *arguments):
    shutil.copy(ROOT / "Makefile", folder)
    return subprocess.run(["make", *arguments], cwd=folder, capture_output=True, text=True, timeout=300)


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_old_python_is_refused_with_a_clear_message(tmp_path):
    script(tmp_path / "old", "exit 1")
    (tmp_path / "requirements.txt").touch()
    result = make(tmp_path, "run", "PYTHON=./old")
    assert result.returncode != 0
    assert "DPMP needs Python 3.11 or newer; ./old is older or missing." in result.stderr
    assert not (tmp_path / ".venv").exists()


def test_missing_venv_module_says_what_to_install(tmp_path):
    (tmp_path / "requirements.txt").touch()
    script(tmp_path / "bare", 'case "$2" in *ensurepip*) exit 1;; esac')
    result = make(tmp_path, "run", "PYTHON=./bare")
    assert result.returncode != 0
    assert "apt install python3-venv" in result.stderr


def test_requirements_are_installed_again_only_when_they_changed(tmp_path):
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    script(tmp_path / ".venv" / "bin" / "python", 'echo "$@" >> calls')
    installs = []
    for age_s in (100, 100, -100):  # the requirements are old, still the same, then newer than the stamp
        (tmp_path / "requirements.txt").touch()
        changed = time.time() - age_s
        os.utime(tmp_path / "requirements.txt", (changed, changed))
        assert make(tmp_path, "migrate").returncode == 0
        calls = (tmp_path / "calls").read_text()
        installs.append(calls.count("pip install"))
        assert calls.splitlines()[-2:] == ["manage.py migrate --verbosity 0", "manage.py bootstrap"]
    assert installs == [1, 1, 2]


def run_tests(folder, env):
    (folder / "test_it.py").write_text(
        "import pytest\ndef test_good(): pass\ndef test_left_out(): pytest.skip('no browser here')\n"
    )
    (folder / "pytest.ini").write_text("[pytest]\n")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.conftest",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        folder,
        "-c",
        folder / "pytest.ini",
        folder,
    ]
    return subprocess.run(list(map(str, command)), cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)


def test_skipped_test_is_said_loudly(tmp_path, own_environment):
    result = run_tests(tmp_path, own_environment)
    assert result.returncode == 0
    assert "NOT TESTED: test_it.py::test_left_out" in result.stdout and "no browser here" in result.stdout


def test_skipped_test_fails_the_run_where_none_is_allowed(tmp_path, own_environment):
    result = run_tests(tmp_path, own_environment | {"DPMP_TEST_NO_SKIP": "1"})
    assert result.returncode == 1
    assert "1 failed, 1 passed" in result.stdout
    assert "test_left_out was skipped" in result.stdout and "no browser here" in result.stdout


def test_shell_script_of_the_checks_is_sound_bash():
    assert subprocess.run(["bash", "-n", ROOT / ".ci" / "run"], check=False).returncode == 0
