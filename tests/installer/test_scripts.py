"""The installer's scripts and the unit file by the tools made for checking them."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

INSTALLER = Path(__file__).resolve().parent.parent.parent / "installer"


def tool(name):
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    return name


def test_scripts_are_clean_for_shellcheck():
    scripts = sorted(path.name for path in INSTALLER.glob("*.sh"))
    done = subprocess.run([tool("shellcheck"), "-x", *scripts], cwd=INSTALLER, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", ["install.sh", "upgrade.sh", "uninstall.sh"])
def test_scripts_can_be_started(name):
    assert os.access(INSTALLER / name, os.X_OK)


def test_unit_file_is_right_for_systemd(tmp_path):
    version = tmp_path / "current"
    (version / ".venv" / "bin").mkdir(parents=True)
    (version / "README.md").touch()
    python = version / ".venv" / "bin" / "python"
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    unit = tmp_path / "dpmp.service"
    unit.write_text((INSTALLER / "dpmp.service").read_text().replace("@HOME@", str(tmp_path)))
    done = subprocess.run(
        [tool("systemd-analyze"), "verify", "--user", "--man=no", unit],
        capture_output=True,
        text=True,
        env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path)},
    )
    own = [line for line in done.stderr.splitlines() if "dpmp" in line]
    assert done.returncode == 0 and not own, done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root can try it as root")
@pytest.mark.parametrize("name", ["install.sh", "upgrade.sh", "uninstall.sh"])
def test_root_is_refused(name, tmp_path):
    done = subprocess.run(
        ["bash", INSTALLER / name],
        capture_output=True,
        text=True,
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
    )
    assert done.returncode == 1 and "Do not run this as root" in done.stderr and not list(tmp_path.iterdir())
