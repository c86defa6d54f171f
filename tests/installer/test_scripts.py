"""The installer's scripts and the unit file by the tools made for checking them."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from proxy.management.workers import DRAINED, STOP_S
from proxy.net.inherited import STRATUM, TLS, WEB
from proxy.node import DRAIN_S, NOTICED_S

MOST_EXPOSED = 28
"""Tenths of systemd's exposure level, from 0 (safe) to 100; a service without any of these lines has 96."""
INSTALLER = Path(__file__).resolve().parent.parent.parent / "installer"


def tool(name):
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    return name


def test_scripts_are_clean_for_shellcheck():
    scripts = sorted(path.name for path in INSTALLER.glob("*.sh"))
    done = subprocess.run([tool("shellcheck"), "-x", *scripts], cwd=INSTALLER, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["install.sh", "upgrade.sh", "uninstall.sh", "sockets.sh"])
def test_scripts_can_be_started(name):
    assert os.access(INSTALLER / name, os.X_OK)


@pytest.fixture
def units(tmp_path):
    """The unit files as the installer writes them."""
    python = tmp_path / "current" / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    (tmp_path / "current" / "README.md").touch()
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    for unit in (*INSTALLER.glob("*.service"), *INSTALLER.glob("*.socket")):
        text = unit.read_text().replace("@HOME@", str(tmp_path)).replace("@DATA@", f"{tmp_path}/data")
        (tmp_path / unit.name).write_text(text.replace("@ADDRESS@", "0.0.0.0:3351"))
    return tmp_path


@pytest.mark.parametrize("name", ["dpmp.service", "dpmp-stratum.socket", "dpmp-tls.socket", "dpmp-web.socket"])
def test_unit_file_is_right_for_systemd(units, name):
    done = subprocess.run(
        [tool("systemd-analyze"), "verify", "--user", "--man=no", units / name],
        capture_output=True,
        text=True,
        env=os.environ | {"XDG_RUNTIME_DIR": str(units), "HOME": str(units), "SYSTEMD_UNIT_PATH": f"{units}:"},
    )
    own = [line for line in done.stderr.splitlines() if "dpmp" in line]
    assert done.returncode == 0 and not own, done.stderr


def test_service_drains_by_the_lines_of_the_documents_and_stays_off_then(units):
    text = (units / "dpmp.service").read_text()
    assert f"RestartPreventExitStatus={DRAINED}\nSuccessExitStatus={DRAINED}\n" in text
    assert int(re.search("TimeoutStopSec=(.+)", text)[1]) > STOP_S > DRAIN_S + 2 * NOTICED_S + 30
    lines = re.search(r"```ini\n(.*?)```", (INSTALLER.parent / "docs" / "farm.md").read_text(), re.DOTALL)[1]
    assert "KillSignal=SIGUSR1" in lines
    (units / "dpmp.service.d").mkdir()
    (units / "dpmp.service.d" / "override.conf").write_text(lines)
    test_unit_file_is_right_for_systemd(units, "dpmp.service")


def test_service_is_hardened_and_stays_so(units):
    unit = units / "dpmp.service"
    # systemd-analyze looks at units of the system, which run as root unless they say otherwise. A user's own service
    # runs as the user, and without any capability.
    unit.write_text(unit.read_text().replace("[Service]", "[Service]\nUser=dpmp\nCapabilityBoundingSet="))
    done = subprocess.run(
        [tool("systemd-analyze"), "security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager", unit],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Overall exposure level" in done.stdout


def test_sockets_have_the_names_that_the_proxy_takes():
    names = [
        line.removeprefix("FileDescriptorName=")
        for unit in sorted(INSTALLER.glob("*.socket"))
        for line in unit.read_text().splitlines()
        if line.startswith("FileDescriptorName=")
    ]
    assert names == [STRATUM, TLS, WEB]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can try it as root")
@pytest.mark.parametrize("name", ["install.sh", "upgrade.sh", "uninstall.sh", "sockets.sh"])
def test_root_is_refused(name, tmp_path):
    done = subprocess.run(
        ["bash", INSTALLER / name],
        capture_output=True,
        text=True,
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
    )
    assert done.returncode == 1 and "Do not run this as root" in done.stderr and not list(tmp_path.iterdir())
