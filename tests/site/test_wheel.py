"""The wheel: it holds the product, and runs in an environment of its own without a checkout."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from proxy import VERSION

ROOT = Path(__file__).resolve().parent.parent.parent
PARTS = ("dashboard", "docs", "dpmp_site", "proxy", "templates")
FILES = ("LICENSE", "README.md", "manage.py", "pyproject.toml", "requirements.txt", "setup.py")
pytestmark = pytest.mark.slow
ASK = """
from django.test import Client
from dashboard import docs
client = Client(headers={"host": "localhost"})
print([client.get(path).status_code for path in ("/login/", "/static/dashboard/dashboard.css", "/healthz")])
print(len(docs.pages()))
"""


def run(*command: object, **more: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files(part: str) -> set[str]:
    """All below a folder, but what Python compiled."""
    found = (path for path in (ROOT / part).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT).as_posix() for path in found}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built in a copy, for building leaves files behind; without the network."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for name in PARTS:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, source / name)
    options = ("--no-deps", "--no-index", "--no-build-isolation", "--quiet", "--disable-pip-version-check")
    run(sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", built, source)
    return next(built.glob("*.whl"))


@pytest.mark.no_cover
def test_it_holds_every_file_of_the_product_and_no_other(wheel: Path) -> None:
    assert wheel.name == f"dpmp-{VERSION}-py3-none-any.whl"
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    wanted = {name for part in ("dashboard", "dpmp_site", "proxy") for name in files(part)}
    wanted |= {f"dpmp_site/{name}" for part in ("templates", "docs/monitoring") for name in files(part)}
    wanted |= {f"dpmp_site/docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    assert held == wanted


def test_it_runs_where_there_is_no_checkout(wheel: Path, tmp_path: Path, migrated: Path) -> None:
    home = tmp_path / "environment"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (packages / "those-of-the-tests.pth").write_text(sysconfig.get_path("purelib") + "\n")
    options = ("--no-deps", "--no-index", "--quiet", "--disable-pip-version-check")
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-compile", *options, wheel)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DPMP_", "DJANGO_", "PYTHON"))}
    there = {"cwd": tmp_path, "env": kept | {"XDG_DATA_HOME": str(tmp_path / "share")}}
    dpmp = home / "bin" / "dpmp"
    assert "--listen" in run(dpmp, "runproxy", "--help", **there)
    shutil.copytree(migrated, tmp_path / "share" / "dpmp", dirs_exist_ok=True)
    codes, documents = run(dpmp, "shell", "-v", "0", "-c", ASK, **there).split("\n")[:2]
    assert codes == "[200, 200, 200]"
    assert int(documents) == len(list((ROOT / "docs").glob("*.md")))
    doctor = subprocess.run([dpmp, "doctor"], capture_output=True, text=True, timeout=300, **there)
    assert f"DPMP {VERSION}" in doctor.stdout and "not installed" not in doctor.stdout, doctor.stdout + doctor.stderr
