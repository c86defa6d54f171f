"""A fresh user account with a release of DPMP in its home, and systemd replaced by a script that starts processes."""

import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.ports import steady_port

ROOT = Path(__file__).resolve().parent.parent.parent
USER = "dpmp-test"
PACKAGES = Path(sysconfig.get_path("purelib"))

# Stands for Python: makes "virtual environments" that borrow the packages of the one that runs the tests, so that an
# installation takes seconds. pip still looks at requirements.txt, and is not asked again about what it has found to be
# there: that would find nothing else, and takes a third of an installation.
PYTHON = """#!/bin/sh
if [ "$1 $2" = "-m venv" ]; then
    mkdir -p "$3/bin"
    cp "$0" "$3/bin/python"
    exit
fi
export PIP_BREAK_SYSTEM_PACKAGES=1 PIP_NO_INDEX=1 PIP_NO_CACHE_DIR=1
if [ "$1 $2" = "-m pip" ]; then
    asked=$(for word; do if [ -f "$word" ]; then cat "$word"; else echo "$word"; fi; done | cksum)
    grep -qxF "$asked" {answered} && exit
    PYTHONPATH={packages} {interpreter} "$@" || exit
    echo "$asked" >> {answered}
    exit
fi
PYTHONPATH={packages} exec {interpreter} "$@"
"""

# Stands for systemctl --user: knows one service, and runs what the unit file says.
SYSTEMCTL = """#!/bin/sh
echo "systemctl $*" >> "$HOME/calls"
unit="$HOME/.config/systemd/user/dpmp.service"
value() { sed -n "s/^$1=//p" "$unit"; }
stop() {
    [ -e "$HOME/pid" ] || return 0
    pid=$(cat "$HOME/pid")
    kill -TERM "$pid" 2>/dev/null
    for _ in $(seq 600); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    kill -KILL "$pid" 2>/dev/null
    rm -f "$HOME/pid"
}
start() {
    cd "$(value WorkingDirectory)" || exit 1
    export DPMP_DATA_DIR="$(value Environment | sed -n 's/^DPMP_DATA_DIR=//p')"
    unset DPMP_PYTHON DPMP_WAIT_S
    settings="$(value EnvironmentFile | sed 's/^-//')"
    if [ -r "$settings" ]; then set -a; . "$settings"; set +a; fi
    setsid $(value ExecStart) >> "$HOME/service.log" 2>&1 < /dev/null &
    echo $! > "$HOME/pid"
}
case "$2" in
    restart) stop; start ;;
    stop | disable) stop ;;
esac
exit 0
"""


class Account:
    """A user account; ``run`` runs the installer's scripts as that user."""

    def __init__(self, name: str, home: Path) -> None:
        self.name, self.home = name, home
        self.ports = [steady_port() for _ in range(3)]
        self.release = home / "release"
        self.dpmp = home / "dpmp"
        self.data = self.dpmp / "data"

    def write(self, path: Path, text: str, mode: int = 0o644) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        self.own(self.home)

    def own(self, path: Path) -> None:
        if os.getuid() == 0:
            subprocess.run(["chown", "-R", f"{self.name}:", path], check=True)

    def run(self, *command, **environment):
        prefix = ["runuser", "-u", self.name, "--"] if os.getuid() == 0 else []
        variables = {
            "HOME": str(self.home),
            "USER": self.name,
            "PATH": f"{self.home}/bin:/usr/bin:/bin",
            "DPMP_PYTHON": str(self.home / "bin" / "python-for-tests"),
            "DPMP_WAIT_S": "150",
            "LANG": "C.UTF-8",
            **environment,
        }
        words = [f"{name}={value}" for name, value in variables.items()]
        # Under nohup the tests' processes ignore SIGHUP, and a shell that began so cannot be told of it.
        return subprocess.run(
            [*prefix, "env", "--default-signal=HUP", "-i", *words, *map(str, command)],
            cwd=self.home,
            text=True,
            capture_output=True,
            timeout=600,
            stdin=subprocess.DEVNULL,
        )

    def script(self, name, *options, release=None, **environment):
        return self.run("bash", (release or self.release) / "installer" / name, *options, **environment)

    def install(self):
        done = self.script("install.sh", "--ports=" + ",".join(map(str, self.ports)))
        assert done.returncode == 0, done.stdout + done.stderr + self.log()
        return done

    def log(self):
        path = self.home / "service.log"
        return path.read_text()[-3000:] if path.exists() else ""

    def calls(self):
        path = self.home / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def stop(self):
        if (self.home / "pid").exists():
            self.run("systemctl", "--user", "stop", "dpmp.service")


def copy_release(target):
    """What a release archive holds: the tracked files' folders, without caches and data."""
    ignored = shutil.ignore_patterns("__pycache__", ".*", "data", "tests", "node_modules")
    for name in ("proxy", "dashboard", "dpmp_site", "templates", "installer", "docs"):
        shutil.copytree(ROOT / name, target / name, ignore=ignored)
    for name in ("manage.py", "requirements.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, target / name)


@pytest.fixture(scope="session")
def user():
    """A user account made for these tests, gone afterwards; where nobody can make one, the user who runs them."""
    if os.getuid() != 0:
        yield pwd.getpwuid(os.getuid()).pw_name
        return
    if shutil.which("useradd") is None or shutil.which("runuser") is None:
        pytest.skip("useradd or runuser is missing: the installer cannot be tried as another user")
    name = f"{USER}-{os.getpid()}"
    subprocess.run(["useradd", "--no-create-home", "--shell", "/bin/bash", name], check=True)
    yield name
    subprocess.run(["userdel", name], check=False)


@pytest.fixture(scope="session")
def interpreter(user):
    """A Python that this user may run, of the version whose packages are borrowed."""
    for path in (os.path.realpath(sys.executable), "/usr/bin/python3", "/usr/local/bin/python3"):
        command = ["env", f"PYTHONPATH={PACKAGES}", path, "-c", "import django, orjson, uvloop, venv, ensurepip"]
        prefix = ["runuser", "-u", user, "--"] if os.getuid() == 0 else []
        if subprocess.run([*prefix, *command], cwd="/", capture_output=True).returncode == 0:
            return path
    pytest.skip(f"no Python {sys.version_info.major}.{sys.version_info.minor} that another user may run")


@pytest.fixture(scope="session")
def answered(user):
    """A file of that user's that says which requirements pip has found to be there in this run."""
    with tempfile.NamedTemporaryFile(prefix="dpmp-answered-") as file:
        if os.getuid() == 0:
            shutil.chown(file.name, user)
        yield file.name


@contextmanager
def fresh_account(user, interpreter, answered):
    """A fresh home of that user, with a release in it; gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="dpmp-home-"))
    made = Account(user, home)
    try:
        copy_release(made.release)
        python = PYTHON.format(packages=PACKAGES, interpreter=interpreter, answered=answered)
        for name, text in (
            ("python-for-tests", python),
            ("systemctl", SYSTEMCTL),
            ("loginctl", '#!/bin/sh\necho "loginctl $*" >> "$HOME/calls"\n'),
        ):
            made.write(home / "bin" / name, text, 0o755)
        yield made
    finally:
        made.stop()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def account(user, interpreter, answered):
    """An account in which nothing is installed."""
    with fresh_account(user, interpreter, answered) as made:
        yield made


@pytest.fixture(scope="module")
def installed(user, interpreter, answered):
    """An account with a running installation, for tests that end with it as it was."""
    with fresh_account(user, interpreter, answered) as made:
        made.install()
        yield made
