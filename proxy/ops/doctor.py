"""Diagnoses an installation: what is wrong, and how to fix it. Changes nothing. Blocking."""

import errno
import importlib.metadata
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from asgiref.sync import async_to_sync
from django.conf import settings
from django.core import checks
from django.db import Error as DjangoError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from proxy import VERSION
from proxy.config.loader import load_snapshot
from proxy.config.snapshot import Tls
from proxy.errors import ConfigError, DPMPError
from proxy.models import Listener, ProxySettings
from proxy.net.capacity import free_memory, miners_that_fit, open_files_for, raise_open_files
from proxy.ops.check_pool import check_all
from proxy.ops.health import can_write
from proxy.ops.miner_certificate import certificate_problem, days_left
from proxy.ops.private_files import open_to_others
from proxy.ops.running import OPTIONS, read_running
from proxy.ops.socket_units import disagreements, unit_folder
from proxy.types import AdminStatus

ASK_S = 3.0
EXPIRES_SOON_DAYS = 14.0
LOW_DISK_BYTES = 500 * 1024 * 1024
EARLIEST = 1_750_000_000.0
"""June 2025: an earlier time is wrong."""
RESTORE = (
    "Stop the proxy, put dpmp.sqlite3 (and its -wal and -shm) aside, run: python manage.py migrate, and then: "
    "python manage.py restore FILE, with a file from the data directory's backups"
)
_PORTS = (("stratum", "Miners"), ("web", "Dashboard"), ("metrics", "Metrics"))


class Level(StrEnum):
    """Severity of a finding."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Result of one check."""

    topic: str
    level: Level
    text: str
    mend: str = ""
    """How to fix it; empty where nothing is to be done."""


def examine(*, network: bool = True) -> list[Finding]:
    """Run all checks; without ``network`` those of the pools are left out."""
    topics: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("versions", versions),
        ("files", files),
        ("database", database),
        ("system checks", system_checks),
        ("configuration", configuration),
        ("ports", ports),
        ("TLS for miners", miner_tls),
        ("open files", open_files),
        ("clock", clock),
    ]
    if network:
        topics.append(("pools", pools))
    return [finding for topic, check in topics for finding in _guarded(topic, check)]


def _guarded(topic: str, check: Callable[[], Iterator[Finding]]) -> Sequence[Finding]:
    found: list[Finding] = []
    try:
        found.extend(check())
    except DjangoError as error:
        found.append(
            _unreadable(error)
            if topic == "database"
            else _warn(topic, "Not looked at: the database cannot be read.", "See the line about the database.")
        )
    except (OSError, DPMPError) as error:
        found.append(
            _bad(
                topic,
                f"This could not be looked at: {error}.",
                "Is it a complete checkout or release, and may this user read it?",
            )
        )
    return found


def _unreadable(error: DjangoError) -> Finding:
    said = " ".join(str(error).split()).rstrip(".")
    if connection.vendor != "sqlite":
        mend = "Is its server running, and DPMP_DATABASE_URL right? Try: psql with the same address"
    elif any(words in said for words in ("malformed", "not a database", "corrupt")):
        mend = RESTORE
    elif "locked" in said:
        mend = "Another program holds it. Find it with: fuser -v dpmp.sqlite3, in the data directory"
    else:
        mend = "Look at the owner and the mode of the files in the data directory; then: python manage.py migrate"
    return _bad("database", f"It cannot be read: {said}.", mend)


def _ok(topic: str, text: str) -> Finding:
    return Finding(topic=topic, level=Level.OK, text=text)


def _warn(topic: str, text: str, mend: str) -> Finding:
    return Finding(topic=topic, level=Level.WARN, text=text, mend=mend)


def _bad(topic: str, text: str, mend: str) -> Finding:
    return Finding(topic=topic, level=Level.BAD, text=text, mend=mend)


def versions() -> Iterator[Finding]:
    """Python, and the packages of requirements.txt."""
    missing = []
    for line in _requirements():
        name = re.match(r"[A-Za-z0-9_.-]+", line)
        if name is None or ("win32" in line and platform.system() == "Windows"):
            continue
        try:
            importlib.metadata.version(name.group())
        except importlib.metadata.PackageNotFoundError:
            missing.append(name.group())
    about = f"DPMP {VERSION}, Python {platform.python_version()}, Django {importlib.metadata.version('django')}"
    if missing:
        yield _bad("versions", f"{about}; not installed: {', '.join(missing)}.", "Run: pip install -r requirements.txt")
    else:
        yield _ok("versions", f"{about}.")


def _requirements() -> list[str]:
    """Of a checkout, or those that a wheel names."""
    listed = Path(settings.BASE_DIR) / "requirements.txt"
    if settings.IN_CHECKOUT:
        return listed.read_text(encoding="utf-8").splitlines()
    return importlib.metadata.requires("dpmp") or []


def files() -> Iterator[Finding]:
    """The data directory is writable, private and has free space."""
    folder = Path(settings.DATA_DIR)
    if not os.access(folder, os.W_OK | os.X_OK):
        yield _bad("files", f"{folder} cannot be written.", f"Run: chown -R $(id -un) {folder}")
    free = shutil.disk_usage(folder).free
    text = f"{folder}, {free / 1024**3:.1f} GiB free"
    if free < LOW_DISK_BYTES:
        yield _warn("files", f"{text}.", "Make room: a full disk does not stop mining, but history is lost.")
    else:
        yield _ok("files", f"{text}.")
    yield _privacy(folder)


def _privacy(folder: Path) -> Finding:
    if still := open_to_others(folder):
        return _warn("files", f"Other users can get at {_names(still)}.", f"Run as its owner: chmod -R go-rwx {folder}")
    if settings.CLOSED_TO_OTHERS:
        return _ok("files", f"Other users could get at {_names(settings.CLOSED_TO_OTHERS)} until now; that is mended.")
    return _ok("files", "Only this user can read database, journal, logs and backups.")


def _names(paths: Sequence[Path]) -> str:
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return ", ".join(str(path) for path in paths[:3]) + more


def database() -> Iterator[Finding]:
    """Migrated, undamaged, writable."""
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if waiting:
        yield _bad("database", f"{len(waiting)} migrations are not applied.", "Run: python manage.py migrate")
        return
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            answer = cursor.execute("PRAGMA quick_check(1)").fetchone()[0]
        if answer != "ok":
            yield _bad("database", f"It is damaged: {answer}.", RESTORE)
            return
    if can_write():
        yield _ok("database", f"{connection.vendor}, migrated, writable{_size()}.")
    else:
        yield _bad(
            "database",
            "It cannot be written.",
            "Look at the free space, the owner of the files, and for other programs that hold it locked.",
        )


def _size() -> str:
    path = Path(str(connection.settings_dict["NAME"]))
    return f", {path.stat().st_size / 1024**2:.1f} MiB" if connection.vendor == "sqlite" and path.exists() else ""


def system_checks() -> Iterator[Finding]:
    """Messages of Django's and our own system checks."""
    found = [message for message in checks.run_checks() if not message.is_silenced()]
    for message in found:
        make = _bad if message.is_serious() else _warn
        yield make("system checks", f"{message.msg}", f"{message.hint or ''}")
    if not found:
        yield _ok("system checks", "Nothing to say.")


def configuration() -> Iterator[Finding]:
    """The proxy can use the configuration."""
    try:
        snapshot = load_snapshot()
    except ConfigError as error:
        for problem in error.problems:
            yield _bad("configuration", problem, "Change it in the admin; the proxy goes on with the one before.")
        return
    enabled = [key for key, pool in snapshot.pools.items() if pool.status is AdminStatus.ENABLED]
    if not enabled:
        yield _warn("configuration", "No pool is enabled: miners get no work.", "Add pools in the admin, under Pools.")
    else:
        yield _ok("configuration", f"{len(enabled)} pools, {len(snapshot.schedules)} schedules.")


def ports() -> Iterator[Finding]:
    """Each port is free or used by DPMP."""
    row, given = _settings()
    running = _ask(row, "/healthz") == "ok"
    if given:
        options = " ".join(
            f"{option} {given[f'{name}_host']}:{given[f'{name}_port']}"
            for name, option in OPTIONS.items()
            if f"{name}_host" in given and f"{name}_port" in given
        )
        yield _ok("ports", f"The running DPMP was started with {options}.")
    for name, who in _PORTS:
        if name == "metrics" and not row.metrics_enabled:
            continue
        host, port = getattr(row, f"{name}_host"), getattr(row, f"{name}_port")
        yield _port(who, host, port, running)
        if name == "stratum" and row.tls_port:
            yield _port("Miners with TLS", host, row.tls_port, running)
    for listener in Listener.objects.filter(enabled=True).exclude(port__in=[row.stratum_port, row.tls_port or 0]):
        yield _port(f"Listener {listener.name}", listener.host, listener.port, running)
    yield from _sockets(ProxySettings.load())
    if running:
        yield from _running(row)


def _sockets(row: ProxySettings) -> Iterator[Finding]:
    wanted = {
        "stratum": (row.stratum_host, row.stratum_port),
        "tls": (row.stratum_host, row.tls_port or 0),
        "web": (row.web_host, row.web_port),
    }
    for disagreement in disagreements(unit_folder(), wanted):
        yield _warn("ports", f"systemd's sockets: {disagreement}.", "Run installer/sockets.sh again.")


def _settings() -> tuple[ProxySettings, dict[str, str | int]]:
    """The settings as the running proxy uses them, and what its command line replaced; as saved where none answers."""
    given = read_running(Path(settings.DATA_DIR))
    if given:
        row = ProxySettings.load()
        for name, value in given.items():
            setattr(row, name, value)
        if _ask(row, "/healthz") == "ok":
            return row, given
    return ProxySettings.load(), {}


def _port(who: str, host: str, port: int, running: bool) -> Finding:
    problem = bind_problem(host, port)
    if problem is None:
        if running:
            return _warn(
                "ports",
                f"{who}: nothing listens on {host}:{port}, although DPMP runs.",
                "Restart the proxy: addresses and ports of Proxy settings are read when it starts.",
            )
        return _ok("ports", f"{who}: {host}:{port} is free.")
    if problem.errno == errno.EADDRINUSE and running:
        return _ok("ports", f"{who}: {host}:{port} is in use by the running DPMP, as far as can be seen.")
    if problem.errno == errno.EADDRINUSE:
        return _bad(
            "ports",
            f"{who}: another program listens on port {port}.",
            f"Find it with: ss -ltnp 'sport = :{port}' and stop it (a DPMP v2: systemctl --user disable --now "
            "dpmpv2 dpmpv2-nicegui), or choose another port in the admin, under Proxy settings.",
        )
    return _bad(
        "ports",
        f"{who}: {host}:{port} cannot be listened on: {problem.strerror}.",
        "Choose an address of this machine, or 0.0.0.0; ports below 1024 are root's.",
    )


def bind_problem(host: str, port: int) -> OSError | None:
    """The error of listening there; None if it works."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host.strip("[]"), port))
        except OSError as error:
            return error
    return None


def _running(row: ProxySettings) -> Iterator[Finding]:
    answer = _ask(row, "/readyz")
    try:
        parts = json.loads(answer)
        missing = [name for name in ("listening", "pool", "database") if not parts[name]]
    except (ValueError, RecursionError, KeyError, TypeError):
        missing = ["an answer at /readyz"]
    if missing:
        yield _warn(
            "running",
            f"DPMP runs, but is not ready. Missing: {', '.join(missing)}.",
            "See the lines about pools and database, and the log.",
        )
    else:
        yield _ok("running", "DPMP runs and is ready.")


def _ask(row: ProxySettings, path: str) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(row.web_host, row.web_host)
    return ask(f"http://{host}:{row.web_port}{path}")


def ask(url: str) -> str:
    """The body of the answer, also of a 503; empty without an answer."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=ASK_S) as answer:
            return str(answer.read(4096).decode("utf-8", "replace")).strip()
    except urllib.error.HTTPError as error:
        return error.read(4096).decode("utf-8", "replace").strip() if error.code == 503 else ""
    except (OSError, ValueError):
        return ""


def miner_tls() -> Iterator[Finding]:
    """The certificate for miners can be read, fits its key and is valid; nothing is said where TLS is off."""
    row = ProxySettings.load()
    if not row.tls_port:
        return
    problem = certificate_problem(row.tls_certificate, row.tls_key)
    if problem:
        mend = "Put it right, readable by the service's user: the proxy reads it again by itself; or see Proxy settings"
        yield _bad("TLS for miners", f"Miners cannot use TLS: {problem}.", mend)
        return
    days = days_left(row.tls_certificate)
    if days < EXPIRES_SOON_DAYS:
        yield _warn(
            "TLS for miners", f"The certificate expires in {days:.0f} days.", "Renew it; a restart is not needed."
        )
    else:
        yield _ok("TLS for miners", f"The certificate is valid for {days:.0f} days and fits its key.")


def open_files() -> Iterator[Finding]:
    """The limit suffices for the configured maximum of miners and their pool connections."""
    files, row = raise_open_files(), ProxySettings.load()
    try:
        pools = [pool for pool in load_snapshot().pools.values() if pool.status is AdminStatus.ENABLED]
    except ConfigError:
        pools = []
    fit = miners_that_fit(files, free_memory(), pools)
    if not row.max_sessions:
        yield _ok("open files", f"{files} allowed; with its memory this machine has room for {fit} miners.")
        return
    wanted = open_files_for(row.max_sessions, pools)
    text = f"{files} allowed; {row.max_sessions} miners would need {wanted}"
    if files < wanted:
        yield _warn(
            "open files",
            f"{text}.",
            f"For about {fit} miners it is enough. "
            f"For more: LimitNOFILE={wanted} in the service, or: ulimit -n {wanted}",
        )
    else:
        yield _ok("open files", f"{text}.")


def clock() -> Iterator[Finding]:
    """The time is plausible and synchronised."""
    if time.time() < EARLIEST:
        yield _bad(
            "clock",
            f"The clock shows {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC.",
            "Set it: TLS, schedules and logs depend on it. For example: sudo timedatectl set-ntp true",
        )
        return
    synchronised = _synchronised()
    if synchronised is False:
        yield _warn("clock", "No time server keeps the clock right.", "Run: sudo timedatectl set-ntp true")
    elif synchronised is None:
        yield _ok("clock", "Plausible; whether a time server keeps it is not known here.")
    else:
        yield _ok("clock", "Kept by a time server.")


def _synchronised() -> bool | None:
    tool = shutil.which("timedatectl")
    if tool is None:
        return None
    try:
        said = subprocess.run(
            [tool, "show", "--property=NTPSynchronized", "--value"],
            capture_output=True,
            text=True,
            timeout=ASK_S,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return {"yes": True, "no": False}.get(said)


def pools() -> Iterator[Finding]:
    """The connection test of each enabled pool."""
    snapshot = load_snapshot()
    chosen = [pool for pool in snapshot.pools.values() if pool.status is AdminStatus.ENABLED]
    for pool, report in zip(chosen, async_to_sync(check_all)(chosen), strict=True):
        if report.ok:
            yield _ok("pools", f"{pool.key} ({pool.label}): the handshake works.")
        else:
            yield _bad(
                "pools", f"{pool.key} ({pool.label}): {report.problem}", f"Run: python manage.py checkpool {pool.key}"
            )
        if any(endpoint.tls is Tls.INSECURE for endpoint in pool.endpoints):
            yield _warn(
                "pools",
                f"{pool.key}: the certificate is not checked.",
                "Choose TLS with a checked certificate where the pool has one.",
            )


def wait_until_listening(
    timeout_s: float, *, sleep: Callable[[float], None] = time.sleep, now: Callable[[], float] = time.monotonic
) -> str:
    """Wait until DPMP accepts miners and can write its database, whether or not a pool is up. An upgrade waits for it.

    Returns "", or what was missing at the end.
    """
    row, until = ProxySettings.load(), now() + timeout_s
    while True:
        answer = _ask(row, "/readyz")
        try:
            parts = json.loads(answer)
            missing = [name for name in ("listening", "database") if not parts[name]]
        except (ValueError, RecursionError, KeyError, TypeError):
            missing = ["an answer from the dashboard's port"]
        if not missing or now() >= until:
            return ", ".join(missing)
        sleep(0.5)
